"""What an invoice is, between a seller and a buyer in one currency. Pure; amounts are rounded as EN 16931 has it."""

from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

import msgspec

from roaming.billing.exchange.rates import Rate
from roaming.billing.invoices.parties import BillingParty
from roaming.billing.statement import minor_unit
from roaming.billing.terms import VatCategory

CENT = Decimal("0.01")


class NotInvoiceable(ValueError):
    """No invoice can be made of this. The text has a line for each reason, and says what to do."""


class Kind(StrEnum):
    """What a document is (BT-3, UNTDID 1001)."""

    INVOICE = "INVOICE"
    CREDIT_NOTE = "CREDIT_NOTE"


class InvoiceLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line (BG-25)."""

    name: str
    cdrs: int
    """None: it is a fee."""
    kwh: Decimal
    net: Decimal
    """In cents, never negative (BT-131)."""
    category: VatCategory
    rate: Decimal
    cdr_ids: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None
    note: str = ""
    """By which rates it was converted (BT-127)."""


class VatPart(msgspec.Struct, frozen=True, kw_only=True):
    """The tax of one category and rate (BG-23)."""

    category: VatCategory
    rate: Decimal
    base: Decimal
    tax: Decimal
    reason: str = ""
    """Why there is none (BT-120)."""


class Preceding(msgspec.Struct, frozen=True, kw_only=True):
    """An earlier invoice that this one is about (BG-3)."""

    number: str
    issued_on: date


class Invoice(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice or a credit note. ``payable`` = ``net`` + ``tax`` + ``rounding`` (BR-CO-16); a credit note's amounts
    are positive too and are owed to the buyer."""

    number: str
    reference: str = ""
    """Of statement, parties and currency, the same on both sides; empty of old ones: their number."""
    kind: Kind
    statement: str
    digest: str
    """Of the statement."""
    closing: int
    """Of which closing of it this is."""
    seller_id: str
    buyer_id: str
    seller: BillingParty
    buyer: BillingParty
    currency: str
    issued_on: date
    due_on: date
    since: date
    until: date
    lines: tuple[InvoiceLine, ...]
    vat: tuple[VatPart, ...]
    net: Decimal
    tax: Decimal
    rounding: Decimal
    payable: Decimal
    exact: Decimal
    """What the statement comes to for the same, before it rounds."""
    notes: tuple[str, ...] = ()
    preceding: tuple[Preceding, ...] = ()
    buyer_reference: str = ""
    cdr_list: str = ""
    """All CDRs of it, as CSV."""
    cancels: str = ""
    """Number of the document that this one takes back as a whole."""
    vat_currency: str = ""
    """In which the seller accounts for tax, where that is another one (BT-6)."""
    vat_total: Decimal | None = None
    """``tax`` in it (BT-111)."""
    vat_rates: tuple[Rate, ...] = ()

    @property
    def total(self) -> Decimal:
        """With tax (BT-112)."""
        return self.net + self.tax


def rounded(amount: Decimal, currency: str) -> Decimal:
    """To the smallest amount of the currency, half up; as BR-DEC-… asks."""
    return amount.quantize(minor_unit(currency), ROUND_HALF_UP)


def reversal_of(invoice: Invoice, *, issued_on: date, why: str) -> Invoice:
    """The document that takes back a whole one: of an invoice a credit note, of a credit note an invoice."""
    reference = f"{invoice.reference or invoice.number}-X"
    kind = Kind.CREDIT_NOTE if invoice.kind is Kind.INVOICE else Kind.INVOICE
    days = invoice.due_on - invoice.issued_on
    return msgspec.structs.replace(
        invoice,
        number=reference,
        reference=reference,
        kind=kind,
        issued_on=issued_on,
        due_on=issued_on + days,
        notes=(f"It takes back {invoice.number}: {why}",),
        preceding=(Preceding(number=invoice.number, issued_on=invoice.issued_on),),
        cancels=invoice.number,
    )
