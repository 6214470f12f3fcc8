"""Clients that send slowly, too much, or so that it can be read in two ways, on a socket of the hub's own server."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from roaming.cli.http import http
from roaming.cli.http_limits import LimitedHttp
from tests.kit.hub_in_process import HubInProcess, hub_in_process
from tests.kit.ocpi_bodies import location, token
from tests.kit.server_process import free_port

MEBIBYTE = 1024 * 1024
QUICKLY = 0.3
"""Seconds, where the test waits for a deadline."""


@dataclass
class Door:
    """Where the hub listens, and what an honest partner sends."""

    port: int
    hub: HubInProcess
    open: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def token(self) -> str:
        return f"Authorization: Token {self.hub.tokens['aaa']}"

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.open.append(writer)
        return reader, writer

    async def say(self, *parts: bytes) -> list[tuple[int, bytes]]:
        """Sends ``parts`` over one connection and reads until the hub closes it."""
        reader, writer = await self.connect()
        with suppress(ConnectionError):
            for part in parts:
                writer.write(part)
                await writer.drain()
        return answers(await read_to_the_end(reader))

    async def ask(self) -> int:
        """An honest request."""
        ((status, _),) = await self.say(request("GET", "/ocpi/versions", self.token, "Connection: close"))
        return status


def request(method: str, path: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: hub.test", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


async def read_to_the_end(reader: asyncio.StreamReader) -> bytes:
    found = b""
    with suppress(ConnectionError):
        while chunk := await reader.read(MEBIBYTE):
            found += chunk
    return found


def answers(data: bytes) -> list[tuple[int, bytes]]:
    """HTTP status and body of each."""
    found = []
    while data:
        head, _, rest = data.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        length = int(fields[b"content-length"])
        found.append((int(head.split(b" ", 2)[1]), rest[:length]))
        data = rest[length:]
    return found


def check_refused(answer: tuple[int, bytes], status: int) -> None:
    envelope = json.loads(answer[1])
    assert (answer[0], envelope["status_code"]) == (status, 2000), answer
    assert envelope["status_message"]
    assert envelope["timestamp"].endswith("Z")


@pytest.fixture
async def door(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Door]:
    async with open_door(sqlite_url, tmp_path) as opened:
        yield opened


@asynccontextmanager
async def open_door(database_url: str, folder: Path) -> AsyncIterator[Door]:
    port = free_port()
    async with hub_in_process(database_url, folder, port=port) as hub, http(hub.settings, hub.services, hub.app):
        opened = Door(port, hub)
        yield opened
        for writer in opened.open:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LimitedHttp, "receive_seconds", QUICKLY)


class TestSlowClients:
    pytestmark = pytest.mark.usefixtures("impatient")

    async def drip(self, door: Door, begin: bytes) -> list[tuple[int, bytes]]:
        """A byte now and then, as long as somebody listens."""
        reader, writer = await door.connect()
        writer.write(begin)
        reading = asyncio.create_task(read_to_the_end(reader))
        with suppress(ConnectionError):
            while not (await asyncio.wait([reading], timeout=QUICKLY / 4))[0]:
                writer.write(b"a")
        return answers(await reading)

    async def test_a_connection_that_asks_nothing_is_closed(self, door: Door) -> None:
        assert await door.say() == []
        assert await door.say(b"\r\n\r\n") == []

    async def test_a_head_that_drips_is_cut(self, door: Door) -> None:
        (answer,) = await self.drip(door, b"GET /ocpi/versions HTTP/1.1\r\nX-Slow: ")
        check_refused(answer, 408)

    async def test_a_body_that_drips_is_cut(self, door: Door) -> None:
        head = request("PUT", "/ocpi/2.2.1/receiver/tokens/DE/AAA/T1", door.token, "Content-Length: 100000")
        (answer,) = await self.drip(door, head + b'{"uid":"')
        check_refused(answer, 408)
        assert (await door.hub.call("aaa", "GET", "/2.2.1/receiver/tokens/DE/AAA/T1")).http_status == 404

    async def test_chunks_that_drip_are_cut(self, door: Door) -> None:
        head = request("PUT", "/ocpi/2.2.1/receiver/tokens/DE/AAA/T1", door.token, "Transfer-Encoding: chunked")
        (answer,) = await self.drip(door, head + b"ff\r\n")
        check_refused(answer, 408)

    async def test_a_second_request_has_its_own_time(self, door: Door) -> None:
        first, second = await self.drip(
            door, request("GET", "/ocpi/versions", door.token) + b"\r\n\r\nGET /ocpi/versions HTTP/1.1\r\nX: "
        )
        assert first[0] == 200
        check_refused(second, 408)

    async def test_line_ends_do_not_keep_a_connection(self, door: Door) -> None:
        reader, writer = await door.connect()
        writer.write(request("GET", "/ocpi/versions", door.token))
        reading = asyncio.create_task(read_to_the_end(reader))
        with suppress(ConnectionError):
            while not (await asyncio.wait([reading], timeout=QUICKLY / 4))[0]:
                writer.write(b"\r\n")
        assert [status for status, _ in answers(await reading)] in ([200], [200, 408])

    async def test_two_hundred_of_them_hold_up_nobody(self, door: Door) -> None:
        slow = [
            asyncio.create_task(self.drip(door, b"POST /ocpi/2.2.1/credentials HTTP/1.1\r\nA:")) for _ in range(200)
        ]
        for _ in range(20):
            assert await door.ask() == 200
        for told in await asyncio.gather(*slow):
            check_refused(told[0], 408)

    async def test_who_takes_no_answer_is_cut(self, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(LimitedHttp, "stalled_seconds", QUICKLY)
        for number in range(40):
            await door.hub.host_location(f"L{number}", name="x" * 200)
        reader, writer = await door.connect()
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        lost = asyncio.get_running_loop().create_future()
        asks = request("GET", "/ocpi/2.2.1/sender/locations", door.token)

        async def go_on() -> None:
            with suppress(ConnectionError):
                while True:
                    writer.write(asks * 50)
                    await writer.drain()
            lost.set_result(None)

        asking = asyncio.create_task(go_on())
        await asyncio.wait_for(lost, 30)
        await asking
        assert await door.ask() == 200


class TestHeads:
    @pytest.mark.parametrize(
        "parts",
        [
            [b"GET /ocpi/versions HTTP/1.1\r\nX-Long: " + b"a" * 40_000 + b"\r\n\r\n"],
            [b"GET /ocpi/versions HTTP/1.1\r\nX-Long: ", *[b"a" * 10_000] * 200],
            [b"GET /ocpi/versions HTTP/1.1\r\n" + b"a" * 40_000 + b": b\r\n\r\n"],
            [b"GET /ocpi/versions HTTP/1.1\r\n" + b"X: y\r\n" * 101 + b"\r\n"],
            [b"GET /ocpi/versions HTTP/1.1\r\n", *[b"X: y\r\n"] * 110],
            [b"GET /ocpi/versions?" + b"a" * 40_000 + b" HTTP/1.1\r\n\r\n"],
            [b"GET /ocpi/versions?", *[b"a" * 10_000] * 200],
            [b"\r\n" * 20_000, b"\r\n" * 20_000],
        ],
    )
    async def test_too_large_a_head_is_refused(self, door: Door, parts: list[bytes]) -> None:
        told = await door.say(*parts)
        check_refused(told[0], 431)
        assert len(told) == 1
        assert await door.ask() == 200

    async def test_trailers_count_too(self, door: Door) -> None:
        head = request("PUT", "/ocpi/2.2.1/receiver/tokens/DE/AAA/T1", door.token, "Transfer-Encoding: chunked")
        told = await door.say(head + b"2\r\n{}\r\n0\r\n" + b"X: y\r\n" * 200 + b"\r\n")
        check_refused(told[0], 431)
        assert len(told) == 1

    async def test_as_much_as_any_honest_client_sends_is_taken(self, door: Door) -> None:
        more = [f"X-{number}: {'v' * 300}" for number in range(80)]
        ((status, _),) = await door.say(request("GET", "/ocpi/versions", door.token, "Connection: close", *more))
        assert status == 200


class TestBodies:
    async def test_a_body_without_end_is_left(self, door: Door) -> None:
        reader, writer = await door.connect()
        head = request("PUT", "/ocpi/2.2.1/receiver/tokens/DE/AAA/T1", door.token, "Transfer-Encoding: chunked")
        writer.write(head)
        chunk = b"%x\r\n" % 65536 + b"x" * 65536 + b"\r\n"
        reading, sent = asyncio.create_task(reader.readuntil(b"}")), 0
        while not reading.done():
            writer.write(chunk)
            sent += len(chunk)
            await writer.drain()
        check_refused(answers(await reading)[0], 413)
        assert sent < 32 * MEBIBYTE, "what a socket holds, and no more"

    async def test_a_declared_length_is_enough_to_be_refused(self, door: Door) -> None:
        head = request("PUT", "/ocpi/2.2.1/receiver/tokens/DE/AAA/T1", door.token, f"Content-Length: {200 * MEBIBYTE}")
        reader, writer = await door.connect()
        writer.write(head)
        check_refused(answers(await reader.readuntil(b"}"))[0], 413)

    @pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "identity, gzip"])
    async def test_a_compressed_body_is_never_inflated(self, door: Door, encoding: str) -> None:
        bomb = gzip.compress(json.dumps(token()).encode() + b" " * 64 * MEBIBYTE)
        head = [door.token, f"Content-Encoding: {encoding}", f"Content-Length: {len(bomb)}", "Connection: close"]
        path = "/ocpi/2.2.1/receiver/tokens/DE/AAA/TOKEN1"
        (answer,) = await door.say(request("PUT", path, *head, body=bomb))
        check_refused(answer, 400)


HIDDEN = b"GET /ocpi/versions HTTP/1.1\r\nHost: hub.test\r\nX-Request-ID: hidden\r\n%s\r\nConnection: close\r\n\r\n"
"""A request that a proxy in front would take for a part of the body."""
CHUNKED = "Transfer-Encoding: chunked"
TWO_WAYS: dict[str, tuple[list[str], bytes]] = {
    "CL.TE": (["Content-Length: {all}", CHUNKED], b"0\r\n\r\n"),
    "TE.CL": ([CHUNKED, "Content-Length: 4"], b"5c\r\n\r\n0\r\n\r\n"),
    "two lengths": (["Content-Length: 0", "Content-Length: {all}"], b""),
    "two equal lengths": (["Content-Length: {all}", "Content-Length: {all}"], b""),
    "a list of lengths": (["Content-Length: 0, {all}"], b""),
    "a signed length": (["Content-Length: +0"], b""),
    "a length with a space": (["Content-Length: 0 0"], b""),
    "a hexadecimal length": (["Content-Length: 0x0"], b""),
    "a length that overflows": (["Content-Length: 18446744073709551616"], b""),
    "a space before the colon": (["Transfer-Encoding : chunked", "Content-Length: {all}"], b"0\r\n\r\n"),
    "a tab before the colon": (["Transfer-Encoding\t: chunked", "Content-Length: {all}"], b"0\r\n\r\n"),
    "a folded header": (["X: a\r\n Transfer-Encoding: chunked", "Content-Length: 0"], b""),
    "chunked twice": ([CHUNKED, CHUNKED], b"0\r\n\r\n"),
    "chunked and identity": (["Transfer-Encoding: chunked, identity"], b"0\r\n\r\n"),
    "an unknown coding": (["Transfer-Encoding: xchunked"], b"0\r\n\r\n"),
    "a coding in quotes": (['Transfer-Encoding: "chunked"'], b"0\r\n\r\n"),
    "a control character": (["Transfer-Encoding: \x0bchunked"], b"0\r\n\r\n"),
    "a bare line feed": (["X: y\nTransfer-Encoding: chunked"], b"0\r\n\r\n"),
    "a bare carriage return": (["X: y\rTransfer-Encoding: chunked"], b"0\r\n\r\n"),
    "a NUL in a header": (["X: y\0"], b""),
    "a chunk size that is no number": ([CHUNKED], b"0x0\r\n\r\n"),
    "a negative chunk size": ([CHUNKED], b"-1\r\n\r\n"),
    "a chunk size that overflows": ([CHUNKED], b"fffffffffffffffff\r\n"),
    "a chunk longer than said": ([CHUNKED], b"1\r\nabc\r\n0\r\n\r\n"),
    "a chunk ended by a line feed": ([CHUNKED], b"1\na\n0\n\n"),
    "a space in the address": ([], b""),
    "HTTP/1.1 twice": ([], b""),
}
FIRST_LINES = {
    "a space in the address": "PUT /ocpi/2.2.1/receiver/tokens/DE/AAA/T 1",
    "HTTP/1.1 twice": "PUT /ocpi/2.2.1/receiver/tokens/DE/AAA/T1 HTTP/1.1",
}


@pytest.mark.parametrize("form", TWO_WAYS)
async def test_a_request_that_can_be_read_in_two_ways_is_refused_and_the_connection_ended(
    door: Door, form: str
) -> None:
    headers, begin = TWO_WAYS[form]
    hidden = HIDDEN % door.token.encode()
    body = begin + hidden
    line = FIRST_LINES.get(form, "PUT /ocpi/2.2.1/receiver/tokens/DE/AAA/T1")
    method, _, path = line.partition(" ")
    lines = [header.replace("{all}", str(len(body))) for header in headers]
    told = await door.say(request(method, path, door.token, *lines, body=body))
    check_refused(told[0], 400)
    assert len(told) == 1, "what was hidden was answered"


@pytest.mark.parametrize(
    "line",
    [
        b"CONNECT 127.0.0.1:22 HTTP/1.1",
        b"GET http://[::1 HTTP/1.1",
        b"GET * HTTP/1.1",
        b"GET //\xff HTTP/1.1",
        b"GET /ocpi/versions HTTP/9.9",
        b"GET /ocpi/versions",
        b"PRI * HTTP/2.0",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"SSH-2.0-x",
        b"\x00" * 20,
    ],
)
async def test_what_is_no_request_of_ours_gets_an_answer_and_breaks_nothing(door: Door, line: bytes) -> None:
    reader, writer = await door.connect()
    writer.write(line + b"\r\nHost: hub.test\r\nConnection: close\r\n\r\n")
    told = answers(await read_to_the_end(reader))
    assert all(400 <= status < 500 for status, _ in told), told
    assert await door.ask() == 200


async def test_an_upgrade_is_not_taken(door: Door) -> None:
    wanted = [
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: " + "A" * 24,
    ]
    reader, writer = await door.connect()
    writer.write(request("GET", "/ocpi/versions", door.token, *wanted))
    assert (await reader.readuntil(b"}]")).startswith(b"HTTP/1.1 200")


async def test_a_large_honest_body_is_taken(door: Door) -> None:
    body = json.dumps(location(directions=[{"language": "en", "text": "x" * 500}] * 1000)).encode()
    head = [f"Authorization: Token {door.hub.tokens['cpo']}", f"Content-Length: {len(body)}", "Connection: close"]
    (answer,) = await door.say(request("PUT", "/ocpi/2.2.1/receiver/locations/FR/CPO/L1", *head, body=body))
    assert answer[0] == 201, answer
