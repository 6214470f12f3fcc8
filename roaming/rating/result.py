"""From the lines of a charge to its totals. Pure.

Where several tariffs price one charge, each prices its periods as a charge of its own, with its own limits; totals are
sums over all of them.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from roaming.rating.exact import ZERO
from roaming.rating.price_list import FLAT, PriceList
from roaming.rating.rated import Finding, FindingCode, Line, Part, Rated
from roaming.rating.totals import NOTHING, Sum, limited, price_of, sum_of, whole


class PricedBy(NamedTuple):
    """Lines of one tariff. All price lists of a charge have one denominator."""

    prices: PriceList
    lines: list[Line]


def rated_of(parts: Sequence[PricedBy], findings: list[Finding]) -> Rated:
    """The totals of all ``parts``, one at least; what is found on the way goes into ``findings``."""
    first = parts[0].prices
    lines = [line for part in parts for line in part.lines]
    if len(parts) > 1:
        lines.sort(key=_period)
    by_part: dict[Part, list[Line]] = {}
    for line in lines:
        by_part.setdefault(line.part, []).append(line)
    sums = {part: sum_of(of_part) for part, of_part in by_part.items()}
    amounts = {part: price_of(each, first) for part, each in sums.items()}
    totals: list[Sum] = []
    for prices, own in parts:
        plain = whole(sums.values() if len(parts) == 1 else [sum_of(own)])
        total = limited(plain, own, prices)
        totals.append(total)
        if total[:2] != plain[:2]:
            lines.append(_limit_line(prices, plain, total))
    total = _together(totals)
    if total.net is None:
        text = "the prices contain taxes of an unknown rate; before_taxes holds the sum with taxes"
        findings.append(Finding(FindingCode.NET_UNKNOWN, text))
    if total.gross is None:
        findings.append(Finding(FindingCode.TAX_UNKNOWN, "the taxes on the total are not known"))
    return Rated(
        currency=first.tariff.currency,
        total=price_of(total, first),
        energy=amounts.get(Part.ENERGY, NOTHING),
        time=amounts.get(Part.TIME, NOTHING),
        parking=amounts.get(Part.PARKING_TIME, NOTHING),
        fixed=amounts.get(Part.FLAT, NOTHING),
        reservation=amounts.get(Part.RESERVATION, NOTHING),
        is_net_known=total.net is not None,
        billed_energy=_billed(by_part.get(Part.ENERGY)),
        billed_charging_seconds=_billed(by_part.get(Part.TIME)),
        billed_parking_seconds=_billed(by_part.get(Part.PARKING_TIME)),
        billed_reservation_seconds=_billed(by_part.get(Part.RESERVATION)),
        lines=tuple(lines),
        findings=tuple(dict.fromkeys(findings)),
        price_lists=tuple(part.prices for part in parts),
    )


def _together(totals: Sequence[Sum]) -> Sum:
    """The sum of limited sums. Where a limit moved one of them its taxes by rate are not known, nor are those of all:
    then the difference of the sums is the tax."""
    if len(totals) == 1:
        return totals[0]
    total = whole(totals)
    is_by_rate = all(each.taxes or each.net == each.gross for each in totals)
    return total if is_by_rate else total._replace(taxes={})


def _period(line: Line) -> int:
    return -1 if line.period is None else line.period


def _limit_line(prices: PriceList, plain: Sum, total: Sum) -> Line:
    def added(plain: Decimal | None, total: Decimal | None) -> Decimal | None:
        return None if plain is None or total is None else total - plain

    return Line(
        tariff_id=prices.tariff.id,
        part=Part.LIMIT,
        dimension="",
        period=None,
        quantity=Decimal(1),
        step_added=ZERO,
        component=None,
        moment=None,
        net=added(plain.net, total.net),
        gross=added(plain.gross, total.gross),
        denominator=prices.denominator,
    )


def _billed(lines: list[Line] | None) -> Decimal:
    """The billed volume of the lines of one part, its fees left out."""
    volume = ZERO
    for line in lines or ():
        if line.dimension != FLAT:
            volume += line.quantity + line.step_added
    return volume
