"""What a CPO and an eMSP agreed on beside the prices of CDRs: fees, currencies, what becomes of disputed ones. Pure."""

import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from enum import StrEnum

import msgspec

from roaming.billing.exchange.rates import ECB
from roaming.billing.months import bounds_of, month_of
from roaming.rating.readings import Rounding


class FeeKind(StrEnum):
    """What a fee is reckoned from; a credit takes it back."""

    SESSION = "SESSION"
    """So much for each CDR."""
    KWH = "KWH"
    PERCENT = "PERCENT"
    """Of the CDRs before taxes."""


class Side(StrEnum):
    """Who pays a fee, or gets it."""

    CPO = "CPO"
    EMSP = "EMSP"
    HUB = "HUB"


class Disputed(StrEnum):
    """What becomes of a CDR that is disputed when a month is closed."""

    WITHHELD = "WITHHELD"
    """It is on the statement and not in the net."""
    PAID = "PAID"
    """It is paid; a credit gives it back."""


class RateDay(StrEnum):
    """Of which day a rate of exchange counts; the last before it where there is none."""

    CHARGE = "CHARGE"
    """When the charge ended (UTC)."""
    MONTH = "MONTH"
    """The last of the month in which the charge ended: one rate for all."""


class VatCategory(StrEnum):
    """Why there is tax on an invoice's line, or none (EN 16931-1, BT-151; UNTDID 5305)."""

    S = "S"
    """Standard rate: there is tax."""
    Z = "Z"
    """Zero rated."""
    E = "E"
    """Exempt; the invoice says why."""
    AE = "AE"
    """Reverse charge: the buyer owes the tax."""


class InvoiceLines(StrEnum):
    """What a line of an invoice is."""

    RATE = "RATE"
    """All CDRs of one rate of tax; the list of CDRs is attached."""
    CDR = "CDR"


class Invoicing(msgspec.Struct, frozen=True, kw_only=True):
    """How what is settled is invoiced between the two."""

    untaxed: VatCategory | None = None
    """Of what is billed without tax; ``None``: nobody said, such an invoice cannot be made."""
    untaxed_reason: str = ""
    """BT-120, in words that the buyer's tax office takes."""
    buyer_reference: str = ""
    """BT-10."""
    lines: InvoiceLines = InvoiceLines.RATE


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """In what CDRs of other currencies are paid."""

    currency: str = ""
    """Empty: every CDR in its own."""
    source: str = ECB
    """Whose rates count."""
    day: RateDay = RateDay.CHARGE


class Fee(msgspec.Struct, frozen=True, kw_only=True):
    """One fee."""

    kind: FeeKind
    amount: Decimal
    """In ``currency``, or percent."""
    paid_by: Side
    paid_to: Side
    currency: str = ""
    """Only of CDRs in it; of a percentage empty: in that of the CDRs."""
    vat: Decimal | None = None
    """Percent on top; ``None``: none."""

    def __str__(self) -> str:
        """As ``read_fee`` reads it."""
        parts = [self.kind.lower(), f"{self.amount:f}", self.currency, f"{self.paid_by.lower()}>{self.paid_to.lower()}"]
        if self.vat is not None:
            parts.append(f"vat {self.vat:f}")
        return " ".join(part for part in parts if part)


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """Between one CPO and one eMSP."""

    fees: tuple[Fee, ...] = ()
    currencies: tuple[str, ...] = ()
    """Agreed; empty: any."""
    disputed: Disputed = Disputed.WITHHELD
    rounding: Rounding = Rounding.HALF_UP
    hub: str = ""
    """The party that gets what is paid to the hub, such as NL-HUB."""
    invoicing: Invoicing = Invoicing()
    exchange: Exchange = Exchange()
    since: str = ""
    """The first month that they hold for, such as 2026-11; empty: for all that no earlier ones do."""
    before: "Terms | None" = None
    """What held until then."""

    def at(self, month: str) -> "Terms":
        """Those that hold for a month."""
        return self if self.before is None or month >= self.since else self.before.at(month)

    def after(self, earlier: "Terms | None", since: str) -> "Terms":
        """These from ``since`` on, behind what ``earlier`` says of the months before; empty: in place of all of it."""
        if not since:
            return self
        while earlier is not None and earlier.since >= since:
            earlier = earlier.before
        return msgspec.structs.replace(self, since=since, before=earlier or Terms())

    @property
    def versions(self) -> tuple["Terms", ...]:
        """These and all before them, the latest first."""
        return (self, *(self.before.versions if self.before is not None else ()))


class MalformedTerms(ValueError):
    """Terms that nobody can reckon by. The text names what is wrong and says what to write."""


_FEE = re.compile(
    r"(?P<kind>session|kwh|percent)\s+(?P<amount>\d+(?:\.\d+)?)(?:\s+(?P<currency>[a-z]{3}))?"
    r"\s+(?P<by>cpo|emsp)\s*>\s*(?P<to>cpo|emsp|hub)(?:\s+vat\s+(?P<vat>\d+(?:\.\d+)?))?\Z",
    re.IGNORECASE | re.ASCII,
)


def read_fee(text: str) -> Fee:
    """A fee such as ``session 0.25 EUR emsp>hub vat 21`` or ``percent 2 emsp>cpo``. Raises ``MalformedTerms``.

    >>> str(read_fee("KWH 0.01 eur emsp>cpo"))
    'kwh 0.01 EUR emsp>cpo'
    """
    found = _FEE.match(text.strip())
    if found is None:
        raise MalformedTerms(
            f"{text!r} is no fee: write it as `session 0.25 EUR emsp>hub vat 21` or `percent 2 emsp>cpo`"
        )
    kind, by, to = FeeKind(found["kind"].upper()), Side(found["by"].upper()), Side(found["to"].upper())
    if by == to:
        raise MalformedTerms(f"{text!r}: nobody pays a fee to itself")
    if kind is not FeeKind.PERCENT and not found["currency"]:
        raise MalformedTerms(f"{text!r}: a fee per {kind.lower()} needs its currency")
    return Fee(
        kind=kind,
        amount=Decimal(found["amount"]),
        paid_by=by,
        paid_to=to,
        currency=(found["currency"] or "").upper(),
        vat=None if found["vat"] is None else Decimal(found["vat"]),
    )


def read_since(text: str) -> str:
    """The first month that terms hold for; empty: all. Raises ``MalformedTerms``."""
    try:
        return month_of(bounds_of(text)[0]) if text.strip() else ""
    except ValueError as error:
        raise MalformedTerms(f"since: {error}") from error


def read_invoicing(*, untaxed: str = "", reason: str = "", buyer_reference: str = "", lines: str = "rate") -> Invoicing:
    """How invoices are made, as people write it. Raises ``MalformedTerms``."""
    code = untaxed.strip().upper()
    if code not in ("", "Z", "E", "AE"):
        raise MalformedTerms(f"untaxed: {untaxed}; write z (zero rated), e (exempt) or ae (reverse charge)")
    if code == "E" and not reason.strip():
        raise MalformedTerms("untaxed_reason: an exempt invoice says why (EN 16931, BR-E-10)")
    if lines.strip().upper() not in InvoiceLines.__members__:
        raise MalformedTerms(f"invoice_lines: {lines}; write rate (a line for each rate of tax) or cdr")
    texts = {"untaxed_reason": reason.strip(), "buyer_reference": buyer_reference.strip()}
    for name, text in texts.items():
        if len(text) > 200 or not text.isprintable():
            raise MalformedTerms(f"{name}: one line of at most 200 characters")
    category = VatCategory(code) if code else None
    return Invoicing(untaxed=category, lines=InvoiceLines(lines.strip().upper()), **texts)


def read_exchange(*, settle_in: str = "", rates: str = ECB, rate_day: str = "charge") -> Exchange:
    """How amounts are converted, as people write it. Raises ``MalformedTerms``."""
    currency = settle_in.strip().upper()
    if currency and not re.fullmatch(r"[A-Z]{3}", currency, re.ASCII):
        raise MalformedTerms(f"settle_in: {settle_in[:40]}; write the three letters of ISO 4217, such as EUR")
    if not rates.strip():
        raise MalformedTerms("rates: say whose rates count, such as ECB")
    if rate_day.strip().upper() not in RateDay.__members__:
        raise MalformedTerms(f"rate_day: {rate_day[:40]}; write charge (the day it ended) or month (the last of it)")
    return Exchange(currency=currency, source=rates.strip().upper(), day=RateDay(rate_day.strip().upper()))


def read_terms(
    fees: Iterable[str],
    *,
    currencies: Iterable[str],
    disputed: str,
    rounding: str,
    hub: str,
    invoicing: Invoicing | None = None,
    exchange: Exchange | None = None,
) -> Terms:
    """Terms as people write them. Raises ``MalformedTerms``."""
    read = tuple(read_fee(text) for text in fees)
    paid_in = exchange.currency if exchange is not None else ""
    if paid_in and (strange := [fee for fee in read if fee.currency not in ("", paid_in)]):
        raise MalformedTerms(f"fee: `{strange[0]}`; all is settled in {paid_in}, so fees are in it too")
    if any(fee.paid_to is Side.HUB for fee in read) and not hub:
        raise MalformedTerms("a fee to the hub needs the party that gets it: --hub NL-HUB (`hub` over HTTP)")
    try:
        return Terms(
            fees=read,
            currencies=tuple(code.upper() for code in currencies),
            disputed=Disputed(disputed.upper()),
            rounding=Rounding(rounding.upper().replace("-", "_")),
            hub=hub,
            invoicing=invoicing or Invoicing(),
            exchange=exchange or Exchange(),
        )
    except (ValueError, InvalidOperation) as error:
        raise MalformedTerms(f"{error}; disputed is withheld or paid, rounding half_up or half_even") from error
