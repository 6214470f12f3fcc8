"""``roaming rate``: files in, the priced document and its explanation out. No database is needed."""

import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from roaming.cli.agreed_readings import pairs_of
from roaming.cli.output import fail, show_rows
from roaming.rating import Rated, RatingError, Readings, Row, explain, price_list, price_session, rate
from roaming.rating.constant_power import story_of
from roaming.rating.documents import (
    COSTS,
    Charge,
    charge_of,
    check_currency,
    priced,
    tariff_of,
    version_of,
)
from roaming.rating.price_list import PriceList
from roaming.rating.spanning import Span, spans_of

_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)
VERSIONS: Final = ("2.1.1", "2.2.1", "2.3.0")


class RatedFile(msgspec.Struct, frozen=True, kw_only=True):
    """What ``rate_files`` found."""

    document: Mapping[str, Any]
    rated: Rated
    spans: tuple[Span, ...] = ()


def rate_files(
    tariff_file: Path,
    charge_file: Path,
    *,
    time_zone: str,
    version: str,
    readings: Sequence[str],
    is_reservation_expired: bool,
) -> RatedFile:
    """Prices what the second file holds by the first one. Ends the command on what cannot be read or priced."""
    tariff_body, body = read_object(tariff_file), read_object(charge_file)
    version = version or version_of(tariff_body, body)
    try:
        prices = price_list(tariff_of(tariff_body), readings_of(version, readings))
        if "power_kw" in body or "phases" in body:
            zone = _zone(prices, time_zone or str(body.get("time_zone") or ""))
            session = price_session(story_of(body), prices, zone)
            assert session.rated is not None
            charge = Charge(
                start=session.start_date_time,
                end=session.end_date_time,
                periods=session.periods,
                currency=None,
                is_credit=False,
                time_zone=zone,
            )
            return RatedFile(document=priced({}, tariff_body, charge, session.rated, version), rated=session.rated)
        charge = charge_of(body)
        check_currency(prices.tariff, charge)
        zone = _zone(prices, time_zone or charge.time_zone or "")
        rated = rate(
            prices,
            charge.periods,
            start=charge.start,
            end=charge.end,
            time_zone=zone,
            is_reservation_expired=is_reservation_expired,
        )
    except (RatingError, msgspec.ValidationError) as error:
        fail(str(error))
    except KeyError as error:
        fail(f"{charge_file}: {error.args[0]} is missing")
    spans = spans_of(rated, charge.periods, end=charge.end, time_zone=zone)
    return RatedFile(document=priced(body, tariff_body, charge, rated, version), rated=rated, spans=spans)


def read_object(file: Path) -> dict[str, Any]:
    """The JSON object in a file, numbers exact. An OCPI answer is taken apart, a list of one as well."""
    text = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    try:
        found = _DECODER.decode(text)
    except msgspec.DecodeError as error:
        fail(f"{file}: {error}; give a JSON object")
    if isinstance(found, dict) and "status_code" in found and "data" in found:
        found = found["data"]
    if isinstance(found, list) and len(found) == 1:
        (found,) = found
    if not isinstance(found, dict):
        fail(f"{file}: holds {'a list' if isinstance(found, list) else 'no object'}; give one JSON object")
    return found


def readings_of(version: str, chosen: Sequence[str]) -> Readings:
    """The readings of a version with those chosen by ``NAME=VALUE``. Raises ``UnknownReading``."""
    if version not in VERSIONS:
        fail(f"--version: {version} is none of {', '.join(VERSIONS)}")
    return Readings.of_version(version).choosing(pairs_of(chosen))


def _zone(prices: PriceList, time_zone: str) -> str:
    if not time_zone and prices.is_local_time_needed:
        fail("--time-zone: the tariff looks at local times or days; give the zone of the location")
    return time_zone or "UTC"


def show_rated(found: RatedFile, *, as_json: bool, as_csv: bool) -> None:
    """Prints the priced document with its explanation, or the explanation as a table with the totals under it."""
    rows = explain(found.rated)
    if as_json:
        whole = {
            "priced": found.document,
            "explanation": rows,
            "findings": found.rated.findings,
            "spans": [{**msgspec.structs.asdict(span), "text": span.text} for span in found.spans],
        }
        print(msgspec.json.format(_ENCODER.encode(whole), indent=2).decode())
        return
    show_rows([_shown(row) for row in rows], as_json=False, as_csv=as_csv, empty="nothing was charged")
    if as_csv:
        return
    for field, part in COSTS.items():
        print(f"{field:<24}{_amount(found.rated, part)}")
    for text in [*(each.text for each in found.rated.findings), *(each.text for each in found.spans)]:
        print(f"note: {text}")


def _amount(rated: Rated, part: str) -> str:
    price = getattr(rated, part)
    if not rated.is_net_known:
        return f"{price.before_taxes} {rated.currency} with taxes"
    if price.taxes is None:
        return f"{price.before_taxes} {rated.currency}, taxes unknown"
    after = price.before_taxes + sum((tax.amount for tax in price.taxes), Decimal(0))
    taxes = ", ".join(f"{tax.amount} at {tax.percentage} %" for tax in price.taxes if tax.percentage is not None)
    return f"{price.before_taxes} {rated.currency}, with taxes {after}" + (f" ({taxes})" if taxes else "")


def _shown(row: Row) -> dict[str, Any]:
    return {
        "period": "" if row.period is None else row.period + 1,
        "part": row.part,
        "quantity": f"{_plain(row.quantity)} {row.unit}".strip(),
        "step adds": _plain(row.step_added) if row.step_added else "",
        "price": "" if row.price is None else f"{row.price} {row.price_unit}",
        "VAT %": row.vat,
        "before taxes": row.before_taxes,
        "after taxes": row.after_taxes,
        "sum before taxes": row.running_before_taxes,
        "sum after taxes": row.running_after_taxes,
        "why": row.reason,
    }


def _plain(number: Decimal) -> str:
    """Without zeros at the end."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
