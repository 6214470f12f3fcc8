"""What connectors last said, and what that means for the EVSE they belong to."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import ColumnElement, exists, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.vocabulary import ConnectorStatus
from roaming.model.location import Status
from roaming.stations.tables import ConnectorRow, StationRow
from roaming.store.bulk import select_rows, upsert

STATIONS = StationRow.__table__  # type: ignore[attr-defined]
CONNECTORS = ConnectorRow.__table__  # type: ignore[attr-defined]
_STATUS_COLUMNS = ("network", "station_id", "connector_id", "status", "is_away")
_STATUS = {status.value: status for status in ConnectorStatus}

EVSE_STATUS: Mapping[ConnectorStatus, Status] = {
    ConnectorStatus.AVAILABLE: Status.AVAILABLE,
    ConnectorStatus.PREPARING: Status.BLOCKED,
    ConnectorStatus.CHARGING: Status.CHARGING,
    ConnectorStatus.SUSPENDED_EV: Status.CHARGING,
    ConnectorStatus.SUSPENDED_EVSE: Status.CHARGING,
    ConnectorStatus.FINISHING: Status.BLOCKED,
    ConnectorStatus.RESERVED: Status.RESERVED,
    ConnectorStatus.UNAVAILABLE: Status.INOPERATIVE,
    ConnectorStatus.FAULTED: Status.OUTOFORDER,
    ConnectorStatus.UNKNOWN: Status.UNKNOWN,
}
"""Decision 0041: a suspended session is still running; a car that stands there without charging blocks."""

STRONGEST_FIRST = (
    Status.CHARGING,
    Status.BLOCKED,
    Status.RESERVED,
    Status.AVAILABLE,
    Status.UNKNOWN,
    Status.OUTOFORDER,
    Status.INOPERATIVE,
)
"""Of connectors that exclude one another, so that one broken plug does not hide a usable one."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A connector's status at a time."""

    network: str
    station_id: str
    connector_id: int
    status: ConnectorStatus
    at: datetime


async def record(connection: AsyncConnection, reports: Sequence[Report]) -> set[tuple[str, str, int]]:
    """Keeps the newest status of each connector; returns those that were not older than what was known."""
    newest: dict[tuple[str, str, int], Report] = {}
    for report in reports:
        key = (report.network, report.station_id, report.connector_id)
        if key not in newest or newest[key].at <= report.at:
            newest[key] = report
    rows = [
        {
            "network": r.network,
            "station_id": r.station_id,
            "connector_id": r.connector_id,
            "status": r.status.value,
            "at": r.at,
            "is_away": False,
        }
        for _, r in sorted(newest.items())
    ]
    written = await upsert(
        connection,
        CONNECTORS,
        rows,
        key=("network", "station_id", "connector_id"),
        update=("status", "at", "is_away"),
        only_if="t.at <= excluded.at",
    )
    return {(network, station_id, int(connector_id)) for network, station_id, connector_id in written}


async def statuses_of(
    connection: AsyncConnection, stations: Sequence[tuple[str, str]]
) -> dict[tuple[str, str, int], ConnectorStatus]:
    """The last status of every connector of the given stations; UNKNOWN while a station is away for too long."""
    if not stations:
        return {}
    wanted = list(dict.fromkeys(stations))
    rows = await select_rows(connection, CONNECTORS, _STATUS_COLUMNS, key=("network", "station_id"), values=wanted)
    return {(row[0], row[1], row[2]): ConnectorStatus.UNKNOWN if row[4] else _STATUS[row[3]] for row in rows}


async def free_since(
    connection: AsyncConnection, stations: Sequence[tuple[str, str]], *, before: datetime
) -> dict[tuple[str, str, int], datetime]:
    """Of the given stations the connectors that are free, and were told to be so before ``before``: since when."""
    columns = ("network", "station_id", "connector_id", "status", "at")
    wanted = list(dict.fromkeys(stations))
    rows = await select_rows(connection, CONNECTORS, columns, key=("network", "station_id"), values=wanted)
    free = ConnectorStatus.AVAILABLE.value
    return {(row[0], row[1], row[2]): row[4] for row in rows if row[3] == free and row[4] < before}


async def mark_away(connection: AsyncConnection, *, before: datetime) -> set[tuple[str, str]]:
    """Marks the connectors of stations that disconnected before ``before`` and did not come back; returns the
    stations whose connectors were not marked yet."""
    columns = STATIONS.c
    are_away = columns.is_connected.is_(False) & (columns.disconnected_at < before)
    return await _mark(connection, are_away, is_away=True)


async def mark_back(connection: AsyncConnection) -> set[tuple[str, str]]:
    """Takes the mark from the connectors of stations that are back: what they said last holds again, since a station
    tells what has changed meanwhile and need not tell what has not (OCPP 1.6, section 4.9). Returns the stations."""
    columns = STATIONS.c
    return await _mark(connection, columns.is_connected.is_(True) & columns.is_admitted.is_(True), is_away=False)


async def _mark(connection: AsyncConnection, stations: ColumnElement[bool], *, is_away: bool) -> set[tuple[str, str]]:
    columns = CONNECTORS.c
    same = (STATIONS.c.network == columns.network) & (STATIONS.c.station_id == columns.station_id)
    statement = (
        update(CONNECTORS)
        .where(columns.is_away.is_(not is_away), columns.connector_id > 0, exists().where(same & stations))
        .values(is_away=is_away)
        .returning(columns.network, columns.station_id)
    )
    return {(row[0], row[1]) for row in await connection.execute(statement)}


def evse_status(connectors: Sequence[ConnectorStatus], station: ConnectorStatus | None) -> Status:
    """The OCPI status of an EVSE from its connectors' and its station's (connector 0).

    >>> evse_status([ConnectorStatus.FAULTED, ConnectorStatus.AVAILABLE], None)
    <Status.AVAILABLE: 'AVAILABLE'>
    """
    if station == ConnectorStatus.UNAVAILABLE:
        return Status.INOPERATIVE
    if station == ConnectorStatus.FAULTED:
        return Status.OUTOFORDER
    if len(connectors) == 1:
        return EVSE_STATUS[connectors[0]]
    found = {EVSE_STATUS[status] for status in connectors} or {Status.UNKNOWN}
    return next(status for status in STRONGEST_FIRST if status in found)
