"""Prices charging periods by a tariff: which component, how much of it, what it comes to.

Pure: no clock, no I/O. A period is priced by what holds at its start; periods that span a change of price are
their maker's error (``roaming.rating.cutting`` makes none), unless readings have them divided.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal, Inexact, InvalidOperation, Overflow, localcontext
from typing import Final, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from roaming.model.identifiers import fold
from roaming.model.session import CdrDimensionType, ChargingPeriod
from roaming.model.tariff import ReservationRestrictionType, Tariff
from roaming.rating.dividing import divided
from roaming.rating.errors import MalformedPeriods, RatingError, UnsupportedNumber
from roaming.rating.exact import EXACT, SECOND, ZERO, kilowatt, rounded
from roaming.rating.price_list import ENERGY, FLAT, PARKING_TIME, TIME, PricedComponent, PriceList
from roaming.rating.rated import Finding, FindingCode, Line, Part, Rated
from roaming.rating.readings import (
    DEFAULT_READINGS,
    Clock,
    ExpiredStartFee,
    FlatFee,
    HoursReading,
    Readings,
    RoundedAt,
    SpannedPeriod,
    StepScope,
    UnknownPower,
)
from roaming.rating.relevant import chosen_lists, lists_of
from roaming.rating.restrictions import Moment, local_day_and_minute
from roaming.rating.result import PricedBy, rated_of
from roaming.rating.steps import Draft, step_additions
from roaming.rating.totals import before_taxes_of, limited, limited_before_taxes, price_of, sum_of

MOST_PERIODS: Final = 100_000
"""Of one charge: one a minute for 69 days. Lines of more would fill the memory that many charges share."""
_MICROSECOND: Final = timedelta(microseconds=1)
HALF_OF_LAST_DECIMAL: Final = 180_000
"""Microseconds in 0.00005 h."""
_RESERVATION_TIME: Final = CdrDimensionType.RESERVATION_TIME.value
_PARTS: Final = ((ENERGY, Part.ENERGY), (TIME, Part.TIME), (PARKING_TIME, Part.PARKING_TIME))

T = TypeVar("T")


def rate(
    tariff: Tariff | PriceList | Sequence[Tariff] | Sequence[PriceList],
    periods: Sequence[ChargingPeriod],
    *,
    start: datetime,
    end: datetime,
    time_zone: str,
    readings: Readings = DEFAULT_READINGS,
    is_reservation_expired: bool = False,
) -> Rated:
    """The price of ``periods``, which last from ``start`` to ``end`` and lie in time order.

    ``tariff`` may be a ``price_list``, made once for many sessions; it then brings its own readings. Of several
    tariffs, or ``price_lists``, each prices the periods that name it, with its own fees and limits; what restrictions
    count, they count from the start of the session, and ``step_size`` is applied once over all of them. Where periods
    name one tariff or none, that one or the first prices all. Where periods begin with RESERVATION_TIME, duration
    restrictions of the session count from the first other period. Raises ``RatingError`` naming the field.
    """
    lists = chosen_lists(lists_of(tariff, readings), periods)

    def work() -> Rated:
        sessions = _sessions(lists, periods, start, end, time_zone, is_reservation_expired)
        for each in sessions:
            each.draft()
        parts = [
            PricedBy(each.prices, each.rated_lines(added))
            for each, added in zip(sessions, _steps(sessions), strict=True)
        ]
        return rated_of(parts, [finding for each in sessions for finding in each.findings])

    return _exactly(work, lists, periods)


def rate_before_taxes(
    tariff: PriceList | Sequence[PriceList],
    periods: Sequence[ChargingPeriod],
    *,
    start: datetime,
    end: datetime,
    time_zone: str,
) -> Decimal:
    """The total before taxes that ``rate`` gives, without all else: for those who price a million."""
    lists = (tariff,) if isinstance(tariff, PriceList) else chosen_lists(tariff, periods)
    if len(lists) > 1:
        return rate(lists, periods, start=start, end=end, time_zone=time_zone).total.before_taxes
    (prices,) = lists
    return _exactly(lambda: _Session(prices, periods, start, end, time_zone, False).before_taxes(), lists, periods)


def _exactly(work: Callable[[], T], lists: Sequence[PriceList], periods: Sequence[ChargingPeriod]) -> T:
    if len(periods) > MOST_PERIODS:
        raise MalformedPeriods(
            f"charging_periods: {len(periods):,} are more than {MOST_PERIODS:,}; put those of one price together"
        )
    with localcontext(EXACT):
        try:
            return work()
        except (Inexact, InvalidOperation, Overflow):
            named = ", ".join(each.tariff.id for each in lists)
            raise UnsupportedNumber(
                f"charging_periods: a volume cannot be kept exact with tariff {named}; shorten it"
            ) from None


def _sessions(
    lists: Sequence[PriceList],
    periods: Sequence[ChargingPeriod],
    start: datetime,
    end: datetime,
    time_zone: str,
    is_reservation_expired: bool,
) -> "list[_Session]":
    """One for each price list, with the periods that are its own."""
    if len(lists) == 1:
        return [_Session(lists[0], periods, start, end, time_zone, is_reservation_expired)]
    by_id = {fold(prices.tariff.id): prices for prices in lists}
    own: dict[str, set[int]] = {id: set() for id in by_id}
    unpriced: list[int] = []
    for index, period in enumerate(periods):
        if period.tariff_id is None:
            unpriced.append(index)
        else:
            own[fold(period.tariff_id)].add(index)
    found = [
        _Session(prices, periods, start, end, time_zone, is_reservation_expired, own=frozenset(own[id]))
        for id, prices in by_id.items()
    ]
    found[0].leave_unpriced(unpriced)
    return found


def _steps(sessions: "Sequence[_Session]") -> list[dict[int, Decimal]]:
    """What ``step_size`` adds to the drafts of each. Of several tariffs it is not taken into account where one takes
    another's place: once over all of them, by the last (OCPI 2.2.1 mod_cdrs, step_size)."""
    readings = sessions[0].prices.readings
    if len(sessions) == 1 or readings.step_scope is StepScope.TARIFF:
        return [step_additions(each.drafts, readings) for each in sessions]
    places = [(number, index) for number, each in enumerate(sessions) for index in range(len(each.drafts))]
    places.sort(key=lambda place: sessions[place[0]].drafts[place[1]].period)
    found: list[dict[int, Decimal]] = [{} for _ in sessions]
    for at, added in step_additions([sessions[number].drafts[index] for number, index in places], readings).items():
        number, index = places[at]
        found[number][index] = added
    return found


def zone_of(time_zone: str) -> ZoneInfo:
    """The zone of a location. Raises ``RatingError`` for an unknown name."""
    try:
        return ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise RatingError(f"time_zone: {time_zone!r} is no IANA time zone; correct the location") from None


class _Session:
    """One call of ``rate``, as far as one tariff prices it. ``own``: the indices of its periods; ``None``: all."""

    def __init__(
        self,
        prices: PriceList,
        periods: Sequence[ChargingPeriod],
        start: datetime,
        end: datetime,
        time_zone: str,
        is_reservation_expired: bool,
        own: frozenset[int] | None = None,
    ) -> None:
        self.prices = prices
        self.own = own
        self.unpriced: frozenset[int] = frozenset()
        self.periods = periods
        self.end = end
        self.zone = zone_of("UTC" if prices.readings.clock is Clock.UTC else time_zone)
        self.is_reservation_expired = is_reservation_expired
        self.volumes = [_volumes(period, index) for index, period in enumerate(periods)]
        self.reservation_start = start
        self.start = self._session_start(start)
        self.kwh = ZERO
        self.drafts: list[Draft] = []
        self.findings: list[Finding] = []
        self.charged_fees: set[str] = set()

    def leave_unpriced(self, indices: Sequence[int]) -> None:
        """Takes in periods that no tariff prices: their volumes count, and cost nothing."""
        self.unpriced = frozenset(indices)
        self.own = (self.own or frozenset()) | self.unpriced
        for index in indices:
            text = f"charging_periods[{index}] names no tariff, as others do: it is not priced"
            self.findings.append(Finding(FindingCode.NO_TARIFF, text, index))

    def rated_lines(self, additions: Mapping[int, Decimal]) -> list[Line]:
        """``additions``: what ``step_size`` adds to the drafts."""
        self._check_tariff()
        return self._lines(additions)

    def before_taxes(self) -> Decimal:
        """Of a charge that this is all of."""
        prices = self.prices
        self.draft()
        additions = step_additions(self.drafts, prices.readings)
        if not prices.is_net_known or prices.readings.rounded_at is RoundedAt.LINE:
            lines = self._lines(additions)
            return price_of(limited(sum_of(lines), lines, prices), prices).before_taxes
        net = ZERO
        for index, draft in enumerate(self.drafts):
            if draft.component is not None and draft.component.before_taxes is not None:
                net += draft.component.before_taxes * (draft.quantity + additions.get(index, ZERO))
        return before_taxes_of(limited_before_taxes(net, prices), prices)

    def draft(self) -> None:
        """Makes the drafts of all periods."""
        for index in range(len(self.periods)):
            self._draft(index)

    def _lines(self, additions: Mapping[int, Decimal]) -> list[Line]:
        return [self._line(draft, additions.get(index, ZERO)) for index, draft in enumerate(self.drafts)]

    def _session_start(self, start: datetime) -> datetime:
        if self.periods and _is_reservation(self.volumes[0]):
            for period, volumes in zip(self.periods, self.volumes, strict=True):
                if not _is_reservation(volumes):
                    return period.start_date_time
        return start

    def _check_tariff(self) -> None:
        tariff, found = self.prices.tariff, self.findings
        if (tariff.start_date_time is not None and self.start < tariff.start_date_time) or (
            tariff.end_date_time is not None and self.start >= tariff.end_date_time
        ):
            found.append(Finding(FindingCode.TARIFF_NOT_VALID, f"tariff {tariff.id} was not valid at {self.start}"))
        found.extend(Finding(FindingCode.UNREAD_TARIFF_PART, place) for place in self.prices.unread)
        own = fold(tariff.id)
        for index, period in enumerate(self.periods if self.own is None else ()):
            if period.tariff_id is not None and fold(period.tariff_id) != own:
                text = f"charging_periods[{index}] names tariff {period.tariff_id}, priced by {tariff.id}"
                found.append(Finding(FindingCode.OTHER_TARIFF, text, index))

    def _draft(self, index: int) -> None:
        volumes = self.volumes[index]
        begin = self.periods[index].start_date_time
        until = self.periods[index + 1].start_date_time if index + 1 < len(self.periods) else self.end
        length = (until - begin) // _MICROSECOND
        if length < 0:
            raise MalformedPeriods(
                f"charging_periods[{index}] begins at {begin}, after its end {until}; sort the periods"
            )
        if self.own is not None and index not in self.own:
            self.kwh += ZERO if _is_reservation(volumes) else volumes.get(ENERGY, ZERO)
            return
        if _RESERVATION_TIME in volumes:
            self._draft_reservation(index, begin, length)
        if _is_reservation(volumes):
            return
        moment = self._moment(index, begin, length)
        if self.prices.readings.spanned_period is SpannedPeriod.DIVIDED and index not in self.unpriced:
            for stretch in divided(self.prices, moment, begin, length, volumes, self.zone):
                self._draft_stretch(index, *stretch)
        else:
            self._draft_stretch(index, moment, length, volumes)
        self.kwh += volumes.get(ENERGY, ZERO)

    def _draft_stretch(self, index: int, moment: Moment, length: int, volumes: Mapping[str, Decimal]) -> None:
        """What is priced by one moment: all of a period, or a part of it."""
        self._draft_fee(index, moment)
        for dimension, part in _PARTS:
            quantity = self._quantity(dimension, volumes, length)
            if not quantity:
                continue
            component = self._choose(index, dimension, moment)
            self.drafts.append(Draft(part, dimension, index, quantity, component, moment))

    def _choose(self, index: int, dimension: str, moment: Moment, kind: str = "") -> PricedComponent | None:
        return None if index in self.unpriced else self.prices.choose(dimension, moment, kind)

    def _draft_fee(self, index: int, moment: Moment) -> None:
        is_each = self.prices.readings.flat_fee is FlatFee.EACH_COMPONENT
        if FLAT in self.charged_fees and not is_each:
            return
        fee = self._choose(index, FLAT, moment)
        if fee is None:
            return
        place = f"{fee.element}/{fee.component}"
        if place not in self.charged_fees:
            self.charged_fees.update((FLAT, place))
            self.drafts.append(Draft(Part.FLAT, FLAT, index, Decimal(1), fee, moment))

    def _draft_reservation(self, index: int, begin: datetime, length: int) -> None:
        kinds = [ReservationRestrictionType.RESERVATION.value]
        if self.is_reservation_expired:
            kinds.insert(0, ReservationRestrictionType.RESERVATION_EXPIRES.value)
        elapsed = (begin - self.reservation_start) // _MICROSECOND
        day, minute = local_day_and_minute(begin, self.zone)
        moment = Moment(elapsed, ZERO, minute, day)
        if self.is_reservation_expired and self.prices.readings.expired_start_fee is ExpiredStartFee.CHARGED:
            self._draft_fee(index, moment)
        for kind in kinds:
            fee = None if kind in self.charged_fees else self._choose(index, FLAT, moment, kind)
            if fee is not None:
                self.charged_fees.add(kind)
                self.drafts.append(Draft(Part.RESERVATION, FLAT, index, Decimal(1), fee, moment))
        component = None
        for kind in kinds:
            component = component or self._choose(index, TIME, moment, kind)
        quantity = self._seconds(self.volumes[index][_RESERVATION_TIME], length)
        self.drafts.append(Draft(Part.RESERVATION, TIME, index, quantity, component, moment))

    def _quantity(self, dimension: str, volumes: Mapping[str, Decimal], length: int) -> Decimal:
        volume = volumes.get(dimension)
        if volume is None or dimension == ENERGY:
            return volume or ZERO
        if not volume and TIME in volumes and PARKING_TIME in volumes:
            return ZERO
        return self._seconds(volume, length)

    def _seconds(self, hours: Decimal, length: int) -> Decimal:
        stated = hours * 3600 * SECOND
        if self.prices.readings.hours is HoursReading.PERIOD_LENGTH and abs(stated - length) <= HALF_OF_LAST_DECIMAL:
            stated = Decimal(length)
        return stated.scaleb(-6)

    def _moment(self, index: int, begin: datetime, length: int) -> Moment:
        prices = self.prices
        elapsed = (begin - self.start) // _MICROSECOND
        day, minute = local_day_and_minute(begin, self.zone) if prices.is_local_time_needed else (0, 0)
        if not (prices.thresholds.power or prices.thresholds.current):
            return Moment(elapsed, self.kwh, minute, day)
        volumes = self.volumes[index]
        power = extremes(volumes, "POWER")
        if power == (None, None) and prices.thresholds.power:
            if length and prices.readings.unknown_power is UnknownPower.AVERAGE:
                average = kilowatt(volumes.get(ENERGY, ZERO), length)
                power = (average, average)
            else:
                text = f"charging_periods[{index}] states no power"
                self.findings.append(Finding(FindingCode.POWER_UNKNOWN, text, index))
        current = extremes(volumes, "CURRENT")
        if current == (None, None) and prices.thresholds.current:
            text = f"charging_periods[{index}] states no current"
            self.findings.append(Finding(FindingCode.CURRENT_UNKNOWN, text, index))
        return Moment(elapsed, self.kwh, minute, day, *power, *current)

    def _line(self, draft: Draft, step_added: Decimal) -> Line:
        component = draft.component
        net: Decimal | None = ZERO
        gross: Decimal | None = ZERO
        if component is not None:
            billed = draft.quantity + step_added
            net = None if component.before_taxes is None else component.before_taxes * billed
            gross = None if component.after_taxes is None else component.after_taxes * billed
            if self.prices.readings.rounded_at is RoundedAt.LINE:
                net, gross = self._rounded(net), self._rounded(gross)
        return Line(
            tariff_id=self.prices.tariff.id,
            part=draft.part,
            dimension=draft.dimension,
            period=draft.period,
            quantity=draft.quantity,
            step_added=step_added,
            component=component,
            moment=draft.moment,
            net=net,
            gross=gross,
            denominator=self.prices.denominator,
        )

    def _rounded(self, numerator: Decimal | None) -> Decimal | None:
        if numerator is None:
            return None
        denominator, readings = self.prices.denominator, self.prices.readings
        return rounded(numerator, denominator, readings.decimals, readings.rounding) * denominator


def _volumes(period: ChargingPeriod, index: int) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for dimension in period.dimensions:
        volume = dimension.volume
        if not volume.is_finite():
            raise MalformedPeriods(f"charging_periods[{index}].{dimension.type}: {volume} is no volume")
        if dimension.type in (TIME, PARKING_TIME, _RESERVATION_TIME) and volume < 0:
            raise MalformedPeriods(f"charging_periods[{index}].{dimension.type}: {volume} hours are negative")
        if dimension.type in found:
            raise MalformedPeriods(f"charging_periods[{index}].{dimension.type} stands there twice; merge the two")
        found[dimension.type] = volume
    return found


def _is_reservation(volumes: dict[str, Decimal]) -> bool:
    return _RESERVATION_TIME in volumes and not any(volumes.get(dimension) for dimension, _ in _PARTS)


def extremes(volumes: dict[str, Decimal], what: str) -> tuple[Decimal | None, Decimal | None]:
    """The lowest and highest power or current of a period; one that is missing is taken from what is there."""
    lowest, highest, average = (volumes.get(f"{kind}{what}") for kind in ("MIN_", "MAX_", ""))
    other = average if average is not None else highest if lowest is None else lowest
    return (other if lowest is None else lowest), (other if highest is None else highest)
