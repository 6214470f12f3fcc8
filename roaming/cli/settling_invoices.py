"""Invoices of closed statements and who parties are on them, from the command line."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from roaming.billing.invoices import repository
from roaming.billing.invoices.en16931 import InvalidInvoice
from roaming.billing.invoices.invoice import NotInvoiceable
from roaming.billing.invoices.issuing import issue
from roaming.billing.invoices.parties import MalformedParty, read_party
from roaming.billing.invoices.showing import form_of, party_row
from roaming.billing.records import shown_invoice, titled
from roaming.billing.rows import CannotExport
from roaming.cli.billing_titles import INVOICE
from roaming.cli.cdr_checking import month_or_fail
from roaming.cli.database import services_of_now
from roaming.cli.output import fail
from roaming.cli.registering import party_of
from roaming.cli.settling import pair_or_fail


async def list_parties() -> list[dict[str, Any]]:
    """All that is known."""
    async with services_of_now() as services:
        kept = await repository.parties_of(services.database.reader)
    return [party_row(party, data) for party, data in kept.items()]


async def set_party(party: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Stores who a party is."""
    try:
        data = read_party(given)
    except MalformedParty as error:
        fail(str(error))
    async with services_of_now() as services, services.database.work() as work:
        await repository.set_party(work, party_of(party), data)
    return party_row(str(party_of(party)), data)


async def drop_party(party: str) -> dict[str, Any]:
    """Forgets it."""
    async with services_of_now() as services, services.database.work() as work:
        is_gone = await repository.drop_party(work, party_of(party))
    if not is_gone:
        fail(f"nothing is known of {party}: see `roaming settle party list`")
    return {"party": str(party_of(party)), "state": "removed"}


async def issue_invoices(
    one: str, other: str, *, month: str, seller: str, forms: Sequence[str], out: Path | None, on: str
) -> list[dict[str, Any]]:
    """Issues them, and writes files."""
    pair = pair_or_fail(one, other)
    month_or_fail(month)
    only = str(party_of(seller)) if seller else ""
    try:
        issued_on = date.fromisoformat(on) if on else None
    except ValueError:
        fail(f"--date: {on} is no day; write it as 2026-11-02")
    try:
        writers = [form_of(form) for form in forms]
        async with services_of_now() as services:
            issued = await issue(services, pair, month, issued_on=issued_on)
        rows = []
        for invoice in issued.invoices:
            if only and invoice.seller_id != only:
                continue
            written = []
            for ending, _, write in writers if out is not None else ():
                file = out / f"{invoice.number}{ending}"  # type: ignore[operator]
                content = write(invoice)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
                written.append(str(file))
            rows.append(
                {
                    **titled(shown_invoice(invoice), INVOICE),
                    "new": invoice.number in issued.new,
                    "files": " ".join(written),
                }
            )
    except (NotInvoiceable, InvalidInvoice, CannotExport) as error:
        fail(str(error))
    return rows


async def list_invoices(party: str) -> list[dict[str, Any]]:
    """Those that were issued."""
    async with services_of_now() as services:
        side = str(party_of(party)) if party else ""
        found = await repository.find_invoices(services.database.reader, party=side)
    return [titled(shown_invoice(invoice), INVOICE) for invoice in found]
