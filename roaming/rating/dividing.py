"""Where in a period the price of something changes, and the period divided there, its volumes flowing evenly. Pure.

Periods ought to be cut where a price changes (OCPI 2.2.1 mod_cdrs, Charging periods). Of one that was not, this tells
what they would have been. Knows no session and no total.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from roaming.rating.boundaries import local_moments
from roaming.rating.exact import ZERO, rounded
from roaming.rating.price_list import ENERGY, FLAT, PARKING_TIME, TIME, PricedComponent, PriceList
from roaming.rating.readings import Rounding
from roaming.rating.restrictions import Moment, local_day_and_minute

_MICROSECOND: Final = timedelta(microseconds=1)
_FLOWING: Final = (ENERGY, TIME, PARKING_TIME)
_DECIMALS: Final = 6
"""Of a volume up to a moment. No threshold has more: what lies a microsecond past one is rounded back to it, not before
it, and is no step more."""


class Stretch(NamedTuple):
    """A part of a period in which no price changes."""

    moment: Moment
    """At which it begins."""
    length: int
    """Microseconds."""
    volumes: Mapping[str, Decimal]
    """By dimension; those of all stretches add up to the period's."""


def changes_within(
    prices: PriceList, moment: Moment, begin: datetime, length: int, zone: ZoneInfo, kwh: Decimal
) -> Iterator[int]:
    """Microseconds into a period of ``kwh``, which begins at ``moment``, at which a restriction may begin or cease to
    hold."""
    thresholds = prices.thresholds
    found = [limit - moment.elapsed for limit in thresholds.elapsed]
    if kwh > 0:
        found += [int((limit - moment.kwh) * length // kwh) + 1 for limit in thresholds.kwh]
    if thresholds.minutes:
        moments = local_moments(thresholds.minutes, begin, begin + length * _MICROSECOND, zone)
        found += [(each - begin) // _MICROSECOND for each in moments]
    yield from (each for each in found if 0 < each < length)


def later(moment: Moment, begin: datetime, elapsed: int, length: int, kwh: Decimal, zone: ZoneInfo) -> Moment:
    """``elapsed`` microseconds after the ``moment`` at which a period begins."""
    day, minute = local_day_and_minute(begin + elapsed * _MICROSECOND, zone)
    return moment._replace(
        elapsed=moment.elapsed + elapsed, kwh=moment.kwh + _up_to(kwh, elapsed, length), day=day, minute=minute
    )


def place_of(component: PricedComponent | None) -> tuple[int, int] | None:
    """Which component it is; ``None``: none."""
    return None if component is None else (component.element, component.component)


def divided(
    prices: PriceList, moment: Moment, begin: datetime, length: int, volumes: Mapping[str, Decimal], zone: ZoneInfo
) -> Iterator[Stretch]:
    """The stretches of a period, in order: one where its price does not change. Within ``localcontext(EXACT)``."""
    kwh = volumes.get(ENERGY, ZERO)
    dimensions = [FLAT, *(each for each in _FLOWING if volumes.get(each))]
    found = [(0, moment, [place_of(prices.choose(each, moment)) for each in dimensions])]
    for elapsed in sorted(set(changes_within(prices, moment, begin, length, zone, kwh))):
        then = later(moment, begin, elapsed, length, kwh, zone)
        chosen = [place_of(prices.choose(each, then)) for each in dimensions]
        if chosen != found[-1][2]:
            found.append((elapsed, then, chosen))
    before = dict.fromkeys(_FLOWING, ZERO)
    edges = [*(elapsed for elapsed, _, _ in found), length]
    for (_, start, _), (since, until) in zip(found, pairwise(edges), strict=True):
        own = dict(volumes)
        for dimension in before.keys() & volumes.keys():
            whole = volumes[dimension]
            reached = whole if until == length else _up_to(whole, until, length)
            own[dimension] = reached - before[dimension]
            before[dimension] = reached
        yield Stretch(start, until - since, own)


def _up_to(volume: Decimal, elapsed: int, length: int) -> Decimal:
    return rounded(volume * elapsed, Decimal(length), _DECIMALS, Rounding.HALF_UP)
