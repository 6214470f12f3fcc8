"""Exact arithmetic: Decimals that are never rounded on the way, ratios that are rounded once.

Prices per hour make thirds, which no Decimal holds. Amounts are therefore kept as Decimal numerators over one
denominator per tariff and divided when they leave the engine. Knows no tariff.
"""

from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from typing import Final

from roaming.rating.readings import Rounding

EXACT: Final = Context(prec=400, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])
"""Enter it with ``decimal.localcontext(EXACT)``: whatever would lose a digit raises ``Inexact``."""

ZERO: Final = Decimal(0)
SECOND: Final = 1_000_000
"""Microseconds: times inside the engine are whole microseconds."""
_LARGEST: Final = 12
"""Powers of ten."""
_MICROSECONDS: Final = Decimal(3600 * SECOND)


def is_amount(number: Decimal) -> bool:
    """Whether it is of a size that money and energy have: to be asked of what people type."""
    return number.is_finite() and (not number or abs(number.adjusted()) < _LARGEST)


def rounded(numerator: Decimal, denominator: Decimal, decimals: int, rounding: Rounding) -> Decimal:
    """``numerator / denominator`` rounded once, away from zero at the half or to the even neighbour."""
    # Decimal division cuts towards zero, so the rest has the sign of the numerator.
    quotient, rest = divmod(numerator.scaleb(decimals), denominator)
    if rest:
        twice = abs(rest) * 2
        if twice > denominator or (twice == denominator and (rounding is Rounding.HALF_UP or quotient % 2)):
            quotient += 1 if rest > 0 else -1
    return (quotient or ZERO).scaleb(-decimals)


def kilowatt(kwh: Decimal, microseconds: int) -> Decimal:
    """Average power in kW with four decimals. ``microseconds`` must be positive."""
    return rounded(kwh * _MICROSECONDS, Decimal(microseconds), 4, Rounding.HALF_UP)
