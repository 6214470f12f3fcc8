"""A station and its central system, joined: what one sends the other gets, octet for octet, in order, at once.

A frame is sent on before anybody reads it; only the few octets at its head are looked at, and only where something of
ours may be on the way. Knows no payload.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from adapters.ocpp import frames
from adapters.ocpp.proxy.copies import Copies, Copy
from adapters.ocpp.proxy.heads import head
from adapters.ocpp.transport import Socket, SocketClosed

CALL_LASTS: Final = 60.0
"""Seconds after which a request of the central system does not count as open any more: it has timed out there."""
REMEMBERED: Final = 64
"""Ids of our requests whose answers, however late, are not for the central system; and requests of its own that its
station has not answered."""
_MAY_COME_BACK: Final = (None, 1001, 1011, 1012, 1013)
"""How one goes that only starts anew: the connection broke, going away, error, service restart, try again later."""
_SENDABLE: Final = frozenset({*range(1000, 1004), *range(1007, 1015)})
"""Close codes that may stand in a frame (RFC 6455, section 7.4)."""
_USUAL_ANSWER: Final = b"[3,"
"""How nearly all answers begin: no request does."""


class _FarEndGone(Exception):
    """The end that a frame was to go to."""

    def __init__(self, closed: SocketClosed) -> None:
        super().__init__(str(closed))
        self.closed = closed


class Foreign(Protocol):
    """Who answers about tokens that the central system does not know."""

    def takes_up(self, data: bytes) -> bool:
        """Whether a frame of the station is not to be sent on: it is answered here. Must not wait."""

    def takes_down(self, data: bytes) -> bool:
        """Whether a frame of the central system is not to be sent on as it is: another one will be sent for it."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended."""

    is_by_station: bool
    closed: SocketClosed


class Line:
    """The two ends. ``run`` it once."""

    def __init__(
        self,
        station: Socket,
        upstream: Socket,
        *,
        copies: Copies,
        now: Callable[[], datetime],
        hold_seconds: float,
        has_calls: bool,
    ) -> None:
        """``has_calls``: whether requests of ours may be put in between. ``hold_seconds``: how long a request of the
        central system waits at most for one of ours to be answered."""
        self.station = station
        self.upstream = upstream
        self.copies = copies
        self.foreign: Foreign | None = None
        self.heard: Callable[[], None] = lambda: None
        """Called with each frame of the station."""
        self.settle: Callable[[bytes], None] = lambda _: None
        """Called with each answer to a request of ours."""
        self.redial: Callable[[], Awaitable[Socket | None]] | None = None
        """Finds the central system again when it has gone; ``None`` when it does not come back. The station waits."""
        self.has_calls = has_calls
        self.held = 0
        """Frames of the central system that waited for an answer to us."""
        self._now = now
        self._hold_seconds = hold_seconds
        self._unsent: bytes | None = None
        self._theirs: dict[bytes, float] = {}
        self._ours: dict[bytes, None] = {}
        self._is_free = asyncio.Event()
        self._is_free.set()
        self._theirs_changed = asyncio.Event()

    async def run(self) -> Ended:
        """Until one end has gone; the other end is then closed with the same code and words."""
        try:
            while True:
                ended = await self._join()
                if ended is not None:
                    return ended
        finally:
            self.station.abort()
            self.upstream.abort()

    async def _join(self) -> Ended | None:
        """Until one end has gone; ``None``: the central system has been found again."""
        self.station.on_ping(lambda data: self._pass_ping(self.upstream, data))
        self.upstream.on_ping(lambda data: self._pass_ping(self.station, data))
        ways = [asyncio.ensure_future(self._up()), asyncio.ensure_future(self._down())]
        try:
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            ended = next(way for way in ways if way in done).result()
            if self.redial is None or ended.is_by_station or ended.closed.code not in _MAY_COME_BACK:
                await self._end(ended)
                return ended
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        self.upstream.abort()
        found = await self.redial()
        if found is None:
            await self._end(ended)
            return ended
        self.upstream = found
        self._theirs.clear()
        self._theirs_changed.set()
        return None

    async def _end(self, ended: Ended) -> None:
        """Closes the end that is left as the other one was closed."""
        left = self.upstream if ended.is_by_station else self.station
        code = ended.closed.code
        if code is None or not (code in _SENDABLE or 3000 <= code < 5000):
            # RFC 6455, section 7.1.5: without a closing frame there is no code, so none is made up
            if code is None:
                left.abort()
                return
            code = 1000
        await left.close(code, ended.closed.reason)

    # Requests of ours

    def is_theirs_open(self) -> bool:
        """Whether the station owes the central system an answer."""
        oldest = asyncio.get_running_loop().time() - CALL_LASTS
        while self._theirs:
            key, since = next(iter(self._theirs.items()))
            if since > oldest:
                return True
            del self._theirs[key]
        return False

    async def until_free(self) -> None:
        """Until the station owes the central system no answer. From its return on the turn is ours."""
        while self.is_theirs_open():
            self._theirs_changed.clear()
            try:
                async with asyncio.timeout(CALL_LASTS):
                    await self._theirs_changed.wait()
            except TimeoutError:
                continue
        self._is_free.clear()

    def mark_ours(self, frame_id: str) -> None:
        """An answer with this id is for us."""
        self._ours[frame_id.encode()] = None
        if len(self._ours) > REMEMBERED:
            del self._ours[next(iter(self._ours))]

    def release(self) -> None:
        """Our request was answered, or nobody waits for the answer any more."""
        self._is_free.set()

    # The two ways

    async def _up(self) -> Ended:
        try:
            if self._unsent is not None:
                await self._until_up(self.upstream.send(self._unsent), self._unsent)
            await self.station.deliver(self._take_up)
        except _FarEndGone as gone:
            return Ended(False, gone.closed)
        except SocketClosed as closed:
            return Ended(True, closed)
        raise AssertionError("a socket ends by SocketClosed")

    async def _down(self) -> Ended:
        try:
            await self.upstream.deliver(self._take_down)
        except _FarEndGone as gone:
            return Ended(True, gone.closed)
        except SocketClosed as closed:
            return Ended(False, closed)
        raise AssertionError("a socket ends by SocketClosed")

    def _take_up(self, data: bytes) -> Awaitable[None] | None:
        """See ``transport.Take``. A frame goes on in the same turn of the event loop in which it came."""
        self.heard()
        if self._is_looked_at(data):
            return None
        self._unsent = data
        pending = self.upstream.send_now(data)
        if pending is not None:
            return self._until_up(pending, data)
        self._unsent = None
        self.copies.put(Copy(True, data, self._now()))
        return None

    async def _until_up(self, pending: Awaitable[None], data: bytes) -> None:
        try:
            await pending
        except SocketClosed as closed:
            raise _FarEndGone(closed) from None
        self._unsent = None
        self.copies.put(Copy(True, data, self._now()))

    def _take_down(self, data: bytes) -> Awaitable[None] | None:
        """The same for the other way."""
        turn = self._take_turn(data) if self.has_calls else None
        return self._pass_down(data) if turn is None else self._down_later(turn, data)

    async def _down_later(self, turn: Awaitable[None], data: bytes) -> None:
        await turn
        pending = self._pass_down(data)
        if pending is not None:
            await pending

    def _pass_down(self, data: bytes) -> Awaitable[None] | None:
        if self.foreign is not None and self.foreign.takes_down(data):
            return None
        pending = self.station.send_now(data)
        if pending is not None:
            return self._until_down(pending, data)
        self.copies.put(Copy(False, data, self._now()))
        return None

    async def _until_down(self, pending: Awaitable[None], data: bytes) -> None:
        try:
            await pending
        except SocketClosed as closed:
            raise _FarEndGone(closed) from None
        self.copies.put(Copy(False, data, self._now()))

    def _is_looked_at(self, data: bytes) -> bool:
        """Whether a frame of the station is for us alone."""
        if self._ours or self._theirs:
            found = head(data)
            if found is not None and found.is_answer:
                if found.id in self._ours:
                    del self._ours[found.id]
                    self.settle(data)
                    return True
                if self._theirs.pop(found.id, None) is not None:
                    self._theirs_changed.set()
        return self.foreign is not None and self.foreign.takes_up(data)

    def _take_turn(self, data: bytes) -> Awaitable[None] | None:
        """OCPP 1.6 JSON, section 4.1.1: a request waits until the one before it was answered. Not for ever: a station
        that does not answer us must not be cut off from its own central system."""
        found = None if data.startswith(_USUAL_ANSWER) else head(data)
        if found is None or found.kind != frames.CALL:
            return None
        if not self._is_free.is_set():
            return self._wait_for_turn(found.id)
        self._mark_theirs(found.id)
        return None

    async def _wait_for_turn(self, frame_id: bytes) -> None:
        self.held += 1
        try:
            async with asyncio.timeout(self._hold_seconds):
                await self._is_free.wait()
        except TimeoutError:
            self._is_free.set()
        self._mark_theirs(frame_id)

    def _mark_theirs(self, frame_id: bytes) -> None:
        self._theirs.pop(frame_id, None)
        self._theirs[frame_id] = asyncio.get_running_loop().time()
        if len(self._theirs) > REMEMBERED:
            del self._theirs[next(iter(self._theirs))]

    @staticmethod
    def _pass_ping(other: Socket, data: bytes) -> None:
        async def pass_on() -> None:
            try:
                await other.pass_ping(data)
            except SocketClosed:
                return  # its own end tells

        task = asyncio.ensure_future(pass_on())
        _PINGS.add(task)
        task.add_done_callback(_PINGS.discard)


_PINGS: set[asyncio.Future[None]] = set()
"""Held until they are sent: the loop alone does not keep a task."""
