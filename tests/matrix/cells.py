"""The cells of OCPI: module, version, interface role and side, from the endpoints that the specification defines.

``endpoints.tsv`` is a list of facts, one method and address to a line (2.1.1: release-2.1.1-bugfixes; 2.2.1:
release-2.2.1-bugfixes; 2.3.0: 2.3.0/release/core, /payments and /bookings). A role is ``sender``, ``receiver`` or
``both`` where a module makes no difference. ``server``: the hub answers such requests; ``client``: it makes them.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

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


def table(proofs: Mapping[Cell, Sequence[str]], cells: Iterable[Cell]) -> list[str]:
    """A line for each cell with the first test that proves it, and how many more there are."""
    lines = []
    for cell in cells:
        tests = sorted(proofs.get(cell, ()))
        more = f" (+{len(tests) - 1})" if len(tests) > 1 else ""
        proof = f"{tests[0]}{more}" if tests else "EMPTY"
        lines.append(f"{cell.module:<22}{cell.version:<7}{cell.role:<10}{cell.side:<8}{proof}")
    return lines
