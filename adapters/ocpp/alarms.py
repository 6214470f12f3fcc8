"""What touches a station's security and the adapter itself has noticed, told to the operator."""

import asyncio
import math
from typing import Final

import structlog

from adapters.kit.manifest import Fact, Ports
from contracts.envelope import message_id
from contracts.messages import SecurityEventReported

TOLD_EVERY: Final = 600.0
"""Seconds between two tellings of one kind for one station: whatever it is, it will come again and again."""

logger = structlog.get_logger(__name__)


class Alarms:
    """Tells each kind for each station at most once in ``TOLD_EVERY``."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._told: dict[tuple[str, str], float] = {}
        """When it was last told, on the event loop's clock; as many of each kind as there are accounts at most."""

    async def tell(self, station_id: str, event: str, info: str) -> None:
        """Raises nothing: nobody is kept waiting, or sent away, where it cannot be told."""
        now = asyncio.get_running_loop().time()
        if now - self._told.get((station_id, event), -math.inf) < TOLD_EVERY:
            return
        self._told[station_id, event] = now
        at, network = self._ports.now(), self._ports.network
        message = SecurityEventReported(network=network, station_id=station_id, event=event, at=at, info=info)
        id = message_id("security", network, station_id, event, at.isoformat())
        try:
            await self._ports.facts.record([Fact(id=id, message=message, station_id=station_id, occurred_at=at)])
        except Exception as error:
            logger.error("a security event could not be told", station_id=station_id, error=type(error).__name__)
