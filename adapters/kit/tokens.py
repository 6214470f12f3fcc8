"""The tokens this adapter knows, fed by ``TokenChanged`` and kept on disk.

Knows how a uid is compared; what a token may do is decided in ``authorization.py``.
"""

import sqlite3
from collections.abc import Sequence
from functools import partial

import msgspec

from adapters.kit.database import Database
from adapters.kit.incoming import read
from contracts.bus.port import Subscription
from contracts.envelope import Envelope
from contracts.messages import TokenChanged
from contracts.topics import TOKENS

_TABLES = (
    "CREATE TABLE IF NOT EXISTS tokens (uid TEXT PRIMARY KEY, compact TEXT NOT NULL, body BLOB NOT NULL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS tokens_by_compact ON tokens (compact)",
)
_DECODER = msgspec.json.Decoder(TokenChanged)
_SEPARATORS = str.maketrans("", "", ":- ")


def fold(uid: str) -> str:
    """The form under which token uids are compared (OCPI and OCPP CiString)."""
    return uid.strip().upper()


def compact(uid: str) -> str:
    """The same card as another reader writes it: ``04:a2:b3:c4`` and ``04A2B3C4`` are one."""
    return fold(uid).translate(_SEPARATORS)


class TokenCache:
    """Looked up on disk, so that a million tokens cost no memory; one look takes microseconds."""

    def __init__(self, database: Database, *, group: str) -> None:
        self._database = database
        self._group = group

    async def start(self) -> None:
        """Makes the table where it is missing."""
        await self._database.write(_create)

    def subscription(self) -> Subscription:
        """What feeds the cache."""
        return Subscription(group=self._group, topics=(TOKENS,), handler=self._take)

    def find(self, uid: str) -> TokenChanged | None:
        """The latest state of a token; without case, and without separators where that leaves no doubt."""
        rows = self._database.fetch("SELECT body FROM tokens WHERE uid = ?", (fold(uid),))
        if not rows:
            rows = self._database.fetch("SELECT body FROM tokens WHERE compact = ? LIMIT 2", (compact(uid),))
        return _DECODER.decode(rows[0][0]) if len(rows) == 1 else None

    async def _take(self, envelopes: Sequence[Envelope]) -> None:
        rows = [
            (fold(token.uid), compact(token.uid), bytes(envelope.body))
            for envelope, token in read(envelopes, TokenChanged)
        ]
        if rows:
            await self._database.write(partial(_keep, rows))


def _create(connection: sqlite3.Connection) -> None:
    for statement in _TABLES:
        connection.execute(statement)


def _keep(rows: list[tuple[str, str, bytes]], connection: sqlite3.Connection) -> None:
    connection.executemany("INSERT OR REPLACE INTO tokens VALUES (?, ?, ?)", rows)
