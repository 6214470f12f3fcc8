"""Tokens in the store: rows ⇄ canonical objects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.model.canonical import from_document, to_document
from roaming.model.identifiers import PartyId, fold
from roaming.model.token import Token
from roaming.modules.tokens.tables import TokenRow
from roaming.ocpi.module import Beside
from roaming.store.columns import storable_text
from roaming.store.database import Database
from roaming.store.documents import HERE, Documents, Origin, Stored, object_key, replaced_by
from roaming.store.reader import Row

DOCUMENTS = Documents(TokenRow)
TOKENS = TokenRow.__table__  # type: ignore[attr-defined]
OF_UID = Beside(
    sql="SELECT source, country_code, party_id, document FROM tokens WHERE uid_folded = $1 AND type = $2",
    values=lambda path, query: (fold(path["token_uid"]), type_in(query)),
)
"""All tokens that have this uid and type: few. A condition on ``source`` would let PostgreSQL walk the index of that,
which has all of ours, as long as it has no statistics of the table."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A token as stored, and as an object."""

    stored: Stored
    token: Token


def key_of(party: PartyId, uid: str, type: str) -> str:
    """The key of a token: two types of one uid are two tokens."""
    return object_key(party, uid, type)


async def load(connection: AsyncConnection, key: str, *, for_update: bool = False) -> Kept | None:
    """The token under ``key``."""
    stored = await DOCUMENTS.find(connection, key, for_update=for_update)
    return Kept(stored=stored, token=from_document(Token, stored.document)) if stored else None


async def tokens_after(connection: AsyncConnection, key: str, *, limit: int) -> list[tuple[str, Token]]:
    """Keys and tokens of all owners behind ``key``, in the order of keys."""
    statement = select(TOKENS.c.key, TOKENS.c.document).where(TOKENS.c.key > key).order_by(TOKENS.c.key).limit(limit)
    return [(row[0], from_document(Token, row[1])) for row in await connection.execute(statement)]


def type_in(query: Mapping[str, str]) -> str:
    """The type of token that a request names; RFID when it names none (OCPI 2.2.1 tokens 11.2.2.2)."""
    return storable_text(query.get("type") or query.get("token_type") or "RFID")


def ours_of(rows: Sequence[Row], owners: tuple[PartyId, ...]) -> Token | None:
    """A hosted eMSP's token among ``rows``, which are those of ``OF_UID``, if its owner is one of ``owners``."""
    for source, country_code, party_id, document in rows:
        if source == "" and PartyId(country_code, party_id) in owners:
            return from_document(Token, document)
    return None


async def find_ours(database: Database, uid: str, type: str, owners: tuple[PartyId, ...]) -> Token | None:
    """A hosted eMSP's token, if its owner is one of ``owners``. One indexed look-up, committed data only."""
    return ours_of(await database.reader.fetch(OF_UID.sql, fold(uid), type), owners)


async def save(
    connection: AsyncConnection,
    kept: Kept | None,
    token: Token,
    *,
    source: str,
    now: datetime,
    origin: Origin = HERE,
    scope: str | None = None,
) -> bool:
    """Stores a token, new (``kept`` is ``None``) or in place of the one read with ``for_update``; True when new."""
    if kept is not None:
        changes = {"document": to_document(token), "last_updated": token.last_updated, "received_at": now}
        changes |= {"scope": kept.stored.scope if scope is None else scope, **replaced_by(origin)}
        await DOCUMENTS.change(connection, kept.stored, changes)
        return False
    party = PartyId.of(token.country_code, token.party_id)
    return await DOCUMENTS.insert(
        connection,
        {
            "key": key_of(party, token.uid, token.type),
            "country_code": party.country_code,
            "party_id": party.party_id,
            "object_id": token.uid,
            "source": source,
            "scope": scope or "",
            "is_listed": True,
            "document": to_document(token),
            **origin.columns(),
            "last_updated": token.last_updated,
            "received_at": now,
            "revision": 1,
            "uid_folded": fold(token.uid),
            "type": token.type,
        },
    )
