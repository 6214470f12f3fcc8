"""One connected station: reads, has every request answered in order, and carries our own requests, one at a time.

Knows frames and time limits; what a request means is the business of the ``Answerer`` it is given. The answerer never
awaits a call to the same station: the two directions do not wait for each other.
"""

import asyncio
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec
import structlog

from adapters.ocpp import frames
from adapters.ocpp.frames import Call, CallError, CallResult, Unreadable
from adapters.ocpp.limits import Bucket
from adapters.ocpp.transport import Admission, Socket, SocketClosed
from adapters.ocpp.waiting import Waiting
from contracts.vocabulary import ConnectorStatus

WAITING_REQUESTS: Final = 64
"""A station that asks faster than it is answered is read no further than this."""
TIMEOUTS_BEFORE_CLOSE: Final = 3
REMEMBERED_ANSWERS: Final = 4
_ANSWERS: Final = CallResult, CallError
LOGGED: Final = 10
"""Of each kind of deviation on a connection, then every thousandth."""
TRY_LATER: Final = 1013
"""Close code "try again later" (RFC 6455 registry)."""
RECONNECT: Final = 1012
"""Close code "service restart" (RFC 6455 registry): some stations never come back after a plain 1000."""

logger = structlog.get_logger(__name__)


class CallTimeout(TimeoutError):
    """The station did not answer a request of ours in time."""


class NotDurable(Exception):
    """What a station said could not be kept: it must not be answered, so that it says it again."""


class Request(msgspec.Struct, frozen=True):
    """One request of a station, with what the answerer needs beside it."""

    call: Call
    raw: bytes
    received_at: datetime
    number: int
    """Counts the requests of this connection."""
    reply: CallResult | CallError | None = None
    """What the operator's own central system answered to a station that goes through to it."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A CALLERROR instead of an answer."""

    code: str
    description: str


@dataclass(kw_only=True)
class Pace:
    """How a station is dealt with; shared by all of them."""

    messages_per_second: float = 20
    burst: float = 200
    call_seconds: float = 30
    settle_seconds: float = 1
    silent_seconds: float = 10
    """A station that reconnects without a word is sent commands after this."""
    pause_seconds: float = 0.25
    """Between two commands."""
    drain_seconds: float = 10
    """For the requests that were read before the connection ended."""


@dataclass(slots=True)
class _Liveness:
    """When something was heard or sent, on the event loop's clock."""

    opened: float
    heard: float
    has_spoken: bool = False
    answers_pings: bool = False
    sending_since: float | None = None
    pinged: float = 0.0


@dataclass(slots=True)
class _Told:
    """What of its deviations has been told, and when, on the event loop's clock."""

    kinds: int = 0
    total: int = 0
    at: float = 0.0


@dataclass(slots=True, eq=False)
class Station:
    """A station and its connection. ``run`` it once."""

    id: str
    epoch: int
    socket: Socket
    admission: Admission
    answer: "Answerer"
    now: Callable[[], datetime]
    pace: Pace
    is_admitted: bool
    protocol: str = "ocpp1.6"
    """The subprotocol that is spoken."""
    broken_frame: str = "FormationViolation"
    """See ``version.Version``."""
    knows_send: bool = False
    is_proxied: bool = False
    """Its requests are answered by the operator's own central system: what is answered here goes nowhere."""
    no_commands: str | None = None
    """Why requests of the hub are not let through to it."""
    statuses: dict[int, ConnectorStatus] = field(default_factory=dict)
    """The last word of each connector on this connection."""
    is_status_asked: bool = False
    """Whether it was asked for them."""
    memory: Any = None
    """What the protocol version keeps per connection."""
    deviations: Counter[str] = field(default_factory=Counter)
    """How often it strayed from the specification, by kind (``contracts.deviations``)."""
    told: _Told = field(default_factory=_Told)
    close_reason: str | None = None
    live: _Liveness = field(init=False)
    _ready: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _waiting: Waiting[tuple[Call | Unreadable, bytes, datetime] | None] = field(init=False)
    _pending: dict[str, asyncio.Future[CallResult | CallError]] = field(init=False, default_factory=dict)
    _turn: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)
    _answered: dict[str | int, tuple[int, bytes]] = field(init=False, default_factory=dict)
    _requests: int = field(init=False, default=0)
    _timeouts: int = field(init=False, default=0)
    _last_call: float = field(init=False, default=0.0)
    _is_over: bool = field(init=False, default=False)
    _is_settling: bool = field(init=False, default=False)
    """Its first request was answered."""
    _clock: Callable[[], float] = field(init=False)
    _bucket: Bucket = field(init=False)

    def __post_init__(self) -> None:
        self._clock = asyncio.get_running_loop().time
        self.live = _Liveness(self._clock(), self._clock())
        self._waiting = Waiting(WAITING_REQUESTS)
        self._bucket = Bucket(rate=self.pace.messages_per_second, burst=self.pace.burst)

    @property
    def is_over(self) -> bool:
        """The connection has ended or is being closed; what was read may still be worked on."""
        return self._is_over or self.close_reason is not None

    def count(self, deviation: str) -> bool:
        """Counts a deviation; true when it is worth a line in the log, which nobody can flood."""
        self.deviations[deviation] += 1
        number = self.deviations[deviation]
        return number <= LOGGED or number % 1000 == 0

    async def run(self) -> str:
        """Until the connection is over and everything read before has been dealt with. Returns how it ended."""
        answering = asyncio.create_task(self._answer_all())
        try:
            return await self._read_all()
        finally:
            self._end_calls()
            await self._finish(answering)

    def _end_calls(self) -> None:
        """Nobody answers any more."""
        self._is_over = True
        for future in self._pending.values():
            if not future.done():
                future.set_exception(SocketClosed("the station has gone"))
        self._pending.clear()

    async def call(self, action: str, payload: dict[str, Any], *, seconds: float) -> CallResult | CallError:
        """Sends a request and waits for its answer. One at a time; a late answer is dropped.

        Raises ``CallTimeout`` and ``SocketClosed``. Never await it while answering this same station.
        """
        loop = asyncio.get_running_loop()
        async with self._turn:
            await asyncio.sleep(max(0.0, self._last_call + self.pace.pause_seconds - loop.time()))
            await self._until_free(seconds)
            if self._is_over:
                raise SocketClosed("the station has gone")
            frame_id = self._new_id()
            future: asyncio.Future[CallResult | CallError] = loop.create_future()
            self._pending[frame_id] = future
            try:
                await self._until_sent(self.socket.send(frames.call(frame_id, action, payload)))
                async with asyncio.timeout(min(seconds, self.pace.call_seconds)):
                    answer = await future
            except TimeoutError:
                self._count_timeout(action)
                raise CallTimeout(f"{self.id} did not answer {action}") from None
            finally:
                self._pending.pop(frame_id, None)
                self._last_call = loop.time()
                self._call_is_over()
            self._timeouts = 0
            return answer

    async def _until_free(self, seconds: float) -> None:
        """Until the station is not asked by somebody else. Raises ``CallTimeout``."""

    def _new_id(self) -> str:
        return uuid.uuid4().hex

    def _call_is_over(self) -> None:
        """Somebody else may ask."""

    async def wait_until_ready(self) -> None:
        """Until commands may be sent: a moment after its first request was answered, or after a silence. Stations
        loop or drop the connection when they are spoken to while they boot."""
        remaining = self.live.opened + self.pace.silent_seconds - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(max(0.0, remaining)):
                await self._ready.wait()
        except TimeoutError:
            self._ready.set()

    async def close(self, code: int, reason: str) -> None:
        """Ends the connection; ``run`` returns ``reason``."""
        self.close_reason = self.close_reason or reason
        await self.socket.close(code, reason)

    async def shut_out(self, code: int, reason: str) -> None:
        """It is not one of ours any more."""
        await self.close(code, reason)

    def abort(self, reason: str) -> None:
        """Drops the connection; ``run`` returns ``reason``."""
        self.close_reason = self.close_reason or reason
        self.socket.abort()

    async def ping(self) -> None:
        """Asks whether somebody is there; the answer counts as a sign of life."""
        loop = asyncio.get_running_loop()
        self.live.pinged = loop.time()

        def heard() -> None:
            self.live.answers_pings = True
            self.live.heard = loop.time()

        await self.socket.ping(heard)

    async def _read_all(self) -> str:
        try:
            await self.socket.deliver(self._take)
        except SocketClosed as closed:
            return self.close_reason or str(closed)
        raise AssertionError("a socket ends by SocketClosed")

    def _take(self, data: bytes) -> Awaitable[None] | None:
        """See ``transport.Take``."""
        live = self.live
        live.heard = self._clock()
        live.has_spoken = True
        if self.close_reason is not None:
            return None  # being closed: only its closing frame is waited for, it will say the rest again
        pause = self._bucket.take()
        if pause:
            self.deviations["too fast"] += 1
            return self._take_later(data, pause)
        return self._sort(data)

    async def _take_later(self, data: bytes, pause: float) -> None:
        await asyncio.sleep(pause)
        pending = self._sort(data)
        if pending is not None:
            await pending

    def _sort(self, data: bytes) -> Awaitable[None] | None:
        frame = frames.parse(data)
        if isinstance(frame, _ANSWERS):
            self._settle(frame)
            return None
        return self._waiting.put((frame, data, self.now()))

    def _settle(self, frame: CallResult | CallError) -> None:
        future = self._pending.pop(str(frame.id), None)
        if future is None or future.done():
            self.deviations["answer nobody waits for"] += 1
            return
        future.set_result(frame)

    def _count_timeout(self, action: str) -> None:
        self._timeouts += 1
        logger.warning("station did not answer", station_id=self.id, action=action, in_a_row=self._timeouts)
        if self._timeouts >= TIMEOUTS_BEFORE_CLOSE:
            self.abort("does not answer commands")

    async def _finish(self, answering: asyncio.Task[None]) -> None:
        """Requests read before the end are still dealt with: a stop in them must not wait for the next connection."""
        try:
            async with asyncio.timeout(self.pace.drain_seconds):
                pending = self._waiting.put(None)
                if pending is not None:
                    await pending
                await asyncio.shield(answering)
        except TimeoutError:
            logger.warning("requests left unanswered at the end", station_id=self.id)
        finally:
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)

    async def _answer_all(self) -> None:
        while True:
            item = await self._waiting.take()
            if item is None:
                return
            frame, raw, received_at = item
            try:
                answer = await self._answer_one(frame, raw, received_at)
            except NotDurable as error:
                logger.error("station left unanswered, it must say it again", station_id=self.id, error=str(error))
                await self._turn_away()
                return
            if answer is None:
                continue
            try:
                pending = self.socket.send_now(answer)
                if pending is not None:
                    await self._until_sent(pending)
            except SocketClosed:
                continue  # what was read is still recorded; the station asks again
            if not self._is_settling:
                self._is_settling = True
                asyncio.get_running_loop().call_later(self.pace.settle_seconds, self._ready.set)

    async def _turn_away(self) -> None:
        """Closes, and forgets what else was read: it must not overtake what could not be kept."""
        closing = asyncio.create_task(self.close(TRY_LATER, "try again later"))
        while await self._waiting.take() is not None:
            self.deviations["dropped unanswered"] += 1
        await closing

    async def _answer_one(self, frame: Call | Unreadable, raw: bytes, received_at: datetime) -> bytes | None:
        if isinstance(frame, Unreadable):
            if self.count("unreadable"):
                logger.warning("unreadable frame", station_id=self.id, reason=frame.reason)
            if not frame.is_answerable:
                return None
            return frames.call_error(frame.id, self.broken_frame, frame.reason)
        for deviation in frame.deviations:
            self.deviations[f"frame: {deviation}"] += 1
        if not frame.wants_answer and not self.knows_send:
            self.deviations["message type of another version"] += 1
            return None
        # Of this process only, salted by Python: a station cannot make two frames look the same.
        digest = hash(raw)
        earlier = self._answered.get(frame.id)
        if earlier is not None and earlier[0] == digest and frame.action != "Heartbeat":
            self.deviations["repeated request"] += 1
            return earlier[1] if frame.wants_answer else None
        self._requests += 1
        outcome = await self.answer(self, Request(frame, raw, received_at, self._requests))
        if not frame.wants_answer:
            return None
        if isinstance(outcome, Refused):
            return frames.call_error(frame.id, outcome.code, outcome.description)
        answer = frames.call_result(frame.id, outcome)
        self._remember(frame.id, digest, answer)
        return answer

    def _remember(self, frame_id: str | int, digest: int, answer: bytes) -> None:
        self._answered.pop(frame_id, None)
        self._answered[frame_id] = (digest, answer)
        if len(self._answered) > REMEMBERED_ANSWERS:
            del self._answered[next(iter(self._answered))]

    async def _until_sent(self, pending: Awaitable[None]) -> None:
        """While it does not read, it is known since when."""
        live = self.live
        live.sending_since = self._clock()
        try:
            await pending
        finally:
            live.sending_since = None


Answerer = Callable[[Station, Request], Awaitable[dict[str, Any] | Refused]]
"""Answers a request. Raises ``NotDurable`` and nothing else; awaits nothing that this station must do first."""
