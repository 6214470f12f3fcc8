"""CDRs in the store: rows ⇄ canonical objects."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.model.canonical import from_document, to_document
from roaming.model.cdr import CDR
from roaming.model.identifiers import PartyId, fold
from roaming.model.version import Version
from roaming.modules.cdrs.tables import CdrRow
from roaming.store.bulk import select_rows
from roaming.store.columns import searchable, storable_text, text_to_time
from roaming.store.documents import HERE, TEXT_COLUMN, Documents, Origin, Stored, object_key
from roaming.store.reader import Reader, fetch_of

DOCUMENTS = Documents(CdrRow)
NOT_APPLICABLE = "#NA"
NO_TEXTS: Mapping[Version, str] = MappingProxyType({})
_MOST_OF_KEY = 255
_AT_ONCE = 32

TAKING_BACK = (
    "cdrs AS credit JOIN cdrs AS taken ON taken.key = credit.credited_key"
    " AND taken.total_cost = -credit.total_cost AND lower(taken.currency) = lower(credit.currency)"
)
"""SQL of credits and the CDRs that they take back. A credit of another amount takes nothing back (OCPI 2.2.1 mod_cdrs,
Credit CDRs: of the whole CDR): it is wrong itself, and the CDR that it names can still be disputed."""


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


async def read_to_tell(reader: Reader, keys: Iterable[str]) -> dict[str, Stored]:
    """The CDRs under ``keys`` with their texts. Committed data only. Raises ``StoreUnavailable``."""
    return await DOCUMENTS.read_many(reader, keys, in_all_versions=True)


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
    texts: Mapping[Version, str] = NO_TEXTS,
) -> bool:
    """Stores a CDR for good; False when its id is taken. Two CDRs for one session break a unique index. ``texts``: in
    versions other than that of ``origin``, unless that has none."""
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
            **{TEXT_COLUMN[version]: text for version, text in texts.items()},
            "last_updated": cdr.last_updated,
            "received_at": now,
            "revision": 1,
            "session_key": session_key,
            "currency": cdr.currency,
            "total_cost": searchable(cdr.total_cost.before_taxes),
            "total_energy": searchable(cdr.total_energy),
            "ended_at": cdr.end_date_time,
            "credited_key": key_of(party, cdr.credit_reference_id) if cdr.credit and cdr.credit_reference_id else None,
            **alike_keys(cdr),
            "digest": digest,
        },
    )


def alike_keys(cdr: CDR) -> dict[str, str | None]:
    """By column, what a CDR shares with those that may exclude it. Cut, since an index takes no text of any length:
    whoever finds CDRs by it compares the ids themselves."""
    place = cdr.cdr_location
    is_placed = bool(place.evse_uid) and place.evse_uid != NOT_APPLICABLE
    parts: dict[str, tuple[str, ...] | None] = {
        "alike_token": (cdr.cdr_token.uid,),
        "alike_evse": (place.id, place.evse_uid) if is_placed else None,
        "alike_session": (cdr.session_id,) if cdr.session_id else None,
    }
    owner = PartyId.of(cdr.country_code, cdr.party_id)
    return {
        column: storable_text(object_key(owner, *ids))[:_MOST_OF_KEY] if ids is not None and not cdr.credit else None
        for column, ids in parts.items()
    }


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
    party: PartyId | None = None,
    sources: Sequence[str] | None = None,
    after: tuple[datetime, str] | None = None,
    limit: int | None = None,
) -> list[Ended]:
    """CDRs of charges that ended from ``since`` on and before ``until``, in the order (end, key), behind ``after``;
    ``party``: issued by it, or for it. Keys are in the order of the store, which need not be Python's. Committed data
    only. Raises ``StoreUnavailable``."""
    values: list[Any] = [until]
    conditions = ["ended_at < $1"]

    def where(text: str, *given: Any) -> None:
        marks = [f"${len(values) + number}" for number in range(1, len(given) + 1)]
        values.extend(given)
        conditions.append(text.format(*marks))

    # One lower bound: of two, SQLite would begin each page at the earlier one.
    where("(ended_at, key) > ({}, {})", *(after if after is not None and after[0] >= since else (since, "")))
    if cpo is not None:
        where("country_code = {} AND party_id = {}", *cpo)
    if emsp is not None:
        where("scope = {}", str(emsp))
    if party is not None:
        where("(country_code = {} AND party_id = {} OR scope = {})", *party, str(party))
    if sources is not None:
        where("source IN (" + ", ".join("{}" for _ in sources) + ")", *sources)
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
    sql = f"SELECT credit.credited_key, credit.key FROM {TAKING_BACK} WHERE credit.credited_key IN"  # noqa: S608 - ours
    rows = await fetch_of(reader, sql, keys)
    return {row[0]: row[1] for row in sorted(rows, key=lambda row: str(row[1]), reverse=True)}


async def credit_for(connection: AsyncConnection, key: str) -> str:
    """The id of the credit that takes this CDR back; empty: it stands."""
    return (await _credits_among(connection, [key])).get(key, "")


async def credited_among(connection: AsyncConnection, keys: Sequence[str]) -> set[str]:
    """Those of ``keys`` whose CDR a credit takes back."""
    return set(await _credits_among(connection, keys))


async def _credits_among(connection: AsyncConnection, keys: Sequence[str]) -> dict[str, str]:
    """As ``TAKING_BACK``: by the key of a CDR, the id of the credit."""
    columns = ("credited_key", "object_id", "total_cost", "currency")
    values = [(key,) for key in keys]
    credits = await select_rows(connection, DOCUMENTS.table, columns, key=("credited_key",), values=values)
    values = [(key,) for key in sorted({row[0] for row in credits})]
    rows = await select_rows(connection, DOCUMENTS.table, ("key", *columns[2:]), key=("key",), values=values)
    amounts = {key: (cost, fold(currency)) for key, cost, currency in rows}
    found = sorted((key, id) for key, id, cost, currency in credits if amounts.get(key) == (-cost, fold(currency)))
    return dict(reversed(found))


class Lookup(NamedTuple):
    """CDRs with ``value`` of charges that ended from ``since`` on and before ``until``; the first ones of many."""

    value: str
    since: datetime
    until: datetime


async def keys_alike(reader: Reader, column: str, wanted: Sequence[Lookup], *, most: int) -> list[list[str]]:
    """For each of ``wanted`` the keys of up to ``most`` CDRs with its value in ``column`` (of ``alike_keys``, or
    ``credited_key``), by their end. Committed data only. Raises ``StoreUnavailable``."""
    found: list[list[str]] = [[] for _ in wanted]
    for start in range(0, len(wanted), _AT_ONCE):
        some = list(wanted[start : start + _AT_ONCE])
        asked = len(some)
        size = 1 << (asked - 1).bit_length()
        some += some[-1:] * (size - asked)
        rows = await reader.fetch(_alike_sql(column, size, most), *(value for lookup in some for value in lookup))
        for place, key in rows:
            if place < asked:
                found[start + place].append(key)
    return found


@lru_cache(maxsize=32)
def _alike_sql(column: str, size: int, most: int) -> str:
    """A look-up of its own in the index for each: one dates' window over all of them would have no bounds."""
    return " UNION ALL ".join(
        f"SELECT * FROM (SELECT {number} AS place, key FROM cdrs WHERE {column} = ${3 * number + 1}"  # noqa: S608 - ours
        f" AND ended_at >= ${3 * number + 2} AND ended_at < ${3 * number + 3}"
        f" ORDER BY ended_at LIMIT {int(most)}) AS of_{number}"
        for number in range(size)
    )
