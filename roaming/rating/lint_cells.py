"""The space that a tariff's restrictions look at, cut into cells in which nothing changes. Knows no finding.

An axis per kind of restriction: time of day, date with weekday, energy, duration, power, current. Only axes that the
tariff looks at are cut; on others there is one cell, ``any``.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise, product
from math import prod
from typing import Any, Final, NamedTuple

from roaming.model.tariff import DayOfWeek
from roaming.rating.exact import SECOND, ZERO
from roaming.rating.price_list import PriceList
from roaming.rating.restrictions import Moment

_DAY: Final = 24 * 60
_WEEK: Final = 7
_LONG_AGO: Final = date(2024, 1, 1)
"""A Monday. Before every date of a tariff that names one, and any date for those that do not."""


class Cell(NamedTuple):
    """One cell: a moment in it, and what it is called along each axis."""

    number: int
    moment: Moment
    labels: tuple[str, ...]


class Space(NamedTuple):
    """All cells."""

    axes: tuple[str, ...]
    parts: tuple[tuple[tuple[str, Any], ...], ...]

    def cells(self) -> Iterator[Cell]:
        """Every combination."""
        for number, combination in enumerate(product(*self.parts)):
            labels = tuple(label for label, _ in combination)
            minute, day, kwh, elapsed, power, current = (value for _, value in combination)
            yield Cell(number, Moment(elapsed * SECOND, kwh, minute, day, power, power, current, current), labels)


def cells_of(prices: PriceList, most: int) -> Space | None:
    """The space of a tariff; ``None``: it has more than ``most`` cells."""
    thresholds = _Thresholds(prices)
    parts = (
        _minutes(thresholds.minutes),
        _days(thresholds.dates, thresholds.has_weekdays),
        _amounts(thresholds.kwh, "kWh"),
        _amounts(thresholds.duration, "s", int),
        _amounts(thresholds.power, "kW"),
        _amounts(thresholds.current, "A"),
    )
    axes = ("time of day", "day", "energy", "duration", "power", "current")
    return None if prod(map(len, parts)) > most else Space(axes, parts)


class _Thresholds:
    def __init__(self, prices: PriceList) -> None:
        found = [each.restrictions for each in prices.tariff.elements if each.restrictions is not None]
        self.minutes = {
            int(text[:2]) * 60 + int(text[3:])
            for each in found
            for text in (each.start_time, each.end_time)
            if text is not None
        }
        self.dates = {date.fromisoformat(text) for r in found for text in (r.start_date, r.end_date) if text}
        self.has_weekdays = any(each.day_of_week for each in found)
        self.kwh = _values(found, "kwh")
        self.duration = _values(found, "duration")
        self.power = _values(found, "power")
        self.current = _values(found, "current")


def _values(found: Iterable[Any], what: str) -> set[Any]:
    limits = (getattr(each, f"{end}_{what}") for each in found for end in ("min", "max"))
    return {limit for limit in limits if limit is not None}


def _minutes(found: set[int]) -> tuple[tuple[str, int], ...]:
    if not found:
        return (("any", 0),)
    edges = sorted({0, *(minute for minute in found if minute < _DAY)})
    ends = [*edges[1:], _DAY]
    return tuple(
        (f"{start // 60:02}:{start % 60:02} to {end // 60:02}:{end % 60:02}", start)
        for start, end in zip(edges, ends, strict=True)
    )


def _days(dates: set[date], has_weekdays: bool) -> tuple[tuple[str, int], ...]:
    """A day of each stretch between dates; each weekday that comes in it, where weekdays matter."""
    first = min(dates) - timedelta(days=_WEEK) if dates else _LONG_AGO
    edges = sorted({first, *dates})
    ends = [*edges[1:], edges[-1] + timedelta(days=_WEEK)]
    found = []
    for start, end in zip(edges, ends, strict=True):
        label = "any" if not dates else f"before {end}" if start == first else f"from {start}"
        for offset in range(min(_WEEK, (end - start).days) if has_weekdays else 1):
            day = start + timedelta(days=offset)
            weekday = tuple(DayOfWeek)[day.weekday()].value
            name = f"{label}, {weekday}" if dates else weekday
            found.append((name if has_weekdays else label, day.toordinal()))
    return tuple(found)


def _amounts(found: set[Any], unit: str, kind: Callable[[Any], Any] = Decimal) -> tuple[tuple[str, Any], ...]:
    if not found:
        return (("any", kind(0)),)
    edges: Sequence[Any] = sorted({kind(ZERO), *(kind(each) for each in found if each > 0)})
    labels = [f"{low} to {high} {unit}" for low, high in pairwise(edges)]
    return tuple(zip([*labels, f"{edges[-1]} {unit} and more"], edges, strict=True))
