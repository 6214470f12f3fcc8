"""Sessions and transactions in the store: rows ⇄ objects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.model.canonical import CanonicalObject, from_document, to_document
from roaming.model.identifiers import PartyId
from roaming.model.profile_tariffs import ProfileTariffs
from roaming.model.session import ChargingPreferences, Session
from roaming.model.tariff import Tariff
from roaming.modules.sessions.course import MAX_READINGS, Course, MeterReading, thinned
from roaming.modules.sessions.model import UNPLACED, TransactionState, is_same_trouble
from roaming.modules.sessions.tables import (
    ChargingPreferencesRow,
    ReadingRow,
    SessionRow,
    SnapshotRow,
    TransactionRow,
)
from roaming.rating.switching import Preferred, preferred_in
from roaming.store.bulk import insert_new, select_rows, upsert
from roaming.store.columns import searchable, text_to_time
from roaming.store.documents import HERE, Documents, Origin, Stored, object_key, read_object, replaced_by
from roaming.store.reader import Reader

DOCUMENTS = Documents(SessionRow)
TRANSACTIONS = TransactionRow.__table__  # type: ignore[attr-defined]
READINGS = ReadingRow.__table__  # type: ignore[attr-defined]
SNAPSHOTS = SnapshotRow.__table__  # type: ignore[attr-defined]
PREFERENCES = ChargingPreferencesRow.__table__  # type: ignore[attr-defined]
_KEY = ("network", "station_id", "transaction_id")
_COLUMNS = (*_KEY, "state", "session_key", "close_at", "pushed_at", "trouble", "held_since", "document")
_OF_READINGS = (*_KEY, "at", "register_wh", "power_w")
_TROUBLED = (
    "SELECT state, trouble, COUNT(*) FROM transactions WHERE state IN ('OPEN', 'ENDING', 'GIVEN_UP') AND trouble <> ''"
    " GROUP BY state, trouble ORDER BY state, trouble"
)
_COURSE = msgspec.json.Decoder(Course)
_ENCODER = msgspec.json.Encoder(decimal_format="number")
READINGS_AT_ONCE = 5_000
"""In one statement: stations that were away tell a night at once, and a statement has five seconds."""
SILENT_AFTER = timedelta(days=1)
TransactionKey = tuple[str, str, str]
"""Network, station id, transaction id: the last alone means nothing."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A session as stored, and as an object."""

    stored: Stored
    session: Session


class Snapshots(NamedTuple):
    """Tariff, place and how the two parties read tariffs at the start of a session, as documents, and which tariffs
    the driver's preferences may lead to."""

    tariff: str | None
    location: str | None
    readings: str | None = None
    profiles: str | None = None


@dataclass(frozen=True, kw_only=True)
class Transaction:
    """A transaction as stored."""

    key: TransactionKey
    state: TransactionState
    session_key: str
    close_at: datetime | None
    pushed_at: datetime | None
    trouble: str = ""
    """Why it is not further; empty: nothing is in its way."""
    held_since: datetime | None = None
    """Since when its closing is put off."""
    course: Course
    readings: tuple[MeterReading, ...] = ()
    """Only where they were asked for (``with_readings``)."""


@dataclass(kw_only=True)
class HeldCharges:
    """How many charges wait for what. ``*_reason``: the first of the reasons, in the order of their text."""

    unpriced: int = 0
    """Going on, but their session cannot be opened or updated."""
    unpriced_reason: str = ""
    unclosed: int = 0
    """Over, but their session cannot be closed."""
    unclosed_reason: str = ""
    unplaced: int = 0
    """Going on or over, at a connector that nobody bound or of a driver whom nobody knows."""
    unplaced_reason: str = ""
    without_start: int = 0
    """Over, and their start never came: nothing is billed."""
    silent: int = 0
    """Going on, and nothing was heard of them for ``SILENT_AFTER``: their end was lost, most likely."""
    given_up: int = 0
    """Unplaced for too long: they will not be billed."""


def key_of(party: PartyId, session_id: str) -> str:
    """The key of a session."""
    return object_key(party, session_id)


async def load(connection: AsyncConnection, key: str, *, for_update: bool = False) -> Kept | None:
    """The session under ``key``."""
    return (await load_many(connection, [key], for_update=for_update)).get(key)


async def load_many(connection: AsyncConnection, keys: Sequence[str], *, for_update: bool = False) -> dict[str, Kept]:
    """The sessions under ``keys`` that exist."""
    found = await DOCUMENTS.find_many(connection, keys, for_update=for_update)
    return {key: Kept(stored=stored, session=from_document(Session, stored.document)) for key, stored in found.items()}


async def save(
    connection: AsyncConnection,
    kept: Kept | None,
    session: Session,
    *,
    source: str,
    now: datetime,
    origin: Origin = HERE,
) -> bool:
    """Stores a session, new (``kept`` is ``None``) or in place of the one read with ``for_update``; True when new."""
    searched = _searched(session)
    if kept is not None:
        searched |= replaced_by(origin)
        await DOCUMENTS.change(
            connection,
            kept.stored,
            {
                "document": to_document(session),
                "last_updated": session.last_updated,
                "received_at": now,
                **searched,
            },
        )
        return False
    party = PartyId.of(session.country_code, session.party_id)
    return await DOCUMENTS.insert(
        connection,
        {
            "key": key_of(party, session.id),
            "country_code": party.country_code,
            "party_id": party.party_id,
            "object_id": session.id,
            "source": source,
            "scope": scope_of(session),
            "is_listed": True,
            "document": to_document(session),
            **origin.columns(),
            "last_updated": session.last_updated,
            "received_at": now,
            "revision": 1,
            **searched,
        },
    )


async def save_changed(connection: AsyncConnection, sessions: Mapping[str, Session], *, now: datetime) -> None:
    """Stores sessions of ours, by key, in place of those read with ``for_update``, in one statement."""
    rows = [
        {"key": key, "document": to_document(session), "last_updated": session.last_updated, "received_at": now}
        | _searched(session)
        for key, session in sessions.items()
    ]
    await DOCUMENTS.change_many(connection, rows)


def _searched(session: Session) -> dict[str, Any]:
    return {"status": session.status, "kwh": searchable(session.kwh), "started_at": session.start_date_time}


def scope_of(session: Session) -> str:
    """Who alone may see the session: the eMSP of its token."""
    return str(PartyId.of(session.cdr_token.country_code, session.cdr_token.party_id))


async def load_transactions(
    connection: AsyncConnection, keys: Sequence[TransactionKey]
) -> dict[TransactionKey, Transaction]:
    """The transactions under ``keys``, held until the transaction ends.

    One that is new is written first: a row that is not there cannot be held, and two workers that both saw nothing
    would overwrite each other.
    """
    rows = [
        {"network": key[0], "station_id": key[1], "transaction_id": key[2], "document": "{}"}
        for key in sorted(set(keys))
    ]
    await insert_new(
        connection,
        TRANSACTIONS,
        [row | {"state": TransactionState.NEW.value, "session_key": "", "trouble": ""} for row in rows],
        key=_KEY,
    )
    wanted = sorted(set(keys))
    found = await select_rows(connection, TRANSACTIONS, _COLUMNS, key=_KEY, values=wanted, is_held=True)
    return {entry.key: entry for entry in map(_transaction, found)}


async def open_transactions(connection: AsyncConnection, stations: Sequence[tuple[str, str]]) -> list[TransactionKey]:
    """The transactions of these (network, station) that have not ended. Not held: they may end meanwhile."""
    values = [(network, station_id, TransactionState.OPEN.value) for network, station_id in stations]
    key = ("network", "station_id", "state")
    found = await select_rows(connection, TRANSACTIONS, _KEY, key=key, values=values)
    return [(row[0], row[1], row[2]) for row in found]


async def transaction_of_session(connection: AsyncConnection, session_key: str) -> Transaction | None:
    """The transaction that a session was made from."""
    values = [(session_key,)]
    found = await select_rows(connection, TRANSACTIONS, _COLUMNS, key=("session_key",), values=values)
    return _transaction(found[0]) if found else None


async def add_readings(connection: AsyncConnection, readings: Mapping[TransactionKey, Sequence[MeterReading]]) -> None:
    """Stores readings of transactions that are held; one of a time that is known takes its place."""
    rows = {
        (*key, at): {
            **dict(zip(_KEY, key, strict=True)),
            "at": at,
            "register_wh": str(register),
            "power_w": None if power is None else str(power),
        }
        for key, taken in readings.items()
        for at, register, power in taken
    }
    ordered = [rows[key] for key in sorted(rows)]
    for first in range(0, len(ordered), READINGS_AT_ONCE):
        some = ordered[first : first + READINGS_AT_ONCE]
        await upsert(connection, READINGS, some, key=(*_KEY, "at"), update=("register_wh", "power_w"))


async def with_readings(connection: AsyncConnection, transactions: Sequence[Transaction]) -> list[Transaction]:
    """The same transactions with their readings in the order of time. Where a station sent more than
    ``MAX_READINGS``, those too many are deleted. The transactions must be held."""
    keys = [entry.key for entry in transactions]
    found: dict[TransactionKey, list[MeterReading]] = {key: [] for key in keys}
    for row in await select_rows(connection, READINGS, _OF_READINGS, key=_KEY, values=keys):
        power = None if row[5] is None else Decimal(row[5])
        found[row[0], row[1], row[2]].append((row[3], Decimal(row[4]), power))
    filled: list[Transaction] = []
    for entry in transactions:
        readings = tuple(sorted(found[entry.key], key=_time_of))
        if len(readings) > MAX_READINGS:
            kept = thinned(readings)
            await _drop_readings(connection, entry.key, {at for at, _, _ in readings} - {at for at, _, _ in kept})
            readings = kept
        filled.append(replace(entry, readings=readings))
    return filled


async def readings_of(reader: Reader, session_key: str) -> list[tuple[datetime, str, str | None]]:
    """(time, register in Wh, power in W) of the charge that a session was made from, as far as they are kept; in the
    order of time. Committed data only. Raises ``StoreUnavailable``."""
    rows = await reader.fetch(
        "SELECT r.at, r.register_wh, r.power_w FROM transaction_readings r JOIN transactions t"
        " ON t.network = r.network AND t.station_id = r.station_id AND t.transaction_id = r.transaction_id"
        " WHERE t.session_key = $1 ORDER BY r.at",
        session_key,
    )
    return [(text_to_time(row[0]), row[1], row[2]) for row in rows]


def _time_of(reading: MeterReading) -> datetime:
    return reading[0]


async def _drop_readings(connection: AsyncConnection, key: TransactionKey, times: set[datetime]) -> None:
    of_charge = [READINGS.c[name] == value for name, value in zip(_KEY, key, strict=True)]
    ordered = sorted(times)
    for start in range(0, len(ordered), 500):
        some = ordered[start : start + 500]
        await connection.execute(delete(READINGS).where(*of_charge, READINGS.c.at.in_(some)))


async def save_transactions(connection: AsyncConnection, transactions: Sequence[Transaction]) -> None:
    """Stores transactions, new or changed, in one statement."""
    rows = [
        {
            "network": entry.key[0],
            "station_id": entry.key[1],
            "transaction_id": entry.key[2],
            "state": entry.state.value,
            "session_key": entry.session_key,
            "close_at": entry.close_at,
            "pushed_at": entry.pushed_at,
            "trouble": entry.trouble,
            "held_since": entry.held_since,
            "document": _ENCODER.encode(entry.course).decode(),
        }
        for entry in transactions
    ]
    await upsert(
        connection,
        TRANSACTIONS,
        rows,
        key=_KEY,
        update=_COLUMNS[len(_KEY) :],
    )


async def find_held(reader: Reader, *, now: datetime) -> HeldCharges:
    """The charges in trouble. Committed data only."""
    held = HeldCharges()
    orphans = await reader.fetch("SELECT COUNT(*) FROM transactions WHERE state = 'ORPHAN'")
    silent = await reader.fetch(
        "SELECT COUNT(*) FROM transactions WHERE state = 'OPEN' AND pushed_at < $1", now - SILENT_AFTER
    )
    held.without_start, held.silent = int(orphans[0][0]), int(silent[0][0])
    for state, trouble, count in await reader.fetch(_TROUBLED):
        if state == TransactionState.GIVEN_UP:
            held.given_up += int(count)
        elif is_same_trouble(trouble, UNPLACED):
            held.unplaced += int(count)
            held.unplaced_reason = held.unplaced_reason or trouble
        elif state == TransactionState.OPEN:
            held.unpriced += int(count)
            held.unpriced_reason = held.unpriced_reason or trouble
        else:
            held.unclosed += int(count)
            held.unclosed_reason = held.unclosed_reason or trouble
    return held


async def take_up_again(connection: AsyncConnection, *, now: datetime) -> int:
    """Tries those again that were given up, as if they had ended now; returns how many."""
    given_up = TRANSACTIONS.c.state == TransactionState.GIVEN_UP.value
    again = {"state": TransactionState.ENDING.value, "held_since": now, "close_at": now}
    return (await connection.execute(update(TRANSACTIONS).where(given_up).values(**again))).rowcount


async def keep_snapshot(connection: AsyncConnection, session_key: str, what: str, value: CanonicalObject) -> None:
    """Freezes an object for a session; the first one counts."""
    row = {"key": f"{session_key}#{what}", "document": to_document(value)}
    await insert_new(connection, SNAPSHOTS, [row], key=("key",))


async def snapshots_of(connection: AsyncConnection, session_keys: Sequence[str]) -> dict[str, Snapshots]:
    """What was frozen for each of these sessions."""
    names = [(f"{key}#{what}",) for key in session_keys for what in Snapshots._fields]
    rows = await select_rows(connection, SNAPSHOTS, ("key", "document"), key=("key",), values=names)
    found = dict(rows)
    return {key: Snapshots(*(found.get(f"{key}#{what}") for what in Snapshots._fields)) for key in session_keys}


async def tariffs_to_choose(connection: AsyncConnection, session_key: str) -> tuple[Tariff, ...] | None:
    """The tariffs that preferences of a session's driver may lead to, as they were at its start; ``None``: nothing was
    kept of them."""
    several = await read_object(connection, "session_snapshots", f"{session_key}#profiles", ProfileTariffs)
    if several is not None:
        return tuple(several.tariffs.values())
    only = await read_object(connection, "session_snapshots", f"{session_key}#tariff", Tariff)
    return (only,) if only is not None else None


async def keep_preferences(
    connection: AsyncConnection, session_key: str, preferences: ChargingPreferences, *, now: datetime
) -> None:
    """Stores what the driver of a session wants, in place of what was wanted before, and since when its profile. The
    session must be held."""
    before = (await preferred_of(connection, [session_key])).get(session_key, ())
    profiles = before
    if not before or before[-1].profile_type != preferences.profile_type:
        profiles = (*before, Preferred(now, preferences.profile_type))
    row = {
        "session_key": session_key,
        "document": to_document(preferences),
        "accepted_at": now,
        "profiles": _ENCODER.encode(profiles).decode(),
    }
    await upsert(connection, PREFERENCES, [row], key=("session_key",), update=("document", "accepted_at", "profiles"))


async def preferred_of(connection: AsyncConnection, session_keys: Sequence[str]) -> dict[str, tuple[Preferred, ...]]:
    """The profiles that were accepted for these sessions, in the order of time; of a session without any nothing."""
    keys = [(key,) for key in session_keys]
    columns = ("session_key", "profiles")
    rows = await select_rows(connection, PREFERENCES, columns, key=("session_key",), values=keys) if keys else []
    return {row[0]: preferred_in(row[1]) for row in rows}


async def find_preferences(connection: AsyncConnection, session_key: str) -> ChargingPreferences | None:
    """What the driver of a session wants, if anything was said and accepted."""
    statement = select(PREFERENCES.c.document).where(PREFERENCES.c.session_key == session_key)
    document = (await connection.execute(statement)).scalar_one_or_none()
    return from_document(ChargingPreferences, document) if document is not None else None


def _transaction(row: Sequence[Any]) -> Transaction:
    network, station_id, transaction_id, state, session_key, close_at, pushed_at, trouble, held_since, document = row
    return Transaction(
        key=(network, station_id, transaction_id),
        state=TransactionState(state),
        session_key=session_key,
        close_at=close_at,
        pushed_at=pushed_at,
        trouble=trouble,
        held_since=held_since,
        course=_COURSE.decode(document),
    )
