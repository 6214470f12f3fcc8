"""Invoice reconciliation records in the store: rows ⇄ objects, and which CDR ids stand on which of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Table, delete
from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.model.canonical import from_document, to_document
from roaming.model.identifiers import PartyId, fold
from roaming.modules.invoicereconciliation.model import InvoiceReconciliationRecord
from roaming.modules.invoicereconciliation.tables import InvoicedCdrRow, InvoiceRecordRow
from roaming.store.bulk import insert_new
from roaming.store.documents import HERE, Documents, Origin, Stored, object_key
from roaming.store.reader import Reader, fetch_of

DOCUMENTS = Documents(InvoiceRecordRow)
INVOICED: Table = InvoicedCdrRow.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A record as stored, and as an object."""

    stored: Stored
    record: InvoiceReconciliationRecord


@dataclass(frozen=True, kw_only=True)
class Invoiced:
    """A CDR id on a record."""

    record_key: str
    cdr_id: str
    """Folded."""
    parties: frozenset[str]
    """Who issued the invoice and who got it."""


def key_of(party: PartyId, record_id: str) -> str:
    """The key of a record."""
    return object_key(party, record_id)


async def load(connection: AsyncConnection, key: str) -> Kept | None:
    """The record under ``key``, held until the transaction ends."""
    stored = await DOCUMENTS.find(connection, key, for_update=True)
    if stored is None:
        return None
    return Kept(stored=stored, record=from_document(InvoiceReconciliationRecord, stored.document))


async def save(
    connection: AsyncConnection,
    kept: Kept | None,
    record: InvoiceReconciliationRecord,
    *,
    source: str,
    scope: str,
    now: datetime,
    origin: Origin = HERE,
) -> bool:
    """Stores a record, new (``kept`` is ``None``) or in place of the one that was loaded; True when new."""
    party = PartyId.of(record.country_code, record.party_id)
    key = key_of(party, record.id)
    changed = {
        "document": to_document(record),
        "invoice_id": record.invoice_id,
        "scope": scope,
        "last_updated": record.last_updated,
        "received_at": now,
    }
    if kept is not None:
        await DOCUMENTS.change(connection, kept.stored, changed)
        await connection.execute(delete(INVOICED).where(INVOICED.c.record_key == key))
    else:
        row = {
            "key": key,
            "country_code": party.country_code,
            "party_id": party.party_id,
            "object_id": record.id,
            "source": source,
            "is_listed": True,
            **origin.columns(),
            "revision": 1,
            **changed,
        }
        if not await DOCUMENTS.insert(connection, row):
            return False
    ids = dict.fromkeys(fold(cdr_id) for cdr_id in record.cdrs)
    rows = [{"record_key": key, "cdr_id": cdr_id} for cdr_id in ids]
    await insert_new(connection, INVOICED, rows, key=("record_key", "cdr_id"))
    return kept is None


async def remove(connection: AsyncConnection, kept: Kept) -> None:
    """Deletes a record that was loaded."""
    await connection.execute(delete(INVOICED).where(INVOICED.c.record_key == kept.stored.key))
    await DOCUMENTS.remove(connection, kept.stored)


async def invoiced(reader: Reader, cdr_ids: Iterable[str]) -> list[Invoiced]:
    """On which records these CDR ids stand, whosever they are. Raises ``StoreUnavailable``."""
    sql = (
        "SELECT i.record_key, i.cdr_id, r.country_code, r.party_id, r.scope FROM invoiced_cdrs i"
        " JOIN invoice_records r ON r.key = i.record_key WHERE i.cdr_id IN"
    )
    return [
        Invoiced(record_key=row[0], cdr_id=row[1], parties=frozenset((str(PartyId(row[2], row[3])), str(row[4]))))
        for row in await fetch_of(reader, sql, [fold(cdr_id) for cdr_id in cdr_ids])
    ]
