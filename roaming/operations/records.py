"""Requests to stations and stations' reports in the store: rows ⇄ plain records."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.operations.tables import LastReportRow, OperationRow, StationReportRow
from roaming.store.bulk import insert_new, upsert
from roaming.store.trimming import old_rows

OPERATIONS = OperationRow.__table__  # type: ignore[attr-defined]
REPORTS = StationReportRow.__table__  # type: ignore[attr-defined]
LAST_REPORTS = LastReportRow.__table__  # type: ignore[attr-defined]
OVER = ("ANSWERED", "TIMED_OUT")
TRIMMINGS = (
    old_rows("operation", OPERATIONS, "deadline", OPERATIONS.c.state.in_(OVER)),
    old_rows("operation", REPORTS, "at"),
    old_rows("operation", LAST_REPORTS, "at"),
)
LONGEST_DETAIL = 2_000


@dataclass(frozen=True, kw_only=True)
class Record:
    """One request to one station, and what came of it."""

    id: str
    batch_id: str
    network: str
    station_id: str
    kind: str
    request: str
    digest: str
    who: str
    why: str
    state: str
    created_at: datetime
    deadline: datetime
    outcome: str = ""
    detail: str = ""
    told: str = ""
    answered_at: datetime | None = None

    @property
    def is_over(self) -> bool:
        """There is a word on it, if only that the station did not say any."""
        return self.state in OVER

    @property
    def seconds(self) -> float | None:
        """How long the station took."""
        return (self.answered_at - self.created_at).total_seconds() if self.answered_at else None


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a station said unasked."""

    id: str
    network: str
    station_id: str
    at: datetime
    kind: str
    status: str = ""
    request_id: str = ""
    detail: str = ""


async def insert(connection: AsyncConnection, records: Sequence[Record]) -> set[str]:
    """Stores those that are not there yet; returns their ids."""
    rows = [asdict(record) for record in records]
    return {key[0] for key in await insert_new(connection, OPERATIONS, rows, key=("id",))}


async def load(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, Record]:
    """Those of these ids that are there."""
    found: dict[str, Record] = {}
    for start in range(0, len(ids), 500):
        chosen = OPERATIONS.c.id.in_(ids[start : start + 500])
        for row in (await connection.execute(select(OPERATIONS).where(chosen))).mappings():
            found[row["id"]] = Record(**row)
    return found


async def list_records(
    connection: AsyncConnection, *, limit: int, before: str | None = None, **wanted: str
) -> list[Record]:
    """The newest first; ``wanted`` are columns and what they hold, ``before`` the id of the last one seen."""
    columns = OPERATIONS.c
    conditions = [columns[name] == value for name, value in wanted.items()]
    if before is not None:
        seen = select(columns.created_at).where(columns.id == before).scalar_subquery()
        conditions.append((columns.created_at < seen) | ((columns.created_at == seen) & (columns.id < before)))
    statement = (
        select(OPERATIONS).where(*conditions).order_by(columns.created_at.desc(), columns.id.desc()).limit(limit)
    )
    return [Record(**row) for row in (await connection.execute(statement)).mappings()]


async def finish(
    connection: AsyncConnection, id: str, *, outcome: str, detail: str, told: str, now: datetime
) -> Record | None:
    """Records what the station said, also when it says so late; the first word counts. ``None``: no such request, or
    it had its word."""
    columns = OPERATIONS.c
    statement = (
        update(OPERATIONS)
        .where(columns.id == id, columns.state != "ANSWERED")
        .values(state="ANSWERED", outcome=outcome, detail=detail[:LONGEST_DETAIL], told=told, answered_at=now)
        .returning(OPERATIONS)
    )
    row = (await connection.execute(statement)).mappings().one_or_none()
    return Record(**row) if row is not None else None


async def expire(connection: AsyncConnection, now: datetime, *, at_once: int = 500) -> list[Record]:
    """Marks requests whose deadline has passed without a word."""
    columns = OPERATIONS.c
    waiting = select(columns.id).where(columns.state == "REQUESTED", columns.deadline < now).limit(at_once)
    statement = (
        update(OPERATIONS)
        .where(columns.id.in_(waiting), columns.state == "REQUESTED")
        .values(state="TIMED_OUT", outcome="TIMEOUT", detail="nothing was heard of the station in time")
        .returning(OPERATIONS)
    )
    return [Record(**row) for row in (await connection.execute(statement)).mappings()]


async def insert_reports(connection: AsyncConnection, reports: Sequence[Report]) -> None:
    """Keeps what stations said."""
    await insert_new(connection, REPORTS, [asdict(report) for report in reports], key=("id",))


async def list_reports(
    connection: AsyncConnection, network: str, station_id: str, *, limit: int
) -> list[Mapping[str, Any]]:
    """What a station said, the newest first."""
    columns = REPORTS.c
    statement = (
        select(REPORTS)
        .where(columns.network == network, columns.station_id == station_id)
        .order_by(columns.at.desc(), columns.id)
        .limit(limit)
    )
    return [dict(row) for row in (await connection.execute(statement)).mappings()]


@dataclass(frozen=True, kw_only=True)
class LastReport:
    """So many reports of one kind, and the last of them."""

    network: str
    station_id: str
    kind: str
    times: int
    at: datetime
    connector_id: int | None
    transaction_id: str
    body: str


async def count_reports(connection: AsyncConnection, reports: Sequence[LastReport]) -> None:
    """Keeps the last of each kind: one for each station and kind."""
    await upsert(
        connection,
        LAST_REPORTS,
        [asdict(report) for report in reports],
        key=("network", "station_id", "kind"),
        update=("times = t.times + excluded.times", "at", "connector_id", "transaction_id", "body"),
    )


async def list_last_reports(connection: AsyncConnection, network: str, station_id: str) -> list[LastReport]:
    """Of a station, by kind."""
    columns = LAST_REPORTS.c
    statement = (
        select(LAST_REPORTS).where(columns.network == network, columns.station_id == station_id).order_by(columns.kind)
    )
    return [LastReport(**row) for row in (await connection.execute(statement)).mappings()]
