"""Which stations may connect, fed by ``StationAccountChanged``, kept on disk, looked up in memory."""

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial

import structlog

from adapters.kit.database import Database
from adapters.kit.incoming import read
from adapters.kit.manifest import Account
from contracts.bus.port import Subscription
from contracts.envelope import Envelope
from contracts.messages import StationAccountChanged
from contracts.station_keys import digest_station_key
from contracts.topics import STATIONS

_TABLE = """CREATE TABLE IF NOT EXISTS accounts (
    station_id TEXT PRIMARY KEY, is_admitted INTEGER NOT NULL, key_digest TEXT, operator TEXT,
    minimum_profile INTEGER NOT NULL DEFAULT 0, revoked_certificates TEXT NOT NULL DEFAULT '',
    next_key_digests TEXT NOT NULL DEFAULT '') WITHOUT ROWID"""
_ADDED = {
    "minimum_profile": "INTEGER NOT NULL DEFAULT 0",
    "revoked_certificates": "TEXT NOT NULL DEFAULT ''",
    "next_key_digests": "TEXT NOT NULL DEFAULT ''",
}
"""Columns that a file of an earlier release lacks."""
_ALL = (
    "SELECT station_id, is_admitted, key_digest, operator, minimum_profile, revoked_certificates, next_key_digests"
    " FROM accounts"
)
_KEEP = (
    "INSERT OR REPLACE INTO accounts"
    " (station_id, is_admitted, key_digest, operator, minimum_profile, revoked_certificates, next_key_digests)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)

logger = structlog.get_logger(__name__)


class StationAccounts:
    """Implements ``Accounts``. Station ids are compared exactly: they are part of the key's digest."""

    def __init__(self, database: Database, *, network: str, group: str, pepper: bytes) -> None:
        self._database = database
        self._network = network
        self._group = group
        self._pepper = pepper
        self._accounts: dict[str, Account] = {}
        self._listeners: list[Callable[[str, Account], None]] = []

    async def start(self) -> None:
        """Loads what is on disk."""
        await self._database.write(_create)
        rows = self._database.fetch(_ALL)
        for station_id, is_admitted, key_digest, operator, minimum_profile, revoked, next_digests in rows:
            self._accounts[station_id] = Account(
                is_admitted=bool(is_admitted),
                key_digest=key_digest,
                operator=operator,
                minimum_profile=minimum_profile,
                revoked_certificates=tuple(revoked.split()),
                next_key_digests=tuple(next_digests.split()),
            )

    def subscription(self) -> Subscription:
        """What feeds the accounts."""
        return Subscription(group=self._group, topics=(STATIONS,), handler=self._take)

    def find(self, station_id: str) -> Account | None:
        """See ``Accounts.find``."""
        return self._accounts.get(station_id)

    def operator_of(self, station_id: str) -> str | None:
        """The CPO that the station belongs to, if it is one."""
        account = self._accounts.get(station_id)
        return None if account is None else account.operator

    def is_empty(self) -> bool:
        """No station was ever told of."""
        return not self._accounts

    def digest(self, station_id: str, password: str) -> str:
        """See ``Accounts.digest``."""
        return digest_station_key(password, network=self._network, station_id=station_id, pepper=self._pepper)

    def on_change(self, listener: Callable[[str, Account], None]) -> None:
        """See ``Accounts.on_change``."""
        self._listeners.append(listener)

    async def _take(self, envelopes: Sequence[Envelope]) -> None:
        changes = [
            (
                message.station_id,
                Account(
                    is_admitted=message.is_admitted,
                    key_digest=message.key_digest,
                    operator=message.operator,
                    minimum_profile=message.minimum_profile,
                    revoked_certificates=message.revoked_certificates,
                    next_key_digests=message.next_key_digests,
                ),
            )
            for _, message in read(envelopes, StationAccountChanged)
            if message.network == self._network
        ]
        if not changes:
            return
        await self._database.write(partial(_keep, changes))
        for station_id, account in changes:
            is_news = self._accounts.get(station_id) != account
            self._accounts[station_id] = account
            if is_news:
                self._tell(station_id, account)

    def _tell(self, station_id: str, account: Account) -> None:
        for listener in self._listeners:
            try:
                listener(station_id, account)
            except Exception:
                logger.exception("a listener failed on a changed account", station_id=station_id)


def _create(connection: sqlite3.Connection) -> None:
    connection.execute(_TABLE)
    there = {row[1] for row in connection.execute("PRAGMA table_info(accounts)")}
    for name, kind in _ADDED.items():
        if name not in there:
            connection.execute(f"ALTER TABLE accounts ADD COLUMN {name} {kind}")


def _keep(changes: list[tuple[str, Account]], connection: sqlite3.Connection) -> None:
    connection.executemany(
        _KEEP,
        [
            (
                station_id,
                account.is_admitted,
                account.key_digest,
                account.operator,
                account.minimum_profile,
                " ".join(account.revoked_certificates),
                " ".join(account.next_key_digests),
            )
            for station_id, account in changes
        ],
    )
