"""What is wrong, or most likely not meant, in a tariff: found before anybody charges by it. Pure.

The space of what restrictions look at is cut at every threshold of the tariff; within a cell the same elements hold. So
what can never price anything, what is left without a price and where elements compete is found exactly, as long as
there are not more than ``MOST_CELLS`` cells; of a tariff with more only its fields are looked at, and that is said.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Any, Final

import msgspec

from roaming.model.money import TaxIncluded
from roaming.model.tariff import DayOfWeek, ReservationRestrictionType, Tariff, TariffRestrictions
from roaming.rating.currencies import CURRENCIES
from roaming.rating.errors import RatingError
from roaming.rating.lint_cells import Cell, cells_of
from roaming.rating.lint_clock import lost_windows
from roaming.rating.price_list import FLAT, PARKING_TIME, TIME, PricedComponent, PriceList, price_list
from roaming.rating.readings import DEFAULT_READINGS, ElementChoice, Readings

MOST_CELLS: Final = 50_000
_KINDS: Final = ("", *ReservationRestrictionType)
_PAIRS: Final = (
    ("min_kwh", "max_kwh"),
    ("min_power", "max_power"),
    ("min_current", "max_current"),
    ("min_duration", "max_duration"),
    ("start_date", "end_date"),
)


class LintCode(StrEnum):
    """Kinds of findings; ``is_error`` of a finding says whether the tariff can be used at all."""

    MALFORMED = "MALFORMED"
    """It cannot be priced by."""
    UNREAD = "UNREAD"
    """A word that OCPI does not know: that part prices nothing."""
    CURRENCY = "CURRENCY"
    TIME_ZONE = "TIME_ZONE"
    CLOCK_CHANGE = "CLOCK_CHANGE"
    """A window of time that does not come, or comes twice, on the day of a clock change."""
    IMPOSSIBLE = "IMPOSSIBLE"
    """Restrictions that never hold together."""
    UNREACHABLE = "UNREACHABLE"
    """Elements before it take everything that it could price."""
    REPEATED = "REPEATED"
    """The second component of one dimension in an element: never used."""
    GAP = "GAP"
    """A dimension that is priced elsewhere costs nothing here."""
    OVERLAP = "OVERLAP"
    """Two restricted elements hold at once: the order alone decides."""
    LIMITS = "LIMITS"
    VALIDITY = "VALIDITY"
    TAX = "TAX"
    PRICE = "PRICE"
    STEP_SIZE = "STEP_SIZE"
    TOO_MANY = "TOO_MANY"
    """More combinations of restrictions than are looked at."""


_ERRORS: Final = frozenset(
    (LintCode.MALFORMED, LintCode.CURRENCY, LintCode.TIME_ZONE, LintCode.LIMITS, LintCode.VALIDITY)
)


class Lint(msgspec.Struct, frozen=True):
    """One finding: where in the tariff, and what to do about it."""

    code: LintCode
    where: str
    text: str

    @property
    def is_error(self) -> bool:
        """Whether the tariff is wrong, rather than most likely not what was meant."""
        return self.code in _ERRORS


def lint(tariff: Tariff, *, time_zone: str = "", readings: Readings = DEFAULT_READINGS) -> tuple[Lint, ...]:
    """Everything found, errors first. ``time_zone``: of the locations, to look at the days of clock changes."""
    found = [*_fields(tariff), *_restrictions(tariff)]
    try:
        prices = price_list(tariff, readings)
    except RatingError as error:
        found.append(Lint(LintCode.MALFORMED, "elements", str(error)))
    else:
        found += (Lint(LintCode.UNREAD, place, "is not known to OCPI: it prices nothing") for place in prices.unread)
        found += _choices(prices)
        found += _clock(tariff, time_zone)
    return tuple(sorted(found, key=lambda each: not each.is_error))


def _fields(tariff: Tariff) -> Iterator[Lint]:
    if tariff.currency not in CURRENCIES:
        text = f"{tariff.currency!r} is no current code of ISO 4217, such as EUR"
        yield Lint(LintCode.CURRENCY, "currency", text)
    start, end = tariff.start_date_time, tariff.end_date_time
    if start is not None and end is not None and start >= end:
        yield Lint(LintCode.VALIDITY, "end_date_time", f"{end} is not after start_date_time {start}: it never holds")
    yield from _limits(tariff)
    yield from _preauthorization(tariff)
    for index, element in enumerate(tariff.elements):
        seen: set[str] = set()
        for place, component in enumerate(element.price_components):
            where = f"elements[{index}].price_components[{place}]"
            if component.type in seen:
                yield Lint(LintCode.REPEATED, where, f"{component.type} stands in this element before: never used")
            seen.add(component.type)
            yield from _component(component, where, tariff.tax_included)


def _preauthorization(tariff: Tariff) -> Iterator[Lint]:
    amount, least, most = tariff.preauthorize_amount, tariff.min_price, tariff.max_price
    if amount is None:
        return
    if amount <= 0:
        yield Lint(LintCode.PRICE, "preauthorize_amount", f"{amount} reserves nothing; leave it away")
    elif least is not None and amount < (least.after_taxes or least.before_taxes):
        yield Lint(LintCode.PRICE, "preauthorize_amount", f"{amount} is less than min_price, which every charge costs")
    elif most is not None and most.after_taxes is not None and amount > most.after_taxes:
        yield Lint(LintCode.PRICE, "preauthorize_amount", f"{amount} is more than max_price, which no charge exceeds")


def _limits(tariff: Tariff) -> Iterator[Lint]:
    least, most = tariff.min_price, tariff.max_price
    for field, limit in (("min_price", least), ("max_price", most)):
        if limit is not None and limit.after_taxes is not None and limit.after_taxes < limit.before_taxes:
            text = f"{limit.after_taxes} with taxes is less than {limit.before_taxes} before"
            yield Lint(LintCode.LIMITS, field, text)
    if least is None or most is None:
        return
    for name in ("before_taxes", "after_taxes"):
        low, high = getattr(least, name), getattr(most, name)
        if low is not None and high is not None and low > high:
            yield Lint(LintCode.LIMITS, "min_price", f"{name} {low} is above that of max_price, {high}: that holds")


def _component(component: Any, where: str, tax_included: str) -> Iterator[Lint]:
    if component.price < 0:
        yield Lint(LintCode.PRICE, f"{where}.price", f"{component.price} is negative: a longer charge costs less")
    if tax_included == TaxIncluded.N_A and component.vat is not None:
        yield Lint(LintCode.TAX, f"{where}.vat", "is ignored, since tax_included says N/A")
    if tax_included == TaxIncluded.YES and component.vat is None:
        yield Lint(LintCode.TAX, f"{where}.vat", "is missing: prices with taxes in have no known sum before taxes")
    if component.vat is not None and component.vat > 100:
        yield Lint(LintCode.TAX, f"{where}.vat", f"{component.vat} % is more than the price itself")
    step, largest = component.step_size, 3600 if component.type in (TIME, PARKING_TIME) else 1000
    if component.type != FLAT and step > largest:
        yield Lint(LintCode.STEP_SIZE, f"{where}.step_size", f"{step} bills much that nobody used: is the unit right?")


def _restrictions(tariff: Tariff) -> Iterator[Lint]:
    for index, element in enumerate(tariff.elements):
        if element.restrictions is not None:
            for field, text in _impossible(element.restrictions):
                yield Lint(LintCode.IMPOSSIBLE, f"elements[{index}].restrictions.{field}", text)


def _impossible(r: TariffRestrictions) -> Iterator[tuple[str, str]]:
    for low, high in _PAIRS:
        least, most = getattr(r, low), getattr(r, high)
        if least is not None and most is not None and least >= most:
            yield high, f"{most} is not above {low} {least}: it never holds"
        elif most is not None and not isinstance(most, str) and most <= 0:
            yield high, f"{most} is never undercut: it never holds"
    unknown = [day for day in r.day_of_week if day not in set(DayOfWeek)]
    if unknown:
        yield "day_of_week", f"{', '.join(unknown)} never comes; write {DayOfWeek.MONDAY} and so on"


def _choices(prices: PriceList) -> Iterator[Lint]:
    space = cells_of(prices, MOST_CELLS)
    if space is None:
        yield Lint(LintCode.TOO_MANY, "elements", "has too many restrictions to find gaps and overlaps")
        return
    cells = tuple(space.cells())
    for kind in _KINDS:
        for dimension in prices.components.get(kind, {}):
            yield from _of_dimension(prices, kind, dimension, cells, space.axes)


def _of_dimension(
    prices: PriceList, kind: str, dimension: str, cells: Sequence[Cell], axes: Sequence[str]
) -> Iterator[Lint]:
    candidates = prices.candidates(dimension, kind)
    holding = {index: {cell.number for cell in cells if one.holds(cell.moment)} for index, one in enumerate(candidates)}
    taken: set[int] = set()
    is_first = prices.readings.element_choice is ElementChoice.FIRST_ELEMENT
    for index, one in enumerate(candidates):
        where = f"elements[{one.element}].price_components[{one.component}]"
        if not holding[index]:
            if not any(True for _ in _impossible_of(prices, one)):
                yield Lint(LintCode.IMPOSSIBLE, where, "its restrictions never hold together")
        elif holding[index] <= (_held_before(prices, kind, one.element, cells) if is_first else taken):
            before = ", ".join(map(str, range(one.element) if is_first else [c.element for c in candidates[:index]]))
            yield Lint(LintCode.UNREACHABLE, where, f"{dimension} is always priced by elements {before} before it")
        taken |= holding[index]
    yield from _overlaps(candidates, holding, dimension)
    free = [cell for cell in cells if cell.number not in taken]
    if free and kind == "" and dimension != FLAT and taken:
        text = f"{dimension} costs nothing {_described(free, cells, axes)}"
        yield Lint(LintCode.GAP, "elements", f"{text}; an element without restrictions at the end closes it")


def _held_before(prices: PriceList, kind: str, element: int, cells: Sequence[Cell]) -> set[int]:
    """Cells in which an element before this one holds, of whatever dimension: in 2.1.1 it takes them all."""
    earlier = [
        each for of_kind in prices.components.get(kind, {}).values() for each in of_kind if each.element < element
    ]
    return {cell.number for cell in cells if any(each.holds(cell.moment) for each in earlier)}


def _impossible_of(prices: PriceList, one: PricedComponent) -> Iterable[Any]:
    restrictions = prices.tariff.elements[one.element].restrictions
    return () if restrictions is None else _impossible(restrictions)


def _overlaps(candidates: Sequence[PricedComponent], holding: dict[int, set[int]], dimension: str) -> Iterator[Lint]:
    for later in range(len(candidates)):
        for earlier in range(later):
            one, other = holding[earlier], holding[later]
            # An element that lies wholly in another, or that is restricted by nothing, is an exception and its rule.
            if one & other and not one <= other and not other <= one:
                where = f"elements[{candidates[later].element}]"
                first = candidates[earlier].element
                yield Lint(LintCode.OVERLAP, where, f"{dimension} is priced by element {first} wherever both hold")


def _described(free: Sequence[Cell], cells: Sequence[Cell], axes: Sequence[str]) -> str:
    """Where the free cells lie: along one axis if that alone decides, else an example."""
    for place, axis in enumerate(axes):
        labels = dict.fromkeys(cell.labels[place] for cell in free)
        if sum(cell.labels[place] in labels for cell in cells) == len(free):
            return f"where {axis} is {' or '.join(labels)}"
    example = ", ".join(f"{axis} {label}" for axis, label in zip(axes, free[0].labels, strict=True) if label != "any")
    return f"in places, such as {example}"


def _clock(tariff: Tariff, time_zone: str) -> Iterator[Lint]:
    if not time_zone:
        return
    try:
        lost = tuple(lost_windows(tariff, time_zone))
    except RatingError as error:
        yield Lint(LintCode.TIME_ZONE, "time_zone", str(error))
        return
    for index, text in lost:
        yield Lint(LintCode.CLOCK_CHANGE, f"elements[{index}].restrictions.start_time", text)
