"""A socket without a network: implements ``transport.Socket``."""

import asyncio
from collections.abc import Awaitable, Callable

from adapters.ocpp.transport import SocketClosed, Take


class FakeSocket:
    """A test says ``hear`` what the station says, and reads ``sent``."""

    def __init__(self, *, answers_pings: bool = False, reads: bool = True) -> None:
        self.sent: list[bytes] = []
        self.pings = 0
        self.passed_pings: list[bytes] = []
        self.ping_told: Callable[[bytes], None] | None = None
        self.close_code: int | None = None
        self.was_aborted = False
        self._answers_pings = answers_pings
        self._reads = reads
        self._incoming: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._is_closed = asyncio.Event()

    def hear(self, *frames: bytes) -> None:
        for frame in frames:
            self._incoming.put_nowait(frame)

    def hang_up(self) -> None:
        self._incoming.put_nowait(None)

    @property
    def unread(self) -> int:
        return self._incoming.qsize()

    async def deliver(self, take: Take) -> None:
        while True:
            if self._is_closed.is_set():
                raise SocketClosed("closed by us")
            data = await self._incoming.get()
            if data is None:
                self._is_closed.set()
                raise SocketClosed("closed by the station (1000)")
            pending = take(data)
            if pending is not None:
                await pending

    async def send(self, data: bytes) -> None:
        if not self._reads:
            await self._is_closed.wait()
        if self._is_closed.is_set():
            raise SocketClosed("gone")
        self.sent.append(data)

    def send_now(self, data: bytes) -> Awaitable[None] | None:
        return self.send(data)

    async def ping(self, on_pong: Callable[[], None]) -> None:
        if self._is_closed.is_set():
            raise SocketClosed("gone")
        self.pings += 1
        if self._answers_pings:
            on_pong()

    async def pass_ping(self, data: bytes) -> None:
        if self._is_closed.is_set():
            raise SocketClosed("gone")
        self.passed_pings.append(data)

    def on_ping(self, told: Callable[[bytes], None]) -> None:
        self.ping_told = told

    async def close(self, code: int, reason: str) -> None:
        self.close_code = code
        self.hang_up()

    def abort(self) -> None:
        self.was_aborted = True
        self._is_closed.set()
        self.hang_up()
