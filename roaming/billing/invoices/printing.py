"""An invoice as PDF for people, with its CII inside for programs: Factur-X 1.0, profile EN 16931, PDF/A-3."""

import csv
import io
from datetime import UTC, datetime, time

from roaming.billing.checks.amounts import shown
from roaming.billing.invoices.en16931 import MISSING, Syntax, payment_words, written
from roaming.billing.invoices.invoice import Invoice, Kind
from roaming.billing.invoices.parties import BillingParty
from roaming.billing.paper import Paper, columns
from roaming.billing.rows import NUMBERS, CannotExport, for_people

_AMOUNTS = frozenset({"net", "rate %", "base", "tax", "CDRs", "kWh"})


def to_factur_x(invoice: Invoice) -> bytes:
    """The PDF with the XML inside. Blocks like ``en16931.check``. Raises ``InvalidInvoice`` and ``CannotExport``."""
    try:
        import facturx
    except ImportError:
        raise CannotExport(MISSING) from None
    xml = written(invoice, Syntax.CII)
    what = "Invoice" if invoice.kind is Kind.INVOICE else "Credit note"
    about = {
        "author": invoice.seller.name,
        "keywords": f"{what}, Factur-X",
        "title": f"{invoice.seller.name}: {what} {invoice.number}",
        "subject": f"{what} {invoice.number} of {invoice.issued_on} from {invoice.seller_id} to {invoice.buyer_id}",
    }
    made: bytes = facturx.generate_from_binary(
        to_pdf(invoice),
        xml,
        flavor="factur-x",
        level="en16931",
        check_xsd=False,
        pdf_metadata=about,
        lang="en",
        afrelationship="alternative",
    )
    return made


def to_pdf(invoice: Invoice) -> bytes:
    """Without the XML. Raises ``CannotExport``."""
    what = "Invoice" if invoice.kind is Kind.INVOICE else "Credit note"
    paper = Paper(f"{what} {invoice.number}", made_at=datetime.combine(invoice.issued_on, time(), UTC))
    paper.heading(f"{what} {invoice.number}", is_first=True)
    paper.text(f"Issued {invoice.issued_on} for {invoice.since} to {invoice.until}, currency {invoice.currency}")
    if invoice.preceding:
        paper.text("About " + ", ".join(f"{each.number} of {each.issued_on}" for each in invoice.preceding))
    if invoice.buyer_reference:
        paper.text(f"Your reference: {invoice.buyer_reference}")
    paper.heading("")
    paper.beside(_party("Seller", invoice.seller_id, invoice.seller), _party("Buyer", invoice.buyer_id, invoice.buyer))
    paper.heading("Lines")
    paper.table(
        [
            {
                "no": number,
                "what": line.name,
                "CDRs": line.cdrs or "",
                "kWh": shown(line.kwh) if line.cdrs else "",
                "VAT": line.category.value,
                "rate %": shown(line.rate),
                "net": f"{line.net:.2f}",
            }
            for number, line in enumerate(invoice.lines, start=1)
        ],
        numbers=_AMOUNTS,
        size=8,
    )
    paper.heading("Tax")
    paper.table(
        [
            {
                "VAT": part.category.value,
                "rate %": shown(part.rate),
                "base": f"{part.base:.2f}",
                "tax": f"{part.tax:.2f}",
                "why": part.reason,
            }
            for part in invoice.vat
        ],
        numbers=_AMOUNTS,
        size=8,
    )
    _sums(paper, invoice)
    paper.text(*payment_words(invoice))
    paper.heading("Notes")
    paper.small(*invoice.notes)
    if invoice.cdr_list:
        paper.heading("CDRs")
        listed = [
            {**row, "ended": row["ended"][: len("2026-07-06T19:31:00")].replace("T", " ")}
            for row in csv.DictReader(io.StringIO(invoice.cdr_list))
        ]
        without = {"CPO", "eMSP", "session", "currency", "status", "month", "credit of", "billed after taxes"}
        paper.table(columns(for_people(listed), without), numbers=NUMBERS, size=6)
    return paper.done()


def _sums(paper: Paper, invoice: Invoice) -> None:
    sums = [("Before tax", invoice.net), ("Tax", invoice.tax), ("With tax", invoice.total)]
    if invoice.rounding:
        sums.append(("Rounding", invoice.rounding))
    if invoice.vat_total is not None:
        sums.append((f"Tax in {invoice.vat_currency}", invoice.vat_total))
    sums.append(("Payable" if invoice.kind is Kind.INVOICE else "Credited", invoice.payable))
    paper.heading("Sum")
    amount = f"amount in {invoice.currency}"
    paper.table([{"": name, amount: f"{value:.2f}"} for name, value in sums], numbers={amount}, size=8)


def _party(role: str, party: str, data: BillingParty) -> list[str]:
    return [
        f"{role}: {data.name}",
        data.street,
        data.more_address,
        f"{data.postcode} {data.city}".strip(),
        data.country,
        f"OCPI party {party}",
        f"VAT id {data.vat_id}" if data.vat_id else "",
        f"Tax number {data.tax_number}" if data.tax_number else "",
        f"Register {data.register_id}" if data.register_id else "",
        " ".join(part for part in (data.contact, data.phone, data.email) if part),
    ]
