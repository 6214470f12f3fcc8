"""Reading a page, and authorising: what partners wait for."""

import base64
import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.data import TOKEN, TOKENS
from tests.bench.load import Closed, Line, Open, closed_loop, http, open_loop
from tests.kit.server_process import ServerProcess, free_port

HEADERS = {
    "Authorization": "Token " + base64.b64encode(TOKEN.encode()).decode(),
    "X-Request-ID": "bench",
    "X-Correlation-ID": "bench",
    "OCPI-from-country-code": "DE",
    "OCPI-from-party-id": "EMS",
    "OCPI-to-country-code": "NL",
    "OCPI-to-party-id": "BEN",
}
ONE = http("GET", "/ocpi/2.2.1/sender/locations/LOC-005000", HEADERS)
BEFORE_PAGE = http("GET", "/ocpi/2.2.1/sender/locations?limit=100&offset=4900", HEADERS)


@contextlib.contextmanager
def server(database_url: str, folder: Path) -> Iterator[tuple[int, int]]:
    """A hub's HTTP side as a process: (port, pid)."""
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.server", database_url, str(folder), str(port)]
    process = ServerProcess(command, log=folder / "server.log")
    process.start(lambda text: "ready" in text, seconds=60)
    try:
        yield port, process.pid
    finally:
        process.stop()


@dataclass(frozen=True)
class Limited:
    """A subject beside its limit, in the same process and run; ``size`` of an answer in bytes."""

    limit: Closed
    subject: Closed
    size: int

    @property
    def ratio(self) -> float:
        return self.subject.cpu_ms / self.limit.cpu_ms


async def reading(database_url: str, folder: Path, *, seconds: float) -> tuple[Limited, Limited]:
    """GET of a page of 100 locations beside bare ASGI, and of one location beside a route of FastAPI."""
    with server(database_url, folder) as (port, _):
        line = Line(port)
        page_request = await _behind_the_link(line)
        status, page = await line.send(page_request)
        assert status == 200, page
        assert len(json.loads(page)["data"]) == 100
        status, one = await line.send(ONE)
        assert status == 200, one
        line.close()
    (folder / "page.json").write_bytes(page)
    (folder / "one.json").write_bytes(one)
    with server(database_url, folder) as (port, pid):

        async def ask(request: bytes) -> Closed:
            return await closed_loop(port, pid, request, seconds=seconds)

        limits = await ask(http("GET", "/bench/", {})), await ask(http("GET", "/bench-one/LOC-005000", HEADERS))
        return Limited(limits[0], await ask(page_request), len(page)), Limited(limits[1], await ask(ONE), len(one))


async def _behind_the_link(line: Line) -> bytes:
    """The request for objects 5,000 to 5,100 as a partner makes it that follows our Link."""
    await line.send(BEFORE_PAGE)
    link = urlsplit(line.headers["link"].split(">")[0].removeprefix("<"))
    return http("GET", f"{link.path}?{link.query}", HEADERS)


async def authorise(database_url: str, folder: Path, *, rate: float, seconds: float) -> Open:
    """POST authorize of random known tokens at a fixed rate."""
    headers = {**HEADERS, "OCPI-from-party-id": "CPO", "OCPI-to-party-id": "EMS"}

    def make(number: int) -> bytes:
        uid = f"{number * 7919 % TOKENS:014X}"
        return http("POST", f"/ocpi/2.2.1/sender/tokens/{uid}/authorize?type=RFID", headers, b'{"location_id": "L1"}')

    with server(database_url, folder) as (port, pid):
        await open_loop(port, pid, make, rate=rate, seconds=2)
        return await open_loop(port, pid, make, rate=rate, seconds=seconds)
