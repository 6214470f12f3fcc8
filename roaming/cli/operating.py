"""What an operator asks of stations from the command line: asked, and waited for until they have spoken."""

import getpass
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from contracts.configuration import KNOWN_KEYS, known_key
from roaming.cli.database import services_of_now
from roaming.cli.meant import named
from roaming.cli.output import Tell, fail
from roaming.cli.waiting import wait_until
from roaming.ocpi.module import Services
from roaming.operations import local_lists, records, selecting, showing
from roaming.operations.asking import KeyTaken, Wish, ask, make_ready
from roaming.operations.authority import authority_of
from roaming.operations.files import Addresses, NoSuchFile
from roaming.operations.local_lists import Syncing
from roaming.operations.orders import Unreadable, read
from roaming.operations.records import Record
from roaming.operations.selecting import NoSuchStation, Selection, StationKey

UNWATCHED_SECONDS = 30.0
"""That stations have when nobody waits."""
GOOD = ("ACCEPTED", "SCHEDULED", "REBOOT_REQUIRED")


@dataclass(frozen=True, kw_only=True)
class Whom:
    """Which stations, and how they are asked, as typed."""

    stations: tuple[str, ...] = ()
    group: str = ""
    tags: tuple[str, ...] = ()
    network: str = ""
    why: str = ""
    wait: float = 30.0
    """Seconds that stations have, and that are waited."""
    key: str = ""
    is_dry_run: bool = False

    def selection(self) -> Selection:
        """Which stations."""
        return Selection(stations=self.stations, group=self.group, tags=self.tags, network=self.network)


async def operate(whom: Whom, written: Mapping[str, Any], *, tell: Tell) -> list[dict[str, Any]]:
    """Asks the stations for what is ``written`` (``kind`` and fields) and waits; each with what came of it."""
    async with services_of_now() as services:
        number = secrets.randbelow(2**31 - 1) + 1
        given = {name: value for name, value in written.items() if value is not None}
        try:
            order = read(given, request_id=number, now=services.clock.now())
            await make_ready(services.database, order)
            async with services.database.work() as work:
                keys = await selecting.select_stations(work.connection, whom.selection())
                if whom.is_dry_run:
                    return await _would(work.connection, keys)
                wish = Wish(
                    order=order,
                    who=f"cli:{user()}",
                    why=whom.why,
                    key=whom.key,
                    wait=timedelta(seconds=whom.wait or UNWATCHED_SECONDS),
                )
                addresses = Addresses(base=services.files_url, digest=services.secrets.digest)
                asked = await ask(
                    work,
                    keys,
                    wish,
                    addresses=addresses,
                    authority=authority_of(services),
                    digest_password=services.secrets.station_digest,
                )
        except (Unreadable, NoSuchStation, NoSuchFile, KeyTaken) as error:
            fail(named(error))
        done = await _wait(services, [record.id for record in asked], whom.wait, tell=tell)
    return [showing.shown(done[record.id]) for record in asked]


async def _would(connection: Any, keys: Sequence[StationKey]) -> list[dict[str, Any]]:
    return [
        {"station": row["station"], "network": row["network"], "online": row["online"], "group": row["group"]}
        for row in await showing.stations(connection, keys)
    ]


async def _wait(services: Services, ids: Sequence[str], seconds: float, *, tell: Tell) -> dict[str, Record]:
    """The running hub, another process than this, brings the stations' words."""

    async def look() -> dict[str, Record]:
        async with services.database.reading() as connection:
            return await records.load(connection, ids)

    def over(found: dict[str, Record]) -> int:
        return sum(record.is_over for record in found.values())

    return await wait_until(
        look,
        lambda found: over(found) == len(ids),
        seconds,
        tell=tell,
        say=lambda found: f"{over(found)} of {len(ids)} stations have answered",
    )


def user() -> str:
    """Who types, for the record."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def is_done(operations: Sequence[Mapping[str, Any]]) -> bool:
    """Whether every station took it."""
    return all(operation.get("outcome", "ACCEPTED") in GOOD for operation in operations)


def refusals_of(operations: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each station that did not take it."""
    return [
        f"{operation['station_id']}: {operation['outcome'] or 'no word yet'} {operation['detail'] or ''}".rstrip()
        for operation in operations
        if operation["outcome"] not in GOOD
    ]


def rows_of(operations: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A line for each station."""
    return [
        {
            "station": operation["station_id"],
            "kind": operation["kind"],
            "outcome": operation["outcome"] or "no word yet",
            "detail": operation["detail"],
            "told": _brief(operation["told"]),
            "seconds": "" if operation["seconds"] is None else f"{operation['seconds']:.2f}",
            "id": operation["id"],
        }
        for operation in operations
    ]


def _brief(told: Mapping[str, Any] | None) -> str:
    return "; ".join(f"{name}={value}" for name, value in (told or {}).items() if name != "kind")


def settings_of(operations: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A line for each setting that stations told, with what it means."""
    rows: list[dict[str, Any]] = []
    for operation in operations:
        told = operation["told"] or {}
        for entry in told.get("values", ()):
            known = known_key(entry["key"])
            rows.append(
                {
                    "station": operation["station_id"],
                    "key": entry["key"],
                    "value": "(kept secret)" if entry["value"] is None else entry["value"],
                    "unit": known.unit if known else "",
                    "fixed": "yes" if entry["is_readonly"] else "no",
                    "meaning": known.meaning if known else "",
                }
            )
        for key in told.get("unknown_keys", ()):
            rows.append(
                {"station": operation["station_id"], "key": key, "value": "(unknown there)"}
                | {"unit": "", "fixed": "", "meaning": ""}
            )
    return rows


def known_settings() -> list[dict[str, Any]]:
    """Settings that are known, by both versions' names."""
    return [
        {"OCPP 1.6": known.key, "OCPP 2.x": known.variable, "unit": known.unit, "meaning": known.meaning}
        for known in KNOWN_KEYS
    ]


async def show_station(station_id: str, network: str) -> dict[str, Any]:
    """All about one station."""
    async with services_of_now() as services, services.database.reading() as connection:
        try:
            key = await selecting.select_station(connection, station_id, network)
        except NoSuchStation as error:
            fail(named(error))
        return await showing.station(connection, key)


async def list_operations(limit: int, wanted: Mapping[str, str]) -> list[dict[str, Any]]:
    """What was asked of stations, the newest first."""
    chosen = {name: value for name, value in wanted.items() if value}
    async with services_of_now() as services, services.database.reading() as connection:
        found = await records.list_records(connection, limit=limit, **chosen)
    return [showing.row_of(record) for record in found]


async def label(
    whom: Whom, *, group: str | None = None, add: Sequence[str] = (), remove: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Sorts stations; those chosen, as they are then."""
    async with services_of_now() as services, services.database.work() as work:
        try:
            keys = await selecting.select_stations(work.connection, whom.selection())
            if group is not None:
                await selecting.set_group(work.connection, keys, group)
            await selecting.change_tags(work.connection, keys, add=add, remove=remove)
        except (NoSuchStation, ValueError) as error:
            fail(named(error))
        rows = await showing.stations(work.connection, keys)
    return [
        {"station": row["station"], "network": row["network"], "group": row["group"], "tags": ", ".join(row["tags"])}
        for row in rows
    ]


async def sync_lists(whom: Whom, *, is_full: bool, per_message: int, most: int) -> list[dict[str, Any]]:
    """Brings local lists in line with the token store, or shows how many tokens each would have."""
    how = Syncing(who=f"cli:{user()}", why=whom.why, is_full=is_full, per_message=per_message, most=most)
    async with services_of_now() as services:
        directory = await services.directory.current()
        async with services.database.work() as work:
            try:
                keys = await selecting.select_stations(work.connection, whom.selection())
            except NoSuchStation as error:
                fail(named(error))
            wanted = await local_lists.wanted_at(work.connection, directory, keys, most)
            if whom.is_dry_run:
                return [{"station": key[1], "wanted": len(entries)} for key, entries in wanted.items()]
            await local_lists.sync(work, wanted, how)

        async def look() -> list[dict[str, Any]]:
            async with services.database.reading() as connection:
                return await local_lists.standing(connection, keys)

        return await wait_until(look, lambda rows: all(row["state"] != "SENDING" for row in rows), whom.wait)


async def list_groups() -> list[dict[str, Any]]:
    """Groups and how many stations are in them."""
    async with services_of_now() as services, services.database.reading() as connection:
        return [{"group": name, "stations": count} for name, count in await selecting.list_groups(connection)]
