"""CDRs in the store: rows ⇄ canonical objects."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.model.canonical import from_document, to_document
from roaming.model.cdr import CDR
from roaming.model.identifiers import PartyId
from roaming.modules.cdrs.tables import CdrRow
from roaming.store.columns import searchable
from roaming.store.documents import HERE, Documents, Origin, Stored, object_key

DOCUMENTS = Documents(CdrRow)


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A CDR as stored, and as an object."""

    stored: Stored
    cdr: CDR
    digest: str


def key_of(party: PartyId, cdr_id: str) -> str:
    """The key of a CDR."""
    return object_key(party, cdr_id)


async def load(connection: AsyncConnection, key: str) -> Kept | None:
    """The CDR under ``key``."""
    stored = await DOCUMENTS.find(connection, key)
    if stored is None:
        return None
    columns = DOCUMENTS.table.c
    digest = (await connection.execute(select(columns.digest).where(columns.key == key))).scalar_one()
    return Kept(stored=stored, cdr=from_document(CDR, stored.document), digest=digest)


async def sessions_with_cdr(connection: AsyncConnection, session_keys: Sequence[str]) -> set[str]:
    """Those of ``session_keys`` that a CDR of ours closes."""
    column = DOCUMENTS.table.c.session_key
    return {row[0] for row in await connection.execute(select(column).where(column.in_(session_keys)))}


async def insert(
    connection: AsyncConnection,
    cdr: CDR,
    *,
    source: str,
    now: datetime,
    session_key: str | None = None,
    digest: str = "",
    origin: Origin = HERE,
) -> bool:
    """Stores a CDR for good; False when its id is taken. Two CDRs for one session break a unique index."""
    party = PartyId.of(cdr.country_code, cdr.party_id)
    token = cdr.cdr_token
    return await DOCUMENTS.insert(
        connection,
        {
            "key": key_of(party, cdr.id),
            "country_code": party.country_code,
            "party_id": party.party_id,
            "object_id": cdr.id,
            "source": source,
            "scope": str(PartyId.of(token.country_code, token.party_id)),
            "is_listed": True,
            "document": to_document(cdr),
            **origin.columns(),
            "last_updated": cdr.last_updated,
            "received_at": now,
            "revision": 1,
            "session_key": session_key,
            "currency": cdr.currency,
            "total_cost": searchable(cdr.total_cost.before_taxes),
            "total_energy": searchable(cdr.total_energy),
            "ended_at": cdr.end_date_time,
            "digest": digest,
        },
    )
