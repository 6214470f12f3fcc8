"""Amounts of a CDR for those who pay it. Pure."""

from decimal import Context, Decimal

from roaming.model.money import Price

ZERO = Decimal(0)
SUMS = Context(prec=400)
"""Enter it with ``decimal.localcontext(SUMS)``: no sum of amounts loses a digit."""


def gross_of(price: Price) -> Decimal | None:
    """With taxes; ``None``: they are not known."""
    return None if price.taxes is None else sum((tax.amount for tax in price.taxes), price.before_taxes)


def shown(value: Decimal) -> str:
    """Without an exponent and without zeros that say nothing.

    >>> shown(Decimal("1.2500"))
    '1.25'
    """
    text = f"{value:f}"
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text
