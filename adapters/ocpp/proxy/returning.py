"""Stations that the hub serves while their central system is away go back to it once it answers again."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import structlog

from adapters.ocpp.proxy.door import ProxyDoor
from adapters.ocpp.proxy.settings import Upstream
from adapters.ocpp.station import RECONNECT, Station
from contracts.vocabulary import ConnectorStatus

EVERY: Final = 15.0
LONGEST: Final = 600.0
_CHARGING: Final = (ConnectorStatus.CHARGING, ConnectorStatus.SUSPENDED_EV, ConnectorStatus.SUSPENDED_EVSE)

logger = structlog.get_logger(__name__)


@dataclass(kw_only=True)
class Returning:
    """Sends them back by closing their connections (1012), at a moment when they do not charge: what began here ends
    here. One that comes back again, since only the port answered there, is left alone twice as long each time."""

    door: ProxyDoor
    stations: Callable[[], Iterable[Station]]
    has_open: Callable[[str], bool]
    """Whether a transaction of the station is known that has not ended."""
    every: float = EVERY
    _pauses: dict[str, tuple[float, float]] = field(default_factory=dict)
    """By station: not before this time, and the pause after that."""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(self.every)
            await self.look()

    async def look(self) -> None:
        """Once."""
        now = asyncio.get_running_loop().time()
        by_upstream: dict[str, tuple[Upstream, list[Station]]] = {}
        for station in tuple(self.stations()):
            upstream = self.door.upstream_of(station.id)
            if station.is_proxied or upstream is None or self._is_busy(station):
                continue
            if self._pauses.get(station.id, (0.0, 0.0))[0] <= now:
                by_upstream.setdefault(upstream.url, (upstream, []))[1].append(station)
        for upstream, waiting in by_upstream.values():
            if not await _answers(upstream):
                continue
            logger.info("stations go back to their central system", url=upstream.url, stations=len(waiting))
            for station in waiting:
                _, pause = self._pauses.get(station.id, (0.0, self.every))
                self._pauses[station.id] = now + pause, min(LONGEST, 2 * pause)
                with suppress(Exception):
                    await station.close(RECONNECT, "its central system is back")
        self._forget(now)

    def _is_busy(self, station: Station) -> bool:
        return self.has_open(station.id) or any(status in _CHARGING for status in station.statuses.values())

    def _forget(self, now: float) -> None:
        self._pauses = {name: kept for name, kept in self._pauses.items() if now - kept[0] < LONGEST}


async def _answers(upstream: Upstream) -> bool:
    parts = urlsplit(upstream.url)
    port = parts.port or (443 if parts.scheme == "wss" else 80)
    try:
        async with asyncio.timeout(5):
            _, writer = await asyncio.open_connection(parts.hostname, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
