"""Builders of tariffs, periods and timelines for the rating tests."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from roaming.model.money import Price, PriceLimit
from roaming.model.session import CdrDimension, ChargingPeriod
from roaming.model.tariff import PriceComponent, Tariff, TariffElement, TariffRestrictions
from roaming.rating import ChargingState, Reading, StateChange, Timeline

MONDAY = datetime(2026, 1, 12, tzinfo=UTC)
WEEKDAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY")
_NUMBERS = {"min_kwh", "max_kwh", "min_power", "max_power", "min_current", "max_current"}


def part(kind: str, price: str, vat: str | None = None, step: int = 1) -> PriceComponent:
    """A price component."""
    return PriceComponent(type=kind, price=Decimal(price), vat=None if vat is None else Decimal(vat), step_size=step)


def element(*parts: PriceComponent, **restrictions: Any) -> TariffElement:
    """An element; numbers of its restrictions may be text."""
    read = {name: Decimal(value) if name in _NUMBERS else value for name, value in restrictions.items()}
    return TariffElement(price_components=parts, restrictions=TariffRestrictions(**read) if read else None)


def tariff(*elements: TariffElement, **fields: Any) -> Tariff:
    """A tariff whose prices are without taxes unless ``tax_included`` says otherwise."""
    fields.setdefault("tax_included", "NO")
    return Tariff(
        country_code="NL",
        party_id="TST",
        id=fields.pop("id", "T1"),
        currency="EUR",
        elements=elements,
        last_updated=MONDAY,
        **fields,
    )


def limit(before: str, after: str | None = None) -> PriceLimit:
    """``min_price`` or ``max_price``."""
    return PriceLimit(before_taxes=Decimal(before), after_taxes=None if after is None else Decimal(after))


def at(hours: float = 0, minutes: float = 0, seconds: float = 0, day: datetime = MONDAY) -> datetime:
    """A moment of Monday 12 January 2026, UTC, or of another day."""
    return day + timedelta(hours=hours, minutes=minutes, seconds=seconds)


def period(start: datetime, **volumes: str) -> ChargingPeriod:
    """A charging period; volumes by dimension."""
    return ChargingPeriod(
        start_date_time=start,
        dimensions=tuple(CdrDimension(type=kind, volume=Decimal(volume)) for kind, volume in volumes.items()),
    )


def gross(price: Price | None) -> Decimal | None:
    """The amount with taxes; ``None``: not known."""
    if price is None or price.taxes is None:
        return None
    return price.before_taxes + sum((tax.amount for tax in price.taxes), Decimal(0))


def timeline(
    start: datetime,
    end: datetime,
    registers: dict[datetime, str],
    states: dict[datetime, ChargingState] | None = None,
) -> Timeline:
    """A timeline from registers in Wh and states by time."""
    return Timeline(
        start=start,
        end=end,
        readings=tuple(Reading(when, Decimal(register)) for when, register in registers.items()),
        states=tuple(StateChange(when, state) for when, state in (states or {}).items()),
    )


def volumes(one: ChargingPeriod) -> dict[str, Decimal]:
    """The volumes of a period by dimension."""
    return {dimension.type: dimension.volume for dimension in one.dimensions}
