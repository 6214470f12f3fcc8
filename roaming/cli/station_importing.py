"""Many stations from a file: each row is bound on its own, and says what was wrong with it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from roaming.cli.database import services_of_now
from roaming.cli.importing import objects_of
from roaming.cli.places import options_for
from roaming.cli.stations import first_step
from roaming.modules.locations.binding import Unbindable, bind_wanted, wanted_of
from roaming.ocpi.errors import OcpiError
from roaming.stations.bindings import KnownStations


async def import_stations(file: Path, *, is_dry_run: bool) -> list[dict[str, Any]]:
    """Binds every station of ``file``; one row of the answer for each. A dry run makes no password."""
    rows = []
    async with services_of_now() as services:
        known = KnownStations(services.database.reader)
        for number, entry in enumerate(objects_of(file), 1):
            said: dict[str, Any] = {}
            error = ""
            try:
                wanted = wanted_of(entry)
                said = await bind_wanted(services, wanted, next_step=options_for, known=known, is_dry_run=is_dry_run)
            except Unbindable as refused:
                error = f"{refused}: {first_step(refused, wanted)}" if refused.lacks else str(refused)
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


def _name(entry: Any) -> str:
    return str(entry.get("station", "?")) if isinstance(entry, Mapping) else "?"
