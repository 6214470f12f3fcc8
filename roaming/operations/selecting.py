"""Which stations are meant: by name, group or tag; and the groups and tags themselves."""

import string
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from operator import itemgetter
from typing import Any

from sqlalchemy import Select, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.operations.tables import StationGroupRow, StationTagRow
from roaming.stations.bindings import STATIONS
from roaming.store.bulk import insert_new, upsert

GROUPS = StationGroupRow.__table__  # type: ignore[attr-defined]
TAGS = StationTagRow.__table__  # type: ignore[attr-defined]
LONGEST_NAME = 100
_SMALL = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
StationKey = tuple[str, str]
"""Network and station id."""


class NoSuchStation(LookupError):
    """Nothing is meant, or not clear what. ``field``: which part of a ``Selection`` says so; whoever is asked calls it
    as the asker does, and says where stations are listed."""

    def __init__(self, text: str, field: str = "stations") -> None:
        super().__init__(text)
        self.field = field


@dataclass(frozen=True, kw_only=True)
class Selection:
    """All admitted stations to which everything applies that is said; nothing said: none."""

    stations: tuple[str, ...] = ()
    group: str = ""
    tags: tuple[str, ...] = ()
    network: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is said."""
        return not (self.stations or self.group or self.tags)

    def __str__(self) -> str:
        parts = [f"station {name}" for name in self.stations]
        parts += [f"group {self.group}"] if self.group else []
        return ", ".join([*parts, *(f"tag {tag}" for tag in self.tags)])


async def select_stations(
    connection: AsyncConnection, selection: Selection, *, is_all_meant: bool = False
) -> list[StationKey]:
    """Those meant, in order of their names by code point, whatever the database's collation; ``is_all_meant``: all,
    where nothing is said. Raises ``NoSuchStation`` for none, and for a name that none has or several have."""
    if selection.is_empty and not is_all_meant:
        raise NoSuchStation("say which stations: a station id, a group or a tag")
    query = _query(selection, is_sqlite=connection.dialect.name == "sqlite")
    keys = [(row[0], row[1]) for row in await connection.execute(query)]
    found = sorted(keys, key=itemgetter(1, 0))
    for name in selection.stations:
        same = [key for key in found if _folded(key[1]) == _folded(name)]
        exact = [key for key in same if key[1] == name]
        if not same:
            others = " in this group, or with these tags" if selection.group or selection.tags else ""
            raise NoSuchStation(f"no station {name} is admitted{others}")
        if len(exact or same) > 1:
            networks = ", ".join(sorted(key[0] for key in exact or same))
            raise NoSuchStation(f"several are called {name}: say which network, {networks}", "network")
        if exact:
            found = [key for key in found if key not in same or key in exact]
    if not found and not is_all_meant:
        raise NoSuchStation(f"no admitted station has {selection}", "group" if selection.group else "tags")
    return found


def page(stations: Sequence[StationKey], *, limit: int) -> Sequence[StationKey]:
    """The first of them, and those beyond ``limit`` that have the last one's name in other networks: the next page goes
    on after a name."""
    rest = takewhile(lambda key: key[1] == stations[limit - 1][1], stations[limit:])
    return [*stations[:limit], *rest]


async def select_station(connection: AsyncConnection, name: str, network: str = "") -> StationKey:
    """The one of this name. Raises ``NoSuchStation``."""
    (key,) = await select_stations(connection, Selection(stations=(name,), network=network))
    return key


async def list_groups(connection: AsyncConnection) -> list[tuple[str, int]]:
    """Groups and how many stations are in them."""
    statement = select(GROUPS.c.name, func.count()).group_by(GROUPS.c.name).order_by(GROUPS.c.name)
    return [(row[0], row[1]) for row in await connection.execute(statement)]


def _folded(name: str) -> str:
    """Names compare without case in ASCII, of which names in OCPP are, and as they are beyond it: databases differ in
    what they take for the small letter of another one."""
    return name.translate(_SMALL)


def _query(selection: Selection, *, is_sqlite: bool) -> Select[Any]:
    columns = STATIONS.c
    statement = select(columns.network, columns.station_id).where(columns.is_admitted)
    if selection.network:
        statement = statement.where(columns.network == selection.network)
    if selection.stations:
        # PostgreSQL folds as the database's language does, in "C" ASCII alone; SQLite always ASCII alone
        id = columns.station_id if is_sqlite else columns.station_id.collate("C")
        statement = statement.where(func.lower(id).in_([_folded(name) for name in selection.stations]))
    if selection.group:
        grouped = select(GROUPS.c.station_id).where(
            GROUPS.c.name == selection.group,
            GROUPS.c.network == columns.network,
            GROUPS.c.station_id == columns.station_id,
        )
        statement = statement.where(grouped.exists())
    for tag in selection.tags:
        tagged = select(TAGS.c.station_id).where(
            TAGS.c.tag == tag, TAGS.c.network == columns.network, TAGS.c.station_id == columns.station_id
        )
        statement = statement.where(tagged.exists())
    return statement


async def set_group(connection: AsyncConnection, stations: Sequence[StationKey], name: str) -> None:
    """Puts stations into a group, out of the one they were in; an empty name: into none. Raises ``ValueError``."""
    if not name:
        for network, station_id in stations:
            is_it = (GROUPS.c.network == network) & (GROUPS.c.station_id == station_id)
            await connection.execute(delete(GROUPS).where(is_it))
        return
    rows = [{"network": n, "station_id": s, "name": checked(name)} for n, s in dict.fromkeys(stations)]
    await upsert(connection, GROUPS, rows, key=("network", "station_id"), update=("name",))


async def change_tags(
    connection: AsyncConnection, stations: Sequence[StationKey], *, add: Sequence[str] = (), remove: Sequence[str] = ()
) -> None:
    """Puts tags on stations and takes others off. Raises ``ValueError``."""
    rows = [
        {"network": n, "station_id": s, "tag": tag}
        for n, s in dict.fromkeys(stations)
        for tag in dict.fromkeys(map(checked, add))
    ]
    await insert_new(connection, TAGS, rows, key=("network", "station_id", "tag"))
    for network, station_id in stations:
        is_it = (TAGS.c.network == network) & (TAGS.c.station_id == station_id) & TAGS.c.tag.in_(remove)
        await connection.execute(delete(TAGS).where(is_it))


def checked(name: str) -> str:
    """A group's or tag's name. Raises ``ValueError``."""
    stripped = name.strip()
    if not stripped or len(stripped) > LONGEST_NAME or not stripped.isprintable() or "," in stripped:
        raise ValueError(f"{name[:40]!r}: a name has 1 to {LONGEST_NAME} printable characters and no comma")
    return stripped


async def labels_of(
    connection: AsyncConnection, stations: Sequence[StationKey]
) -> dict[StationKey, tuple[str, list[str]]]:
    """Group and tags of stations; those without are missing."""
    wanted = set(stations)
    groups = await connection.execute(select(GROUPS.c.network, GROUPS.c.station_id, GROUPS.c.name))
    found: dict[StationKey, tuple[str, list[str]]] = {
        (network, station_id): (name, []) for network, station_id, name in groups if (network, station_id) in wanted
    }
    tags = await connection.execute(select(TAGS.c.network, TAGS.c.station_id, TAGS.c.tag).order_by(TAGS.c.tag))
    for network, station_id, tag in tags:
        if (network, station_id) in wanted:
            found.setdefault((network, station_id), ("", []))[1].append(tag)
    return found
