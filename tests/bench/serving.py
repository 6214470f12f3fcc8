"""Reading a page, and authorising: what partners wait for."""

import base64
import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

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
PAGE = http("GET", "/ocpi/2.2.1/sender/locations?limit=100&offset=5000", HEADERS)


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


async def page_of_locations(database_url: str, folder: Path, *, seconds: float) -> tuple[Closed, Closed, int]:
    """(static, page, bytes): the limit and the subject in the same process and run."""
    with server(database_url, folder) as (port, _):
        line = Line(port)
        status, body = await line.send(PAGE)
        assert status == 200, body
        assert len(json.loads(body)["data"]) == 100
        line.close()
    (folder / "page.json").write_bytes(body)
    with server(database_url, folder) as (port, pid):
        static = await closed_loop(port, pid, http("GET", "/bench/", {}), seconds=seconds)
        page = await closed_loop(port, pid, PAGE, seconds=seconds)
    return static, page, len(body)


async def authorise(database_url: str, folder: Path, *, rate: float, seconds: float) -> Open:
    """POST authorize of random known tokens at a fixed rate."""
    headers = {**HEADERS, "OCPI-from-party-id": "CPO", "OCPI-to-party-id": "EMS"}

    def make(number: int) -> bytes:
        uid = f"{number * 7919 % TOKENS:014X}"
        return http("POST", f"/ocpi/2.2.1/sender/tokens/{uid}/authorize?type=RFID", headers, b'{"location_id": "L1"}')

    with server(database_url, folder) as (port, pid):
        await open_loop(port, pid, make, rate=rate, seconds=2)
        return await open_loop(port, pid, make, rate=rate, seconds=seconds)
