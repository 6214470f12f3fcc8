"""The total before taxes of many charges, and nothing else: what ``engine`` comes to, by a shorter way. Pure.

It knows sessions by one tariff or several. Whatever else there is (reservations, steps by period, rounding by line,
periods that are divided, numbers that are none) it leaves to the engine, which also says what is wrong with it.
"""

from collections.abc import Callable, Sequence
from copy import copy
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal, Inexact, InvalidOperation, Overflow
from typing import Final

import msgspec

from roaming.model.identifiers import fold
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
    SpannedPeriod,
    StepScope,
    StepTime,
    StepVolume,
    UnknownPower,
)
from roaming.rating.restrictions import Moment, local_day_and_minute
from roaming.rating.totals import before_taxes_of, limited_before_taxes

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
    """The price lists of a charge made ready for that; of several, each prices the periods that name it. All have the
    readings and the denominator of the first (``price_list.price_lists``). Used within ``decimal.localcontext(EXACT)``.
    """

    def __init__(self, lists: Sequence[PriceList]) -> None:
        self._lists = lists
        self.prices = lists[0]
        readings = self.prices.readings
        self._is_usual = (
            all(each.is_net_known for each in lists)
            and readings.rounded_at is not RoundedAt.LINE
            and readings.step_scope is StepScope.SESSION
            and readings.spanned_period is SpannedPeriod.START
        )
        self._ways = {fold(each.tariff.id): _Way(each) for each in reversed(lists)}
        self._first = self._ways[fold(self.prices.tariff.id)]
        self._is_each_fee = readings.flat_fee is FlatFee.EACH_COMPONENT

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
        bills, owners = self._bills(periods)
        if not bills:
            return None
        bill, kwh = bills[0], ZERO
        moment, until = _ANY, len(periods)
        for index, period in enumerate(periods, start=1):
            volumes = {each.type: each.volume for each in period.dimensions}
            begin = period.start_date_time
            length = ((periods[index].start_date_time if index < until else end) - begin) // _MICROSECOND
            if length < 0 or len(volumes) != len(period.dimensions) or _RESERVATION_TIME in volumes:
                return None
            if owners is not None:
                bill = owners[index - 1]
            way = bill.way
            if way.is_moment_needed:
                moment = way.moment(volumes, begin, (begin - start) // _MICROSECOND, length, kwh, zone)
            if not bill.fees or self._is_each_fee:
                bill.take_fee(way.flat(moment))
            if supplied := volumes.get(ENERGY):
                kwh += supplied
                bill.energy.add(way.energy(moment), supplied, index)
            hours, parked = volumes.get(TIME), volumes.get(PARKING_TIME)
            if hours is not None and (hours or parked is None):
                bill.time.add(way.time(moment), way.microseconds(hours, length), index)
            if parked is not None and (parked or hours is None):
                bill.parking.add(way.parking(moment), way.microseconds(parked, length), index)
            if not (hours is None or hours >= 0) or not (parked is None or parked >= 0):
                return None
        net = bills[0].total() if owners is None else _total_of(bills)
        return before_taxes_of(net, self.prices)

    def _bills(self, periods: Sequence[Period]) -> "tuple[Sequence[_Bill], Sequence[_Bill] | None]":
        """A bill for each price list that prices the charge (``relevant.chosen_lists``), and of every period the one
        that it is on; ``None``: all on the same. No bill: a tariff is named that is not there."""
        ways = self._ways
        if len(ways) == 1:
            return (_Bill(self._first),), None
        names = [None if period.tariff_id is None else fold(period.tariff_id) for period in periods]
        named = dict.fromkeys(name for name in names if name is not None)
        if len(named) < 2:
            return (_Bill(next((ways[name] for name in named if name in ways), self._first)),), None
        if not named.keys() <= ways.keys():
            return (), None
        bills: dict[str | None, _Bill] = {name: _Bill(ways[name]) for name in named}
        of_each = tuple(bills.values())
        bills[None] = of_each[0].unpriced()
        return of_each, [bills[name] for name in names]


class _Way:
    """One price list: how a component is chosen by it, and what of a moment is looked at."""

    def __init__(self, prices: PriceList) -> None:
        readings, thresholds = prices.readings, prices.thresholds
        self.prices = prices
        self.flat, self.energy, self.time, self.parking = (
            _chooser(prices, dimension) for dimension in (FLAT, ENERGY, TIME, PARKING_TIME)
        )
        self.is_moment_needed = any(element.conditions for element in prices.elements.get("", ()))
        self._is_power_needed, self._is_current_needed = bool(thresholds.power), bool(thresholds.current)
        self._is_length_told = readings.hours is HoursReading.PERIOD_LENGTH
        self.is_all_stepped = readings.step_volume is StepVolume.ALL
        self.is_last_stepped = readings.step_time is StepTime.LAST_ACTIVE

    def unpriced(self) -> "_Way":
        """The same, by which nothing has a price."""
        way = copy(self)
        way.flat = way.energy = way.time = way.parking = _no_component
        way.is_moment_needed = False
        return way

    def moment(
        self, volumes: dict[str, Decimal], begin: datetime, elapsed: int, length: int, kwh: Decimal, zone: tzinfo
    ) -> Moment:
        """At which a period begins: ``elapsed`` and ``length`` in microseconds."""
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

    def microseconds(self, hours: Decimal, length: int) -> Decimal:
        """What a volume in hours means, of a period of ``length``."""
        stated = hours * _HOUR
        if self._is_length_told and -HALF_OF_LAST_DECIMAL <= stated - length <= HALF_OF_LAST_DECIMAL:
            return Decimal(length)
        return stated


class _Bill:
    """What was billed by one price list so far."""

    __slots__ = ("_fixed", "energy", "fees", "parking", "time", "way")

    def __init__(self, way: _Way) -> None:
        self.way = way
        is_all = way.is_all_stepped
        self.energy, self.time, self.parking = _Billed(is_all), _Billed(is_all), _Billed(is_all)
        self.fees: set[int] = set()
        self._fixed = ZERO

    def unpriced(self) -> "_Bill":
        """For periods that no tariff prices: what they hold counts in the volumes of this bill."""
        bill = _Bill(self.way.unpriced())
        bill.energy, bill.time, bill.parking = self.energy, self.time, self.parking
        return bill

    def take_fee(self, fee: PricedComponent | None) -> None:
        """Each fee is taken once."""
        if fee is not None and id(fee) not in self.fees:
            self.fees.add(id(fee))
            self._fixed += fee.before_taxes  # type: ignore[operator]  # is_net_known

    def total(self) -> Decimal:
        """Of a charge that it is all of: with its steps. Raises as ``within_limits``."""
        stepped = _to_step(self.time, self.parking, is_last=self.way.is_last_stepped)
        of_time = stepped.rounded_up(SECOND, stepped.volume) if stepped is not None else ZERO
        return self.within_limits(self.energy.rounded_up(1, self.energy.volume), of_time)

    def within_limits(self, of_energy: Decimal, of_time: Decimal) -> Decimal:
        """With what steps add, and within the limits of its tariff. Raises ``decimal.InvalidOperation`` where it is
        none."""
        of_time += self.time.amount + self.parking.amount
        net = self._fixed + self.energy.amount + of_energy + of_time.scaleb(-6)
        if not net.is_finite():
            raise InvalidOperation
        return limited_before_taxes(net, self.way.prices)


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

    def rounded_up(self, unit: int, volume: Decimal) -> Decimal:
        """What the last step that ``volume`` does not fill adds to ``amount``; ``unit``: how many of ``quantity`` are
        one of ``step``."""
        component = self.component
        if component is None or not component.step or volume <= 0:
            return ZERO
        step = component.step * unit
        rest = volume % step
        return component.before_taxes * (step - rest) if rest else ZERO  # type: ignore[operator]  # is_net_known


def _to_step(time: _Billed | None, parking: _Billed | None, *, is_last: bool) -> _Billed | None:
    """The one of both that ``step_size`` is applied to (``steps.step_additions``)."""
    if time is None or parking is None or time.component is None or parking.component is None:
        return parking if time is None or time.component is None else time
    return time if is_last and time.last > parking.last else parking


def _last(billed: Sequence[_Billed]) -> _Billed | None:
    return max((each for each in billed if each.component is not None), key=lambda each: each.last, default=None)


def _total_of(bills: "Sequence[_Bill]") -> Decimal:
    """Of a charge that several tariffs price: ``step_size`` once over all of them (``engine._steps``)."""
    energies, times, parkings = ([getattr(each, name) for each in bills] for name in ("energy", "time", "parking"))
    energy = _last(energies)
    stepped = _to_step(_last(times), _last(parkings), is_last=bills[0].way.is_last_stepped)
    of_energy = ZERO if energy is None else energy.rounded_up(1, sum((each.volume for each in energies), ZERO))
    of_time = ZERO
    if stepped is not None:
        alike = times if stepped in times else parkings
        of_time = stepped.rounded_up(SECOND, sum((each.volume for each in alike), ZERO))
    return sum(
        (
            each.within_limits(
                of_energy if each.energy is energy else ZERO,
                of_time if stepped is not None and (each.time is stepped or each.parking is stepped) else ZERO,
            )
            for each in bills
        ),
        ZERO,
    )


def _whole(periods: Sequence[Period]) -> list[ChargingPeriod]:
    return [
        ChargingPeriod(
            start_date_time=period.start_date_time,
            dimensions=tuple(CdrDimension(type=each.type, volume=each.volume) for each in period.dimensions),
            tariff_id=period.tariff_id,
        )
        for period in periods
    ]


def _no_component(_moment: Moment) -> PricedComponent | None:
    return None


def _chooser(prices: PriceList, dimension: str) -> Choose:
    """``PriceList.choose`` of one dimension of the session."""
    if prices.readings.element_choice is ElementChoice.FIRST_ELEMENT:
        return lambda moment: prices.choose(dimension, moment)
    candidates = prices.candidates(dimension)
    if not candidates:
        return _no_component
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
