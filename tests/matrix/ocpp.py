"""The cells of OCPP: message, version and direction, from the schemas that the ``ocpp`` package ships.

Which side sends a message its schema does not say: that is in ``ocpp_messages.tsv``, a list of facts (OCPP 1.6, section
4 and 5, and its security white paper; 2.0.1 part 2 and 2.1 part 2, section "Messages"), with the functional block. A
message that the package has and the list has not is an error.

``ocpp_reasons.tsv`` names the cells that no test need prove, and why.
"""

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Final, NamedTuple

HERE: Final = Path(__file__).parent
PACKAGES: Final = {"1.6": "ocpp.v16", "2.0.1": "ocpp.v201", "2.1": "ocpp.v21"}
TO_HUB, TO_STATION = "station → hub", "hub → station"
_DIRECTIONS: Final = {"station": (TO_HUB,), "hub": (TO_STATION,), "both": (TO_HUB, TO_STATION)}


class Cell(NamedTuple):
    """One thing to prove."""

    message: str
    version: str
    direction: str


def messages_of(version: str) -> list[str]:
    """All that the package has schemas for, by name."""
    files = (resources.files(PACKAGES[version]) / "schemas").iterdir()
    names = (entry.name.removesuffix(".json") for entry in files if entry.name.endswith(".json"))
    return sorted({name.removesuffix("Request") for name in names if not name.endswith("Response")})


def blocks() -> dict[str, tuple[str, str]]:
    """Who sends a message, and its functional block."""
    return {name: (sender, block) for name, sender, block in _rows("ocpp_messages.tsv")}


def every_cell() -> tuple[Cell, ...]:
    """All cells by version, block and message."""
    known = blocks()
    cells = []
    for version in PACKAGES:
        for message in sorted(messages_of(version), key=lambda name: (known[name][1], name)):
            cells += [Cell(message, version, direction) for direction in _DIRECTIONS[known[message][0]]]
    return tuple(cells)


def reasons(path: Path = HERE / "ocpp_reasons.tsv") -> Mapping[Cell, str]:
    """Why a cell need not be proven. ``*`` stands for every version that has the message."""
    told = {}
    for message, versions, reason in _rows(path.name, path.parent):
        for cell in every_cell():
            if cell.message == message and versions in ("*", cell.version):
                told[cell] = reason
    return told


def _rows(name: str, folder: Path = HERE) -> list[tuple[str, str, str]]:
    lines = (folder / name).read_text().splitlines()[1:]
    return [(*line.split("\t"),) for line in lines]  # type: ignore[misc]
