"""The cells of OCPI: module, version, interface role and side, from the endpoints that the specification defines, and
these endpoints themselves.

``endpoints.tsv`` is a list of facts, one method and address to a line (2.1.1: release-2.1.1-bugfixes; 2.2.1:
release-2.2.1-bugfixes; 2.3.0: 2.3.0/release/core, /payments and /bookings). A role is ``sender``, ``receiver`` or
``both`` where a module makes no difference. ``server``: the hub answers such requests; ``client``: it makes them.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.matrix.proving import line

ENDPOINTS = Path(__file__).with_name("endpoints.tsv")
SIDES = ("server", "client")


class Cell(NamedTuple):
    """One thing to prove."""

    module: str
    version: str
    role: str
    side: str


def endpoints() -> list[tuple[str, str, str, str, str]]:
    """Version, module, role, method and path of each."""
    lines = ENDPOINTS.read_text().splitlines()[1:]
    return [(*line.split("\t"),) for line in lines]  # type: ignore[misc]


def every_cell() -> tuple[Cell, ...]:
    """All cells, in the order of the specification."""
    found = dict.fromkeys((module, version, role) for version, module, role, _method, _path in endpoints())
    return tuple(Cell(*entry, side) for entry in found for side in SIDES)


class Endpoint(NamedTuple):
    """One address pattern of one method: ``/{country_code}/{party_id}/{token_uid}`` below the module's address, or a
    word in its place where the specification leaves the address to whoever gives it."""

    module: str
    version: str
    role: str
    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.module:<22}{self.version:<7}{self.role:<10}{self.method:<7}{self.path or '/'}"


GIVEN_ADDRESSES = ("response_url", "address from the Location header")
_AT_THE_ROOT = {"{versions_url}": "/versions", "{version_details_url}": "/{version}"}
_OPTIONAL = re.compile(r"\[([^\[\]]*)(\[.*\])?\]$")


def _levels(path: str) -> Iterator[str]:
    """A pattern without its optional ends, then with one, then with all: each is an endpoint."""
    optional = _OPTIONAL.search(path)
    if optional is None:
        yield path
        return
    shortest = path[: optional.start()]
    yield shortest
    yield from _levels(shortest + optional[1] + (optional[2] or ""))


def every_endpoint() -> tuple[Endpoint, ...]:
    """All of them, each level of a pattern by itself, in the order of the specification."""
    found = []
    for version, module, role, method, pattern in endpoints():
        path = pattern.partition("?")[0]
        below = _AT_THE_ROOT.get(path, path if path in GIVEN_ADDRESSES else path.removeprefix(f"{{{module}}}"))
        found += [Endpoint(module, version, role, method, each) for each in _levels(below)]
    return tuple(dict.fromkeys(found))


def endpoint_of(module: str, version: str, role: str, method: str, path: str) -> Endpoint | None:
    """Which one answers at ``path``, which is below the module's address: of several the one with most words."""
    mine = [
        each
        for each in every_endpoint()
        if (each.module, each.version, each.method) == (module, version, method) and each.role in (role, "both")
    ]
    found = [each for each in mine if each.path not in GIVEN_ADDRESSES and _fits(each.path, path)]
    given = [each for each in mine if each.path in GIVEN_ADDRESSES]
    return min(found, key=lambda each: each.path.count("{")) if found else next(iter(given), None)


def _fits(pattern: str, path: str) -> bool:
    """Compared segment by segment; a variable is any one segment."""
    expected, actual = pattern.split("/"), path.split("/")
    pairs = zip(expected, actual, strict=False)
    return len(expected) == len(actual) and all(word == part or "{" in word for word, part in pairs)


def row(cell: Cell, tests: Sequence[str]) -> str:
    """Its line in the table."""
    return line(cell, (22, 7, 10, 8), tests)
