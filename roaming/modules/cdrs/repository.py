"""CDRs in the store: rows ⇄ canonical objects."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.model.canonical import from_document, to_document
from roaming.model.cdr import CDR
from roaming.model.identifiers import PartyId
from roaming.modules.cdrs.tables import CdrRow
from roaming.store.columns import searchable, text_to_time
from roaming.store.documents import HERE, Documents, Origin, Stored, object_key
from roaming.store.reader import Reader, fetch_of

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
            "credited_key": key_of(party, cdr.credit_reference_id) if cdr.credit and cdr.credit_reference_id else None,
            "digest": digest,
        },
    )


class Ended(NamedTuple):
    """A CDR with what is known of how it came."""

    key: str
    source: str
    """Partner; empty for a hosted party's."""
    received_at: datetime
    origin_version: str
    cdr: CDR


async def ended_between(
    reader: Reader,
    since: datetime,
    until: datetime,
    *,
    cpo: PartyId | None = None,
    emsp: PartyId | None = None,
    sources: Sequence[str] | None = None,
    after: tuple[datetime, str] | None = None,
    limit: int | None = None,
) -> list[Ended]:
    """CDRs of charges that ended from ``since`` on and before ``until``, in the order (end, key), behind ``after``.
    Committed data only. Raises ``StoreUnavailable``."""
    values: list[Any] = [since, until]
    conditions = ["ended_at >= $1", "ended_at < $2"]

    def where(text: str, *given: Any) -> None:
        marks = [f"${len(values) + number}" for number in range(1, len(given) + 1)]
        values.extend(given)
        conditions.append(text.format(*marks))

    if cpo is not None:
        where("country_code = {} AND party_id = {}", *cpo)
    if emsp is not None:
        where("scope = {}", str(emsp))
    if sources is not None:
        where("source IN (" + ", ".join("{}" for _ in sources) + ")", *sources)
    if after is not None:
        where("(ended_at, key) > ({}, {})", *after)
    rows = await reader.fetch(
        "SELECT key, source, received_at, origin_version, document FROM cdrs"  # noqa: S608 - our names
        f" WHERE {' AND '.join(conditions)} ORDER BY ended_at, key" + ("" if limit is None else f" LIMIT {int(limit)}"),
        *values,
    )
    return [Ended(row[0], row[1], text_to_time(row[2]), row[3], from_document(CDR, row[4])) for row in rows]


async def with_ids(reader: Reader, keys: Iterable[str]) -> dict[str, Ended]:
    """The CDRs under ``keys``. Committed data only. Raises ``StoreUnavailable``."""
    sql = "SELECT key, source, received_at, origin_version, document FROM cdrs WHERE key IN"
    rows = await fetch_of(reader, sql, keys)
    return {row[0]: Ended(row[0], row[1], text_to_time(row[2]), row[3], from_document(CDR, row[4])) for row in rows}


async def credits_of(reader: Reader, keys: Iterable[str]) -> dict[str, str]:
    """By the key of a CDR, that of the credit that takes it back, where there is one. Committed data only. Raises
    ``StoreUnavailable``."""
    rows = await fetch_of(reader, "SELECT credited_key, key FROM cdrs WHERE credited_key IN", keys)
    return {row[0]: row[1] for row in sorted(rows, key=lambda row: str(row[1]), reverse=True)}
