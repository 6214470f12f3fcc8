"""One open connection of the ``websockets`` package, whichever side opened it, as a ``transport.Socket``."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from websockets.asyncio.connection import Connection
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from adapters.ocpp.transport import Binary, SocketClosed


class Kinds:
    """Mixed into a connection: remembers which messages are binary, and tells of pings."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.binaries: deque[int] = deque()
        """Which messages, counted from the first that came."""
        self.came = 0
        self.ping_told: Callable[[bytes], None] | None = None

    def process_event(self, event: Any) -> None:
        """Each event of the protocol, in the order of the wire."""
        if isinstance(event, Frame):
            if event.opcode is Opcode.BINARY:
                self.binaries.append(self.came)
            if event.opcode is Opcode.TEXT or event.opcode is Opcode.BINARY:
                self.came += 1
            elif event.opcode is Opcode.PING and self.ping_told is not None:
                self.ping_told(bytes(event.data))
        super().process_event(event)  # type: ignore[misc]


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

    async def receive(self) -> bytes:
        try:
            data = await self._connection.recv(decode=False)
        except ConnectionClosed as closed:
            raise self._closed(closed) from None
        binaries = self._kinds.binaries
        if binaries and binaries[0] == self._taken:
            binaries.popleft()
            data = Binary(data)
        self._taken += 1
        return data

    async def send(self, data: bytes) -> None:
        try:
            await self._connection.send(data, text=type(data) is not Binary)
        except ConnectionClosed as closed:
            raise self._closed(closed) from None

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
