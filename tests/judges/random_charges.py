"""Random tariffs and charges as OCPI 2.2.1 and 2.3.0 write them; one seed, the same ones.

Half of the charges are cut into periods where prices change, as a careful CPO does; half have periods of any
length. Numbers have the decimals that OCPI allows, so that no reader must round.
"""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from roaming.rating import charging_periods
from roaming.rating.constant_power import of_phases
from roaming.rating.documents import tariff_of

ZONES: Final = (
    "Europe/Berlin",
    "Europe/Lisbon",
    "America/New_York",
    "America/Sao_Paulo",
    "Asia/Kolkata",
    "Australia/Sydney",
    "Pacific/Auckland",
    "UTC",
)
DAYS: Final = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
CLOCK_CHANGES: Final = (
    datetime(2026, 3, 29, 1, tzinfo=UTC),
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2026, 3, 8, 7, tzinfo=UTC),
    datetime(2026, 11, 1, 6, tzinfo=UTC),
    datetime(2026, 10, 3, 16, tzinfo=UTC),
    datetime(2026, 4, 4, 16, tzinfo=UTC),
)
PLACE: Final = {
    "id": "L1",
    "address": "Street 1",
    "city": "Town",
    "country": "NLD",
    "coordinates": {"latitude": "52.0", "longitude": "5.0"},
    "evse_uid": "E1",
    "evse_id": "NL*TST*E1",
    "connector_id": "1",
    "connector_standard": "IEC_62196_T2",
    "connector_format": "SOCKET",
    "connector_power_type": "AC_3_PHASE",
}
TOKEN: Final = {"country_code": "NL", "party_id": "EMS", "uid": "U1", "type": "RFID", "contract_id": "NL-EMS-C000001"}
UPDATED: Final = "2026-01-01T00:00:00Z"

Case = dict[str, Any]


def random_cases(count: int, seed: int) -> Iterator[Case]:
    """Cases of ``id``, ``version``, ``time_zone``, ``tariff`` and ``cdr``."""
    dice = random.Random(seed)
    for number in range(count):
        version = dice.choices(("2.1.1", "2.2.1", "2.3.0"), (1, 7, 2))[0]
        zone = dice.choice(ZONES)
        tariff = _tariff(dice, version)
        yield {"id": number, "version": version, "time_zone": zone, "tariff": tariff} | _cdr(
            dice, tariff, zone, version
        )


def _number(dice: random.Random, low: int, high: int, places: int) -> Decimal:
    return Decimal(dice.randint(low * 10**places, high * 10**places)).scaleb(-places)


def _tariff(dice: random.Random, version: str) -> dict[str, Any]:
    elements = [_element(dice) for _ in range(dice.randint(1, 4))]
    if dice.random() < 0.5:
        elements.append({"price_components": [_component(dice, kind) for kind in ("ENERGY", "TIME", "PARKING_TIME")]})
    tariff: dict[str, Any] = {
        "country_code": "NL",
        "party_id": "TST",
        "id": "T1",
        "currency": "EUR",
        "elements": elements,
        "last_updated": UPDATED,
    }
    if version == "2.1.1":
        return _of_2_1_1(tariff)
    names = ("before_taxes", "after_taxes") if version == "2.3.0" else ("excl_vat", "incl_vat")
    for field, chance in (("min_price", 0.15), ("max_price", 0.15)):
        if dice.random() < chance:
            before = _number(dice, 0, 12, 2)
            tariff[field] = {names[0]: before, names[1]: (before * Decimal("1.21")).quantize(Decimal("0.01"))}
    if version == "2.3.0":
        tariff["tax_included"] = dice.choice(("YES", "NO", "NO", "N/A"))
        if tariff["tax_included"] == "YES":
            for component in (each for element in elements for each in element["price_components"]):
                component.setdefault("vat", Decimal(dice.choice((7, 19, 21))))
    return tariff


def _of_2_1_1(tariff: dict[str, Any]) -> dict[str, Any]:
    """No taxes, no current, no limits, and no owner in the tariff."""
    for element in tariff["elements"]:
        for component in element["price_components"]:
            component.pop("vat", None)
        kept = element.get("restrictions", {})
        for name in ("min_current", "max_current"):
            kept.pop(name, None)
        if not kept:
            element.pop("restrictions", None)
    return {name: value for name, value in tariff.items() if name not in ("country_code", "party_id")}


def _component(dice: random.Random, kind: str) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": kind,
        "price": _number(dice, 0, 8, dice.randint(1, 3)),
        "step_size": 1 if kind == "FLAT" else dice.choice((1, 1, 1, 60, 300, 500, 900)),
    }
    if dice.random() < 0.8:
        component["vat"] = dice.choice((Decimal(0), Decimal("5.5"), Decimal(7), Decimal(19), Decimal(21)))
    return component


def _element(dice: random.Random) -> dict[str, Any]:
    kinds = dice.sample(("ENERGY", "TIME", "PARKING_TIME", "FLAT"), dice.randint(1, 3))
    element: dict[str, Any] = {"price_components": [_component(dice, kind) for kind in kinds]}
    restrictions: dict[str, Any] = {}
    for _name, chance, make in _RESTRICTIONS:
        if dice.random() < chance:
            restrictions |= make(dice)
    if restrictions:
        element["restrictions"] = restrictions
    return element


def _clock(dice: random.Random) -> str:
    return f"{dice.randint(0, 23):02}:{dice.choice((0, 0, 15, 30, 45)):02}"


def _window(dice: random.Random) -> dict[str, Any]:
    start, end = _clock(dice), _clock(dice)
    while end == start:
        end = _clock(dice)
    return {"start_time": start, "end_time": end}


def _pair(dice: random.Random, what: str, low: Any, more: Any) -> dict[str, Any]:
    found = {}
    if dice.random() < 0.6:
        found[f"min_{what}"] = low
    if dice.random() < 0.6 or not found:
        found[f"max_{what}"] = low + more
    return found


def _dates(dice: random.Random) -> dict[str, Any]:
    day = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=dice.randint(0, 360))
    return {"start_date": f"{day:%Y-%m-%d}", "end_date": f"{day + timedelta(days=dice.randint(1, 200)):%Y-%m-%d}"}


_RESTRICTIONS: Final = (
    ("time", 0.3, _window),
    ("kwh", 0.15, lambda dice: _pair(dice, "kwh", _number(dice, 0, 20, 1), _number(dice, 1, 30, 1))),
    ("duration", 0.2, lambda dice: _pair(dice, "duration", 60 * dice.randint(0, 120), 60 * dice.randint(1, 240))),
    ("power", 0.15, lambda dice: _pair(dice, "power", _number(dice, 0, 20, 1), _number(dice, 1, 60, 1))),
    ("current", 0.1, lambda dice: _pair(dice, "current", _number(dice, 0, 20, 0), _number(dice, 1, 32, 0))),
    ("days", 0.2, lambda dice: {"day_of_week": dice.sample(DAYS, dice.randint(1, 5))}),
    ("dates", 0.1, _dates),
)


def _start(dice: random.Random) -> datetime:
    if dice.random() < 0.2:
        return dice.choice(CLOCK_CHANGES) - timedelta(seconds=dice.randint(0, 6 * 3600))
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=dice.randint(0, 365 * 86400))


def _cdr(dice: random.Random, tariff: dict[str, Any], zone: str, version: str) -> dict[str, Any]:
    start = _start(dice)
    phases = [
        (60 * dice.randint(1, 90), Decimal(0) if dice.random() < 0.3 else _number(dice, 3, 60, 0))
        for _ in range(dice.randint(1, 5))
    ]
    current = dice.choice((None, Decimal(dice.randint(6, 48))))
    if dice.random() < 0.5:
        story = of_phases(start, ((1_000_000 * seconds, power) for seconds, power in phases), current=current)
        periods = [
            {
                "start_date_time": _stamp(one.start_date_time),
                "dimensions": [{"type": each.type, "volume": each.volume} for each in one.dimensions],
                "tariff_id": "T1",
            }
            for one in charging_periods(story, tariff_of(tariff), zone)
        ]
    else:
        periods = list(_periods(dice, start, phases, current))
    end = start + timedelta(seconds=sum(seconds for seconds, _ in phases))
    energy = sum((_volume(one, "ENERGY") for one in periods), Decimal(0))
    hours = (Decimal(sum(seconds for seconds, _ in phases)) / 3600).quantize(Decimal("0.0001"))
    if version == "2.1.1":
        return {"cdr": _oldest(start, end, periods, energy, hours)}
    cost: Any = {"before_taxes": 0, "taxes": []} if version == "2.3.0" else {"excl_vat": 0}
    cdr = {
        "country_code": "NL",
        "party_id": "TST",
        "id": "C1",
        "start_date_time": _stamp(start),
        "end_date_time": _stamp(end),
        "cdr_token": TOKEN,
        "auth_method": "WHITELIST",
        "cdr_location": PLACE,
        "currency": "EUR",
        "charging_periods": periods,
        "total_cost": cost,
        "total_energy": energy,
        "total_time": hours,
        "last_updated": UPDATED,
    }
    return {"cdr": cdr}


def _oldest(
    start: datetime, end: datetime, periods: list[dict[str, Any]], energy: Decimal, hours: Decimal
) -> dict[str, Any]:
    for period in periods:  # its CdrDimensionType knows no power
        period["dimensions"] = [each for each in period["dimensions"] if "POWER" not in each["type"]]
        period.pop("tariff_id")
    return {
        "id": "C1",
        "start_date_time": _stamp(start),
        "stop_date_time": _stamp(end),
        "auth_id": "NL-EMS-C000001",
        "auth_method": "WHITELIST",
        "location": {
            "id": "L1",
            "type": "ON_STREET",
            "address": "Street 1",
            "city": "Town",
            "postal_code": "1000",
            "country": "NLD",
            "coordinates": PLACE["coordinates"],
            "last_updated": UPDATED,
        },
        "currency": "EUR",
        "charging_periods": periods,
        "total_cost": 0,
        "total_energy": energy,
        "total_time": hours,
        "last_updated": UPDATED,
    }


def _volume(period: dict[str, Any], kind: str) -> Decimal:
    return next((Decimal(each["volume"]) for each in period["dimensions"] if each["type"] == kind), Decimal(0))


def _periods(
    dice: random.Random, start: datetime, phases: list[tuple[int, Decimal]], current: Decimal | None
) -> Iterator[dict[str, Any]]:
    at = start
    for seconds, power in phases:
        hours = (Decimal(seconds) / 3600).quantize(Decimal("0.0001"))
        dimensions: list[dict[str, Any]] = [{"type": "TIME" if power else "PARKING_TIME", "volume": hours}]
        if power:
            energy = (power * seconds / 3600).quantize(Decimal("0.0001"))
            dimensions.append({"type": "ENERGY", "volume": energy})
        dimensions += _range(dice, "POWER", power)
        if current is not None:
            dimensions += _range(dice, "CURRENT", current if power else Decimal(0))
        yield {"start_date_time": _stamp(at), "dimensions": dimensions, "tariff_id": "T1"}
        at += timedelta(seconds=seconds)


def _range(dice: random.Random, what: str, most: Decimal) -> list[dict[str, Any]]:
    least = most if dice.random() < 0.7 else most * dice.randint(0, 9) / 10
    return [{"type": f"MIN_{what}", "volume": least}, {"type": f"MAX_{what}", "volume": most}]


def _stamp(at: datetime) -> str:
    text = at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00").removesuffix(".000")
    return f"{text}Z"
