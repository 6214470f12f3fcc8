"""The way of frames to those who look at them later: straight to the bus, without the spool, since nothing hangs on
them."""

import itertools
from collections.abc import Callable, Sequence
from datetime import datetime

from contracts.bus.port import Bus
from contracts.envelope import message_id, wrap
from contracts.messages import FramesSeen
from contracts.topics import WIRE


class Wire:
    """Implements ``manifest.Wire``."""

    def __init__(self, bus: Bus, *, instance: str, now: Callable[[], datetime]) -> None:
        self._bus = bus
        self._source = f"adapter:{instance}"
        self._now = now
        self._numbers = itertools.count(1)
        self._started = now().isoformat()

    async def tell(self, seen: Sequence[FramesSeen]) -> None:
        now = self._now()
        envelopes = []
        for message in seen:
            number = next(self._numbers)
            id = message_id("wire", self._source, self._started, number)
            envelopes.append(
                wrap(
                    message,
                    id=id,
                    subject=f"{message.network}/{message.station_id}",
                    sequence=number,
                    occurred_at=now,
                    recorded_at=now,
                    correlation_id=id,
                    source=self._source,
                )
            )
        await self._bus.publish(WIRE, envelopes)
