"""What a CPO and an eMSP agreed on beside the prices of CDRs: fees, currencies, what becomes of disputed ones. Pure."""

import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from enum import StrEnum

import msgspec

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


def read_terms(fees: Iterable[str], *, currencies: Iterable[str], disputed: str, rounding: str, hub: str) -> Terms:
    """Terms as people write them. Raises ``MalformedTerms``."""
    read = tuple(read_fee(text) for text in fees)
    if any(fee.paid_to is Side.HUB for fee in read) and not hub:
        raise MalformedTerms("a fee to the hub needs the party that gets it: --hub NL-HUB")
    try:
        return Terms(
            fees=read,
            currencies=tuple(code.upper() for code in currencies),
            disputed=Disputed(disputed.upper()),
            rounding=Rounding(rounding.upper().replace("-", "_")),
            hub=hub,
        )
    except (ValueError, InvalidOperation) as error:
        raise MalformedTerms(f"{error}; disputed is withheld or paid, rounding half_up or half_even") from error
