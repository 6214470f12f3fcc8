"""A tariff made ready for pricing: per dimension the components in order, each with exact factors per unit.

Built once per tariff, used for any number of sessions. Knows no session. Amounts are numerators over
``PriceList.denominator`` (see ``roaming.rating.exact``).
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, Inexact, InvalidOperation, localcontext
from fractions import Fraction
from math import lcm
from typing import Final

import msgspec

from roaming.model.money import TaxIncluded
from roaming.model.tariff import PriceComponent, ReservationRestrictionType, Tariff, TariffDimensionType
from roaming.rating.errors import CurrencyMismatch, MalformedTariff, UnsupportedNumber
from roaming.rating.exact import EXACT
from roaming.rating.readings import DEFAULT_READINGS, AbsentVat, ElementChoice, Readings
from roaming.rating.restrictions import Condition, Moment, Thresholds, conditions_of, thresholds_of

ENERGY: Final = TariffDimensionType.ENERGY.value
TIME: Final = TariffDimensionType.TIME.value
PARKING_TIME: Final = TariffDimensionType.PARKING_TIME.value
FLAT: Final = TariffDimensionType.FLAT.value

_SESSION: Final = ""
_DIMENSIONS: Final = frozenset(TariffDimensionType)


class PricedComponent(msgspec.Struct, frozen=True, kw_only=True):
    """A price component, where it stands, when it holds, and what one unit costs.

    Units: ENERGY kWh, TIME and PARKING_TIME second, FLAT the session.
    """

    element: int
    component: int
    dimension: str
    price: Decimal
    vat: Decimal | None
    step: Decimal
    """``step_size`` in the unit of the dimension; zero where nothing is rounded."""
    conditions: tuple[Condition, ...]
    before_taxes: Decimal | None
    """Numerator per unit. ``None``: only the price with taxes is known."""
    after_taxes: Decimal | None
    """Numerator per unit. ``None``: the taxes are not known."""

    def holds(self, moment: Moment) -> bool:
        """Whether every restriction of its element holds."""
        return all(condition.holds(moment) for condition in self.conditions)


class _Element(msgspec.Struct, frozen=True):
    conditions: tuple[Condition, ...]
    components: Mapping[str, PricedComponent]


class PriceList(msgspec.Struct, frozen=True, kw_only=True):
    """A tariff ready for pricing under one set of readings."""

    tariff: Tariff
    readings: Readings
    denominator: Decimal
    elements: Mapping[str, tuple[_Element, ...]]
    """By reservation restriction; the empty text stands for the session itself."""
    components: Mapping[str, Mapping[str, tuple[PricedComponent, ...]]]
    """The same, by dimension."""
    thresholds: Thresholds
    """Of the elements of the session."""
    unread: tuple[str, ...]
    """Places of the tariff that are no part of the price, since nothing is known of them."""
    is_net_known: bool
    """Of every component."""

    @property
    def is_local_time_needed(self) -> bool:
        """Whether any element, reservations included, looks at local time."""
        return bool(self.thresholds.minutes)

    def choose(self, dimension: str, moment: Moment, reservation: str = _SESSION) -> PricedComponent | None:
        """The component that prices ``dimension`` at ``moment``, or ``None``: it costs nothing then.

        ``reservation`` is the restriction whose elements are looked at, empty for the session.
        """
        if self.readings.element_choice is ElementChoice.FIRST_ELEMENT:
            for element in self.elements.get(reservation, ()):
                if all(condition.holds(moment) for condition in element.conditions):
                    return element.components.get(dimension)
            return None
        for candidate in self.components.get(reservation, {}).get(dimension, ()):
            for condition in candidate.conditions:
                if not condition.holds(moment):
                    break
            else:
                return candidate
        return None

    def all_components(self) -> Iterator[PricedComponent]:
        """Every component, those of reservations included."""
        for of_kind in self.components.values():
            for of_dimension in of_kind.values():
                yield from of_dimension

    def candidates(self, dimension: str, reservation: str = _SESSION) -> tuple[PricedComponent, ...]:
        """All components of ``dimension`` in the order in which they are tried."""
        return self.components.get(reservation, {}).get(dimension, ())


def price_list(tariff: Tariff, readings: Readings = DEFAULT_READINGS) -> PriceList:
    """``tariff`` made ready for pricing. Raises ``MalformedTariff`` and ``UnsupportedNumber``."""
    with localcontext(EXACT):
        try:
            return _price_list(tariff, readings)
        except (Inexact, InvalidOperation):
            raise UnsupportedNumber(
                f"tariff {tariff.id}: a price, VAT rate or step cannot be kept exact; shorten it"
            ) from None


def price_lists(tariffs: Sequence[Tariff], readings: Readings = DEFAULT_READINGS) -> tuple[PriceList, ...]:
    """The tariffs of one charge made ready for pricing, all over one denominator. Raises as ``price_list`` does, and
    ``CurrencyMismatch``."""
    if len(tariffs) == 1:
        return (price_list(tariffs[0], readings),)
    for tariff in tariffs[1:]:
        if tariff.currency.upper() != tariffs[0].currency.upper():
            raise CurrencyMismatch(
                f"tariffs: {tariffs[0].id} is in {tariffs[0].currency}, {tariff.id} in {tariff.currency}; a CDR has one"
                " currency"
            )
    with localcontext(EXACT):
        try:
            for tariff in tariffs:
                _check_numbers(tariff)
            scale = lcm(*map(_scale, tariffs))
            return tuple(_price_list(tariff, readings, scale) for tariff in tariffs)
        except (Inexact, InvalidOperation):
            named = ", ".join(tariff.id for tariff in tariffs)
            raise UnsupportedNumber(
                f"tariffs {named}: a price, VAT rate or step cannot be kept exact; shorten it"
            ) from None


def _price_list(tariff: Tariff, readings: Readings, scale: int | None = None) -> PriceList:
    if not tariff.elements:
        raise MalformedTariff(f"tariff {tariff.id}: elements is empty; a free tariff has one FLAT component at 0.00")
    _check_numbers(tariff)
    scale = _scale(tariff) if scale is None else scale
    elements: dict[str, list[_Element]] = {}
    unread: list[str] = []
    for index, element in enumerate(tariff.elements):
        where = f"tariff {tariff.id}: elements[{index}]"
        restrictions = element.restrictions
        kind = (restrictions.reservation if restrictions else None) or _SESSION
        if kind != _SESSION and kind not in set(ReservationRestrictionType):
            unread.append(f"elements[{index}].restrictions.reservation {kind!r}")
        if restrictions is not None and restrictions.booking is not None:
            kind = f"{kind}/{restrictions.booking}"  # chosen for nothing: only bookings are priced by it
            unread.append(f"elements[{index}].restrictions.booking {restrictions.booking!r}")
        conditions = conditions_of(restrictions, f"{where}.restrictions", readings)
        components: dict[str, PricedComponent] = {}
        for place, component in enumerate(element.price_components):
            if component.type not in _DIMENSIONS:
                unread.append(f"elements[{index}].price_components[{place}].type {component.type!r}")
                continue
            components.setdefault(
                component.type, _component(component, (index, place), conditions, tariff.tax_included, readings, scale)
            )
        elements.setdefault(kind, []).append(_Element(conditions, components))
    by_dimension = {kind: _by_dimension(of_kind) for kind, of_kind in elements.items()}
    return PriceList(
        tariff=tariff,
        readings=readings,
        denominator=Decimal(3600 * scale),
        elements={kind: tuple(of_kind) for kind, of_kind in elements.items()},
        components=by_dimension,
        thresholds=_thresholds(tariff),
        unread=tuple(unread),
        is_net_known=all(
            component.before_taxes is not None
            for of_kind in elements.values()
            for element in of_kind
            for component in element.components.values()
        ),
    )


def _check_numbers(tariff: Tariff) -> None:
    for index, element in enumerate(tariff.elements):
        for place, component in enumerate(element.price_components):
            where = f"tariff {tariff.id}: elements[{index}].price_components[{place}]"
            if not component.price.is_finite():
                raise MalformedTariff(f"{where}.price: {component.price} is no amount")
            if component.vat is not None and not (component.vat.is_finite() and component.vat > -100):
                raise MalformedTariff(f"{where}.vat: {component.vat} is no tax rate in percent")
            if component.step_size < 0:
                raise MalformedTariff(f"{where}.step_size: {component.step_size} is negative; use 1 for no rounding")


def _scale(tariff: Tariff) -> int:
    """What the denominator needs beside 3600 so that taxes can be taken out of gross prices without a rest."""
    if tariff.tax_included != TaxIncluded.YES:
        return 1
    rates = {component.vat for element in tariff.elements for component in element.price_components}
    return lcm(*(_factor(vat).numerator for vat in rates if vat is not None))


def _factor(vat: Decimal) -> Fraction:
    return 1 + Fraction(vat) / 100


def _component(
    component: PriceComponent,
    place: tuple[int, int],
    conditions: tuple[Condition, ...],
    tax_included: str,
    readings: Readings,
    scale: int,
) -> PricedComponent:
    is_time = component.type in (TIME, PARKING_TIME)
    stated = component.price * (scale if is_time else 3600 * scale)
    vat = None if tax_included == TaxIncluded.N_A else component.vat
    before: Decimal | None = stated
    after: Decimal | None = stated
    if tax_included == TaxIncluded.YES:
        if vat is None:
            before = None
        else:
            factor = _factor(vat)
            before = component.price * ((1 if is_time else 3600) * (scale // factor.numerator) * factor.denominator)
    elif vat is not None:
        after = stated + (stated * vat).scaleb(-2)
    elif tax_included != TaxIncluded.N_A and readings.absent_vat is AbsentVat.UNKNOWN:
        after = None
    step = Decimal(0 if component.type == FLAT else component.step_size)
    return PricedComponent(
        element=place[0],
        component=place[1],
        dimension=component.type,
        price=component.price,
        vat=vat,
        step=step.scaleb(-3) if component.type == ENERGY else step,
        conditions=conditions,
        before_taxes=before,
        after_taxes=after,
    )


def _by_dimension(elements: list[_Element]) -> dict[str, tuple[PricedComponent, ...]]:
    found: dict[str, list[PricedComponent]] = {}
    for element in elements:
        for dimension, component in element.components.items():
            found.setdefault(dimension, []).append(component)
    return {dimension: tuple(components) for dimension, components in found.items()}


def _thresholds(tariff: Tariff) -> Thresholds:
    found = [thresholds_of(element.restrictions) for element in tariff.elements]
    return Thresholds(
        frozenset().union(*(each.minutes for each in found)),
        frozenset().union(*(each.elapsed for each in found)),
        frozenset().union(*(each.kwh for each in found)),
        frozenset().union(*(each.power for each in found)),
        frozenset().union(*(each.current for each in found)),
    )
