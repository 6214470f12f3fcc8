"""From a timeline to charging periods, and to the price of the session.

A period begins wherever the charging state changes or another price component becomes active (OCPI 2.2.1
mod_cdrs, Charging periods). Times are cut to whole milliseconds, the finest that OCPI writes. The energy of a
period is a difference of two values of one curve, so the periods add up to last register minus first exactly.
Hours are rounded to four decimals period by period: a reader who takes a volume within half of that decimal for
the period's length gets every length back exactly, which running rounding would spoil. Totals of time come from
the exact times.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal, Inexact, InvalidOperation, Overflow, localcontext
from itertools import pairwise
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from roaming.model.identifiers import fold
from roaming.model.money import Price
from roaming.model.session import CdrDimension, CdrDimensionType, ChargingPeriod
from roaming.model.tariff import Tariff
from roaming.rating.boundaries import local_moments
from roaming.rating.curve import MILLISECOND, EnergyCurve
from roaming.rating.engine import rate, zone_of
from roaming.rating.errors import MalformedTimeline, UnsupportedNumber
from roaming.rating.exact import EXACT, ZERO, rounded
from roaming.rating.price_list import ENERGY, FLAT, PARKING_TIME, TIME, PricedComponent, PriceList, price_lists
from roaming.rating.rated import Finding, Rated
from roaming.rating.readings import DEFAULT_READINGS, Clock, Readings, Rounding, WithheldPower
from roaming.rating.restrictions import NO_THRESHOLDS, Moment, Thresholds, local_day_and_minute
from roaming.rating.switching import Since
from roaming.rating.timeline import ChargingState, Timeline

_LONGEST: Final = 366 * 24 * 3600 * 1000
_HOUR: Final = Decimal(3600 * 1000)


class PricedSession(msgspec.Struct, frozen=True, kw_only=True):
    """What a Session or CDR says of its periods and costs. Costs are ``None`` when the tariff is not known."""

    start_date_time: datetime
    end_date_time: datetime
    """As in ``start_date_time``: cut to milliseconds."""
    periods: tuple[ChargingPeriod, ...]
    total_energy: Decimal
    """kWh, exact: last register minus first."""
    total_time: Decimal
    """Hours."""
    total_parking_time: Decimal
    """Hours without charging: parked, and held back by the station."""
    total_cost: Price | None
    total_fixed_cost: Price | None
    total_energy_cost: Price | None
    total_time_cost: Price | None
    total_parking_cost: Price | None
    rated: Rated | None
    findings: tuple[Finding, ...]


class _Stretch(NamedTuple):
    """Time in which nothing that prices look at changes. Times in milliseconds since the start."""

    start: int
    end: int
    time_dimension: str | None
    kwh_before: Decimal
    kwh_after: Decimal
    choice: tuple[tuple[int, int] | None, ...]
    """Which components price energy, the fee and the time: element and component index."""
    flow: tuple[int, int] = (0, -1)
    """How many thresholds of power and current lie at or below what flows; -1: the current is not known."""
    part: int = 0
    """By which of the tariffs over time."""

    @property
    def is_energy_flowing(self) -> bool:
        return self.kwh_after != self.kwh_before


def charging_periods(
    timeline: Timeline,
    tariff: Tariff | PriceList | None,
    time_zone: str,
    readings: Readings = DEFAULT_READINGS,
) -> tuple[ChargingPeriod, ...]:
    """The periods of a session, at least one. Without a tariff they are cut by charging state alone.

    Raises ``RatingError``.
    """
    return _exactly(_Cut(timeline, tariff, time_zone, readings)).periods()


def price_session(
    timeline: Timeline,
    tariff: Tariff | PriceList | None,
    time_zone: str,
    readings: Readings = DEFAULT_READINGS,
    later: Sequence[Since] = (),
) -> PricedSession:
    """Periods, totals and costs of a session. Its periods, rated again, cost the same. ``later``: tariffs that price it
    from a time on, in that order, in the place of ``tariff``, which must be a Tariff then.

    Raises ``RatingError``.
    """
    cut = _exactly(_Cut(timeline, tariff, time_zone, readings, later))
    periods = cut.periods()
    rated = None
    if cut.lists:
        rated = rate(cut.lists, periods, start=cut.start, end=cut.end, time_zone=time_zone)
    charging = sum(each.end - each.start for each in cut.stretches if each.time_dimension == TIME)
    return PricedSession(
        start_date_time=cut.start,
        end_date_time=cut.end,
        periods=periods,
        total_energy=cut.curve.total,
        total_time=_hours(cut.length),
        total_parking_time=_hours(cut.length - charging),
        total_cost=rated.total if rated else None,
        total_fixed_cost=rated.fixed if rated else None,
        total_energy_cost=rated.energy if rated else None,
        total_time_cost=rated.time if rated else None,
        total_parking_cost=rated.parking if rated else None,
        rated=rated,
        findings=(*cut.curve.findings, *(rated.findings if rated else ())),
    )


def _exactly(cut: "_Cut") -> "_Cut":
    with localcontext(EXACT):
        try:
            cut.run()
        except (Inexact, InvalidOperation, Overflow):
            raise UnsupportedNumber("timeline: a register or power cannot be kept exact; shorten it") from None
    return cut


def _hours(milliseconds: int) -> Decimal:
    return rounded(Decimal(milliseconds), _HOUR, 4, Rounding.HALF_UP)


class _Part(NamedTuple):
    """A price list, and from which millisecond on it holds."""

    since: int
    prices: PriceList | None
    power_limits: Sequence[Decimal]
    current_limits: Sequence[Decimal]


def _part_of(since: int, prices: PriceList | None) -> _Part:
    thresholds = prices.thresholds if prices is not None else NO_THRESHOLDS
    return _Part(since, prices, sorted(thresholds.power), sorted(thresholds.current))


class _Cut:
    """One timeline being cut."""

    curve: EnergyCurve
    stretches: list[_Stretch]

    def __init__(
        self,
        timeline: Timeline,
        tariff: Tariff | PriceList | None,
        time_zone: str,
        readings: Readings,
        later: Sequence[Since] = (),
    ) -> None:
        self.timeline = timeline
        self.lists = _lists(tariff, later, readings)
        self.readings = self.lists[0].readings if self.lists else readings
        self.thresholds = _all_thresholds(self.lists)
        self.zone: ZoneInfo = zone_of("UTC" if self.readings.clock is Clock.UTC else time_zone)
        self.start = _whole_milliseconds(timeline.start)
        self.parts = self._parts(later)
        self.end = _whole_milliseconds(timeline.end)
        self.length = (self.end - self.start) // MILLISECOND
        if not 0 <= self.length <= _LONGEST:
            raise MalformedTimeline(
                f"end {self.end} is not within 366 days after start {self.start}; correct the station's clock"
            )
        self.states = [
            ((change.at - self.start) // MILLISECOND, change.state)
            for change in sorted(timeline.states, key=lambda change: change.at)
        ]

    def _parts(self, later: Sequence[Since]) -> list["_Part"]:
        by_id = {fold(prices.tariff.id): prices for prices in self.lists}
        parts = [_part_of(0, self.lists[0] if self.lists else None)]
        for at, tariff in later:
            parts.append(_part_of(max(0, (at - self.start) // MILLISECOND), by_id[fold(tariff.id)]))
        return parts

    def _part(self, at: int) -> int:
        """Index of the part that holds at a millisecond: the last to have begun."""
        if len(self.parts) == 1:
            return 0
        return max(index for index, part in enumerate(self.parts) if part.since <= at)

    def run(self) -> None:
        """Fill ``curve`` and ``stretches``."""
        self.curve = EnergyCurve(self.timeline.readings, self.start, self.length, self.readings.power_between_readings)
        self.stretches = []
        for stretch in self._all_stretches():
            if self.stretches and self._is_same_price(self.stretches[-1], stretch):
                self.stretches[-1] = self.stretches[-1]._replace(end=stretch.end, kwh_after=stretch.kwh_after)
            else:
                self.stretches.append(stretch)

    def periods(self) -> tuple[ChargingPeriod, ...]:
        """The stretches as OCPI writes them."""
        ids = [None if part.prices is None else part.prices.tariff.id for part in self.parts]
        return tuple(
            ChargingPeriod(
                start_date_time=self.start + stretch.start * MILLISECOND,
                dimensions=tuple(self._dimensions(stretch)),
                tariff_id=ids[stretch.part],
            )
            for stretch in self.stretches
        )

    def _dimensions(self, stretch: _Stretch) -> Iterator[CdrDimension]:
        kind = CdrDimensionType
        if stretch.is_energy_flowing or stretch.time_dimension is None:
            yield CdrDimension(type=kind.ENERGY.value, volume=stretch.kwh_after - stretch.kwh_before)
        if stretch.time_dimension is not None:
            yield CdrDimension(type=stretch.time_dimension, volume=_hours(stretch.end - stretch.start))
        prices = self.parts[stretch.part].prices
        if prices is None:
            return
        if prices.thresholds.power:
            lowest, highest = self.curve.power(stretch.start, stretch.end)
            yield CdrDimension(type=kind.MIN_POWER.value, volume=lowest)
            yield CdrDimension(type=kind.MAX_POWER.value, volume=highest)
        if prices.thresholds.current:
            least, most = self.curve.current(stretch.start, stretch.end)
            if least is not None and most is not None:
                yield CdrDimension(type=kind.MIN_CURRENT.value, volume=least)
                yield CdrDimension(type=kind.MAX_CURRENT.value, volume=most)

    def _breaks(self) -> tuple[list[int], dict[int, Decimal]]:
        """Every moment at which a stretch may begin, and the energy reached at those that are set by energy."""
        found = {0, self.length, *(part.since for part in self.parts)}
        reached: dict[int, Decimal] = {}
        found.update(at for at, _ in self.states)
        is_state_open = not self.states or self.states[0][0] > 0
        thresholds = self.thresholds
        if is_state_open or thresholds.power or thresholds.current:
            found.update(self.curve.changes(thresholds, is_flow_asked=is_state_open))
        found.update(elapsed // 1000 for elapsed in thresholds.elapsed)
        for kwh in sorted(thresholds.kwh):
            at = self.curve.time_of(kwh) if kwh > 0 else None
            if at is not None:
                found.add(at)
                reached[at] = kwh
        if thresholds.minutes:
            moments = local_moments(thresholds.minutes, self.start, self.end, self.zone)
            found.update((moment - self.start) // MILLISECOND for moment in moments)
        return sorted(at for at in found if 0 <= at <= self.length), reached

    def _all_stretches(self) -> Iterator[_Stretch]:
        breaks, reached = self._breaks()
        if len(breaks) == 1:
            breaks = [0, 0]
        before = ZERO
        for start, end in pairwise(breaks):
            if end == self.length:
                after = self.curve.total
            elif end in reached:
                after = reached[end]
            else:
                after = max(self.curve.kwh_at(end), before)
            yield self._stretch(start, end, before, after)
            before = after

    def _stretch(self, start: int, end: int, before: Decimal, after: Decimal) -> _Stretch:
        dimension = self._time_dimension(start)
        number = self._part(start)
        _, prices, power_limits, current_limits = self.parts[number]
        if prices is None:
            return _Stretch(start, end, dimension, before, after, ())
        day, minute = 0, 0
        if prices.is_local_time_needed:
            day, minute = local_day_and_minute(self.start + start * MILLISECOND, self.zone)
        power, current = None, None
        if prices.thresholds.power:
            power, _ = self.curve.power(start, start)
        if prices.thresholds.current:
            current, _ = self.curve.current(start, start)
        moment = Moment(start * 1000, before, minute, day, power, power, current, current)
        choice = (
            _place(prices.choose(ENERGY, moment)),
            _place(prices.choose(FLAT, moment)),
            None if dimension is None else _place(prices.choose(dimension, moment)),
        )
        flow = (
            0 if power is None else bisect_right(power_limits, power),
            -1 if current is None else bisect_right(current_limits, current),
        )
        return _Stretch(start, end, dimension, before, after, choice, flow, number)

    def _is_same_price(self, earlier: _Stretch, later: _Stretch) -> bool:
        """Whether one period can hold both: what prices its start then prices all of it."""
        # Power and current that pass a threshold begin a period of their own: a reader who looks at either end of
        # their range in a joined period would choose otherwise.
        if (earlier.time_dimension, earlier.flow, earlier.part) != (later.time_dimension, later.flow, later.part):
            return False
        if earlier.choice == later.choice:
            return True
        # A price of energy matters only where energy flows.
        return not later.is_energy_flowing and earlier.choice[1:] == later.choice[1:]

    def _time_dimension(self, at: int) -> str | None:
        state = None
        for since, each in self.states:
            if since > at:
                break
            state = each
        if state is None:
            state = ChargingState.SUSPENDED_EV if self.curve.is_rising(at) is False else ChargingState.CHARGING
        if state is ChargingState.CHARGING:
            return TIME
        if state is ChargingState.SUSPENDED_EV:
            return PARKING_TIME
        withheld = self.readings.withheld_power
        if withheld is WithheldPower.NEITHER:
            return None
        return TIME if withheld is WithheldPower.CHARGING else PARKING_TIME


def _lists(tariff: Tariff | PriceList | None, later: Sequence[Since], readings: Readings) -> tuple[PriceList, ...]:
    """The tariffs of a session ready for pricing, each once, that of its start first."""
    if isinstance(tariff, PriceList):
        return (tariff,)
    every = ([tariff] if tariff is not None else []) + [each.tariff for each in later]
    by_id: dict[str, Tariff] = {}
    for each in every:
        by_id.setdefault(fold(each.id), each)
    return price_lists(tuple(by_id.values()), readings) if by_id else ()


def _all_thresholds(lists: Sequence[PriceList]) -> Thresholds:
    if len(lists) == 1:
        return lists[0].thresholds
    return Thresholds(
        *(frozenset().union(*each) for each in zip(NO_THRESHOLDS, *(p.thresholds for p in lists), strict=True))
    )


def _whole_milliseconds(at: datetime) -> datetime:
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _place(component: PricedComponent | None) -> tuple[int, int] | None:
    return None if component is None else (component.element, component.component)
