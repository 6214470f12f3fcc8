"""When a tariff element holds: its restrictions as conditions on one moment of a session.

Knows nothing of prices. Local times and dates are those of the location's zone; ``min_`` is inclusive and
``max_`` exclusive (OCPI 2.2.1 mod_tariffs, TariffRestrictions).
"""

import re
from collections.abc import Callable
from datetime import date, datetime, tzinfo
from decimal import Decimal
from typing import Final, NamedTuple

from roaming.model.tariff import DayOfWeek, TariffRestrictions
from roaming.rating.errors import MalformedTariff
from roaming.rating.exact import SECOND
from roaming.rating.readings import FlowRange, Readings, UnknownCurrent, UnknownPower

_TIME: Final = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])")
_WEEKDAYS: Final = {day.value: index for index, day in enumerate(DayOfWeek)}
_DAY: Final = 24 * 60


class Moment(NamedTuple):
    """What restrictions look at. ``None``: not known."""

    elapsed: int
    """Microseconds since the start of the session, or of the reservation."""
    kwh: Decimal
    """Energy since the start of the session."""
    minute: int = 0
    """Of the local day."""
    day: int = 0
    """Ordinal of the local date."""
    lowest_kw: Decimal | None = None
    highest_kw: Decimal | None = None
    lowest_ampere: Decimal | None = None
    highest_ampere: Decimal | None = None


class Condition(NamedTuple):
    """One restriction: the field it stands in, its value as text, and whether it holds at a moment."""

    field: str
    value: str
    holds: Callable[[Moment], bool]


class Thresholds(NamedTuple):
    """Where the answer of a set of conditions can change: the moments at which periods are cut."""

    minutes: frozenset[int]
    """Of the local day; 0 also stands for dates and weekdays."""
    elapsed: frozenset[int]
    """Microseconds since the start."""
    kwh: frozenset[Decimal]
    power: frozenset[Decimal]
    """kW."""
    current: frozenset[Decimal]
    """Ampere."""


NO_THRESHOLDS: Final = Thresholds(frozenset(), frozenset(), frozenset(), frozenset(), frozenset())


def local_day_and_minute(at: datetime, zone: tzinfo) -> tuple[int, int]:
    """Ordinal of the local date and minute of the local day."""
    local = at.astimezone(zone)
    return local.toordinal(), local.hour * 60 + local.minute


def conditions_of(restrictions: TariffRestrictions | None, where: str, readings: Readings) -> tuple[Condition, ...]:
    """The conditions of one element, all of which must hold. ``reservation`` is none of them.

    ``where`` names the element in errors. Raises ``MalformedTariff``.
    """
    if restrictions is None:
        return ()
    found = [
        *_of_time(restrictions, where),
        *_of_dates(restrictions, where),
        *_of_amounts(restrictions, readings),
    ]
    if restrictions.day_of_week:
        days = frozenset(_WEEKDAYS[day] for day in restrictions.day_of_week if day in _WEEKDAYS)
        # date.fromordinal(1) was a Monday.
        text = ", ".join(restrictions.day_of_week)
        found.append(Condition("day_of_week", text, lambda moment: (moment.day - 1) % 7 in days))
    return tuple(found)


def thresholds_of(restrictions: TariffRestrictions | None) -> Thresholds:
    """Every moment at which conditions of these restrictions can begin or cease to hold."""
    if restrictions is None:
        return NO_THRESHOLDS
    r = restrictions
    minutes = {_minute(text, "") % _DAY for text in (r.start_time, r.end_time) if text is not None}
    if r.start_date is not None or r.end_date is not None or r.day_of_week or minutes:
        minutes.add(0)
    return Thresholds(
        frozenset(minutes),
        frozenset(limit * SECOND for limit in (r.min_duration, r.max_duration) if limit is not None),
        frozenset(limit for limit in (r.min_kwh, r.max_kwh) if limit is not None),
        frozenset(limit for limit in (r.min_power, r.max_power) if limit is not None),
        frozenset(limit for limit in (r.min_current, r.max_current) if limit is not None),
    )


def _minute(text: str, where: str) -> int:
    match = _TIME.fullmatch(text)
    minute = int(match[1]) * 60 + int(match[2]) if match else _DAY + 1
    if minute > _DAY:
        raise MalformedTariff(f"{where}: {text!r} is no time of day; write HH:MM between 00:00 and 23:59")
    return minute


def _ordinal(text: str, where: str) -> int:
    try:
        return date.fromisoformat(text).toordinal()
    except ValueError:
        raise MalformedTariff(f"{where}: {text!r} is no date; write YYYY-MM-DD") from None


def _of_time(r: TariffRestrictions, where: str) -> list[Condition]:
    start = None if r.start_time is None else _minute(r.start_time, f"{where}.start_time")
    end = None if r.end_time is None else _minute(r.end_time, f"{where}.end_time") or _DAY
    if start is not None and end is not None:
        first, last, text = start, end, f"{r.start_time}-{r.end_time}"
        if last > first:
            return [Condition("start_time, end_time", text, lambda moment: first <= moment.minute < last)]
        return [Condition("start_time, end_time", text, lambda moment: moment.minute >= first or moment.minute < last)]
    if start is not None:
        lone = start
        return [Condition("start_time", r.start_time or "", lambda moment: moment.minute >= lone)]
    if end is not None:
        until = end
        return [Condition("end_time", r.end_time or "", lambda moment: moment.minute < until)]
    return []


def _of_dates(r: TariffRestrictions, where: str) -> list[Condition]:
    found = []
    if r.start_date is not None:
        first = _ordinal(r.start_date, f"{where}.start_date")
        found.append(Condition("start_date", r.start_date, lambda moment: moment.day >= first))
    if r.end_date is not None:
        last = _ordinal(r.end_date, f"{where}.end_date")
        found.append(Condition("end_date", r.end_date, lambda moment: moment.day < last))
    return found


def _of_amounts(r: TariffRestrictions, readings: Readings) -> list[Condition]:
    found = []

    def add(field: str, value: object, holds: Callable[[Moment], bool]) -> None:
        found.append(Condition(field, str(value), holds))

    if (min_kwh := r.min_kwh) is not None:
        add("min_kwh", min_kwh, lambda moment: moment.kwh >= min_kwh)
    if (max_kwh := r.max_kwh) is not None:
        add("max_kwh", max_kwh, lambda moment: moment.kwh < max_kwh)
    if r.min_duration is not None:
        least = r.min_duration * SECOND
        add("min_duration", r.min_duration, lambda moment: moment.elapsed >= least)
    if r.max_duration is not None:
        most = r.max_duration * SECOND
        add("max_duration", r.max_duration, lambda moment: moment.elapsed < most)
    _add_flow(add, readings, r)
    return found


def _add_flow(
    add: Callable[[str, object, Callable[[Moment], bool]], None], readings: Readings, r: TariffRestrictions
) -> None:
    """Restrictions on power and current, which see a range in a period."""
    is_anywhere = readings.flow_range is FlowRange.SOMETIME
    for what, unit, unknown in (
        ("power", "kw", readings.unknown_power is UnknownPower.MATCH),
        ("current", "ampere", readings.unknown_current is UnknownCurrent.MATCH),
    ):
        ends = ("highest", "lowest") if is_anywhere else ("lowest", "highest")
        least, most = getattr(r, f"min_{what}"), getattr(r, f"max_{what}")
        if least is not None:
            add(f"min_{what}", least, _at_least(Moment._fields.index(f"{ends[0]}_{unit}"), least, unknown))
        if most is not None:
            add(f"max_{what}", most, _below(Moment._fields.index(f"{ends[1]}_{unit}"), most, unknown))


def _at_least(place: int, least: Decimal, unknown: bool) -> Callable[[Moment], bool]:
    return lambda moment: unknown if moment[place] is None else bool(moment[place] >= least)  # type: ignore[operator]


def _below(place: int, most: Decimal, unknown: bool) -> Callable[[Moment], bool]:
    return lambda moment: unknown if moment[place] is None else bool(moment[place] < most)  # type: ignore[operator]
