"""A tariff of OCPI as a station can show it and reckon by it (OCPP 2.1). Pure.

Only forwards: a station's tariff says less. What it cannot say is told beside it, so that a person decides whether the
display may differ from the bill, which is always made from the tariff of OCPI.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from contracts.messages.station_tariff import StationTariff, TariffCondition, TariffPrice, TariffTax
from contracts.vocabulary import TariffPriceKind
from roaming.model.tariff import PriceComponent, Tariff, TariffElement, TariffRestrictions

_KINDS: Final = {
    ("ENERGY", None): TariffPriceKind.ENERGY,
    ("TIME", None): TariffPriceKind.CHARGING_TIME,
    ("PARKING_TIME", None): TariffPriceKind.IDLE_TIME,
    ("FLAT", None): TariffPriceKind.FIXED_FEE,
    ("TIME", "RESERVATION"): TariffPriceKind.RESERVATION_TIME,
    ("FLAT", "RESERVATION"): TariffPriceKind.RESERVATION_FIXED,
}
_PER_HOUR: Final = (TariffPriceKind.CHARGING_TIME, TariffPriceKind.IDLE_TIME, TariffPriceKind.RESERVATION_TIME)
_FIXED: Final = (TariffPriceKind.FIXED_FEE, TariffPriceKind.RESERVATION_FIXED)
_KILO: Final = Decimal(1000)
_FINEST: Final = Decimal("0.000001")
"""Of a price per minute that was one per hour."""


class NotSayable(ValueError):
    """A station cannot reckon by this tariff at all; the text says why and what to do."""


def to_station_tariff(tariff: Tariff) -> tuple[StationTariff, list[str]]:
    """The tariff, and what of it a station is not told. Raises ``NotSayable``.

    The id is the party's and its own, since a station knows no parties: ``NL-HUB-T1``, cut to 60 characters.
    """
    if tariff.tax_included == "YES":
        raise NotSayable("tax_included: OCPP 2.1 takes prices without tax; make a tariff that says them so")
    lost: list[str] = []
    prices: list[TariffPrice] = []
    taxes: dict[TariffPriceKind, Decimal] = {}
    for number, element in enumerate(tariff.elements):
        for component in element.price_components:
            kind = _kind(component, element)
            if kind is None:
                lost.append(f"elements.{number}: a price of {component.type} {_of(element)}".rstrip())
                continue
            if kind in _FIXED and _amounts(element.restrictions):
                lost.append(f"elements.{number}: a fixed price that depends on more than the time of the start")
                continue
            if kind not in _FIXED and component.step_size > 1:
                lost.append(f"elements.{number}: step_size {component.step_size} of {component.type}")
            prices.append(_price(component, kind, element.restrictions))
            if component.vat is not None and taxes.setdefault(kind, component.vat) != component.vat:
                raise NotSayable(f"elements.{number}: OCPP 2.1 takes one tax rate for all prices of a kind")
    if not prices:
        raise NotSayable("elements: none of its prices can be said in OCPP 2.1")
    if tariff.end_date_time is not None:
        lost.append("end_date_time")
    limits = {"min_cost": tariff.min_price, "max_cost": tariff.max_price}
    return StationTariff(
        tariff_id=f"{tariff.country_code}-{tariff.party_id}-{tariff.id}"[:60],
        currency=tariff.currency,
        prices=tuple(prices),
        taxes=tuple(TariffTax(kind=kind, name="VAT", percent=vat) for kind, vat in taxes.items()),
        description=next((text.text for text in tariff.tariff_alt_text), None),
        valid_from=tariff.start_date_time,
        **{name: None if limit is None else limit.before_taxes for name, limit in limits.items()},
    ), lost


def _kind(component: PriceComponent, element: TariffElement) -> TariffPriceKind | None:
    restrictions = element.restrictions
    if restrictions is not None and restrictions.booking is not None:
        return None
    return _KINDS.get((component.type, restrictions.reservation if restrictions is not None else None))


def _of(element: TariffElement) -> str:
    said = element.restrictions
    return str(said.booking or said.reservation or "") if said is not None else ""


def _price(component: PriceComponent, kind: TariffPriceKind, said: TariffRestrictions | None) -> TariffPrice:
    price = (component.price / 60).quantize(_FINEST) if kind in _PER_HOUR else component.price
    if said is None:
        return TariffPrice(kind=kind, price=price)
    found = TariffCondition(
        start_time_of_day=said.start_time,
        end_time_of_day=said.end_time,
        days_of_week=tuple(said.day_of_week),
        valid_from=said.start_date,
        valid_to=said.end_date,
        **_amounts(said),
    )
    return TariffPrice(kind=kind, price=price, condition=None if found == TariffCondition() else found)


def _amounts(said: TariffRestrictions | None) -> dict[str, Any]:
    """kWh and kW become Wh and W."""
    if said is None:
        return {}
    amounts = {
        "min_energy": _times(said.min_kwh),
        "max_energy": _times(said.max_kwh),
        "min_current": said.min_current,
        "max_current": said.max_current,
        "min_power": _times(said.min_power),
        "max_power": _times(said.max_power),
        "min_time": said.min_duration,
        "max_time": said.max_duration,
    }
    return {name: value for name, value in amounts.items() if value is not None}


def _times(value: Decimal | None) -> Decimal | None:
    return None if value is None else value * _KILO


def told_lost(lost: Sequence[str]) -> str:
    """For a person."""
    return "the station is not told: " + "; ".join(dict.fromkeys(lost)) if lost else ""
