"""Who parties are on invoices, and the invoices that were issued, in the store."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from sqlalchemy import Table, delete, select

from roaming.billing.invoices.invoice import Invoice
from roaming.billing.invoices.parties import BillingParty
from roaming.billing.tables import BillingPartyRow, InvoiceRow, NumberSeriesRow
from roaming.model.identifiers import PartyId
from roaming.store.bulk import insert_new, select_rows, upsert
from roaming.store.database import Work
from roaming.store.reader import Reader, fetch_of

PARTIES: Table = BillingPartyRow.__table__  # type: ignore[attr-defined]
INVOICES: Table = InvoiceRow.__table__  # type: ignore[attr-defined]
SERIES: Table = NumberSeriesRow.__table__  # type: ignore[attr-defined]


async def parties_of(reader: Reader) -> dict[str, BillingParty]:
    """All that is known, by party. Raises ``StoreUnavailable``."""
    rows = await reader.fetch("SELECT party, document FROM billing_parties ORDER BY party")
    return {row[0]: msgspec.json.decode(row[1], type=BillingParty) for row in rows}


async def set_party(work: Work, party: PartyId, data: BillingParty) -> None:
    """Stores who a party is, in place of what was said before. Invoices that were issued stay as they are."""
    row = {"party": str(party), "document": msgspec.json.encode(data).decode(), "changed_at": work.now}
    await upsert(work.connection, PARTIES, [row], key=("party",), update=("document", "changed_at"))


async def drop_party(work: Work, party: PartyId) -> bool:
    """Forgets it; False when nothing was known."""
    return bool((await work.connection.execute(delete(PARTIES).where(PARTIES.c.party == str(party)))).rowcount)


async def references_of(work: Work, statement_id: str) -> set[str]:
    """Of all that was issued for a statement."""
    found = select(INVOICES.c.reference, INVOICES.c.number).where(INVOICES.c.statement_id == statement_id)
    return {row[0] or row[1] for row in await work.connection.execute(found)}


async def count_on(work: Work, more: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    """Takes so many numbers of each (seller, series) and returns the last of each: for good when the transaction is
    committed, not at all when it is not. Nobody else takes one of them until then."""
    rows = [{"seller": seller, "series": series, "last": count} for (seller, series), count in more.items()]
    await upsert(work.connection, SERIES, rows, key=("seller", "series"), update=("last = t.last + excluded.last",))
    columns = ("seller", "series", "last")
    found = await select_rows(work.connection, SERIES, columns, key=("seller", "series"), values=list(more))
    return {(seller, series): last for seller, series, last in found}


async def add_invoices(work: Work, invoices: Sequence[Invoice]) -> list[str]:
    """Stores those whose number is not there yet; their numbers."""
    rows = [
        {
            "number": invoice.number,
            "reference": invoice.reference,
            "statement_id": invoice.statement,
            "closing": invoice.closing,
            "seller": invoice.seller_id,
            "buyer": invoice.buyer_id,
            "position": position,
            "cancels": invoice.cancels,
            "issued_at": work.now,
            "document": msgspec.json.encode(invoice).decode(),
        }
        for position, invoice in enumerate(invoices)
    ]
    return [number for (number,) in await insert_new(work.connection, INVOICES, rows, key=("number",))]


_SELECT = "SELECT document FROM invoices"
_ORDER = "ORDER BY issued_at, statement_id, closing, position, number"


async def invoices_of_statements(reader: Reader, ids: Iterable[str]) -> list[Invoice]:
    """What was issued for these statements, oldest first. Raises ``StoreUnavailable``."""
    rows = await fetch_of(
        reader, "SELECT document, issued_at, closing, position FROM invoices WHERE statement_id IN", ids
    )
    ordered = sorted(rows, key=lambda row: (row[1], row[2], row[3]))
    return [msgspec.json.decode(row[0], type=Invoice) for row in ordered]


async def find_invoices(reader: Reader, *, party: str = "", limit: int = 1000) -> list[Invoice]:
    """The newest: of and to ``party``, or all. Raises ``StoreUnavailable``."""
    where, values = ("WHERE seller = $1 OR buyer = $2 ", [party, party]) if party else ("", [])
    newest = _ORDER.replace("issued_at", "issued_at DESC")
    rows = await reader.fetch(f"{_SELECT} {where}{newest} LIMIT {int(limit)}", *values)
    return [msgspec.json.decode(row[0], type=Invoice) for row in rows]


async def load_invoice(reader: Reader, number: str) -> Invoice | None:
    """One of them. Raises ``StoreUnavailable``."""
    rows = await reader.fetch(f"{_SELECT} WHERE number = $1", number)
    return msgspec.json.decode(rows[0][0], type=Invoice) if rows else None
