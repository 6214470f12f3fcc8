"""One open connection of the ``websockets`` package, whichever side opened it, as a ``transport.Socket``.

Whole messages go past the package's queue of frames, which costs a turn of the event loop and half of the processor
time of receiving one; a message in fragments still goes through it. A text message that came alone, in one piece, goes
past its parser too, and one that a server sends past its writer. What is done here with insides of the package is of
its release 17.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from struct import Struct
from typing import Any, Final

from websockets.asyncio.connection import Connection
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side, State
from websockets.streams import StreamReader

try:
    from websockets.speedups import apply_mask
except ImportError:  # where nothing could be compiled
    from websockets.utils import apply_mask

from adapters.ocpp.transport import Binary, SocketClosed, Take

_WHOLE_TEXT: Final = 0x81
_SHORT: Final = tuple(bytes((_WHOLE_TEXT, size)) for size in range(126))
_LONG: Final = Struct("!BBH")
_LONGEST: Final = Struct("!BBQ")
_BETWEEN_FRAMES: Final = StreamReader.at_eof.__code__
MOST_WAITING: Final = 2
"""Whole messages that nobody has taken; with more, the other side is read no further."""


class Kinds:
    """Mixed into a connection: hands whole messages over as they come, remembers which messages are binary, and tells
    of pings."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.whole: deque[bytes] | None = None
        """Messages that came in one frame, behind nothing in fragments, while nobody took them. A deque of none is
        three quarters of a kilobyte, so there is one only while there are some."""
        self.binaries: deque[int] | None = None
        """Which messages of those in the package's queue, counted from the first, are binary."""
        self.came = 0
        self.ping_told: Callable[[bytes], None] | None = None
        self.take: Take | None = None
        """Who is handed whole messages, while nothing waits."""
        self.pending: Awaitable[None] | None = None
        """What it asked to be waited for."""
        self.failed: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._is_paused = False

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        text = whole_text(data, self._protocol())
        if text is None or not self._is_queue_free():
            super().data_received(data)  # type: ignore[misc]
        else:
            self._hand_over(text)

    def process_event(self, event: Any) -> None:
        """Each event of the protocol, in the order of the wire."""
        if isinstance(event, Frame):
            opcode = event.opcode
            if opcode is Opcode.TEXT or opcode is Opcode.BINARY:
                if event.fin and self._is_queue_free():
                    data = bytes(event.data)
                    self._hand_over(Binary(data) if opcode is Opcode.BINARY else data)
                    return
                if opcode is Opcode.BINARY:
                    self.binaries = self.binaries or deque()
                    self.binaries.append(self.came)
                self.came += 1
            elif opcode is Opcode.PING and self.ping_told is not None:
                self.ping_told(bytes(event.data))
        super().process_event(event)  # type: ignore[misc]
        self.wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        super().connection_lost(exc)  # type: ignore[misc]
        self.wake()

    def wake(self) -> None:
        """Something has come, or nothing will."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def until_woken(self) -> None:
        """Until ``wake``."""
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def give_up(self) -> None:
        """Nobody waits any more for what was to be waited for."""
        pending, self.pending = self.pending, None
        if isinstance(pending, Coroutine):
            pending.close()

    def next_whole(self) -> bytes:
        """The oldest of ``whole``, of which there must be some."""
        assert self.whole is not None
        data = self.whole.popleft()
        if not self.whole:
            self.whole = None
            self._resume()
        return data

    def _resume(self) -> None:
        messages = self._queue()
        if self._is_paused and not messages.paused:
            messages.resume()
        self._is_paused = False

    def has_queued(self) -> bool:
        """Whether the package's queue holds a message or its end."""
        messages = self._queue()
        return bool(messages.closed or len(messages.frames))

    def _hand_over(self, data: bytes) -> None:
        if self.take is None or self.whole:
            self.whole = self.whole or deque()
            self.whole.append(data)
            if len(self.whole) > MOST_WAITING and not self._is_paused:
                self._is_paused = True
                self._queue().pause()
            self.wake()
            return
        try:
            self.pending = self.take(data)
        except Exception as error:
            self.failed = error
        if self.pending is not None or self.failed is not None:
            self.take = None
            self.wake()

    def _is_queue_free(self) -> bool:
        messages = self._queue()
        return not messages.get_in_progress and not len(messages.frames)

    def _queue(self) -> Any:
        return self.recv_messages  # type: ignore[attr-defined]

    def _protocol(self) -> Protocol:
        return self.protocol  # type: ignore[attr-defined, no-any-return]


def whole_text(data: bytes, protocol: Protocol) -> bytes | None:
    """The message, where ``data`` is one text frame and nothing else, and ``protocol`` waits for the beginning of one;
    else ``None``: then it is the protocol's to read (RFC 6455, section 5.2)."""
    size = len(data)
    if size < 2 or data[0] != _WHOLE_TEXT:
        return None
    is_masked, length, start = data[1] >> 7, data[1] & 0x7F, 2
    if length == 126 and size >= 4:
        length, start = data[2] << 8 | data[3], 4
    if is_masked:
        start += 4
    limit = protocol.max_message_size
    if (
        start + length != size
        or is_masked != (protocol.side is Side.SERVER)
        or (limit is not None and length > limit)
        or protocol.state is not State.OPEN
        or protocol.current_size is not None
        or protocol.reader.buffer
        or protocol.extensions
        or not _is_between_frames(protocol.parser)
    ):
        return None
    return apply_mask(data[start:], data[start - 4 : start]) if is_masked else data[start:]


def text_frame(data: bytes) -> bytes:
    """A whole text message in one frame, as a server sends it: without a mask (RFC 6455, section 5.2).

    >>> text_frame(b"[3]")
    b'\x81\x03[3]'
    """
    size = len(data)
    if size < 126:
        return _SHORT[size] + data
    return (_LONG.pack(_WHOLE_TEXT, 126, size) if size < 65_536 else _LONGEST.pack(_WHOLE_TEXT, 127, size)) + data


def _is_between_frames(parser: Any) -> bool:
    while (inner := parser.gi_yieldfrom) is not None:
        parser = inner
    return parser.gi_code is _BETWEEN_FRAMES


class WebSocket:
    """Implements ``transport.Socket``."""

    __slots__ = ("_connection", "_far", "_kinds", "_taken")

    def __init__(self, connection: Connection, *, far: str) -> None:
        """``connection`` has ``Kinds`` mixed in. ``far``: who is at the other side, in words."""
        assert isinstance(connection, Kinds)
        self._connection: Connection = connection
        self._kinds: Kinds = connection
        self._far = far
        self._taken = 0

    async def deliver(self, take: Take) -> None:
        kinds = self._kinds
        try:
            while True:
                while kinds.whole or kinds.has_queued():
                    pending = take(kinds.next_whole() if kinds.whole else await self._queued())
                    if pending is not None:
                        await pending
                kinds.take = take
                await kinds.until_woken()
                kinds.take = None
                if kinds.failed is not None:
                    raise kinds.failed
                pending, kinds.pending = kinds.pending, None
                if pending is not None:
                    await pending
        finally:
            kinds.take = None
            kinds.give_up()

    async def _queued(self) -> bytes:
        """The next message of the package's queue."""
        try:
            data = await self._connection.recv(decode=False)
        except ConnectionClosed as closed:
            raise self._closed(closed) from None
        binaries = self._kinds.binaries
        if binaries and binaries[0] == self._taken:
            binaries.popleft()
            if not binaries:
                self._kinds.binaries = None
            data = Binary(data)
        self._taken += 1
        return data

    async def send(self, data: bytes) -> None:
        try:
            await self._connection.send(data, text=type(data) is not Binary)
        except ConnectionClosed as closed:
            raise self._closed(closed) from None

    def send_now(self, data: bytes) -> Awaitable[None] | None:
        connection = self._connection
        protocol = connection.protocol
        if (
            protocol.state is not State.OPEN
            or connection.paused
            or connection.send_in_progress is not None
            or connection.transport.is_closing()
        ):
            return self.send(data)
        is_binary = type(data) is Binary
        if not is_binary and protocol.side is Side.SERVER and not protocol.extensions and not protocol.writes:
            connection.transport.write(text_frame(data))
        else:
            (protocol.send_binary if is_binary else protocol.send_text)(data)
            connection.send_data()
        return self._until_read() if connection.paused else None

    async def _until_read(self) -> None:
        """Until the other side has read most of what was sent."""
        connection = self._connection
        try:
            await connection.drain()
        except OSError as error:
            connection.set_connection_exc(error)
            connection.transport.abort()
            await asyncio.shield(connection.connection_lost_waiter)
            raise self._closed(connection.close_exc) from None

    async def ping(self, on_pong: Callable[[], None]) -> None:
        try:
            answered = await self._connection.ping()
        except ConnectionClosed as closed:
            raise self._closed(closed) from None

        def tell(future: asyncio.Future[float]) -> None:
            if not future.cancelled() and future.exception() is None:
                on_pong()

        asyncio.ensure_future(answered).add_done_callback(tell)

    async def pass_ping(self, data: bytes) -> None:
        try:
            async with self._connection.send_context():
                self._connection.protocol.send_ping(data)
        except ConnectionClosed as closed:
            raise self._closed(closed) from None

    def on_ping(self, told: Callable[[bytes], None]) -> None:
        self._kinds.ping_told = told

    async def close(self, code: int, reason: str) -> None:
        await self._connection.close(code, reason[:120])

    def abort(self) -> None:
        self._connection.transport.abort()

    def _closed(self, closed: ConnectionClosed) -> SocketClosed:
        """Such as ``closed by the station (1000)``."""
        if closed.rcvd is not None and (closed.sent is None or closed.rcvd_then_sent):
            code = int(closed.rcvd.code)
            return SocketClosed(f"closed by {self._far} ({code})", code=code, reason=closed.rcvd.reason)
        if closed.sent is not None:
            return SocketClosed(f"closed by us ({int(closed.sent.code)})", code=int(closed.sent.code))
        return SocketClosed("connection lost")
