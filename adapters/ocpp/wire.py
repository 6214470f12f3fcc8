"""The wire log: a copy of every frame of every station, both ways, put aside where it passes and told later.

Putting aside costs a frame less than a microsecond and never waits. When what waits is too much, frames are not kept
and counted as missed; no station notices.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from time import time
from typing import Final

import structlog

from adapters.kit.manifest import Wire
from adapters.ocpp.transport import Admission, Handle, Socket, Take
from contracts.masking import masked
from contracts.messages import FramesSeen
from contracts.messages.wire import WireFrame

MOST_OCTETS: Final = 8 * 1024 * 1024
"""That wait to be told."""
LONGEST: Final = 16_384
"""Characters that are kept of one frame."""
LARGEST: Final = 65_536
"""Octets of a frame that is looked at."""
TELL_EVERY: Final = 1.0
AT_ONCE: Final = 50
"""Frames that are masked before others get their turn: a millisecond or so."""
MOST_FRAMES: Final = 200
MOST_CHARACTERS: Final = 140_000
"""Of one message: even if each is written as an escape of six octets, every bus takes it. One that is too large would
cost all stations the frames that are told together with it."""
_OVERHEAD: Final = 200
OF_STRANGERS: Final = 10
"""Stations that nobody has bound get this part of ``MOST_OCTETS``, beside it."""

logger = structlog.get_logger(__name__)


class WireLog:
    """Of this instance."""

    def __init__(
        self,
        sink: Wire,
        network: str,
        *,
        is_known: Callable[[str], bool] = lambda _: True,
        clock: Callable[[], float] = time,
    ) -> None:
        """``is_known``: whether somebody has bound the station. All others share a small part of the room."""
        self._sink = sink
        self._network = network
        self._clock = clock
        self._waiting: deque[tuple[str, bool, float, bytes]] = deque()
        self._is_known = is_known
        self._octets = 0
        self._strangers_octets = 0
        self._missed: dict[str, int] = {}

    def note(self, station_id: str, is_from_station: bool, data: bytes) -> None:
        """Puts a frame aside. Never waits, never raises."""
        size = len(data) + _OVERHEAD
        if not self._has_room(station_id, size):
            self._missed[station_id] = self._missed.get(station_id, 0) + 1
            return
        self._waiting.append((station_id, is_from_station, self._clock(), data))

    def _has_room(self, station_id: str, size: int) -> bool:
        """Takes it, if there is enough."""
        if self._is_known(station_id):
            if self._octets + size > MOST_OCTETS:
                return False
            self._octets += size
        else:
            if self._strangers_octets + size > MOST_OCTETS // OF_STRANGERS:
                return False
            self._strangers_octets += size
        return True

    def listening(self, handle: Handle) -> Handle:
        """``handle``, on sockets whose frames are put aside."""

        async def tapped(socket: Socket, admission: Admission) -> None:
            await handle(TappedSocket(socket, self, admission.station_id), admission)

        return tapped

    async def run(self) -> None:
        """Tells what was put aside until cancelled."""
        while True:
            await asyncio.sleep(TELL_EVERY)
            await self.flush()

    async def flush(self) -> None:
        """Tells it now. What cannot be told is counted as missed: nobody waits for the bus."""
        taken, self._waiting = self._waiting, deque()
        missed, self._missed = self._missed, {}
        self._octets = self._strangers_octets = 0
        frames: dict[str, list[WireFrame]] = {station_id: [] for station_id in missed}
        for number, (station_id, is_from_station, at, data) in enumerate(taken, 1):
            frames.setdefault(station_id, []).append(_frame(is_from_station, at, data))
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
        seen = [
            FramesSeen(
                network=self._network,
                station_id=station_id,
                frames=tuple(some),
                missed=missed.get(station_id, 0) if number == 0 else 0,
            )
            for station_id, each in frames.items()
            for number, some in enumerate(_parcels(each))
        ]
        if not seen:
            return
        try:
            await self._sink.tell(seen)
        except Exception as error:
            logger.warning("frames are not kept", frames=len(taken), reason=type(error).__name__)
            for message in seen:
                lost = self._missed.get(message.station_id, 0)
                self._missed[message.station_id] = lost + len(message.frames) + message.missed


def _parcels(frames: Sequence[WireFrame]) -> Iterator[list[WireFrame]]:
    """In their order, as many as one message takes; one without any where there are none."""
    some: list[WireFrame] = []
    size = 0
    for frame in frames:
        if some and (len(some) == MOST_FRAMES or size + len(frame.text) > MOST_CHARACTERS):
            yield some
            some, size = [], 0
        some.append(frame)
        size += len(frame.text)
    yield some


def _frame(is_from_station: bool, at: float, data: bytes) -> WireFrame:
    text = masked(data) if len(data) <= LARGEST else f"({len(data)} octets: too many to keep)"
    return WireFrame(
        at=datetime.fromtimestamp(at, UTC), is_from_station=is_from_station, text=text[:LONGEST], octets=len(data)
    )


class TappedSocket:
    """A ``transport.Socket`` whose frames are put aside as they pass."""

    __slots__ = ("_log", "_socket", "_station_id", "abort", "close", "on_ping", "pass_ping", "ping")

    def __init__(self, socket: Socket, log: WireLog, station_id: str) -> None:
        self._socket = socket
        self._log = log
        self._station_id = station_id
        self.ping = socket.ping
        self.pass_ping = socket.pass_ping
        self.on_ping = socket.on_ping
        self.close = socket.close
        self.abort = socket.abort

    async def deliver(self, take: Take) -> None:
        def noted(data: bytes) -> Awaitable[None] | None:
            self._log.note(self._station_id, True, data)
            return take(data)

        await self._socket.deliver(noted)

    async def send(self, data: bytes) -> None:
        self._log.note(self._station_id, False, data)
        await self._socket.send(data)

    def send_now(self, data: bytes) -> Awaitable[None] | None:
        self._log.note(self._station_id, False, data)
        return self._socket.send_now(data)
