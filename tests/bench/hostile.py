"""What bad requests cost the server until they are refused."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench.load import Line, cpu_seconds, http
from tests.bench.serving import HEADERS, server

LOCATIONS = "/ocpi/2.2.1/sender/locations"
OF_CPO = {**HEADERS, "OCPI-from-party-id": "CPO", "OCPI-to-party-id": "EMS"}
PUT = "/ocpi/2.2.1/receiver/locations/DE/CPO/BAD"
MOST = 1024 * 1024 - 1024
"""Bytes of a body that is still read."""


@dataclass(frozen=True)
class Refusal:
    """One kind of bad request. ``cpu_ms``: of the whole server, for one."""

    what: str
    cpu_ms: float
    answer: str


def bad_requests() -> Iterator[tuple[str, bytes]]:
    """Each kind, with its bytes."""
    for name, query in (
        ("huge limit", f"limit={'9' * 4000}"),
        ("huge offset", f"offset={'9' * 4000}"),
        ("date that is none", f"date_from={'2' * 4000}"),
        ("date before time", "date_from=0000-00-00T00:00:00Z"),
    ):
        yield name, http("GET", f"{LOCATIONS}?{query}", HEADERS)
    yield "unknown token", http("GET", LOCATIONS, {**HEADERS, "Authorization": "Token " + "A" * 4000})
    yield "bad routing headers", http("GET", LOCATIONS, {**HEADERS, "OCPI-from-party-id": "A" * 4000})
    yield "id of 8 kB", http("GET", f"{LOCATIONS}/{'A' * 8000}", HEADERS)
    numbers = ("1e999999999", "-1e-999999999", "9" * (MOST - 200), "0." + "1" * (MOST - 200))
    for number in numbers:
        body = f'{{"coordinates": {number}, "last_updated": {number}}}'
        yield f"number {number[:12]}, {len(number):,} digits", http("PUT", PUT, OF_CPO, body.encode())
    for what, body in (
        ("nested lists", b"[" * MOST),
        ("nested objects", b'{"a":' * (MOST // 5)),
        ("an opened string", b'"' + b"a" * MOST),
        ("escapes without end", b'"' + b"\\u00e9" * (MOST // 6)),
        ("quotes", b'"' * MOST),
        ("no UTF-8", b'{"a": "' + b"\xff" * MOST + b'"}'),
        ("empty EVSEs", json.dumps({"evses": [{}] * (MOST // 5)}).encode()),
        ("EVSEs of numbers", json.dumps({"evses": [1] * (MOST // 4)}).encode()),
        ("unknown fields", json.dumps({f"f{n}": n for n in range(60_000)}).encode()),
        ("one field many times", b"{" + b'"a":1,' * (MOST // 6) + b'"a":1}'),
        ("a million EVSEs", b'{"evses": [' + b"{}," * 1_000_000 + b"{}]}"),
    ):
        yield what, http("PUT", PUT, OF_CPO, body)
    places = json.dumps({"location_id": "L1", "evse_uids": ["E" * 40] * (MOST // 45)}).encode()
    yield "EVSEs to charge at", http("POST", "/ocpi/2.2.1/sender/tokens/X/authorize?type=RFID", OF_CPO, places)
    start = json.dumps({"token": {}, "location_id": ["L1"] * 100_000}).encode()
    yield "a command for a list", http("POST", "/ocpi/2.2.1/receiver/commands/START_SESSION", HEADERS, start)


async def refusals(database_url: str, folder: Path, *, count: int) -> list[Refusal]:
    """Every kind, ``count`` times, the dearest first. Raises ``AssertionError`` for one that is not refused, or by a
    failure."""
    found = []
    with server(database_url, folder) as (port, pid):
        for what, request in bad_requests():
            await _ask(port, request)  # what is found out once is not the request's
            before = cpu_seconds([pid])
            for _ in range(count):
                status, body = await _ask(port, request)
            spent = (cpu_seconds([pid]) - before) / count * 1000
            code = json.loads(body)["status_code"]
            assert status < 500, (what, status, body)
            assert code >= 2000, (what, status, body)
            found.append(Refusal(what, spent, f"{status} {code}"))
    return sorted(found, key=lambda refusal: -refusal.cpu_ms)


async def _ask(port: int, request: bytes) -> tuple[int, bytes]:
    """On a connection of its own: one that is refused early is closed."""
    line = Line(port)
    try:
        return await line.send(request)
    finally:
        line.close()
