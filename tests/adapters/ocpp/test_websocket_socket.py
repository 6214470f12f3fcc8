"""Messages are handed over as they came: in order, whole or in fragments, text or binary, and no faster than they are
taken."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.asyncio.connection import Connection
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side

from adapters.ocpp.transport import Admission, Binary, Handshake, Listener, Socket, SocketClosed
from adapters.ocpp.websocket import listen
from adapters.ocpp.websocket_socket import Kinds, WebSocket, text_frame
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
        assert isinstance(socket, WebSocket)
        request = socket._connection.request
        assert request is not None
        assert not list(request.headers.raw_items()), "a password may be among them"
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


class Joined(Kinds, Connection):
    """A connection without a socket."""


class FakeTransport(asyncio.Transport):
    def write(self, data: object) -> None:
        return None

    def is_closing(self) -> bool:
        return False

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        return None

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        return None

    def pause_reading(self) -> None:
        return None

    def resume_reading(self) -> None:
        return None


MESSAGES = st.lists(
    st.tuples(
        st.sampled_from([TEXT, TEXT, TEXT, BINARY, PING]),
        st.lists(st.binary(max_size=3) | st.integers(0, 300).map(lambda size: b"x" * size), min_size=1, max_size=3),
    ),
    max_size=8,
)


@given(
    st.sampled_from(Side),
    MESSAGES,
    st.lists(st.integers(0, 3000), max_size=12),
    st.booleans(),
    st.binary(min_size=4, max_size=4),
)
@example(Side.SERVER, [(TEXT, [frame(TEXT, b"a frame in a frame, from the first octet on")])], [6], False, bytes(4))
def test_however_the_stream_is_cut(
    side: Side, messages: list[tuple[int, list[bytes]]], cuts: list[int], is_by_frame: bool, mask: bytes
) -> None:
    """In pieces that are frames, and in pieces that are not."""
    pieces: list[bytes] = []
    wanted: list[tuple[bool, bytes]] = []
    for kind, bodies in messages:
        if kind == PING:
            pieces.append(sealed(PING, bodies[0][:100], is_last=True, side=side, mask=mask))
            continue
        wanted.append((kind == BINARY, b"".join(bodies)))
        for number, body in enumerate(bodies):
            is_last = number == len(bodies) - 1
            pieces.append(sealed(CONTINUED if number else kind, body, is_last=is_last, side=side, mask=mask))
    if not is_by_frame:
        stream = b"".join(pieces)
        ends = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
        pieces = [stream[start:end] for start, end in pairwise(ends)]

    async def play() -> list[tuple[bool, bytes]]:
        taken: list[tuple[bool, bytes]] = []
        connection = Joined(Protocol(side), max_queue=2, ping_interval=None)
        connection.connection_made(FakeTransport())
        socket = WebSocket(connection, far="the station")
        delivering = asyncio.create_task(
            socket.deliver(lambda data: taken.append((type(data) is Binary, bytes(data))))  # type: ignore[arg-type]
        )
        for piece in pieces:
            connection.data_received(piece)
            if cuts and cuts[0] % 2:
                await asyncio.sleep(0)
        for _ in range(40):
            await asyncio.sleep(0)
        delivering.cancel()
        await asyncio.gather(delivering, return_exceptions=True)
        return taken

    assert asyncio.run(play()) == wanted


def sealed(kind: int, body: bytes, *, is_last: bool, side: Side, mask: bytes) -> bytes:
    """A frame that goes to ``side``: masked where that is the server."""
    plain = frame(kind, body, is_last=is_last)
    start = len(plain) - len(body) - 4
    if side is Side.CLIENT:
        return bytes([plain[0], plain[1] & 0x7F]) + plain[2:start] + body
    return plain[:start] + mask + bytes(octet ^ mask[at % 4] for at, octet in enumerate(body))


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536])
def test_a_text_message_goes_out_as_the_package_writes_it(size: int) -> None:
    data = b"x" * size
    assert text_frame(data) == Frame(Opcode.TEXT, data).serialize(mask=False)
