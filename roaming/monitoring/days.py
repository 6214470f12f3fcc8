"""Writing down what a part of a station was, a row a day, and reading it again."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.monitoring.ribbon import (
    CONNECTION,
    STATION,
    Change,
    Day,
    Interval,
    changes_of,
    intervals,
    merged,
    overlaid,
)
from roaming.monitoring.tables import StationDayRow
from roaming.store.bulk import select_rows, upsert
from roaming.store.trimming import Trimming

DAYS = StationDayRow.__table__  # type: ignore[attr-defined]
Part = tuple[str, str, int]
"""Network, station, part (see ``StationDayRow``)."""
_Key = tuple[str, str, int, str]
_KEY = ("network", "station_id", "part", "day")


async def write(connection: AsyncConnection, told: Mapping[Part, Sequence[Change]]) -> None:
    """Puts changes on their days, however late they were told."""
    by_day: dict[_Key, list[Change]] = {}
    for part, changes in told.items():
        for change in changes:
            by_day.setdefault((*part, _day(change.at)), []).append(change)
    if not by_day:
        return
    rows = await select_rows(connection, DAYS, (*_KEY, "before", "changes"), key=_KEY, values=list(by_day))
    known = {(row[0], row[1], row[2], row[3]): (row[4], json.loads(row[5])) for row in rows}
    last = await _last_before(connection, by_day.keys() - known.keys())
    written: list[dict[str, object]] = []
    ended: dict[Part, str] = {}
    for key in sorted(by_day, key=lambda key: key[3]):
        part = key[:3]
        before, changes = known.get(key, (ended.get(part, last.get(key, "")), []))
        after = merged(changes, by_day[key])
        ended[part] = str(after[-1][1])
        values = {"before": before, "changes": json.dumps(after, separators=(",", ":"), ensure_ascii=False)}
        written.append(dict(zip(_KEY, key, strict=True)) | values)
    await upsert(connection, DAYS, written, key=_KEY, update=("before", "changes"))


async def _last_before(connection: AsyncConnection, keys: set[_Key]) -> dict[_Key, str]:
    """How the last day before each of these ended."""
    found: dict[_Key, str] = {}
    for network, station_id, part, day in keys:
        columns = DAYS.c
        mine = (columns.network == network) & (columns.station_id == station_id) & (columns.part == part)
        earlier = select(columns.changes).where(mine, columns.day < day).order_by(columns.day.desc()).limit(1)
        row = (await connection.execute(earlier)).one_or_none()
        if row is not None:
            found[network, station_id, part, day] = str(json.loads(row[0])[-1][1])
    return found


async def ribbons(
    connection: AsyncConnection, network: str, station_id: str, *, start: datetime, end: datetime
) -> dict[int, list[Interval]]:
    """Of each part of a station that is known, without a gap from ``start`` to ``end``."""
    columns = DAYS.c
    mine = (columns.network == network) & (columns.station_id == station_id)
    newest = select(columns.part, func.max(columns.day).label("day"))
    newest = newest.where(mine, columns.day <= _day(start)).group_by(columns.part)
    since = [row.day for row in await connection.execute(newest)]
    earliest = min(since, default=_day(start))
    rows = (await connection.execute(select(DAYS).where(mine, columns.day >= earliest).order_by(columns.day))).all()
    days: dict[int, list[Day]] = {}
    for row in rows:
        days.setdefault(row.part, []).append(Day(date.fromisoformat(row.day), row.before, json.loads(row.changes)))
    found = {part: intervals(changes_of(each), start, end) for part, each in sorted(days.items())}
    away = found.get(CONNECTION, [])
    return {part: own if part == CONNECTION else overlaid(own, away) for part, own in found.items()}


def part_name(part: int) -> str:
    """For people."""
    return {CONNECTION: "connection", STATION: "station"}.get(part, f"connector {part}")


async def _trim(connection: AsyncConnection, before: datetime, at_once: int) -> int:
    """The newest row before stays: it tells what was when the kept days began."""
    day = _day(before)
    later = DAYS.alias("later")
    same = [later.c[name] == DAYS.c[name] for name in _KEY[:3]]
    has_later = select(later.c.day).where(*same, later.c.day > DAYS.c.day, later.c.day < day).exists()
    key = tuple_(*(DAYS.c[name] for name in _KEY))
    # The oldest first: what stays is mostly of the last days, and is not gone through for each batch
    old = select(*(DAYS.c[name] for name in _KEY)).where(DAYS.c.day < day, has_later).order_by(DAYS.c.day)
    found = [tuple(row) for row in (await connection.execute(old.limit(at_once))).all()]
    if found:
        await connection.execute(delete(DAYS).where(key.in_(found)))
    return len(found)


TRIMMINGS = (Trimming(kind="state", what="station_days", remove=_trim, at_once=200),)


def _day(at: datetime) -> str:
    return at.astimezone(UTC).date().isoformat()


def window(now: datetime, days: int) -> tuple[datetime, datetime]:
    """The last so many days."""
    return now - timedelta(days=days), now
