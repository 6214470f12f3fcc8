"""Amounts of money: Decimal in the currency beside them, never float."""

from decimal import Decimal
from enum import StrEnum

from roaming.model.canonical import CanonicalObject


class TaxIncluded(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    YES = "YES"
    NO = "NO"
    N_A = "N/A"


class TaxAmount(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 types, TaxAmount."""

    name: str
    amount: Decimal
    account_number: str | None = None
    percentage: Decimal | None = None


class Price(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 types, Price."""

    before_taxes: Decimal
    taxes: tuple[TaxAmount, ...] | None = None
    """``None``: not known (2.2.1 without ``incl_vat``). Empty: none are due."""


class PriceLimit(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 tariffs, PriceLimit."""

    before_taxes: Decimal
    after_taxes: Decimal | None = None
