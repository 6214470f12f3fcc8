"""A reader of pricing cases as JSON lines: a case in, its amounts out.

``python -m roaming.rating.cases < cases.jsonl``. The wire shape is that of OCPI 2.1.1 to 2.3.0, whichever the
case is in; what a case asks for is in its ``kind``: price_cdr, price_session, price_phases or verify_cdr.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec

from roaming.model.money import Price
from roaming.rating.checking import check_totals
from roaming.rating.constant_power import story_of
from roaming.rating.cutting import PricedSession, price_session
from roaming.rating.documents import COSTS, cdr_of, charge_of, tariff_of
from roaming.rating.engine import rate
from roaming.rating.exact import ZERO
from roaming.rating.price_list import TIME
from roaming.rating.rated import Rated
from roaming.rating.readings import Readings

_TOLERANCE: Final = Decimal("0.0005")
"""The amounts in cases carry four decimals."""
_DECODER: Final = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)


def answer(case: Mapping[str, Any]) -> dict[str, Any]:
    """What the engine makes of one case. Raises ``RatingError``, ``KeyError`` and ``msgspec.ValidationError``."""
    kind = case["kind"]
    readings = Readings.of_version(case.get("ocpi_version", "2.2.1"))
    tariff = tariff_of(case["tariff"])
    zone = case["time_zone"]
    if kind == "verify_cdr":
        found = check_totals(cdr_of(case["cdr"]), tariff, zone, readings, tolerance=_TOLERANCE)
        return {"id": case["id"], "mismatches": [mismatch.field for mismatch in found]}
    if kind == "price_cdr":
        charge = charge_of(case["cdr"])
        rated = rate(
            tariff,
            charge.periods,
            start=charge.start,
            end=charge.end,
            time_zone=zone,
            readings=readings,
            is_reservation_expired=bool(case.get("reservation_expired")),
        )
        return {"id": case["id"], **amounts(rated, -1 if charge.is_credit else 1)}
    session = price_session(story_of(case["session"]), tariff, zone, readings)
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
        **amounts(rated, 1),
        "total_energy": str(session.total_energy),
        "charging_seconds": str(charging),
        "parking_seconds": str(whole - charging),
    }


def amounts(rated: Rated, sign: int = 1) -> dict[str, Any]:
    found: dict[str, Any] = {
        field: _cost(getattr(rated, part), sign if part == "total" else 1, rated.is_net_known)
        for field, part in COSTS.items()
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


def main() -> int:
    """Read cases on standard input, write answers on standard output."""
    for line in answers(sys.stdin):
        sys.stdout.write(line + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
