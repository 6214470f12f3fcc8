"""Transaction ids, which OCPP 1.6 wants from us, and the transactions they belong to.

An id is a keyed hash of what makes a start that start: the same on any instance, after days, and after the loss of
everything here. The table only settles collisions and remembers what is open.
"""

import hashlib
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from adapters.ocpp.state import from_owner_text, to_owner_text
from contracts.envelope import message_id
from contracts.messages import TokenOwner
from contracts.vocabulary import AuthorizationBasis, AuthorizationStatus

LARGEST_ID: Final = 2**31 - 1
"""Many stations keep the id in a signed 32-bit integer."""
_COLUMNS: Final = (
    "station_id, transaction_id, start_key, connector_id, id_tag, token_uid, started_at, register_wh, status, basis,"
    " reference, group_id, command_id, reservation_id, state, end_key, token_owner, told_id"
)

# Only constants go into the text; values are parameters.
_INSERT: Final = f"INSERT OR IGNORE INTO transactions ({_COLUMNS}, changed_at) VALUES ({', '.join('?' * 19)})"  # noqa: S608


class TransactionState(StrEnum):
    """What we know of it."""

    OPEN = "open"
    SUPERSEDED = "superseded"
    """Another one began on the connector; its end may still come."""
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One transaction of one station, as its start told and as we answered it."""

    station_id: str
    transaction_id: int
    start_key: str
    connector_id: int
    id_tag: str
    """Cleaned and folded, as the station sent it."""
    token_uid: str
    started_at: datetime
    register_wh: int
    status: AuthorizationStatus
    basis: AuthorizationBasis | None
    reference: str | None
    group_id: str | None
    command_id: str | None
    reservation_id: str | None
    state: TransactionState = TransactionState.OPEN
    end_key: str | None = None
    """The stop that ended it, as ``end_key`` makes it."""
    owner: TokenOwner | None = None
    told: str | None = None
    """See ``told_id``."""

    @property
    def told_id(self) -> str:
        """By which the service knows it. Another central system may give an id twice, or two for one start."""
        return self.told or str(self.transaction_id)


def start_key(
    *,
    network: str,
    station_id: str,
    connector_id: int,
    id_tag: str,
    timestamp: str,
    register_wh: int,
    occurrence: int = 0,
) -> str:
    """What makes a start that start; also the message id of ``TransactionStarted``.

    ``id_tag`` is cleaned and folded. ``occurrence`` tells apart the starts of a station whose clock is not set.
    """
    return message_id("start", network, station_id, connector_id, id_tag, timestamp, register_wh, occurrence)


def end_key(*, transaction_id: int, timestamp: str, register_wh: int) -> str:
    """What makes a stop that stop."""
    return message_id(transaction_id, timestamp, register_wh)


def transaction_id(key: str, *, secret: bytes, attempt: int = 0) -> int:
    """A positive 31-bit number that nobody without ``secret`` can guess. Never 0."""
    mac = hashlib.blake2b(
        f"{key}:{attempt}".encode(), key=hashlib.blake2b(secret).digest(), digest_size=8, person=b"transaction"
    )
    return int.from_bytes(mac.digest(), "big") % LARGEST_ID + 1


@lru_cache(maxsize=16_384)
def correlation(*, network: str, station_id: str, transaction_id: int | str) -> str:
    """Shared by all facts of one transaction."""
    return message_id("transaction", network, station_id, transaction_id)


class Transactions:
    """The transactions of this instance's stations. For the event loop's thread; no call waits for the disk.

    Raises ``sqlite3.Error`` when the file refuses.
    """

    def __init__(self, state: sqlite3.Connection, *, secret: bytes) -> None:
        self._state = state
        self._secret = secret
        self._open: dict[str, dict[int, Transaction]] = {}
        self._not_open: dict[str, tuple[int, Transaction | None]] = {}
        """Of each station here, the id that was last looked for in the file, and what was found: meter values that
        come after a stop, or after another instance took the start, name the same one again and again."""

    def find_start(self, station_id: str, key: str) -> Transaction | None:
        """The transaction that this start began."""
        return self._one("station_id = ? AND start_key = ?", (station_id, key))

    def find(self, station_id: str, transaction_id: int) -> Transaction | None:
        """A transaction of this station. Other stations' ids mean nothing here."""
        if not 0 < transaction_id <= LARGEST_ID:
            return None
        known = self.open_at(station_id).get(transaction_id)
        if known is not None:
            return known
        last = self._not_open.get(station_id)
        if last is not None and last[0] == transaction_id:
            return last[1]
        found = self._one("station_id = ? AND transaction_id = ?", (station_id, transaction_id))
        self._not_open[station_id] = transaction_id, found
        return found

    def find_told(self, station_id: str, told_id: str) -> Transaction | None:
        """The same by the id that the service knows."""
        for known in self.open_at(station_id).values():
            if known.told_id == told_id:
                return known
        found = self._one("station_id = ? AND told_id = ?", (station_id, told_id))
        if found is not None or not (told_id.isascii() and told_id.isdigit() and len(told_id) <= 10):
            return found
        found = self.find(station_id, int(told_id))
        return found if found is not None and found.told_id == told_id else None

    def open_at(self, station_id: str) -> dict[int, Transaction]:
        """What is open at the station, by id. Read once per connection."""
        found = self._open.get(station_id)
        if found is None:
            rows = self._many("station_id = ? AND state = 'open' ORDER BY started_at", (station_id,))
            found = self._open[station_id] = {row.transaction_id: row for row in rows}
        return found

    def open_on(self, station_id: str, connector_id: int | None) -> Transaction | None:
        """The only open transaction of the connector, or of the station when no connector is named."""
        candidates = [
            found
            for found in self.open_at(station_id).values()
            if connector_id is None or found.connector_id == connector_id
        ]
        return candidates[0] if len(candidates) == 1 else None

    def find_end(self, station_id: str, key: str) -> Transaction | None:
        """The transaction that this very stop has ended."""
        return self._one("station_id = ? AND end_key = ?", (station_id, key))

    def led_by(self, station_id: str, command_id: str) -> Transaction | None:
        """The transaction that a remote start has led to."""
        return self._one("station_id = ? AND command_id = ?", (station_id, command_id))

    def new_id(self, station_id: str, key: str) -> int:
        """The id for a start, past those that other starts of the station hold."""
        for attempt in range(100):
            candidate = transaction_id(key, secret=self._secret, attempt=attempt)
            holder = self.find(station_id, candidate)
            if holder is None or holder.start_key == key:
                return candidate
        raise AssertionError("a hundred collisions in a row: the hash is broken")

    def numbered(self, known: Transaction, transaction_id: int, *, now: datetime) -> Transaction:
        """The same transaction after its central system gave it another id, to a start that was repeated."""
        self.make_room(known.station_id, transaction_id, start_key=known.start_key)
        self._not_open.pop(known.station_id, None)
        self._state.execute(
            "UPDATE transactions SET transaction_id = ?, told_id = ?, changed_at = ?"
            " WHERE station_id = ? AND start_key = ?",
            (transaction_id, known.told_id, now.isoformat(), known.station_id, known.start_key),
        )
        again = replace(known, transaction_id=transaction_id, told=known.told_id)
        if self._open.get(known.station_id, {}).pop(known.transaction_id, None) is not None:
            self._open[known.station_id][transaction_id] = again
        return again

    def make_room(self, station_id: str, transaction_id: int, *, start_key: str) -> bool:
        """Whether another start holds the id: that one is then told apart from now on and found by it no more."""
        holder = self.find(station_id, transaction_id)
        if holder is None or holder.start_key == start_key:
            return False
        self._open.get(station_id, {}).pop(transaction_id, None)
        self._not_open.pop(station_id, None)
        self._state.execute(
            "UPDATE transactions SET told_id = ?, transaction_id = -rowid_of.number FROM"
            " (SELECT 1 + coalesce(max(-transaction_id), 0) AS number FROM transactions"
            "  WHERE station_id = ? AND transaction_id < 0) AS rowid_of WHERE station_id = ? AND start_key = ?",
            (holder.told_id, station_id, station_id, holder.start_key),
        )
        return True

    def begin(self, started: Transaction, *, now: datetime) -> Transaction:
        """Remembers a start, and that earlier transactions on its connector must be over. A start that is known
        already stays as it was; the return value is what is remembered. Nothing is told of what is over: the service
        sees it by the starts, on whatever instance they came, and closes it (decision 0095)."""
        self._not_open.pop(started.station_id, None)
        self._state.execute(_INSERT, (*_row(started), now.isoformat()))
        found = self.find_start(started.station_id, started.start_key) or started
        if found.state is TransactionState.OPEN:
            opened = self.open_at(started.station_id)
            for other in [*opened.values()]:
                if other.connector_id == found.connector_id and other.started_at < found.started_at:
                    self._change(other, TransactionState.SUPERSEDED, None, now)
            opened[found.transaction_id] = found
        return found

    def end(self, transaction: Transaction, *, key: str, now: datetime) -> None:
        """Remembers that this stop ended it."""
        self._change(transaction, TransactionState.ENDED, key, now)

    def forget_station(self, station_id: str) -> None:
        """It is not connected here any more; its rows stay."""
        self._open.pop(station_id, None)
        self._not_open.pop(station_id, None)

    def _change(self, transaction: Transaction, state: TransactionState, key: str | None, now: datetime) -> None:
        self._state.execute(
            "UPDATE transactions SET state = ?, end_key = coalesce(?, end_key), changed_at = ?"
            " WHERE station_id = ? AND transaction_id = ?",
            (state.value, key, now.isoformat(), transaction.station_id, transaction.transaction_id),
        )
        self._open.get(transaction.station_id, {}).pop(transaction.transaction_id, None)
        self._not_open.pop(transaction.station_id, None)

    def _one(self, condition: str, values: tuple[object, ...]) -> Transaction | None:
        return next(iter(self._many(f"{condition} LIMIT 1", values)), None)

    def _many(self, condition: str, values: tuple[object, ...]) -> Iterable[Transaction]:
        # The conditions are constants of this class; values go in as parameters.
        statement = f"SELECT {_COLUMNS} FROM transactions WHERE {condition}"  # noqa: S608
        return [_transaction(row) for row in self._state.execute(statement, values)]


def _row(item: Transaction) -> tuple[object, ...]:
    return (
        item.station_id,
        item.transaction_id,
        item.start_key,
        item.connector_id,
        item.id_tag,
        item.token_uid,
        item.started_at.isoformat(),
        item.register_wh,
        item.status.value,
        item.basis.value if item.basis else None,
        item.reference,
        item.group_id,
        item.command_id,
        item.reservation_id,
        item.state.value,
        item.end_key,
        to_owner_text(item.owner),
        item.told,
    )


def _transaction(row: tuple[Any, ...]) -> Transaction:
    return Transaction(
        station_id=row[0],
        transaction_id=row[1],
        start_key=row[2],
        connector_id=row[3],
        id_tag=row[4],
        token_uid=row[5],
        started_at=datetime.fromisoformat(row[6]),
        register_wh=row[7],
        status=AuthorizationStatus(row[8]),
        basis=AuthorizationBasis(row[9]) if row[9] else None,
        reference=row[10],
        group_id=row[11],
        command_id=row[12],
        reservation_id=row[13],
        state=TransactionState(row[14]),
        end_key=row[15],
        owner=from_owner_text(row[16]),
        told=row[17],
    )
