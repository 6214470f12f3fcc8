"""Tariffs, Sessions and CDRs as OCPI 2.1.1, 2.2.1 and 2.3.0 write them: read for rating, and priced.

Looser than the codecs of what partners send: a field that rating does not look at may be missing. Knows no file.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal, localcontext
from typing import Any, Final, TypeVar

import msgspec

from roaming.model.cdr import CDR
from roaming.model.money import Price, TaxIncluded
from roaming.model.session import CdrDimension, CdrDimensionType, ChargingPeriod
from roaming.model.tariff import Tariff
from roaming.rating.errors import CurrencyMismatch, MalformedDocument
from roaming.rating.exact import EXACT, ZERO, rounded
from roaming.rating.rated import Rated
from roaming.rating.readings import Credit, Rounding

COSTS: Final = {
    "total_cost": "total",
    "total_energy_cost": "energy",
    "total_fixed_cost": "fixed",
    "total_time_cost": "time",
    "total_parking_cost": "parking",
    "total_reservation_cost": "reservation",
}
"""Total of a CDR → the part of ``Rated`` that it is."""
_STARTS: Final = ("start_date_time", "start_datetime")
_ENDS: Final = ("end_date_time", "stop_date_time", "end_datetime", "last_updated")
"""OCPI 2.1.1 names: ``stop_date_time`` of a CDR, ``start_datetime`` and ``end_datetime`` of a Session."""
_EPOCH: Final = "1970-01-01T00:00:00Z"
_HOUR: Final = Decimal(3600 * 1000)

T = TypeVar("T")


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """What rating needs of a Session or CDR."""

    start: datetime
    end: datetime
    periods: tuple[ChargingPeriod, ...]
    currency: str | None
    is_credit: bool
    time_zone: str | None
    """Of the location, where the document holds one (2.1.1 CDRs)."""


def version_of(tariff: Mapping[str, Any], charge: Mapping[str, Any]) -> str:
    """The OCPI version that the two look like; 2.2.1 where nothing says otherwise."""
    if "tax_included" in tariff:
        return "2.3.0"
    if any(name in charge for name in ("stop_date_time", "start_datetime", "auth_id")):
        return "2.1.1"
    return "2.2.1"


def version_of_tariff(body: Mapping[str, Any]) -> str:
    """The OCPI version that a tariff alone looks like."""
    return "2.1.1" if "country_code" not in body and "tax_included" not in body else version_of(body, {})


def tariff_of(body: Mapping[str, Any]) -> Tariff:
    """A tariff of any version in the canonical shape. Raises ``MalformedDocument``."""
    known = {"country_code": "", "party_id": "", "tax_included": TaxIncluded.NO.value, **body}
    known.setdefault("last_updated", _EPOCH)
    for field in ("min_price", "max_price"):
        limit = known.get(field)
        if isinstance(limit, Mapping) and "excl_vat" in limit:
            known[field] = {"before_taxes": limit["excl_vat"], "after_taxes": limit.get("incl_vat")}
    return _convert("tariff", known, Tariff)


def cdr_of(body: Mapping[str, Any]) -> CDR:
    """A CDR of any version in the canonical shape. Raises ``MalformedDocument``."""
    known = {**body, "end_date_time": _first("cdr", body, _ENDS)}
    for field in COSTS:
        cost = known.get(field)
        if isinstance(cost, Mapping) and "excl_vat" in cost:
            known[field] = _price(field, cost)
        elif isinstance(cost, Decimal | int):
            known[field] = {"before_taxes": cost}
    known.setdefault("last_updated", known["end_date_time"])
    return _convert("cdr", known, CDR)


def charge_of(body: Mapping[str, Any]) -> Charge:
    """What rating needs of a Session or CDR of any version. Raises ``MalformedDocument``.

    A Session without periods is one period, charging from its start to its end.
    """
    start = _convert("start_date_time", _first("charge", body, _STARTS), datetime)
    end = _convert("end_date_time", _first("charge", body, _ENDS), datetime)
    for name, moment in (("start_date_time", start), ("end_date_time", end)):
        if moment.tzinfo is None:
            raise MalformedDocument(f"{name}: {moment} has no time zone; write UTC with a Z at its end")
    if end < start:
        raise MalformedDocument(f"end_date_time {end} lies before start_date_time {start}; correct one of them")
    periods = _convert("charging_periods", body.get("charging_periods") or (), tuple[ChargingPeriod, ...])
    if not periods and "kwh" in body:
        periods = (_whole(start, end, _convert("kwh", body["kwh"], Decimal)),)
    location = body.get("location")
    return Charge(
        start=start,
        end=end,
        periods=periods,
        currency=body.get("currency"),
        is_credit=bool(body.get("credit")),
        time_zone=location.get("time_zone") if isinstance(location, Mapping) else None,
    )


def check_currency(tariff: Tariff, charge: Charge) -> None:
    """Raises ``CurrencyMismatch`` where the two name different currencies: nothing is converted here."""
    if charge.currency is not None and charge.currency.upper() != tariff.currency.upper():
        raise CurrencyMismatch(
            f"currency: the charge is in {charge.currency}, tariff {tariff.id} in {tariff.currency};"
            " give the tariff of that currency"
        )


def priced(
    body: Mapping[str, Any], tariffs: Sequence[Mapping[str, Any]], charge: Charge, rated: Rated, version: str
) -> dict[str, Any]:
    """``body`` with its periods, tariffs and every total as ``rated`` has them, in the fields of ``version``."""
    with localcontext(EXACT):
        return _priced(body, tariffs, charge, rated, version)


def _priced(
    body: Mapping[str, Any], tariffs: Sequence[Mapping[str, Any]], charge: Charge, rated: Rated, version: str
) -> dict[str, Any]:
    result = {name: value for name, value in body.items() if name not in COSTS}
    result |= {
        "start_date_time": charge.start,
        "stop_date_time" if version == "2.1.1" else "end_date_time": charge.end,
        "currency": rated.currency,
        "tariffs": list(tariffs),
        "charging_periods": list(charge.periods),
        "total_energy": _sum(charge, CdrDimensionType.ENERGY),
        "total_time": _hours(charge),
        "total_parking_time": max(_hours(charge) - _sum(charge, CdrDimensionType.TIME), ZERO),
    }
    for field, part in COSTS.items():
        is_negative = part == "total" or rated.price_list.readings.credit is Credit.ALL_COSTS
        sign = -1 if charge.is_credit and is_negative else 1
        cost = _cost(getattr(rated, part), sign, rated.is_net_known, version)
        if field == "total_cost" or version != "2.1.1":
            result[field] = cost
    return result


def _cost(price: Price, sign: int, is_net_known: bool, version: str) -> Any:
    before = price.before_taxes * sign
    if version == "2.1.1":
        return before
    if version == "2.3.0":
        taxes = [
            {**msgspec.to_builtins(tax, builtin_types=(Decimal,)), "amount": tax.amount * sign}
            for tax in price.taxes or ()
        ]
        return {"before_taxes": before, **({} if price.taxes is None else {"taxes": taxes})}
    if not is_net_known or price.taxes is None:
        return {"excl_vat": before}
    return {"excl_vat": before, "incl_vat": before + sign * sum((tax.amount for tax in price.taxes), ZERO)}


def _whole(start: datetime, end: datetime, kwh: Decimal) -> ChargingPeriod:
    hours = rounded(_milliseconds(start, end), _HOUR, 4, Rounding.HALF_UP)
    dimensions = (
        CdrDimension(type=CdrDimensionType.ENERGY.value, volume=kwh),
        CdrDimension(type=CdrDimensionType.TIME.value, volume=hours),
    )
    return ChargingPeriod(start_date_time=start, dimensions=dimensions)


def _milliseconds(start: datetime, end: datetime) -> Decimal:
    length = end - start
    return Decimal((length.days * 86400 + length.seconds) * 1000 + length.microseconds // 1000)


def _hours(charge: Charge) -> Decimal:
    return rounded(_milliseconds(charge.start, charge.end), _HOUR, 4, Rounding.HALF_UP)


def _sum(charge: Charge, dimension: str) -> Decimal:
    volumes = (each.volume for period in charge.periods for each in period.dimensions if each.type == dimension)
    return sum(volumes, ZERO)


def _first(what: str, body: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    for name in names:
        if body.get(name) is not None:
            return body[name]
    raise MalformedDocument(f"{what}: {names[0]} is missing")


def _price(field: str, cost: Mapping[str, Any]) -> dict[str, Any]:
    before = _convert(f"cdr.{field}.excl_vat", cost["excl_vat"], Decimal)
    if cost.get("incl_vat") is None:
        return {"before_taxes": before}
    tax = _convert(f"cdr.{field}.incl_vat", cost["incl_vat"], Decimal) - before
    return {"before_taxes": before, "taxes": [{"name": "VAT", "amount": tax}]}


def _convert(what: str, value: Any, kind: type[T]) -> T:
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$")
        raise MalformedDocument(f"{what}{path.removesuffix('`')}: {text[:1].lower()}{text[1:]}; correct it") from None
