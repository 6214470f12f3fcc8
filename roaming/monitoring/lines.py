"""Which station is online since when, or gone and why; and telling those who watch when one stays away."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import exists, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.messages import StationConnected, StationDisconnected
from roaming.feed.telling import Event, event_id, tell
from roaming.monitoring.places import places_of
from roaming.monitoring.tables import StationLineRow
from roaming.stations.bindings import STATIONS
from roaming.store.bulk import select_rows, upsert
from roaming.store.columns import storable_text
from roaming.store.database import Database
from roaming.store.errors import StoreUnavailable
from roaming.store.trimming import old_rows

logger = structlog.get_logger(__name__)

LINES = StationLineRow.__table__  # type: ignore[attr-defined]
_BOUND = exists().where(
    STATIONS.c.network == LINES.c.network, STATIONS.c.station_id == LINES.c.station_id, STATIONS.c.is_admitted
)
TRIMMINGS = (old_rows("state", LINES, "at", LINES.c.is_online.is_(False), LINES.c.is_told, ~_BOUND),)
"""Since when a station of ours is away stays known, however long it is."""
LOOK_EVERY = 2.0
AT_ONCE = 500
_COLUMNS = ("network", "station_id", "epoch", "is_online", "at", "why", "is_told")
_KEY = ("network", "station_id")


@dataclass(frozen=True)
class Line:
    """The connection of a station."""

    network: str
    station_id: str
    epoch: int
    is_online: bool
    at: datetime
    why: str = ""
    is_told: bool = False


async def lines_of(connection: AsyncConnection, stations: Collection[tuple[str, str]]) -> dict[tuple[str, str], Line]:
    """Those of these stations that were ever connected as ours."""
    rows = await select_rows(connection, LINES, _COLUMNS, key=_KEY, values=list(stations))
    return {(row[0], row[1]): Line(row[0], row[1], row[2], bool(row[3]), row[4], row[5], bool(row[6])) for row in rows}


def since_and_why(line: Line | None) -> dict[str, str]:
    """For a list of stations: since when one is there, or away and why."""
    if line is None:
        return {"since": "", "why_away": ""}
    return {"since": line.at.isoformat(timespec="seconds"), "why_away": "" if line.is_online else line.why}


def changed(line: Line | None, message: StationConnected | StationDisconnected, at: datetime) -> Line | None:
    """The line after a message; ``None``: the message is of an older connection and means nothing, or of a station
    that nobody has bound."""
    if line is not None and message.epoch < line.epoch:
        return None
    if isinstance(message, StationConnected):
        if not message.is_admitted:
            return None
        return Line(message.network, message.station_id, message.epoch, True, at)
    if line is None:
        return None
    return replace(line, epoch=message.epoch, is_online=False, at=at, why=storable_text(message.reason)[:200])


async def write(connection: AsyncConnection, lines: Mapping[tuple[str, str], Line]) -> None:
    """Keeps them as they are now."""
    rows = [{name: getattr(line, name) for name in _COLUMNS} for line in lines.values()]
    await upsert(connection, LINES, rows, key=_KEY, update=_COLUMNS[2:])


async def watch(database: Database, patience: timedelta) -> None:
    """Tells of stations that have been away for so long, until cancelled."""
    while True:
        try:
            while await tell_absent(database, patience) == AT_ONCE:
                pass
        except StoreUnavailable as error:
            logger.warning("absences_wait", reason=str(error))
        await asyncio.sleep(LOOK_EVERY)


async def tell_absent(database: Database, patience: timedelta) -> int:
    """Tells of those that are away for ``patience`` and were not told of yet; returns how many."""
    before = database.clock.now() - patience
    sql = "SELECT 1 FROM station_lines WHERE NOT is_online AND NOT is_told AND at < $1 LIMIT 1"
    if not await database.reader.fetch(sql, before):
        return 0
    columns = LINES.c
    gone = (columns.is_online.is_(False), columns.is_told.is_(False), columns.at < before)
    same = (STATIONS.c.network == columns.network) & (STATIONS.c.station_id == columns.station_id)
    async with database.work() as work:
        chosen = select(LINES, STATIONS.c.is_admitted).outerjoin(STATIONS, same).where(*gone).limit(AT_ONCE)
        rows = (await work.connection.execute(chosen.with_for_update(of=LINES, skip_locked=True))).all()
        places = await places_of(work.connection, {(row.network, row.station_id) for row in rows})
        events = [
            Event(
                id=event_id("station.offline", row.network, row.station_id, row.epoch),
                kind="station.offline",
                at=row.at + patience,
                parties=places.parties(row.network, row.station_id),
                data=places.named(row.network, row.station_id) | {"since": row.at, "reason": row.why},
            )
            for row in rows
            if row.is_admitted
        ]
        await tell(work, events)
        for row in rows:
            mine = (columns.network == row.network, columns.station_id == row.station_id)
            await work.connection.execute(update(LINES).where(*mine, *gone).values(is_told=True))
    return len(rows)
