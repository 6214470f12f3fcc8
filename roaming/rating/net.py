"""The total before taxes of many charges, and nothing else: what ``engine`` comes to, by a shorter way. Pure.

It knows sessions under usual readings. Whatever else there is (reservations, steps by period, numbers that are none)
it leaves to the engine, which also says what is wrong with it.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal, Inexact, InvalidOperation, Overflow
from typing import Final

import msgspec

from roaming.model.session import CdrDimension, CdrDimensionType, ChargingPeriod
from roaming.rating.engine import HALF_OF_LAST_DECIMAL, MOST_PERIODS, extremes, rate_before_taxes, zone_of
from roaming.rating.exact import SECOND, ZERO, kilowatt
from roaming.rating.price_list import ENERGY, FLAT, PARKING_TIME, TIME, PricedComponent, PriceList
from roaming.rating.readings import (
    Clock,
    ElementChoice,
    FlatFee,
    HoursReading,
    RoundedAt,
    StepScope,
    StepTime,
    StepVolume,
    UnknownPower,
)
from roaming.rating.restrictions import Moment, local_day_and_minute
from roaming.rating.totals import before_taxes_of

_MICROSECOND: Final = timedelta(microseconds=1)
_HOUR: Final = Decimal(3600 * SECOND)
_RESERVATION_TIME: Final = CdrDimensionType.RESERVATION_TIME.value
_ANY: Final = Moment(0, ZERO)
_UNKNOWN: Final[tuple[Decimal | None, Decimal | None]] = (None, None)
Choose = Callable[[Moment], PricedComponent | None]


class Dimension(msgspec.Struct, gc=False):
    """A volume of a period, as ``CdrDimension`` has it."""

    type: str
    volume: Decimal


class Period(msgspec.Struct, gc=False):
    """What is looked at of a ``ChargingPeriod``."""

    start_date_time: datetime
    dimensions: list[Dimension]
    tariff_id: str | None = None


class NetPricer:
    """The price lists of a charge made ready for that; of several, the engine says which prices what. Used within
    ``decimal.localcontext(EXACT)``."""

    def __init__(self, lists: Sequence[PriceList]) -> None:
        prices = lists[0]
        self._lists = lists
        readings, thresholds = prices.readings, prices.thresholds
        self.prices = prices
        self._is_usual = (
            len(lists) == 1
            and prices.is_net_known
            and readings.rounded_at is not RoundedAt.LINE
            and readings.step_scope is not StepScope.PERIOD
            and readings.element_choice is not ElementChoice.FIRST_ELEMENT
        )
        self._flat, self._energy, self._time, self._parking = (
            _chooser(prices, dimension) for dimension in (FLAT, ENERGY, TIME, PARKING_TIME)
        )
        tried = (each for dimension in (FLAT, ENERGY, TIME, PARKING_TIME) for each in prices.candidates(dimension))
        self._is_moment_needed = any(each.conditions for each in tried)
        self._is_power_needed, self._is_current_needed = bool(thresholds.power), bool(thresholds.current)
        self._is_each_fee = readings.flat_fee is FlatFee.EACH_COMPONENT
        self._is_length_told = readings.hours is HoursReading.PERIOD_LENGTH
        self._is_all_stepped = readings.step_volume is StepVolume.ALL
        self._is_last_stepped = readings.step_time is StepTime.LAST_ACTIVE

    def rate(self, periods: Sequence[Period], *, start: datetime, end: datetime, time_zone: str) -> Decimal:
        """As ``engine.rate_before_taxes``. Raises ``RatingError``."""
        if self._is_usual and len(periods) <= MOST_PERIODS:
            zone = zone_of("UTC" if self.prices.readings.clock is Clock.UTC else time_zone)
            try:
                total = self._total(periods, start, end, zone)
            except (Inexact, InvalidOperation, Overflow):
                total = None
            if total is not None:
                return total
        return rate_before_taxes(self._lists, _whole(periods), start=start, end=end, time_zone=time_zone)

    def _total(self, periods: Sequence[Period], start: datetime, end: datetime, zone: tzinfo) -> Decimal | None:
        """Limited and rounded; ``None``: only the engine can say."""
        net = kwh = ZERO
        fees: set[int] = set()
        is_all = self._is_all_stepped
        energy, time, parking = _Billed(is_all), _Billed(is_all), _Billed(is_all)
        moment, until = _ANY, len(periods)
        for index, period in enumerate(periods, start=1):
            volumes = {each.type: each.volume for each in period.dimensions}
            begin = period.start_date_time
            length = ((periods[index].start_date_time if index < until else end) - begin) // _MICROSECOND
            if length < 0 or len(volumes) != len(period.dimensions) or _RESERVATION_TIME in volumes:
                return None
            if self._is_moment_needed:
                moment = self._moment(volumes, begin, start, length, kwh, zone)
            if not fees or self._is_each_fee:
                fee = self._flat(moment)
                if fee is not None and id(fee) not in fees:
                    fees.add(id(fee))
                    net += fee.before_taxes  # type: ignore[operator]  # is_net_known
            if supplied := volumes.get(ENERGY):
                kwh += supplied
                energy.add(self._energy(moment), supplied, index)
            hours, parked = volumes.get(TIME), volumes.get(PARKING_TIME)
            if hours is not None and (hours or parked is None):
                time.add(self._time(moment), self._microseconds(hours, length), index)
            if parked is not None and (parked or hours is None):
                parking.add(self._parking(moment), self._microseconds(parked, length), index)
            if not (hours is None or hours >= 0) or not (parked is None or parked >= 0):
                return None
        net += energy.amount + energy.rounded_up(1)
        of_time = time.amount + parking.amount
        if (stepped := self._stepped(time, parking)) is not None:
            of_time += stepped.rounded_up(SECOND)
        net += of_time.scaleb(-6)
        return before_taxes_of(net, self.prices) if net.is_finite() else None

    def _moment(
        self, volumes: dict[str, Decimal], begin: datetime, start: datetime, length: int, kwh: Decimal, zone: tzinfo
    ) -> Moment:
        elapsed = (begin - start) // _MICROSECOND
        day, minute = local_day_and_minute(begin, zone) if self.prices.is_local_time_needed else (0, 0)
        power = current = _UNKNOWN
        if self._is_power_needed:
            power = extremes(volumes, "POWER")
            if power == _UNKNOWN and length and self.prices.readings.unknown_power is UnknownPower.AVERAGE:
                average = kilowatt(volumes.get(ENERGY, ZERO), length)
                power = (average, average)
        if self._is_current_needed:
            current = extremes(volumes, "CURRENT")
        return Moment(elapsed, kwh, minute, day, *power, *current)

    def _microseconds(self, hours: Decimal, length: int) -> Decimal:
        stated = hours * _HOUR
        if self._is_length_told and -HALF_OF_LAST_DECIMAL <= stated - length <= HALF_OF_LAST_DECIMAL:
            return Decimal(length)
        return stated

    def _stepped(self, time: "_Billed", parking: "_Billed") -> "_Billed | None":
        """The one of both that ``step_size`` is applied to (``steps.step_additions``)."""
        if time.component is None or parking.component is None:
            return parking if time.component is None else time
        return time if self._is_last_stepped and time.last > parking.last else parking


class _Billed:
    """What was billed of one dimension so far."""

    __slots__ = ("_is_all", "amount", "component", "last", "volume")

    def __init__(self, is_all: bool) -> None:
        """``is_all``: ``volume`` holds what has no price too."""
        self._is_all = is_all
        self.amount = self.volume = ZERO
        self.component: PricedComponent | None = None
        self.last = 0

    def add(self, component: PricedComponent | None, quantity: Decimal, index: int) -> None:
        """``quantity`` in the unit of the dimension, or microseconds."""
        if component is None or not quantity:
            if self._is_all:
                self.volume += quantity
            return
        self.component, self.last = component, index
        self.volume += quantity
        self.amount += component.before_taxes * quantity  # type: ignore[operator]  # is_net_known

    def rounded_up(self, unit: int) -> Decimal:
        """What the last step that is not full adds to ``amount``; ``unit``: how many of ``quantity`` are one of
        ``step``."""
        component = self.component
        if component is None or not component.step or self.volume <= 0:
            return ZERO
        step = component.step * unit
        rest = self.volume % step
        return component.before_taxes * (step - rest) if rest else ZERO  # type: ignore[operator]  # is_net_known


def _whole(periods: Sequence[Period]) -> list[ChargingPeriod]:
    return [
        ChargingPeriod(
            start_date_time=period.start_date_time,
            dimensions=tuple(CdrDimension(type=each.type, volume=each.volume) for each in period.dimensions),
            tariff_id=period.tariff_id,
        )
        for period in periods
    ]


def _chooser(prices: PriceList, dimension: str) -> Choose:
    """``PriceList.choose`` of one dimension of the session."""
    candidates = prices.candidates(dimension)
    if not candidates:
        return lambda _moment: None
    first = candidates[0]
    if not first.conditions:
        return lambda _moment: first
    tried = tuple((tuple(condition.holds for condition in each.conditions), each) for each in candidates)

    def choose(moment: Moment) -> PricedComponent | None:
        for conditions, component in tried:
            for holds in conditions:
                if not holds(moment):
                    break
            else:
                return component
        return None

    return choose
