"""Prices on the wire: before_taxes and taxes (2.3.0), excl_vat and incl_vat (2.2.1), a bare number (2.1.1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from roaming.model.money import Price, PriceLimit, TaxAmount
from roaming.ocpi.fields import Form
from roaming.ocpi.kinds import NUMBER, Text
from roaming.ocpi.rules import Field, Joint, ListOf, constant, maybe, one
from roaming.ocpi.translation import DecodeError, Reading, Writing

VAT = "VAT"
"""Name of the one tax that 2.2.1 knows."""

TAX_AMOUNT = Form(
    TaxAmount,
    one("name", Text(255)),
    maybe("account_number", Text(255)),
    maybe("percentage", NUMBER),
    one("amount", NUMBER),
)


def _known_taxes(price: Price, writing: Writing, prefix: str) -> Price:
    if price.taxes is None:
        writing.lose(f"{prefix}taxes", "taxes are not known; left out, which reads as none due")
    return price


PRICE_230 = Form(
    Price,
    one("before_taxes", NUMBER),
    Field("taxes", "taxes", ListOf(TAX_AMOUNT), False, otherwise=constant(())),
    prepare=_known_taxes,
)


def _to_vat(price: Price, writing: Writing, prefix: str) -> Mapping[str, Any]:
    """Several taxes are merged; no taxes: both amounts are the same; not known: no ``incl_vat``."""
    if price.taxes is None:
        return {"excl_vat": price.before_taxes}
    amount = sum((tax.amount for tax in price.taxes), start=price.before_taxes * 0)
    if price.taxes:
        first = price.taxes[0]
        if len(price.taxes) > 1 or first.name != VAT or amount == 0:
            writing.lose(f"{prefix}taxes", "merged into one amount of VAT")
        else:
            _declare_details(first, writing, f"{prefix}taxes[0].")
    return {"excl_vat": price.before_taxes, "incl_vat": price.before_taxes + amount}


def _declare_details(tax: TaxAmount, writing: Writing, prefix: str) -> None:
    for name in ("percentage", "account_number", "extra"):
        if getattr(tax, name) is not None:
            writing.lose(prefix + name, "2.2.1 has no place for details of a tax")


def _from_vat(fields: Mapping[str, Any], reading: Reading, prefix: str) -> Mapping[str, Any]:
    if "excl_vat" not in fields:
        raise DecodeError(f"{prefix}excl_vat", "required")
    before_taxes = NUMBER.decode(fields["excl_vat"], reading, prefix, "excl_vat")
    if "incl_vat" not in fields:
        return {"before_taxes": before_taxes}
    amount = NUMBER.decode(fields["incl_vat"], reading, prefix, "incl_vat") - before_taxes
    taxes = (TaxAmount(name=VAT, amount=amount),) if amount else ()
    return {"before_taxes": before_taxes, "taxes": taxes}


PRICE_221 = Form(
    Price,
    Joint(
        ("excl_vat", "incl_vat"),
        ("before_taxes", "taxes"),
        _to_vat,
        _from_vat,
        (one("excl_vat", NUMBER), maybe("incl_vat", NUMBER)),
    ),
)


@dataclass(frozen=True, slots=True)
class BareNumber:
    """Price in 2.1.1: a number without taxes; that of a credit is negative and cannot be said."""

    shown = NUMBER
    """What it is on the wire."""

    def decode(self, value: Any, reading: Reading, prefix: str, name: str) -> Price:
        return Price(before_taxes=NUMBER.decode(value, reading, prefix, name))

    def encode(self, value: Price, writing: Writing, prefix: str, name: str) -> Any:
        if value.taxes is not None:
            writing.lose(f"{prefix}{name}.taxes", "2.1.1 has amounts without taxes only")
        if value.extra:
            writing.lose(f"{prefix}{name}.extra", "2.1.1 has a bare number here")
        return value.before_taxes


PRICE_211 = BareNumber()

PRICE_LIMIT_230 = Form(PriceLimit, one("before_taxes", NUMBER), maybe("after_taxes", NUMBER))
PRICE_LIMIT_221 = PRICE_LIMIT_230.rename(before_taxes="excl_vat", after_taxes="incl_vat")
