"""The tokens this adapter knows, fed by ``TokenChanged`` and kept on disk, and whose tokens may charge with whom.

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
from contracts.messages import OperatorAgreementsChanged, TokenChanged
from contracts.topics import TOKENS

_TABLES = (
    """CREATE TABLE IF NOT EXISTS tokens (
        uid TEXT NOT NULL, owner TEXT NOT NULL, type TEXT NOT NULL, compact TEXT NOT NULL, body BLOB NOT NULL,
        PRIMARY KEY (uid, owner, type)) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS tokens_by_compact ON tokens (compact)",
    "CREATE TABLE IF NOT EXISTS agreements (operator TEXT PRIMARY KEY, emsps TEXT NOT NULL) WITHOUT ROWID",
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
    """Tokens are looked up on disk, so that a million of them cost no memory; one look takes microseconds."""

    def __init__(self, database: Database, *, group: str) -> None:
        self._database = database
        self._group = group
        self._agreed: dict[str, frozenset[str]] = {}

    async def start(self) -> None:
        """Makes the tables where they are missing, and loads the agreements."""
        await self._database.write(_create)
        for operator, emsps in self._database.fetch("SELECT operator, emsps FROM agreements"):
            self._agreed[operator] = frozenset(emsps.split())

    def subscription(self) -> Subscription:
        """What feeds the cache."""
        return Subscription(group=self._group, topics=(TOKENS,), handler=self._take)

    def find(self, uid: str) -> tuple[TokenChanged, ...]:
        """The latest state of every owner's token with this uid; without case, and without separators where that
        leaves no doubt."""
        rows = self._database.fetch("SELECT body FROM tokens WHERE uid = ?", (fold(uid),))
        if not rows:
            rows = self._database.fetch("SELECT body FROM tokens WHERE compact = ?", (compact(uid),))
        found = tuple(_DECODER.decode(row[0]) for row in rows)
        return found if len({fold(token.uid) for token in found}) < 2 else ()

    def may_charge(self, token: TokenChanged, *, operator: str | None) -> bool:
        """Whether the token's owner is known to have an agreement with the operator."""
        return operator is not None and token.owner().party in self._agreed.get(operator, ())

    async def _take(self, envelopes: Sequence[Envelope]) -> None:
        rows = [
            (fold(token.uid), token.owner().party, token.type.upper(), compact(token.uid), bytes(envelope.body))
            for envelope, token in read(envelopes, TokenChanged)
        ]
        agreements = [(told.operator, told.emsps) for _, told in read(envelopes, OperatorAgreementsChanged)]
        if rows or agreements:
            await self._database.write(partial(_keep, rows, agreements))
        self._agreed.update({operator: frozenset(emsps) for operator, emsps in agreements})


def _create(connection: sqlite3.Connection) -> None:
    for statement in _TABLES:
        connection.execute(statement)


def _keep(
    tokens: list[tuple[str, str, str, str, bytes]],
    agreements: list[tuple[str, tuple[str, ...]]],
    connection: sqlite3.Connection,
) -> None:
    connection.executemany("INSERT OR REPLACE INTO tokens VALUES (?, ?, ?, ?, ?)", tokens)
    connection.executemany(
        "INSERT OR REPLACE INTO agreements VALUES (?, ?)",
        [(operator, " ".join(emsps)) for operator, emsps in agreements],
    )
