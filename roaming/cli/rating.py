"""``roaming rate``: files in, the priced document and its explanation out. No database is needed."""

import sys
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from roaming.cli.agreed_readings import pairs_of
from roaming.cli.output import fail, show_rows
from roaming.model.identifiers import fold
from roaming.rating import Rated, RatingError, explain
from roaming.rating.documents import COSTS
from roaming.rating.explanation import for_people
from roaming.rating.priced_documents import PricedDocument, price_document

_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)


def rate_files(
    tariff_file: Path,
    charge_file: Path,
    *,
    time_zone: str,
    version: str,
    readings: Sequence[str],
    is_reservation_expired: bool,
) -> PricedDocument:
    """Prices what the second file holds by the first one. Ends the command on what cannot be read or priced."""
    tariff_bodies, body = read_tariffs(tariff_file), read_object(charge_file)
    try:
        return price_document(
            tariff_bodies,
            body,
            time_zone=time_zone,
            version=version,
            chosen=pairs_of(readings),
            is_reservation_expired=is_reservation_expired,
        )
    except RatingError as error:
        fail(str(error))


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


def show_rated(found: PricedDocument, *, as_json: bool, as_csv: bool) -> None:
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
    show_rows([for_people(row) for row in rows], as_json=False, as_csv=as_csv, empty="nothing was charged")
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
