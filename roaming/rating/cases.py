"""A reader of pricing cases as JSON lines: a case in, its amounts out.

``python -m roaming.rating.cases < cases.jsonl``. The wire shape is that of OCPI 2.1.1 to 2.3.0, whichever the
case is in; what a case asks for is in its ``kind``: price_cdr, price_session, price_phases or verify_cdr.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any, Final

import msgspec

from roaming.model.cdr import CDR
from roaming.model.money import Price, TaxIncluded
from roaming.model.session import ChargingPeriod
from roaming.model.tariff import Tariff
from roaming.rating.checking import check_totals
from roaming.rating.cutting import PricedSession, price_session
from roaming.rating.engine import rate
from roaming.rating.exact import EXACT, ZERO
from roaming.rating.price_list import TIME
from roaming.rating.rated import Rated
from roaming.rating.readings import Readings
from roaming.rating.timeline import ChargingState, Reading, StateChange, Timeline

_TOLERANCE: Final = Decimal("0.0005")
"""The amounts in cases carry four decimals."""
_DECODER: Final = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
_COSTS: Final = {
    "total_cost": "total",
    "total_energy_cost": "energy",
    "total_fixed_cost": "fixed",
    "total_time_cost": "time",
    "total_parking_cost": "parking",
    "total_reservation_cost": "reservation",
}


def answer(case: Mapping[str, Any]) -> dict[str, Any]:
    """What the engine makes of one case. Raises ``RatingError``, ``KeyError`` and ``msgspec.ValidationError``."""
    kind = case["kind"]
    readings = Readings.of_version(case.get("ocpi_version", "2.2.1"))
    tariff = _tariff(case["tariff"])
    zone = case["time_zone"]
    if kind == "verify_cdr":
        found = check_totals(_cdr(case["cdr"]), tariff, zone, readings, tolerance=_TOLERANCE)
        return {"id": case["id"], "mismatches": [mismatch.field for mismatch in found]}
    if kind == "price_cdr":
        cdr = case["cdr"]
        rated = rate(
            tariff,
            msgspec.convert(cdr["charging_periods"], tuple[ChargingPeriod, ...], strict=False),
            start=msgspec.convert(cdr["start_date_time"], datetime),
            end=msgspec.convert(_end(cdr), datetime),
            time_zone=zone,
            readings=readings,
            is_reservation_expired=bool(case.get("reservation_expired")),
        )
        return {"id": case["id"], **_amounts(rated, -1 if cdr.get("credit") else 1)}
    with localcontext(EXACT):
        timeline = _phases(case["session"]) if kind == "price_phases" else _charge(case["session"])
    session = price_session(timeline, tariff, zone, readings)
    return {"id": case["id"], **_of_session(session)}


def answers(lines: Iterable[str]) -> Iterator[str]:
    """A JSON line for each JSON line; a case that fails answers with ``error``."""
    for line in lines:
        if not line.strip():
            continue
        case: dict[str, Any] = {}
        try:
            case = _DECODER.decode(line)
            result = answer(case)
        except (ValueError, KeyError, ArithmeticError) as error:
            result = {"id": case.get("id"), "error": f"{type(error).__name__}: {error}"}
        yield msgspec.json.encode(result).decode()


def _of_session(session: PricedSession) -> dict[str, Any]:
    rated = session.rated
    assert rated is not None
    charging = sum((line.quantity for line in rated.lines if line.dimension == TIME), ZERO)
    whole = Decimal((session.end_date_time - session.start_date_time) // timedelta(milliseconds=1)).scaleb(-3)
    return {
        **_amounts(rated, 1),
        "total_energy": str(session.total_energy),
        "charging_seconds": str(charging),
        "parking_seconds": str(whole - charging),
    }


def _amounts(rated: Rated, sign: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        field: _cost(getattr(rated, part), sign if part == "total" else 1, rated.is_net_known)
        for field, part in _COSTS.items()
    }
    found["billed_energy"] = str(rated.billed_energy)
    found["billed_charging_seconds"] = str(rated.billed_charging_seconds)
    found["billed_parking_seconds"] = str(rated.billed_parking_seconds)
    return found


def _cost(price: Price, sign: int, is_net_known: bool) -> dict[str, str | None]:
    net: Decimal | None = price.before_taxes * sign
    gross = None
    if price.taxes is not None:
        gross = price.before_taxes + sum((tax.amount for tax in price.taxes), ZERO)
        gross *= sign
    if not is_net_known:
        net, gross = None, net
    return {"excl_vat": None if net is None else str(net), "incl_vat": None if gross is None else str(gross)}


def _tariff(body: Mapping[str, Any]) -> Tariff:
    """A tariff of any version in the canonical shape."""
    known = {"country_code": "", "party_id": "", "tax_included": TaxIncluded.NO.value, **body}
    known.setdefault("last_updated", "1970-01-01T00:00:00Z")
    for field in ("min_price", "max_price"):
        limit = known.get(field)
        if isinstance(limit, Mapping) and "excl_vat" in limit:
            known[field] = {"before_taxes": limit["excl_vat"], "after_taxes": limit.get("incl_vat")}
    return msgspec.convert(known, Tariff, strict=False)


def _end(body: Mapping[str, Any]) -> Any:
    """OCPI 2.1.1 calls it ``stop_date_time``."""
    return body["end_date_time"] if "end_date_time" in body else body["stop_date_time"]


def _cdr(body: Mapping[str, Any]) -> CDR:
    """A CDR of any version in the canonical shape."""
    known = {**body, "end_date_time": _end(body)}
    for field in _COSTS:
        cost = known.get(field)
        if isinstance(cost, Mapping) and "excl_vat" in cost:
            known[field] = _price(cost)
        elif isinstance(cost, Decimal | int):
            known[field] = {"before_taxes": cost}
    known.setdefault("last_updated", known["end_date_time"])
    return msgspec.convert(known, CDR, strict=False)


def _price(cost: Mapping[str, Any]) -> dict[str, Any]:
    before = Decimal(str(cost["excl_vat"]))
    if cost.get("incl_vat") is None:
        return {"before_taxes": before}
    tax = Decimal(str(cost["incl_vat"])) - before
    return {"before_taxes": before, "taxes": [{"name": "VAT", "amount": tax}]}


def _charge(session: Mapping[str, Any]) -> Timeline:
    """Constant power until the energy asked for is in, then parked until the end."""
    start = msgspec.convert(session["start_date_time"], datetime)
    end = msgspec.convert(session["end_date_time"], datetime)
    power = Decimal(str(session["power_kw"]))
    asked = Decimal(str(session["requested_kwh"]))
    length = (end - start) // timedelta(microseconds=1)
    needed = int(asked * 3_600_000_000 // power) if power else 0
    charged = min(needed, length)
    energy = asked if needed <= length else _energy(power, Decimal(length).scaleb(-6))
    if not power:
        energy = ZERO
    return _timeline(start, end, [(charged, power, energy), (length - charged, ZERO, ZERO)], session.get("current_a"))


def _phases(session: Mapping[str, Any]) -> Timeline:
    """Phases of constant power; 0 is connected and not charging."""
    start = msgspec.convert(session["start_date_time"], datetime)
    phases = []
    for phase in session["phases"]:
        power, seconds = Decimal(str(phase["power_kw"])), Decimal(str(phase["seconds"]))
        phases.append((int(seconds * 1_000_000), power, _energy(power, seconds)))
    end = start + timedelta(microseconds=sum(length for length, _, _ in phases))
    return _timeline(start, end, phases, session.get("current_a"))


def _energy(power: Decimal, seconds: Decimal) -> Decimal:
    """kWh to a millionth."""
    return (power * seconds * 1_000_000 // 3600).scaleb(-6)


def _timeline(start: datetime, end: datetime, phases: list[tuple[int, Decimal, Decimal]], current: object) -> Timeline:
    ampere = None if current is None else Decimal(str(current))
    readings, states, at, register = [], [], start, ZERO
    for length, power, energy in phases:
        if not length:
            continue
        flowing = ampere if power else ampere and ZERO
        readings.append(Reading(at, register, power.scaleb(3), flowing))
        states.append(StateChange(at, ChargingState.CHARGING if power else ChargingState.SUSPENDED_EV))
        at += timedelta(microseconds=length)
        register += energy.scaleb(3)
    readings.append(Reading(at, register))
    return Timeline(start=start, end=end, readings=tuple(readings), states=tuple(states))


def main() -> int:
    """Read cases on standard input, write answers on standard output."""
    for line in answers(sys.stdin):
        sys.stdout.write(line + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
