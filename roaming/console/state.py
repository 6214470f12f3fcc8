"""The picture that the live page shows, read from the store in one go. Holds no secret and no token of a driver
beyond its last four characters."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from roaming.store.reader import Reader

MOST_STATIONS = 200
MOST_COUNTED = 1_000
"""The page looks twice a second: what it counts one by one it counts so far only."""
_STATIONS = (
    "SELECT s.station_id, s.is_admitted, s.is_connected, s.vendor, s.model, c.connector_id,"
    " CASE WHEN c.is_away THEN 'UNKNOWN' ELSE c.status END, b.evse_uid,"
    " b.location_id, s.network FROM (SELECT * FROM stations ORDER BY is_admitted, station_id, network LIMIT $1) s"
    " LEFT JOIN bindings b ON b.network = s.network AND b.station_id = s.station_id"
    " LEFT JOIN connectors c ON c.network = s.network AND c.station_id = s.station_id"
    " AND c.connector_id = b.connector_id"
    " ORDER BY s.is_admitted, s.station_id, c.connector_id LIMIT $1"
)
_SESSIONS = "SELECT key, status, document, scope FROM sessions WHERE source = '' ORDER BY started_at DESC LIMIT 12"
_CDRS = (
    "SELECT c.key, c.document, c.scope, d.state, d.attempts, d.done_at, d.partner_id, d.last_error FROM cdrs c"
    " LEFT JOIN deliveries d ON d.module = 'cdrs' AND d.object_key = c.key"
    " WHERE c.source = '' ORDER BY c.ended_at DESC LIMIT 12"
)
_PARTNERS = "SELECT id, name, state FROM partners ORDER BY id LIMIT 200"
_CDRS_ISSUED = "SELECT COALESCE(SUM(amount), 0) FROM object_counts WHERE module = 'cdrs' AND source = ''"
_COUNTED = {
    "charging": "sessions WHERE status = 'ACTIVE'",
    "acknowledged": "deliveries WHERE module = 'cdrs' AND state = 'DELIVERED' AND done_at IS NOT NULL",
    "on_their_way": "deliveries WHERE state = 'PENDING'",
    "dead_letters": "dead_letters WHERE replayed_at IS NULL",
}

WORDS = {
    "PENDING": "on its way",
    "DELIVERED": "acknowledged",
    "REFUSED": "refused",
    "DEAD": "given up",
    "DROPPED": "withdrawn",
}


async def picture(reader: Reader) -> dict[str, Any]:
    """Stations, sessions, CDRs with their partner's acknowledgement, partners and totals. Its cost does not grow with
    what is stored."""
    totals: dict[str, int | str] = {name: await _count(reader, rows) for name, rows in _COUNTED.items()}
    totals["cdrs"] = int((await reader.fetch(_CDRS_ISSUED))[0][0])
    stations = await reader.fetch(_STATIONS, MOST_STATIONS)
    return {
        "stations": [_station(row) for row in stations],
        "are_there_more_stations": len(stations) >= MOST_STATIONS,
        "sessions": [_session(json.loads(row[2])) for row in await reader.fetch(_SESSIONS)],
        "cdrs": [_cdr(row) for row in await reader.fetch(_CDRS)],
        "partners": [{"id": row[0], "name": row[1], "state": row[2]} for row in await reader.fetch(_PARTNERS)],
        "totals": totals,
    }


async def _count(reader: Reader, rows: str) -> int | str:
    """How many there are, or such as ``1000+``."""
    sql = f"SELECT COUNT(*) FROM (SELECT 1 FROM {rows} LIMIT $1) AS counted"  # noqa: S608 - our own
    found = int((await reader.fetch(sql, MOST_COUNTED + 1))[0][0])
    return found if found <= MOST_COUNTED else f"{MOST_COUNTED}+"


def _station(row: Any) -> dict[str, Any]:
    return {
        "station": row[0],
        "network": row[9],
        "is_bound": bool(row[1]),
        "is_online": bool(row[2]),
        "make": f"{row[3]} {row[4]}".strip(),
        "connector": row[5],
        "status": row[6] or "UNKNOWN",
        "evse": row[7] or "",
        "location": row[8] or "",
    }


def _session(session: Mapping[str, Any]) -> dict[str, Any]:
    cost = session.get("total_cost") or {}
    token = session["cdr_token"]
    return {
        "id": session["id"],
        "evse": session["evse_uid"],
        "status": session["status"],
        "driver": f"{token['country_code']}-{token['party_id']} …{token['uid'][-4:]}",
        "kwh": session["kwh"],
        "cost": cost.get("before_taxes"),
        "currency": session["currency"],
        "started": session["start_date_time"],
        "how": session["auth_method"],
        "periods": len(session.get("charging_periods") or []),
    }


def _cdr(row: Any) -> dict[str, Any]:
    cdr = json.loads(row[1])
    price = cdr["total_cost"]
    taxes = sum(float(tax["amount"]) for tax in price.get("taxes") or [])
    return {
        "id": cdr["id"],
        "evse": cdr["cdr_location"]["evse_uid"],
        "owner": row[2],
        "kwh": cdr["total_energy"],
        "hours": cdr["total_time"],
        "cost": price["before_taxes"],
        "with_taxes": round(float(price["before_taxes"]) + taxes, 4),
        "currency": cdr["currency"],
        "periods": len(cdr["charging_periods"]),
        "partner": row[6] or "",
        "state": WORDS.get(row[3] or "", "ours" if row[3] is None else row[3]),
        "attempts": row[4] or 0,
        "acknowledged_at": _text(row[5]),
        "error": row[7] or "",
    }


def _text(value: datetime | str | None) -> str | None:
    return value.isoformat() if isinstance(value, datetime) else value
