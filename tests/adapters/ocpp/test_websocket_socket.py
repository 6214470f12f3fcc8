"""Messages are handed over as they came: in order, whole or in fragments, text or binary, and no faster than they are
taken."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from adapters.ocpp.transport import Admission, Binary, Handshake, Listener, Socket, SocketClosed
from adapters.ocpp.websocket import listen
from tests.kit.wait import until

TEXT, BINARY, CONTINUED, PING = 0x1, 0x2, 0x0, 0x9
HEAD = (
    b"GET /CS-1 HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def frame(kind: int, body: bytes, *, is_last: bool = True) -> bytes:
    """As a client sends it, under a mask of zeros."""
    size = len(body)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return bytes([kind | (0x80 if is_last else 0)]) + length + b"\0\0\0\0" + body


@asynccontextmanager
async def joined(handle: Callable[[Socket], Awaitable[None]]) -> AsyncIterator[asyncio.StreamWriter]:
    """A client's end; ``handle`` has the server's."""

    async def welcome(_: Handshake) -> Admission:
        return Admission(station_id="CS-1", subprotocol=None, is_admitted=True, security_profile=0)

    async def run(socket: Socket, _: Admission) -> None:
        await handle(socket)

    server = await listen(Listener(host="127.0.0.1", port=0), welcome, run)
    reader, writer = await asyncio.open_connection(*server.addresses()[0].split(":"))
    writer.write(HEAD)
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    yield writer
    writer.close()
    await server.close()


async def test_whole_and_fragmented_messages_keep_their_order() -> None:
    taken: list[bytes] = []
    ended: list[str] = []

    async def handle(socket: Socket) -> None:
        try:
            await socket.deliver(taken.append)
        except SocketClosed as closed:
            ended.append(str(closed))

    pieces = [
        frame(TEXT, b"one"),
        frame(TEXT, b"tw", is_last=False),
        frame(PING, b""),
        frame(CONTINUED, b"o"),
        frame(BINARY, b"three"),
        frame(BINARY, b"fo", is_last=False),
        frame(CONTINUED, b"ur"),
        frame(TEXT, b"five"),
        frame(TEXT, b"six"),
    ]
    wanted = [b"one", b"two", b"three", b"four", b"five", b"six"]
    async with joined(handle) as writer:
        writer.write(b"".join(pieces))
        await until(lambda: len(taken) == 6)
        assert taken == wanted
        for piece in pieces:  # each in a turn of its own
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        await until(lambda: len(taken) == 12)
        assert taken == wanted * 2
        assert [type(data) is Binary for data in taken[:6]] == [False, False, True, True, False, False]
    await until(lambda: ended)


async def test_nothing_is_taken_while_something_is_waited_for() -> None:
    taken: list[bytes] = []
    go_on = asyncio.Event()

    def take(data: bytes) -> Awaitable[object] | None:
        taken.append(data)
        return None if go_on.is_set() else go_on.wait()

    async def handle(socket: Socket) -> None:
        with pytest.raises(SocketClosed):
            await socket.deliver(take)  # type: ignore[arg-type]

    many = 400
    async with joined(handle) as writer:
        writer.write(frame(TEXT, b"first") + frame(TEXT, b"sec", is_last=False) + frame(CONTINUED, b"ond"))
        await until(lambda: taken == [b"first"])
        writer.write(frame(TEXT, b"x" * 60_000) * many)
        with pytest.raises(TimeoutError):  # the server does not read on: 24 MB are more than any buffer of a socket
            async with asyncio.timeout(0.2):
                await writer.drain()
        assert taken == [b"first"]
        go_on.set()
        await until(lambda: len(taken) == many + 2)
        assert taken[1] == b"second"


async def test_what_taking_raises_ends_the_delivery() -> None:
    raised: list[str] = []

    def take(_: bytes) -> None:
        raise ValueError("unfit")

    async def handle(socket: Socket) -> None:
        try:
            await socket.deliver(take)
        except ValueError as error:
            raised.append(str(error))

    async with joined(handle) as writer:
        writer.write(frame(TEXT, b"one"))
        await until(lambda: raised == ["unfit"])
