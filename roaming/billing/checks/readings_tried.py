"""Which reading of a tariff would make a stated total right. Pure.

Each is one mistake, or one choice that the specification leaves open, made alone. They are tried in the order of the
list, and the first that fits is named.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import msgspec

from roaming.billing.checks.amounts import gross_of
from roaming.model.cdr import CDR
from roaming.model.money import PriceLimit
from roaming.model.tariff import Tariff
from roaming.rating import Line, Part, Rated, RatingError, Readings, rate
from roaming.rating.readings import (
    AbsentVat,
    Clock,
    ElementChoice,
    HoursReading,
    Limits,
    RoundedAt,
    Rounding,
    SpannedPeriod,
    StepScope,
    StepTime,
    StepVolume,
    UnknownPower,
)


class Amounts(NamedTuple):
    """A total under some reading. ``None``: not known."""

    net: Fraction | None
    gross: Fraction | None


@dataclass(frozen=True, kw_only=True)
class Case:
    """One session to be priced."""

    cdr: CDR
    tariffs: Sequence[Tariff]
    time_zone: str
    readings: Readings

    def rated(
        self,
        *,
        time_zone: str | None = None,
        readings: Readings | None = None,
        tariffs: Sequence[Tariff] | None = None,
    ) -> Rated:
        """Priced by us. Raises ``RatingError``."""
        return rate(
            tariffs or self.tariffs,
            self.cdr.charging_periods,
            start=self.cdr.start_date_time,
            end=self.cdr.end_date_time,
            time_zone=time_zone or self.time_zone,
            readings=readings or self.readings,
        )


Reading = tuple[str, Callable[[Case], Amounts]]


def explaining_reading(case: Case, *, tolerance: Decimal) -> str:
    """The name of the reading under which the stated ``total_cost`` is right; empty: none is."""
    net, gross = case.cdr.total_cost.before_taxes, gross_of(case.cdr.total_cost)
    sign = -1 if case.cdr.credit else 1
    for name, amounts in _tried(case):
        if amounts.net is None or abs(amounts.net - Fraction(net * sign)) > Fraction(tolerance):
            continue
        is_gross_known = gross is not None and amounts.gross is not None
        if is_gross_known and abs(amounts.gross - Fraction(gross * sign)) > Fraction(tolerance):  # type: ignore[operator]
            continue
        return name
    return ""


def _tried(case: Case) -> Iterator[tuple[str, Amounts]]:
    for name, reckon in READINGS:
        try:
            yield name, reckon(case)
        except RatingError:
            continue


def _of(rated: Rated) -> Amounts:
    gross = gross_of(rated.total)
    return Amounts(Fraction(rated.total.before_taxes), None if gross is None else Fraction(gross))


def _sum(amounts: Iterator[Amounts]) -> Amounts:
    net: Fraction | None = Fraction(0)
    gross: Fraction | None = Fraction(0)
    for each in amounts:
        net = None if net is None or each.net is None else net + each.net
        gross = None if gross is None or each.gross is None else gross + each.gross
    return Amounts(net, gross)


def _line(line: Line, quantity: Decimal | None = None) -> Amounts:
    """A line, or what it would come to with another quantity."""
    if quantity is None:
        return Amounts(line.before_taxes, line.after_taxes)
    component = line.component
    if component is None:
        return Amounts(Fraction(0), Fraction(0))
    factors = (component.before_taxes, component.after_taxes)
    return Amounts(
        *(None if each is None else Fraction(each * quantity) / Fraction(line.denominator) for each in factors)
    )


def _within(tariff: Tariff, amounts: Amounts) -> Amounts:
    """Each sum within min_price and max_price, as ``rate`` bounds them; with taxes only where the limit says them."""
    net, gross = amounts
    for limit, bound in ((tariff.min_price, max), (tariff.max_price, min)):
        if limit is None or net is None:
            continue
        bounded = bound(net, Fraction(limit.before_taxes))
        if limit.after_taxes is not None and gross is not None:
            gross = bound(gross, Fraction(limit.after_taxes))
        elif bounded != net:
            gross = None
        net = bounded
    return Amounts(net, gross)


def _no_step(case: Case) -> Amounts:
    rated = case.rated()
    lines = [line for line in rated.lines if line.part is not Part.LIMIT]
    return _sum(
        _within(
            prices.tariff,
            _sum(_line(line, line.quantity) for line in lines if rated.price_list_of(line) is prices),
        )
        for prices in rated.price_lists
    )


def _without_limits(case: Case) -> Amounts:
    return _sum(_line(line) for line in case.rated().lines if line.part is not Part.LIMIT)


def _flat_again(case: Case) -> Amounts:
    flats = [line for line in case.rated().lines if line.part is Part.FLAT]
    return _sum(iter([_of(case.rated()), *(_line(line) for line in flats)])) if flats else Amounts(None, None)


def _flat_per_period(case: Case) -> Amounts:
    flats = [line for line in case.rated().lines if line.part is Part.FLAT]
    again = len(case.cdr.charging_periods) - 1
    return _sum(iter([_of(case.rated()), *(_line(line) for line in flats * again)])) if flats else Amounts(None, None)


def _tax_as_net(case: Case) -> Amounts:
    """What is with taxes was put where it should be without."""
    gross = _of(case.rated()).gross
    return Amounts(gross, None)


def _energy_alone(case: Case) -> Amounts:
    return _sum(_line(line) for line in case.rated().lines if line.part is Part.ENERGY)


def _in_zone(zone: str) -> Callable[[Case], Amounts]:
    return lambda case: _of(case.rated(time_zone=zone)) if zone != case.time_zone else Amounts(None, None)


def _with(**changes: object) -> Callable[[Case], Amounts]:
    def priced(case: Case) -> Amounts:
        return _of(case.rated(readings=msgspec.structs.replace(case.readings, **changes)))

    return priced


def _scaled_past_limits(case: Case) -> Amounts:
    """Taxes scaled with a limit, and what the limit says with taxes not looked at."""
    tariffs = [
        msgspec.structs.replace(
            each, min_price=_before_taxes_only(each.min_price), max_price=_before_taxes_only(each.max_price)
        )
        for each in case.tariffs
    ]
    return _of(case.rated(tariffs=tariffs, readings=msgspec.structs.replace(case.readings, limits=Limits.SCALED_TAX)))


def _before_taxes_only(limit: PriceLimit | None) -> PriceLimit | None:
    return None if limit is None else msgspec.structs.replace(limit, after_taxes=None)


READINGS: tuple[Reading, ...] = (
    ("rounding per line", _with(rounded_at=RoundedAt.LINE, decimals=2)),
    ("step_size for each tariff by itself", _with(step_scope=StepScope.TARIFF)),
    ("step_size in every period", _with(step_scope=StepScope.PERIOD)),
    ("step_size left out", _no_step),
    ("FLAT charged twice", _flat_again),
    ("FLAT charged in every period", _flat_per_period),
    ("tax scaled with min_price or max_price", _with(limits=Limits.SCALED_TAX)),
    ("tax scaled past what min_price or max_price says with taxes", _scaled_past_limits),
    ("min_price and max_price left out", _without_limits),
    ("wrong time zone: UTC", _with(clock=Clock.UTC)),
    ("wrong time zone: winter time of Central Europe all year", _in_zone("Etc/GMT-1")),
    ("wrong time zone: summer time of Central Europe all year", _in_zone("Etc/GMT-2")),
    ("taxes counted as part of the price before taxes", _tax_as_net),
    ("only the energy", _energy_alone),
    ("step_size on unpriced volume too", _with(step_volume=StepVolume.ALL)),
    ("step_size of the dimension priced last", _with(step_time=StepTime.LAST_ACTIVE)),
    ("the first element for all dimensions (2.1.1)", _with(element_choice=ElementChoice.FIRST_ELEMENT)),
    ("an element per dimension (2.2.1)", _with(element_choice=ElementChoice.PER_DIMENSION)),
    ("hours as stated, not as the period lasts", _with(hours=HoursReading.AS_STATED)),
    ("VAT left out of a component is unknown", _with(absent_vat=AbsentVat.UNKNOWN)),
    ("power restrictions without stated power do not hold", _with(unknown_power=UnknownPower.NO_MATCH)),
    ("rounding half to even", _with(rounding=Rounding.HALF_EVEN)),
    ("periods divided where the price changes", _with(spanned_period=SpannedPeriod.DIVIDED)),
)
"""By name, in the order in which they are tried."""
