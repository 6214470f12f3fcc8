"""``roaming rate``: files in, the priced document and its explanation out. No database is needed."""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from roaming.cli.agreed_readings import pairs_of
from roaming.cli.output import fail, show_rows
from roaming.model.identifiers import fold
from roaming.rating import Rated, RatingError, Readings, Row, explain, price_session, rate
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
from roaming.rating.price_list import PriceList, price_lists
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
    tariff_bodies, body = read_tariffs(tariff_file), read_object(charge_file)
    version = version or version_of(tariff_bodies[0], body)
    try:
        lists = price_lists([tariff_of(each) for each in tariff_bodies], readings_of(version, readings))
        prices = lists[0]
        if "power_kw" in body or "phases" in body:
            if len(lists) > 1:
                fail(f"{tariff_file}: holds several tariffs, and no period names one; give one, or a CDR with periods")
            zone = _zone(lists, time_zone or str(body.get("time_zone") or ""))
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
            document = priced({}, tariff_bodies[:1], charge, session.rated, version)
            return RatedFile(document=document, rated=session.rated)
        charge = charge_of(body)
        check_currency(prices.tariff, charge)
        zone = _zone(lists, time_zone or charge.time_zone or "")
        rated = rate(
            lists,
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
    return RatedFile(document=priced(body, tariff_bodies, charge, rated, version), rated=rated, spans=spans)


def read_tariffs(file: Path) -> list[dict[str, Any]]:
    """The tariff in a file, or several: a list of them, or a CDR with those that it holds."""
    found = _read(file)
    if isinstance(found, dict) and "charging_periods" in found and isinstance(found.get("tariffs"), list):
        found = found["tariffs"]
    if isinstance(found, list) and len(found) > 1 and all(isinstance(each, dict) for each in found):
        ids = Counter(fold(str(each.get("id"))) for each in found)
        for id, count in ids.items():
            if count > 1:
                fail(f"{file}: holds tariff {id} twice; give each once")
        return found
    return [_only(file, found)]


def read_object(file: Path) -> dict[str, Any]:
    """The JSON object in a file, numbers exact. An OCPI answer is taken apart, a list of one as well."""
    return _only(file, _read(file))


def _read(file: Path) -> Any:
    text = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    try:
        found = _DECODER.decode(text)
    except msgspec.DecodeError as error:
        fail(f"{file}: {error}; give a JSON object")
    if isinstance(found, dict) and "status_code" in found and "data" in found:
        found = found["data"]
    return found


def _only(file: Path, found: Any) -> dict[str, Any]:
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


def _zone(lists: Sequence[PriceList], time_zone: str) -> str:
    if not time_zone and any(prices.is_local_time_needed for prices in lists):
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
