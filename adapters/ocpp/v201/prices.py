"""Tariffs for stations as OCPP 2.1 writes them (part 2, I07 and I08, TariffType). Pure."""

from typing import Any, Final

from adapters.ocpp.moments import from_time
from adapters.ocpp.operating import without_none
from adapters.ocpp.v201.edition import Payload
from contracts.messages.station_tariff import StationTariff, TariffCondition
from contracts.vocabulary import TariffPriceKind

_PARTS: Final = {
    TariffPriceKind.ENERGY: ("energy", "priceKwh"),
    TariffPriceKind.CHARGING_TIME: ("chargingTime", "priceMinute"),
    TariffPriceKind.IDLE_TIME: ("idleTime", "priceMinute"),
    TariffPriceKind.RESERVATION_TIME: ("reservationTime", "priceMinute"),
    TariffPriceKind.FIXED_FEE: ("fixedFee", "priceFixed"),
    TariffPriceKind.RESERVATION_FIXED: ("reservationFixed", "priceFixed"),
}


def from_tariff(tariff: StationTariff) -> Payload:
    """A ``TariffType``. Taxes of a kind without a price are left out."""
    said: Payload = {"tariffId": tariff.tariff_id, "currency": tariff.currency}
    for price in tariff.prices:
        name, field = _PARTS[price.kind]
        told: dict[str, Any] = {field: float(price.price)}
        if price.condition is not None:
            told["conditions"] = _conditions(price.condition)
        said.setdefault(name, {"prices": []})["prices"].append(told)
    for tax in tariff.taxes:
        part = said.get(_PARTS[tax.kind][0])
        if part is not None:
            part.setdefault("taxRates", []).append({"type": tax.name, "tax": float(tax.percent)})
    for name, cost in (("minCost", tariff.min_cost), ("maxCost", tariff.max_cost)):
        if cost is not None:
            said[name] = {"exclTax": float(cost)}
    if tariff.description:
        said["description"] = [{"format": "UTF8", "content": tariff.description}]
    if tariff.valid_from is not None:
        said["validFrom"] = from_time(tariff.valid_from)
    return said


def _conditions(condition: TariffCondition) -> Payload:
    said = {
        "startTimeOfDay": condition.start_time_of_day,
        "endTimeOfDay": condition.end_time_of_day,
        "dayOfWeek": [day.capitalize() for day in condition.days_of_week] or None,
        "validFromDate": condition.valid_from,
        "validToDate": condition.valid_to,
        "minTime": condition.min_time,
        "maxTime": condition.max_time,
    }
    amounts = {
        "minEnergy": condition.min_energy,
        "maxEnergy": condition.max_energy,
        "minCurrent": condition.min_current,
        "maxCurrent": condition.max_current,
        "minPower": condition.min_power,
        "maxPower": condition.max_power,
    }
    return without_none(said | {name: None if value is None else float(value) for name, value in amounts.items()})
