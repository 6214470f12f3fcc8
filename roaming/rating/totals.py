"""Sums of lines as ``Price``: taxes by rate, ``min_price`` and ``max_price``, rounded once.

Each of the sums before and with taxes is limited on its own (OCPI 2.2.1 mod_tariffs, notes on min_price and
max_price). When both limits contradict, ``max_price`` holds.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from roaming.model.money import Price, PriceLimit, TaxAmount
from roaming.rating.exact import ZERO, rounded
from roaming.rating.price_list import PriceList
from roaming.rating.rated import Line
from roaming.rating.readings import Limits, LimitTax, Rounding

_PROPORTION: Final = 20
NOTHING: Final = Price(before_taxes=ZERO, taxes=())


class Sum(NamedTuple):
    """Numerators over the price list's denominator. ``None``: not known."""

    net: Decimal | None
    gross: Decimal | None
    taxes: Mapping[Decimal, Decimal]
    """By rate, in percent; rates of components that nothing was billed for are left out."""


def sum_of(lines: Iterable[Line]) -> Sum:
    """The exact sums. One line that does not know its amount makes the sum unknown."""
    net: Decimal | None = ZERO
    gross: Decimal | None = ZERO
    taxes: dict[Decimal, Decimal] = {}
    for line in lines:
        component = line.component
        if component is None:
            continue
        line_net, line_gross = line.net, line.gross
        net = None if net is None or line_net is None else net + line_net
        gross = None if gross is None or line_gross is None else gross + line_gross
        rate = component.vat
        if rate is not None and line_net is not None and line_gross is not None:
            taxes[rate] = taxes.get(rate, ZERO) + (line_gross - line_net)
    return Sum(net, gross, taxes)


def whole(parts: Iterable[Sum]) -> Sum:
    """The sum of sums."""
    net: Decimal | None = ZERO
    gross: Decimal | None = ZERO
    taxes: dict[Decimal, Decimal] = {}
    for part in parts:
        net = None if net is None or part.net is None else net + part.net
        gross = None if gross is None or part.gross is None else gross + part.gross
        for rate, tax in part.taxes.items():
            taxes[rate] = taxes.get(rate, ZERO) + tax
    return Sum(net, gross, taxes)


def limited(total: Sum, lines: Iterable[Line], prices: PriceList) -> Sum:
    """``total`` within the tariff's ``min_price`` and ``max_price``."""
    least, most = prices.tariff.min_price, prices.tariff.max_price
    if least is None and most is None:
        return total
    if prices.readings.limits is Limits.SCALED_TAX:
        return _scaled(total, prices)
    net, net_limit = _limited(total.net, _numerator(least, prices), _numerator(most, prices), least, most)
    gross, _ = _limited(total.gross, _after(least, prices), _after(most, prices), least, most)
    if net_limit is not None and net_limit.after_taxes is None:
        gross, _ = _limited(_with_tax_of(net, lines, prices), _after(least, prices), _after(most, prices), least, most)
    return Sum(net, gross, {} if (net, gross) != total[:2] else total.taxes)


def _scaled(total: Sum, prices: PriceList) -> Sum:
    """``total`` with its sum before taxes limited and its taxes changed in proportion (reading ``Limits``)."""
    least, most = prices.tariff.min_price, prices.tariff.max_price
    net, moved = _limited(total.net, _numerator(least, prices), _numerator(most, prices), least, most)
    gross = total.gross
    if moved is not None and net is not None and total.net is not None and gross is not None:
        if total.net:
            # No Decimal holds every proportion: so many digits are beyond what any total shows.
            gross = rounded(net * gross, total.net, _PROPORTION, Rounding.HALF_UP)
        else:
            rates = {each.vat for each in prices.all_components() if each.vat is not None}
            gross = net + (net * rates.pop()).scaleb(-2) if len(rates) == 1 else net
    gross, _ = _limited(gross, _after(least, prices), _after(most, prices), least, most)
    return Sum(net, gross, {} if (net, gross) != total[:2] else total.taxes)


def _numerator(limit: PriceLimit | None, prices: PriceList) -> Decimal | None:
    return None if limit is None else limit.before_taxes * prices.denominator


def _after(limit: PriceLimit | None, prices: PriceList) -> Decimal | None:
    return None if limit is None or limit.after_taxes is None else limit.after_taxes * prices.denominator


def _limited(
    amount: Decimal | None,
    least: Decimal | None,
    most: Decimal | None,
    least_limit: PriceLimit | None,
    most_limit: PriceLimit | None,
) -> tuple[Decimal | None, PriceLimit | None]:
    """The amount within the limits, and the limit that moved it."""
    moved = None
    if amount is None:
        return None, None
    if least is not None and amount < least:
        amount, moved = least, least_limit
    if most is not None and amount > most:
        amount, moved = most, most_limit
    return amount, moved


def _with_tax_of(net: Decimal | None, lines: Iterable[Line], prices: PriceList) -> Decimal | None:
    """The sum with taxes when only the sum before taxes has a limit (reading ``LimitTax``)."""
    rates = {line.component.vat for line in lines if line.component is not None and line.component.price}
    is_known = all(line.gross is not None for line in lines)
    if net is None or not is_known or len(rates) != 1 or prices.readings.limit_tax is LimitTax.UNKNOWN:
        return None
    (rate,) = rates
    return net if rate is None else net + (net * rate).scaleb(-2)


def limited_before_taxes(net: Decimal, prices: PriceList) -> Decimal:
    """The sum before taxes of ``limited``, of one that is known: it is limited by itself."""
    least, most = prices.tariff.min_price, prices.tariff.max_price
    found, _ = _limited(net, _numerator(least, prices), _numerator(most, prices), least, most)
    return found or ZERO


def before_taxes_of(net: Decimal, prices: PriceList) -> Decimal:
    """What ``price_of`` says before taxes, of a sum that is limited."""
    return rounded(net, prices.denominator, prices.readings.decimals, prices.readings.rounding)


def price_of(total: Sum, prices: PriceList) -> Price:
    """``total`` as it stands on the wire. Taxes are listed by rate unless a limit moved the sum."""
    readings = prices.readings
    denominator, decimals, rounding = prices.denominator, readings.decimals, readings.rounding
    net, gross, by_rate = total
    if net is None:
        return Price(before_taxes=rounded(gross or ZERO, denominator, decimals, rounding), taxes=None)
    before = rounded(net, denominator, decimals, rounding)
    if gross is None:
        return Price(before_taxes=before, taxes=None)
    after = before if gross == net else rounded(gross, denominator, decimals, rounding)
    if not by_rate:
        tax = after - before
        return Price(before_taxes=before, taxes=(TaxAmount(name="VAT", amount=tax),) if tax else ())
    # The shown taxes add up to the shown difference: the last rate takes what rounding leaves.
    taxes: list[TaxAmount] = []
    running, shown = ZERO, ZERO
    *others, last = sorted(by_rate)
    for rate in others:
        running += by_rate[rate]
        amount = rounded(running, denominator, decimals, rounding) - shown
        shown += amount
        taxes.append(TaxAmount(name="VAT", amount=amount, percentage=rate))
    taxes.append(TaxAmount(name="VAT", amount=after - before - shown, percentage=last))
    return Price(before_taxes=before, taxes=tuple(taxes))
