"""Stations from the command line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from roaming.cli.database import services_of_now
from roaming.cli.meant import named
from roaming.cli.output import fail
from roaming.cli.places import options_for
from roaming.model.identifiers import PartyId
from roaming.model.location import Location
from roaming.modules.locations.binding import Unbindable, Wanted, bind_wanted
from roaming.modules.locations.placing import publication
from roaming.monitoring.lines import lines_of, since_and_why
from roaming.ocpi.errors import OcpiError
from roaming.operations.selecting import NoSuchStation, Selection, labels_of, select_stations
from roaming.stations.bindings import UnknownStation
from roaming.stations.certificates import expiries_of
from roaming.stations.securing import Demand, demand_of, want_profile
from roaming.store.documents import object_key, read_objects

_LIST = (
    "SELECT s.station_id, s.network, s.is_admitted, s.is_connected, s.vendor, s.model, s.protocol, s.last_fault,"
    " s.rejected_messages, b.country_code, b.party_id, b.location_id, s.security_profile, s.is_proxied, s.missed_frames"
    " FROM stations s LEFT JOIN bindings b"
    " ON b.network = s.network AND b.station_id = s.station_id AND b.connector_id = (SELECT MIN(c.connector_id)"
    " FROM bindings c WHERE c.network = s.network AND c.station_id = s.station_id)"
    " ORDER BY s.is_admitted, s.station_id"
)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Which stations are listed: those to which everything applies that is said."""

    group: str = ""
    tags: Sequence[str] = ()
    text: str = ""
    """In name, make, protocol, location or last fault, in any case."""
    is_online: bool | None = None
    is_waiting: bool | None = None

    def fits(self, row: Mapping[str, Any]) -> bool:
        """Whether a row of the list is wanted."""
        looked_at = (row[name] for name in ("station", "make", "protocol", "location", "last fault"))
        return (
            (not self.group or row["group"] == self.group)
            and set(self.tags) <= set(row["tags"].split(", "))
            and (self.is_online is None or self.is_online == (row["online"] == "yes"))
            and (self.is_waiting is None or self.is_waiting == (row["state"] == "WAITING"))
            and any(self.text.casefold() in str(value).casefold() for value in looked_at)
        )


async def list_stations(shown: Shown = Shown()) -> list[dict[str, Any]]:
    """All stations, or those wanted; WAITING ones have connected and nobody has bound them yet."""
    async with services_of_now() as services:
        rows = await services.database.reader.fetch(_LIST)
        keys = {row[:2]: object_key(PartyId(row[9], row[10]), row[11]) for row in rows if row[11]}
        locations = await read_objects(services.database.reader, "locations", set(keys.values()), Location)
        async with services.database.reading() as connection:
            stations = [(row[1], row[0]) for row in rows]
            expiries = await expiries_of(connection, stations)
            labels = await labels_of(connection, stations)
            lines = await lines_of(connection, stations)
    listed = [
        {
            "station": row[0],
            "network": row[1],
            "state": "BOUND" if row[2] else "WAITING",
            "online": "yes" if row[3] else "no",
            "make": f"{row[4]} {row[5]}".strip(),
            "protocol": row[6],
            "profile": row[12],
            "certificate until": _day(expiries.get((row[1], row[0]))),
            "location": row[11] or "",
            "published": _is_published(locations.get(keys.get(row[:2], ""))),
            "last fault": row[7],
            "rejected": row[8],
            "through": "yes" if row[13] else "no",
            "unread frames": row[14],
            "group": labels.get((row[1], row[0]), ("", []))[0],
            "tags": ", ".join(labels.get((row[1], row[0]), ("", []))[1]),
            **{name.replace("_", " "): text for name, text in since_and_why(lines.get((row[1], row[0]))).items()},
        }
        for row in rows
    ]
    return [row for row in listed if shown.fits(row)]


def _day(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d}" if at is not None else ""


def _is_published(location: Location | None) -> str:
    return str(publication(location, options_for)["published"]) if location is not None else ""


async def bind_station(wanted: Wanted) -> dict[str, Any]:
    """Binds a station; ends the command when it cannot be."""
    async with services_of_now() as services:
        try:
            return await bind_wanted(services, wanted, next_step=options_for)
        except Unbindable as error:
            options = " and ".join(f"--{field.replace('_', '-')}" for field in error.fields)
            fail(f"{error.text}: {first_step(error, wanted)}" if error.lacks else f"{options}: {error.text}")
        except (OcpiError, ValueError) as error:
            fail(str(error))


def first_step(error: Unbindable, wanted: Wanted) -> str:
    """What to type before a station can be bound."""
    if error.lacks == "party":
        return f"roaming party add {wanted.party} --role CPO --name '...'"
    return "roaming tariff import FILE first, or bind without a tariff"


async def secure_stations(selection: Selection, profile: int, *, is_dry_run: bool) -> list[dict[str, Any]]:
    """Wants a security profile of stations, or shows what each has come with; ends the command when it cannot be."""
    try:
        async with services_of_now() as services, services.database.work() as work:
            keys = await select_stations(work.connection, selection)
            found = []
            for network, station_id in keys:
                whose = {"network": network, "station_id": station_id}
                demand = await demand_of(work.connection, **whose)
                if not is_dry_run or demand is None:
                    demand = await want_profile(work, **whose, profile=profile)
                found.append(_secured(network, station_id, demand))
            return found
    except (NoSuchStation, UnknownStation, ValueError) as error:
        fail(named(error))


def _secured(network: str, station_id: str, demand: Demand) -> dict[str, Any]:
    note = f"{demand.wanted} is demanded as soon as it has come with it once"
    return {
        "station": station_id,
        "network": network,
        "wanted": demand.wanted,
        "demanded": demand.minimum,
        "best so far": demand.best,
        "note": note if demand.minimum < demand.wanted else "",
    }
