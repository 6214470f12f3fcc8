"""Many stations from a file: each row is bound on its own, and says what was wrong with it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from roaming.cli.database import services_of_now
from roaming.cli.importing import objects_of
from roaming.cli.places import Place
from roaming.cli.stations import Wanted, bind_wanted
from roaming.ocpi.errors import OcpiError
from roaming.settings import Settings

NEEDED = ("station", "party", "location")
PLACE = ("address", "city", "postal_code", "country", "latitude", "longitude", "time_zone")
COLUMNS = (*NEEDED, "connectors", "evse", "password", "no_password", "tariff", *PLACE, "network")
MOST_CONNECTORS = 100


async def import_stations(file: Path, *, is_dry_run: bool) -> list[dict[str, Any]]:
    """Binds every station of ``file``; one row of the answer for each. A dry run makes no password."""
    rows = []
    async with services_of_now() as services:
        for number, entry in enumerate(objects_of(file), 1):
            said: dict[str, Any] = {}
            error = ""
            try:
                said = await bind_wanted(services, Settings(), wanted_of(entry), is_dry_run=is_dry_run)
            except (OcpiError, ValueError) as refused:
                error = str(refused)
            is_made = "note" in said
            rows.append(
                {
                    "row": number,
                    "station": said.get("station") or _name(entry),
                    "state": "error" if error else "ok",
                    "EVSEs": said.get("EVSEs", ""),
                    "published": said.get("published", ""),
                    "password": "a new one" if is_made and is_dry_run else said.get("password", ""),
                    "error": error,
                }
            )
    return rows


def wanted_of(entry: Any) -> Wanted:
    """A row as ``station bind`` takes it. Raises ``ValueError`` that names the column."""
    if not isinstance(entry, Mapping):
        raise ValueError("a row is an object with the columns " + ", ".join(COLUMNS))
    if unknown := [name for name in entry if name not in COLUMNS]:
        raise ValueError(f"{', '.join(map(str, unknown))}: no such column; there are {', '.join(COLUMNS)}")
    if lacking := [name for name in NEEDED if not entry.get(name)]:
        raise ValueError(f"{', '.join(lacking)}: must not be empty")
    connectors = str(entry.get("connectors", 1))
    if not connectors.isdecimal() or not 1 <= int(connectors) <= MOST_CONNECTORS:
        raise ValueError(f"connectors: {connectors!r} is no number from 1 to {MOST_CONNECTORS}")
    if (has_none := entry.get("no_password", False)) not in (True, False):
        raise ValueError(f"no_password: {has_none!r} is neither true nor false")
    text = {name: str(entry.get(name, "")) for name in COLUMNS}
    return Wanted(
        station_id=text["station"],
        party=text["party"],
        place=Place(location_id=text["location"], **{name: text[name] for name in PLACE}),
        connectors=int(connectors),
        evse_uid=text["evse"],
        password=text["password"],
        has_no_password=bool(has_none),
        tariff_id=text["tariff"],
        network=text["network"],
    )


def _name(entry: Any) -> str:
    return str(entry.get("station", "?")) if isinstance(entry, Mapping) else "?"
