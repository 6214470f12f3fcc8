"""Whose the sessions are that are passed on, with whom reservations were made, and between whom other objects went:
what later requests about them, which name nobody, are routed by; and where they are, for the rules about that place.
And which CDRs were passed on, so that none is told twice.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, select

from roaming.hub.tables import WhereaboutsRow
from roaming.model.identifiers import PartyId, fold
from roaming.model.session import Session
from roaming.ocpi.module import Outgoing
from roaming.store.bulk import upsert
from roaming.store.columns import storable_text, text_to_time
from roaming.store.database import Database
from roaming.store.documents import object_key, read_objects
from roaming.store.reader import Reader, fetch_of

WHEREABOUTS = WhereaboutsRow.__table__  # type: ignore[attr-defined]
SESSION, RESERVATION, RECORD, TO_BOOK = "SESSION", "RESERVATION", "CDR", "BOOKING_LOCATION"
KEPT = timedelta(days=90)
"""After the last change."""
TO_BOOK_KEPT = timedelta(days=730)
"""A booking location may be told once and booked for years."""
_RENEWED = timedelta(days=1)
"""So often is the time written anew."""
_PRUNED_AT_ONCE = 10


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a session or a reservation is. ``evse_uid`` may be empty."""

    location_id: str
    evse_uid: str = ""


def place_in(body: Any) -> Place | None:
    """Out of a session or command: by ids, or the location that 2.1.1 quotes whole."""
    if not isinstance(body, dict):
        return None
    location_id, uid, quoted = body.get("location_id"), body.get("evse_uid"), body.get("location")
    if isinstance(quoted, dict):
        location_id, evses = quoted.get("id"), quoted.get("evses")
        first = evses[0] if isinstance(evses, list) and evses else None
        uid = first.get("uid") if isinstance(first, dict) else None
    if not isinstance(location_id, str) or not location_id:
        return None
    return Place(location_id=location_id, evse_uid=uid if isinstance(uid, str) else "")


async def place_of_session(reader: Reader, cpo: PartyId, session_id: str) -> Place | None:
    """Where a session is, passed on or stored here; ``None`` where that is not known. Committed data only. Raises
    ``StoreUnavailable``."""
    session_id = storable_text(session_id)
    rows = await reader.fetch(
        "SELECT place FROM hub_whereabouts WHERE kind = 'SESSION' AND owner = $1 AND object_id = $2 AND place <> ''",
        str(cpo),
        fold(session_id),
    )
    if rows:
        return _place(rows[0][0])
    stored = await read_objects(reader, "sessions", [object_key(cpo, session_id)], Session)
    session = next(iter(stored.values()), None)
    return Place(location_id=session.location_id, evse_uid=session.evse_uid) if session is not None else None


async def place_of_reservation(reader: Reader, emsp: PartyId, cpo: PartyId, reservation_id: str) -> Place | None:
    """Where ``emsp`` asked ``cpo`` for a reservation of this id. Raises ``StoreUnavailable``."""
    rows = await reader.fetch(
        "SELECT place FROM hub_whereabouts WHERE kind = 'RESERVATION' AND owner = $1 AND object_id = $2"
        " AND other = $3 AND place <> ''",
        str(emsp),
        fold(storable_text(reservation_id)),
        str(cpo),
    )
    return _place(rows[0][0]) if rows else None


async def place_to_book(reader: Reader, emsp: PartyId, cpo: PartyId, booking_location_id: str) -> Place | None:
    """Where a booking location is, withdrawn or not, that the CPO told all of, or ``emsp`` through the hub; ``None``
    where it told neither. Raises ``StoreUnavailable``."""
    id = storable_text(booking_location_id)
    rows = await reader.fetch(
        "SELECT place, evse_uid FROM booking_locations WHERE key = $1 AND scope = ''", object_key(cpo, id)
    )
    if rows:
        return Place(location_id=rows[0][0], evse_uid=rows[0][1])
    rows = await reader.fetch(
        "SELECT place FROM hub_whereabouts WHERE kind = $1 AND owner = $2 AND object_id = $3 AND other = $4"
        " AND place <> ''",
        TO_BOOK,
        str(cpo),
        fold(id),
        str(emsp),
    )
    return _place(rows[0][0]) if rows else None


def _place(text: str) -> Place:
    location_id, uid = json.loads(text)
    return Place(location_id=location_id, evse_uid=uid)


async def emsp_of_session(reader: Reader, cpo: PartyId, session_id: str) -> PartyId | None:
    """Whose driver's the session is, passed on or stored here. Committed data only. Raises ``StoreUnavailable``."""
    session_id = storable_text(session_id)
    rows = await reader.fetch(
        "SELECT other FROM hub_whereabouts WHERE kind = 'SESSION' AND owner = $1 AND object_id = $2"
        " UNION ALL SELECT scope FROM sessions WHERE key = $3",
        str(cpo),
        fold(session_id),
        object_key(cpo, session_id),
    )
    return PartyId.parse(rows[0][0]) if rows else None


async def cpos_of_session(
    reader: Reader, emsp: PartyId, session_id: str, candidates: Sequence[PartyId]
) -> list[PartyId]:
    """Which of the ``candidates`` have a session of this id for a driver of ``emsp``. Raises ``StoreUnavailable``."""
    session_id = storable_text(session_id)
    owners = {str(cpo): cpo for cpo in candidates}
    sql = "SELECT owner, other FROM hub_whereabouts WHERE kind = $1 AND object_id = $2 AND owner IN"
    passed = {owners[owner]: other for owner, other in await fetch_of(reader, sql, owners, SESSION, fold(session_id))}
    keys = {object_key(cpo, session_id): cpo for cpo in candidates}
    stored = await fetch_of(reader, "SELECT key, scope FROM sessions WHERE key IN", keys)
    emsp_of = {keys[key]: scope for key, scope in stored} | passed  # as in emsp_of_session
    return [cpo for cpo in candidates if emsp_of.get(cpo) == str(emsp)]


async def cpos_of_reservation(reader: Reader, emsp: PartyId, reservation_id: str) -> list[PartyId]:
    """With whom ``emsp`` made a reservation of this id. Raises ``StoreUnavailable``."""
    return await others_in(reader, RESERVATION, emsp, reservation_id)


async def others_in(reader: Reader, kind: str, owner: PartyId, object_id: str) -> list[PartyId]:
    """Whom ``owner`` had to do with about this object. Raises ``StoreUnavailable``."""
    rows = await reader.fetch(
        "SELECT other FROM hub_whereabouts WHERE kind = $1 AND owner = $2 AND object_id = $3 ORDER BY other",
        kind,
        str(owner),
        fold(object_id),
    )
    return [PartyId.parse(row[0]) for row in rows]


async def records_passed_on(reader: Reader, records: Sequence[Outgoing]) -> frozenset[str]:
    """Object keys of the CDRs among ``records`` that were passed on when their CPO posted them: pulled later, they are
    not told once more. Raises ``StoreUnavailable``."""
    of_owner: dict[str, dict[str, str]] = {}
    for record in records:
        of_owner.setdefault(str(record.owner), {})[record.object_key.split("/", 2)[-1]] = record.object_key
    passed: set[str] = set()
    for owner, named in of_owner.items():  # the primary key begins with kind and owner
        sql = "SELECT object_id FROM hub_whereabouts WHERE kind = $1 AND owner = $2 AND object_id IN"
        passed.update(named[row[0]] for row in await fetch_of(reader, sql, named, RECORD, owner))
    return frozenset(passed)


async def remember(
    database: Database, kind: str, owner: PartyId, object_id: str, other: PartyId, place: Place | None = None
) -> None:
    """Keeps what was learnt, in a transaction of its own; written again once a day only, or when it is elsewhere.
    ``place``: ``None`` leaves what is known of it. Raises ``StoreUnavailable``."""
    where = json.dumps([place.location_id, place.evse_uid]) if place is not None else None
    rows = await database.reader.fetch(
        "SELECT expires_at, place FROM hub_whereabouts"
        " WHERE kind = $1 AND owner = $2 AND object_id = $3 AND other = $4",
        kind,
        str(owner),
        fold(object_id),
        str(other),
    )
    until = database.clock.now() + (TO_BOOK_KEPT if kind == TO_BOOK else KEPT)
    if rows and text_to_time(rows[0][0]) > until - _RENEWED and where in (None, rows[0][1]):
        return
    row = {
        "kind": kind,
        "owner": str(owner),
        "object_id": fold(object_id),
        "other": str(other),
        "expires_at": until,
        "place": where or "",
    }
    key = ("kind", "owner", "object_id", "other")
    async with database.work() as work:
        changed = ("expires_at",) if where is None else ("expires_at", "place")
        await upsert(work.connection, WHEREABOUTS, [row], key=key, update=changed)
        old = select(WHEREABOUTS.c.kind, WHEREABOUTS.c.owner, WHEREABOUTS.c.object_id, WHEREABOUTS.c.other)
        for gone in await work.connection.execute(
            old.where(WHEREABOUTS.c.expires_at < work.now).limit(_PRUNED_AT_ONCE)
        ):
            await work.connection.execute(
                delete(WHEREABOUTS).where(
                    *(WHEREABOUTS.c[name] == value for name, value in zip(key, gone, strict=True))
                )
            )
