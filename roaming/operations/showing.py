"""Stations and what was asked of them, as plain values for people and programs. No secret is among them."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.deviations import MEANINGS
from roaming.operations import records
from roaming.operations.records import Record
from roaming.operations.selecting import StationKey, labels_of
from roaming.stations import straying
from roaming.stations.bindings import BINDINGS, STATIONS
from roaming.stations.certificates import expiries_of
from roaming.stations.connectors import CONNECTORS, statuses_of
from roaming.stations.tables import RunningSessionRow
from roaming.store.bulk import select_rows

RUNNING = RunningSessionRow.__table__  # type: ignore[attr-defined]
LATEST = 10
_COLUMNS = (
    "network",
    "station_id",
    "is_connected",
    "protocol",
    "vendor",
    "model",
    "serial_number",
    "firmware_version",
    "connected_at",
    "disconnected_at",
    "booted_at",
    "last_fault",
    "security_profile",
    "best_profile",
    "wanted_profile",
    "key_digest",
    "next_key_digests",
)

_OF_STRANGERS = (
    "station_id",
    "network",
    "is_connected",
    "first_seen_at",
    "connected_at",
    "disconnected_at",
    "remote_address",
    "protocol",
    "security_profile",
    "vendor",
    "model",
    "serial_number",
    "firmware_version",
    "last_fault",
)


def shown(record: Record) -> dict[str, Any]:
    """One request and what came of it; ``seconds`` is how long the station took."""
    values = asdict(record)
    for name in ("request", "told"):
        values[name] = json.loads(values[name]) if values[name] else None
    for name in ("created_at", "deadline", "answered_at"):
        values[name] = values[name].isoformat() if values[name] is not None else None
    del values["digest"]
    return values | {"seconds": record.seconds}


def row_of(record: Record) -> dict[str, Any]:
    """The same as a line of a table."""
    return {
        "id": record.id,
        "station": record.station_id,
        "kind": record.kind,
        "state": record.state,
        "outcome": record.outcome,
        "detail": record.detail,
        "who": record.who,
        "why": record.why,
        "asked": record.created_at.isoformat(timespec="seconds"),
        "seconds": "" if record.seconds is None else f"{record.seconds:.2f}",
    }


async def stations(connection: AsyncConnection, keys: Sequence[StationKey]) -> list[dict[str, Any]]:
    """Each station in one line, in the given order."""
    rows = await select_rows(connection, STATIONS, _COLUMNS, key=("network", "station_id"), values=list(keys))
    found = {(row[0], row[1]): dict(zip(_COLUMNS, row, strict=True)) for row in rows}
    labels = await labels_of(connection, keys)
    statuses = await statuses_of(connection, keys)
    expiries = await expiries_of(connection, keys)
    shown: list[dict[str, Any]] = []
    for key in keys:
        group, tags = labels.get(key, ("", []))
        of_it = sorted((number, status) for (*at, number), status in statuses.items() if tuple(at) == key)
        said = {name: _plain(value) for name, value in found[key].items()}
        has_password, is_changing = said.pop("key_digest") is not None, bool(said.pop("next_key_digests"))
        shown.append(
            {"station": key[1], "network": key[0], "online": said.pop("is_connected")}
            | {"group": group, "tags": tags, "connectors": {str(number): status.value for number, status in of_it}}
            | {name: value for name, value in said.items() if name not in ("network", "station_id")}
            | {"password": "changing" if is_changing else "set" if has_password else "none"}
            | {"certificate_until": _plain(expiries.get(key))}
        )
    return shown


async def inbox(connection: AsyncConnection, *, limit: int) -> list[dict[str, Any]]:
    """Stations that have connected and nobody has bound, those that came last first: what each says it is, and whether
    it has shown a password that it can be bound with."""
    columns = [STATIONS.c[name] for name in _OF_STRANGERS]
    statement = (
        select(STATIONS.c.presented_digest.is_not(None), *columns)
        .where(STATIONS.c.is_admitted.is_(False))
        .order_by(STATIONS.c.connected_at.desc(), STATIONS.c.station_id)
        .limit(limit)
    )
    return [
        {"station": row[1], "network": row[2], "online": row[3], "has_password": bool(row[0])}
        | {name: _plain(value) for name, value in zip(_OF_STRANGERS[3:], row[4:], strict=True)}
        for row in await connection.execute(statement)
    ]


async def station(connection: AsyncConnection, key: StationKey) -> dict[str, Any]:
    """All about one station: since when its connectors are so, where they are, what runs there, what was asked of it
    last, what it said unasked, and of what else it reports the last of each kind."""
    (said,) = await stations(connection, [key])
    network, station_id = key
    bound = select(BINDINGS).where(BINDINGS.c.network == network, BINDINGS.c.station_id == station_id)
    places = {
        row["connector_id"]: {
            "location": row["location_id"],
            "party": f"{row['country_code']}-{row['party_id']}",
            "evse_uid": row["evse_uid"],
        }
        for row in (await connection.execute(bound)).mappings()
    }
    since = select(CONNECTORS.c.connector_id, CONNECTORS.c.at).where(
        CONNECTORS.c.network == network, CONNECTORS.c.station_id == station_id
    )
    times = {row[0]: row[1].isoformat() for row in await connection.execute(since)}
    counted = select(STATIONS.c.rejected_messages, STATIONS.c.deviations).where(
        STATIONS.c.network == network, STATIONS.c.station_id == station_id
    )
    rejected, deviations = (await connection.execute(counted)).one()
    running = select(RUNNING.c.transaction_id).where(RUNNING.c.network == network, RUNNING.c.station_id == station_id)
    asked = await records.list_records(connection, limit=LATEST, network=network, station_id=station_id)
    last = await records.list_last_reports(connection, network, station_id)
    told = await records.list_reports(connection, network, station_id, limit=LATEST)
    return said | {
        "connectors": [
            {
                "connector": number,
                "status": said["connectors"].get(str(number), "UNKNOWN"),
                "since": times.get(number),
                **places.get(number, {}),
            }
            for number in sorted(times.keys() | places.keys())
        ],
        "transactions": [str(row[0]) for row in await connection.execute(running)],
        "rejected_messages": rejected,
        "deviations": [
            {"kind": kind, "times": times, "meaning": MEANINGS.get(kind, "")}
            for kind, times in straying.read(deviations).totals().items()
        ],
        "operations": [shown(record) for record in asked],
        "reports": [{name: _plain(value) for name, value in report.items()} for report in told],
        "told": [
            {
                "kind": report.kind,
                "times": report.times,
                "at": report.at.isoformat(),
                "connector": report.connector_id,
                "transaction": report.transaction_id,
                "body": json.loads(report.body) if report.body else None,
            }
            for report in last
        ],
    }


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value
