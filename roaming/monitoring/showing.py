"""How a station is, all told, as plain values for people and programs. No secret is among them."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.monitoring import days, knowing, lines
from roaming.monitoring.ribbon import CONNECTION, Interval, usable
from roaming.stations.bindings import STATIONS
from roaming.stations.connectors import CONNECTORS

RIBBON_DAYS = 90


async def health(
    connection: AsyncConnection, network: str, station_id: str, now: datetime, *, seen: Collection[int] | None = None
) -> dict[str, Any]:
    """Whether it is online and why not, its connectors and components, faults, meters, and its last 90 days in a
    number. ``seen``: only of these connectors; ``None``: of all."""
    key = (network, station_id)
    line = (await lines.lines_of(connection, [key])).get(key)
    mine = (STATIONS.c.network == network, STATIONS.c.station_id == station_id)
    station = (await connection.execute(select(STATIONS).where(*mine))).one()
    of_it = (CONNECTORS.c.network == network, CONNECTORS.c.station_id == station_id)
    connectors = (await connection.execute(select(CONNECTORS).where(*of_it).order_by(CONNECTORS.c.connector_id))).all()
    known = await knowing.variables(connection, network, station_id)
    start, end = days.window(now, RIBBON_DAYS)
    found = await days.ribbons(connection, network, station_id, start=start, end=end)
    faults = await knowing.faults_of(connection, network, station_id)
    meters = await knowing.meters(connection, network, station_id)

    def is_seen(connector_id: int) -> bool:
        return seen is None or connector_id in seen

    return {
        "station": station_id,
        "network": network,
        "online": bool(station.is_connected),
        "since": _text(line.at if line is not None else station.connected_at),
        "reason": line.why if line is not None and not line.is_online else "",
        "protocol": station.protocol,
        "remote_address": station.remote_address,
        "vendor": station.vendor,
        "model": station.model,
        "firmware": station.firmware_version,
        "booted": _text(station.booted_at),
        "connectors": [
            {
                "connector": row.connector_id,
                "status": "UNKNOWN" if row.is_away else row.status,
                "last_word": row.status,
                "since": _text(row.at),
            }
            for row in connectors
            if is_seen(row.connector_id)
        ],
        "components": knowing.components(known),
        "variables": len(known),
        "faults": [one for one in faults if is_seen(one["connector"])],
        "meters": [one for one in meters if is_seen(one["connector"])],
        "usable_90_days": {days.part_name(part): _share(each) for part, each in found.items() if is_seen(part)},
    }


def interval_rows(found: dict[int, list[Interval]]) -> list[dict[str, Any]]:
    """All intervals, a row each."""
    return [
        {
            "part": days.part_name(part),
            "connector": "" if part == CONNECTION else part,
            "from": _moment(one.start),
            "to": _moment(one.end),
            "seconds": _number(one.seconds),
            "state": one.state,
            "why": one.why,
        }
        for part, each in found.items()
        for one in each
    ]


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds" if at.microsecond else "seconds")


def _number(seconds: float) -> float:
    """To the millisecond; whole ones without a point."""
    rounded = round(seconds, 3)
    return int(rounded) if rounded.is_integer() else rounded


def _share(found: list[Interval]) -> float | None:
    share = usable(found)
    return None if share is None else round(share, 4)


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="seconds")
