"""Charging periods that outlast their price: another component would hold before they end, and what that may cost.

A period is priced by what holds at its start, and whoever makes a CDR begins a new one where a price changes (OCPI
2.2.1 mod_cdrs, Charging periods). Where that was not done, nothing says how the volume divides: what is at stake is the
difference of prices on the part of the volume that comes after the change, taken to flow evenly. Pure.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import msgspec

from roaming.model.session import ChargingPeriod
from roaming.rating.dividing import changes_within, later, place_of
from roaming.rating.engine import zone_of
from roaming.rating.price_list import ENERGY, FLAT, PARKING_TIME, TIME, PricedComponent
from roaming.rating.rated import Line, Part, Rated
from roaming.rating.readings import Clock, SpannedPeriod

_MICROSECOND: Final = timedelta(microseconds=1)
_DIMENSIONS: Final = {Part.ENERGY: ENERGY, Part.TIME: TIME, Part.PARKING_TIME: PARKING_TIME}
_CENTS: Final = Decimal("0.0001")


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a period whose price changes before the period ends."""

    period: int
    dimension: str
    at: datetime
    """When another component would hold."""
    element: int | None
    """Which priced the period; ``None``: nothing did."""
    later_element: int | None
    at_stake: Decimal | None
    """Before taxes, more (or less) if the volume had been divided; to 0.0001. ``None``: not known."""

    @property
    def text(self) -> str:
        """In words."""
        stake = "an unknown amount" if self.at_stake is None else f"about {self.at_stake:+f}"
        return (
            f"charging_periods[{self.period}] outlasts its price of {self.dimension}: from {self.at:%Y-%m-%d %H:%M:%S}Z"
            f" {_named(self.later_element)} would price it, not {_named(self.element)}; {stake} is at stake"
        )


def spans_of(rated: Rated, periods: Sequence[ChargingPeriod], *, end: datetime, time_zone: str) -> tuple[Span, ...]:
    """Every line of ``rated`` that outlasts its price, with the first change in it. Reservations are left out."""
    return tuple(_spans(rated, periods, end, time_zone))


def _spans(rated: Rated, periods: Sequence[ChargingPeriod], end: datetime, time_zone: str) -> Iterator[Span]:
    if rated.price_list.readings.spanned_period is SpannedPeriod.DIVIDED:
        return
    zone = zone_of("UTC" if rated.price_list.readings.clock is Clock.UTC else time_zone)
    for line in rated.lines:
        if line.period is None or line.moment is None or line.part not in _DIMENSIONS or line.dimension == FLAT:
            continue
        prices = rated.price_list_of(line)
        begin = periods[line.period].start_date_time
        until = periods[line.period + 1].start_date_time if line.period + 1 < len(periods) else end
        length = (until - begin) // _MICROSECOND
        kwh = _energy(periods[line.period])
        for elapsed in sorted(changes_within(prices, line.moment, begin, length, zone, kwh)):
            then = prices.choose(line.dimension, later(line.moment, begin, elapsed, length, kwh, zone))
            if place_of(then) != place_of(line.component):
                yield Span(
                    period=line.period,
                    dimension=line.dimension,
                    at=begin + elapsed * _MICROSECOND,
                    element=None if line.component is None else line.component.element,
                    later_element=None if then is None else then.element,
                    at_stake=_at_stake(line, then, Decimal(length - elapsed) / length),
                )
                break


def _at_stake(line: Line, later: PricedComponent | None, share: Decimal) -> Decimal | None:
    prices = [Decimal(0) if each is None else each.before_taxes for each in (line.component, later)]
    now, then = prices
    if now is None or then is None:
        return None
    return ((then - now) * line.quantity * share / line.denominator).quantize(_CENTS)


def _energy(period: ChargingPeriod) -> Decimal:
    return next((each.volume for each in period.dimensions if each.type == ENERGY), Decimal(0))


def _named(element: int | None) -> str:
    return "nothing" if element is None else f"element {element}"
