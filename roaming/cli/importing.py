"""Objects of hosted parties from files: each row is checked and stored on its own, and says what was wrong with it."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from roaming.cli.database import services_of_now
from roaming.cli.output import fail
from roaming.model.identifiers import PartyId
from roaming.model.party import Role
from roaming.model.time import next_update
from roaming.model.version import Version
from roaming.modules.bookings import service as bookings
from roaming.modules.locations import service as locations
from roaming.modules.tariffs import service as tariffs
from roaming.modules.tariffs.importing import read_own
from roaming.modules.tokens import service as tokens
from roaming.ocpi.codec import Codec, DecodeError, parse_json
from roaming.ocpi.errors import OcpiError
from roaming.partners.directory import Directory
from roaming.store.database import Work

ROLE_OF = {"location": Role.CPO, "tariff": Role.CPO, "token": Role.EMSP, "place": Role.CPO}
CODECS: dict[str, Codec[Any]] = {
    "location": locations.LOCATION_CODECS[Version.V2_2_1],
    "token": tokens.CODECS[Version.V2_2_1],
    "place": bookings.CODECS[bookings.PLACES][Version.V2_3_0],
}


async def import_objects(kind: str, file: Path, *, is_dry_run: bool) -> list[dict[str, Any]]:
    """Publishes every object of ``file``; one row of the answer for each."""
    objects = objects_of(file)
    rows = []
    async with services_of_now() as services:
        directory = await services.directory.current()
        for number, entry in enumerate(objects, 1):
            row: dict[str, Any] = {"row": number, "object": _name(kind, entry), "state": "ok", "error": ""}
            try:
                if is_dry_run:
                    check(kind, entry, directory)
                else:
                    async with services.database.work() as work:
                        await store(work, kind, check(kind, entry, directory))
            except (DecodeError, OcpiError, ValueError) as error:
                row |= {"state": "error", "error": str(error)}
            rows.append(row)
    return rows


def objects_of(file: Path) -> list[Any]:
    """What ``file`` holds, or the end of the command."""
    try:
        return read_objects(file)
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}; give the path of a JSON or CSV file")
    except (ValueError, csv.Error) as error:
        fail(f"{file}: {error}")


def read_objects(file: Path) -> list[Any]:
    """The objects of a JSON file (one, or a list) or the rows of a CSV file."""
    if file.suffix.lower() == ".csv":
        with file.open(newline="", encoding="utf-8-sig") as lines:
            return [_typed(row) for row in _rows(csv.DictReader(lines))]
    value = parse_json(file.read_bytes())
    return value if isinstance(value, list) else [value]


def _rows(reader: "csv.DictReader[str]") -> Iterator[dict[str, str]]:
    """Raises ``ValueError`` for a row that has more cells than the header: which is which cannot be told."""
    for row in reader:
        if None in row:
            raise ValueError(f"line {reader.line_num} has more cells than the header: put cells with commas in quotes")
        yield row


def _typed(row: dict[str, str]) -> dict[str, Any]:
    """A CSV row as JSON would have it: empty cells are absent, true and false are booleans."""
    words = {"true": True, "false": False}
    return {name: words.get(value.lower(), value) for name, value in row.items() if value}


def check(kind: str, entry: Any, directory: Directory) -> Any:
    """The canonical object, of a party hosted here. Raises ``DecodeError``, ``OcpiError`` or
    ``ValueError``."""
    if kind == "tariff":
        return read_own(entry, directory)
    if isinstance(entry, dict):
        entry = {"last_updated": "2000-01-01T00:00:00Z", **entry}
    value: Any = CODECS[kind].decode(entry).value
    party = PartyId.of(value.country_code, value.party_id)
    if not directory.is_hosted(party, ROLE_OF[kind]):
        raise ValueError(f"{party} is not hosted here as {ROLE_OF[kind]}: roaming party add {party} ...")
    if kind == "location":
        locations.check_ours(value)
    return value


async def store(work: Work, kind: str, value: Any) -> None:
    """Stores and publishes one object."""
    publish: Any = {
        "location": locations.publish,
        "tariff": tariffs.publish,
        "token": tokens.publish,
        "place": bookings.publish,
    }[kind]
    if kind == "place":
        value = msgspec.structs.replace(value, last_updated=next_update(None, work.now))
    await publish(work, value)


def _name(kind: str, entry: Any) -> str:
    if not isinstance(entry, dict):
        return json.dumps(entry, default=str)[:40]
    return str(entry.get("uid" if kind == "token" else "id", "?"))
