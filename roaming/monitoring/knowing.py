"""What stations told last of themselves: variables, faults by their cause, meters; kept as they come, read together."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import configuration
from contracts.masking import MASK
from contracts.messages import MeterValuesTaken, StationFaultReported, StationReported
from contracts.messages.operation import ConfigurationTold
from contracts.vocabulary import Measurand
from roaming.monitoring.tables import StationFaultRow, StationMeterRow, StationVariableRow
from roaming.stations.bindings import STATIONS
from roaming.store.bulk import upsert
from roaming.store.columns import storable_text
from roaming.store.trimming import old_rows

FAULTS = StationFaultRow.__table__  # type: ignore[attr-defined]
VARIABLES = StationVariableRow.__table__  # type: ignore[attr-defined]
METERS = StationMeterRow.__table__  # type: ignore[attr-defined]
_STATION = ("network", "station_id")
_MOST_VARIABLES, _LONGEST = 2_000, 2_500
"""Of one report; characters of one value (OCPP 2.x, NotifyReport)."""
MOST_OF_STATION = 5_000
"""Variables; of a station that invents names the ones told longest ago are forgotten."""
_HIGHEST_CONNECTOR = 9_999
"""Connector 99 of EVSE 99: a station that counts on has no more rows than that."""
STATES = ("AvailabilityState", "OperationalStatus", "Problem", "Active", "Enabled", "Tripped", "Overload", "Fallback")
"""Variables that say how a component is (OCPP 2.0.1 part 2, appendix 3)."""
_UNITS: Mapping[Measurand, str] = {
    Measurand.ENERGY_REGISTER: "Wh",
    Measurand.ENERGY_EXPORT_REGISTER: "Wh",
    Measurand.ENERGY_INTERVAL: "Wh",
    Measurand.POWER: "W",
    Measurand.POWER_OFFERED: "W",
    Measurand.CURRENT: "A",
    Measurand.CURRENT_OFFERED: "A",
    Measurand.VOLTAGE: "V",
    Measurand.STATE_OF_CHARGE: "%",
    Measurand.TEMPERATURE: "°C",
}


async def write_faults(connection: AsyncConnection, faults: Sequence[tuple[datetime, StationFaultReported]]) -> None:
    """Counts faults by connector and cause."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for at, fault in faults:
        cause = storable_text("/".join(filter(None, (fault.error_code, fault.vendor_error_code))))[:200]
        key = (fault.network, fault.station_id, fault.connector_id, cause)
        names = ("network", "station_id", "connector_id", "cause")
        new: dict[str, Any] = {"times": 0, "first_at": at, "last_at": at, **dict(zip(names, key, strict=True))}
        row = rows.setdefault(key, new)
        row["times"] += 1
        row["last_at"] = max(row["last_at"], at)
        row["info"] = storable_text(fault.info or "")[:500]
    update = ("times = t.times + excluded.times", "last_at", "info")
    await upsert(connection, FAULTS, list(rows.values()), key=(*_STATION, "connector_id", "cause"), update=update)


async def write_meters(connection: AsyncConnection, told: Sequence[MeterValuesTaken]) -> None:
    """Keeps the newest readings of each connector."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for message in told:
        number = message.connector_id
        if number is None or not 0 <= number <= _HIGHEST_CONNECTOR or not message.samples:
            continue
        sample = max(message.samples, key=lambda sample: sample.at)
        key = (message.network, message.station_id, number)
        if key in rows and rows[key]["at"] > sample.at:
            continue
        readings = [
            {
                "measurand": value.measurand.value,
                "value": str(value.value),
                "unit": _UNITS.get(value.measurand, ""),
                "phase": value.phase or "",
            }
            for value in sample.values
        ]
        if readings:
            values = {"at": sample.at, "transaction_id": message.transaction_id or "", "readings": json.dumps(readings)}
            rows[key] = dict(zip((*_STATION, "connector_id"), key, strict=True)) | values
    await upsert(
        connection,
        METERS,
        list(rows.values()),
        key=(*_STATION, "connector_id"),
        update=("at", "transaction_id", "readings"),
        only_if="excluded.at >= t.at",
    )


async def write_variables(
    connection: AsyncConnection, told: Iterable[tuple[str, str, datetime, Iterable[tuple[str, str, str]]]]
) -> None:
    """Keeps (network, station_id, when told, (name, value, mutability) …); secrets are masked."""
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    for network, station_id, at, variables in told:
        for name, value, mutability in list(variables)[:_MOST_VARIABLES]:
            name = storable_text(name)[:500]
            earlier = rows.get((network, station_id, name))
            if earlier is not None and earlier["at"] > at:
                continue
            is_hidden = bool(value) and configuration.is_secret(name)
            rows[network, station_id, name] = {
                "network": network,
                "station_id": station_id,
                "name": name,
                "value": MASK if is_hidden else storable_text(value)[:_LONGEST],
                "mutability": mutability[:20],
                "at": at,
            }
    update = (
        "value",
        "mutability = CASE WHEN excluded.mutability = '' THEN t.mutability ELSE excluded.mutability END",
        "at",
    )
    await upsert(
        connection,
        VARIABLES,
        list(rows.values()),
        key=(*_STATION, "name"),
        update=update,
        only_if="excluded.at >= t.at",
    )
    for network, station_id in sorted({key[:2] for key in rows}):
        await _forget_oldest(connection, network, station_id)


async def _forget_oldest(connection: AsyncConnection, network: str, station_id: str) -> None:
    columns = VARIABLES.c
    mine = (columns.network == network, columns.station_id == station_id)
    count = (await connection.execute(select(func.count()).select_from(VARIABLES).where(*mine))).scalar_one()
    if count > MOST_OF_STATION:
        too_many = select(columns.name).where(*mine).order_by(columns.at.desc(), columns.name).offset(MOST_OF_STATION)
        await connection.execute(delete(VARIABLES).where(*mine, columns.name.in_(too_many)))


def of_configuration(told: ConfigurationTold) -> Iterator[tuple[str, str, str]]:
    """The settings of an answer, whatever the version of the station."""
    for entry in told.values:
        yield entry.key, entry.value or "", "ReadOnly" if entry.is_readonly else "ReadWrite"


def of_report(report: StationReported) -> Iterator[tuple[str, str, str]]:
    """The variables in NotifyReport, and those that NotifyEvent says have changed. What does not have the shape of
    OCPP 2.x is passed over."""
    if report.kind not in ("NotifyReport", "NotifyEvent") or not report.body:
        return
    try:
        body = msgspec.json.decode(report.body)
    except msgspec.DecodeError:
        return
    entries = (
        body.get("reportData" if report.kind == "NotifyReport" else "eventData") if isinstance(body, dict) else None
    )
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, dict):
            continue
        name = named(entry.get("component"), entry.get("variable"))
        if not name:
            continue
        if report.kind == "NotifyEvent":
            yield name, str(entry.get("actualValue", "")), ""
            continue
        attributes = entry.get("variableAttribute")
        for attribute in attributes if isinstance(attributes, list) else ():
            if isinstance(attribute, dict) and attribute.get("type", "Actual") == "Actual":
                yield name, str(attribute.get("value", "")), str(attribute.get("mutability", "ReadWrite"))


def named(component: Any, variable: Any) -> str:
    """``Connector(1,2)[left].AvailabilityState``: component with EVSE and connector, instances in brackets."""
    if not isinstance(component, dict) or not isinstance(variable, dict):
        return ""
    evse = component.get("evse")
    place = ""
    if isinstance(evse, dict):
        numbers = [str(evse[name]) for name in ("id", "connectorId") if name in evse]
        place = f"({','.join(numbers)})" if numbers else ""
    parts = [str(part.get("name", "")) for part in (component, variable)]
    instances = [f"[{part['instance']}]" if part.get("instance") else "" for part in (component, variable)]
    return f"{parts[0]}{place}{instances[0]}.{parts[1]}{instances[1]}" if all(parts) else ""


async def variables(connection: AsyncConnection, network: str, station_id: str) -> list[dict[str, Any]]:
    """As last told, by name."""
    columns = VARIABLES.c
    chosen = select(columns.name, columns.value, columns.mutability, columns.at)
    chosen = chosen.where(columns.network == network, columns.station_id == station_id).order_by(columns.name)
    return [
        {"name": row.name, "value": row.value, "mutability": row.mutability, "at": row.at.isoformat()}
        for row in await connection.execute(chosen)
    ]


def components(known: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """How each component is, of what ``variables`` returned."""
    found: dict[str, dict[str, str]] = {}
    for one in known:
        component, _, variable = str(one["name"]).rpartition(".")
        if component and variable in STATES:
            found.setdefault(component, {})[variable] = one["value"]
    return found


async def meters(connection: AsyncConnection, network: str, station_id: str) -> list[dict[str, Any]]:
    """The last readings of each connector."""
    chosen = select(METERS).where(METERS.c.network == network, METERS.c.station_id == station_id)
    return [
        {
            "connector": row.connector_id,
            "at": row.at.isoformat(),
            "transaction": row.transaction_id,
            "readings": json.loads(row.readings),
        }
        for row in await connection.execute(chosen.order_by(METERS.c.connector_id))
    ]


async def faults_of(connection: AsyncConnection, network: str, station_id: str) -> list[dict[str, Any]]:
    """Of one station, the last first."""
    chosen = select(FAULTS).where(FAULTS.c.network == network, FAULTS.c.station_id == station_id)
    return [
        {
            "connector": row.connector_id,
            "cause": row.cause,
            "times": row.times,
            "first": row.first_at.isoformat(),
            "last": row.last_at.isoformat(),
            "info": row.info,
        }
        for row in await connection.execute(chosen.order_by(FAULTS.c.last_at.desc()))
    ]


async def faults_by_cause(
    connection: AsyncConnection, since: datetime, *, keys: Mapping[tuple[str, str], Collection[int]] | None = None
) -> list[dict[str, Any]]:
    """Causes reported since a time, by make and firmware, those of most stations first. ``keys``: of these stations
    only, and of each of these connectors and the station itself (0)."""
    same = (STATIONS.c.network == FAULTS.c.network) & (STATIONS.c.station_id == FAULTS.c.station_id)
    make = (STATIONS.c.vendor, STATIONS.c.model, STATIONS.c.firmware_version)
    chosen = select(FAULTS, *make).outerjoin(STATIONS, same).where(FAULTS.c.last_at >= since)
    groups: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in await connection.execute(chosen):
        seen = None if keys is None else keys.get((row.network, row.station_id), ())
        if seen is not None and (not seen or row.connector_id not in (0, *seen)):
            continue
        made = f"{row.vendor or ''} {row.model or ''}".strip()
        group = groups.setdefault(
            (row.cause, made, row.firmware_version or ""), {"stations": set(), "times": 0, "last": row.last_at}
        )
        group["stations"].add(row.station_id)
        group["times"] += row.times
        group["last"] = max(group["last"], row.last_at)
    told = [
        {
            "cause": cause,
            "make": made,
            "firmware": firmware,
            "stations": len(group["stations"]),
            "times": group["times"],
            "last": group["last"].isoformat(),
            "such as": " ".join(sorted(group["stations"])[:5]),
        }
        for (cause, made, firmware), group in groups.items()
    ]
    return sorted(told, key=lambda row: (-int(str(row["stations"])), -int(str(row["times"])), str(row["cause"])))


async def inventory(
    connection: AsyncConnection, *, keys: Collection[tuple[str, str]] | None = None
) -> list[dict[str, Any]]:
    """How many stations there are of each make and firmware."""
    columns = STATIONS.c
    chosen = select(columns.network, columns.station_id, columns.vendor, columns.model)
    chosen = chosen.add_columns(columns.firmware_version, columns.is_connected).where(columns.is_admitted)
    wanted = None if keys is None else set(keys)
    groups: dict[tuple[str, str, str], list[int]] = {}
    for row in await connection.execute(chosen):
        if wanted is None or (row.network, row.station_id) in wanted:
            counts = groups.setdefault((row.vendor, row.model, row.firmware_version), [0, 0])
            counts[0] += 1
            counts[1] += bool(row.is_connected)
    return [
        {"vendor": vendor, "model": model, "firmware": firmware, "stations": total, "online": online}
        for (vendor, model, firmware), (total, online) in sorted(groups.items())
    ]


TRIMMINGS = (old_rows("state", FAULTS, "last_at"), old_rows("state", METERS, "at"))
