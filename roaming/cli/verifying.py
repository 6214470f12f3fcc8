"""``roaming verify``: signed meter data in a file, judged record by record and as a whole."""

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

import msgspec

from roaming.cli.output import fail
from roaming.model.cdr import SignedData
from roaming.rating.signed_data import (
    EnergyVerdict,
    RecordVerdict,
    SignatureVerdict,
    SignedVerdict,
    Span,
    verify,
    verify_record,
)

_TIMES: Final = (("start_date_time", "start_datetime"), ("end_date_time", "stop_date_time"))
"""2.1.1 says them otherwise."""
_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)


def verify_file(file: Path, *, public_key: str, kwh: str) -> tuple[list[dict[str, Any]], bool]:
    """A row per record, a last one for signed data as a whole; and whether nothing is wrong or unknown."""
    text = (sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()).decode(errors="replace").strip()
    if text[:1] not in ("{", "["):
        found = verify_record(text, public_key or None)
        return [_row(found)], found.verdict is SignatureVerdict.VALID
    try:
        body = _DECODER.decode(text)
    except msgspec.DecodeError as error:
        fail(f"{file}: {error}; give JSON or an OCMF record")
    if isinstance(body, list):
        rows = [_of_list(each, place, public_key) for place, each in enumerate(body)]
        return rows, all(row["verdict"] == SignatureVerdict.VALID for row in rows)
    whole = verify(_signed_data(body, public_key), _billed(body, kwh), span=_span(body))
    rows = [*(_row(each) for each in whole.records), _whole(whole)]
    return rows, whole.signatures is SignatureVerdict.VALID and whole.energy is EnergyVerdict.EQUAL


def _signed_data(body: Mapping[str, Any], public_key: str) -> SignedData:
    if "signed_data" not in body and "encoding_method" not in body:
        fail("signed_data is missing: there is nothing to verify")
    try:
        signed = msgspec.convert(body.get("signed_data", body), SignedData, strict=False)
    except msgspec.ValidationError as error:
        fail(f"signed_data: {error}")
    return msgspec.structs.replace(signed, public_key=public_key or signed.public_key)


def _billed(body: Mapping[str, Any], kwh: str) -> Decimal:
    stated = kwh or body.get("total_energy", body.get("kwh"))
    if stated is None:
        fail("total_energy is missing: give --kwh")
    try:
        return Decimal(str(stated))
    except InvalidOperation:
        fail(f"--kwh: {stated} is no number")


def _span(body: Mapping[str, Any]) -> Span | None:
    """When it was charged, of a CDR or a Session that has ended."""
    times = [body.get(name, body.get(older)) for name, older in _TIMES]
    try:
        began, ended = (msgspec.convert(time, datetime, strict=False) for time in times)
    except msgspec.ValidationError:
        return None
    return tuple(at if at.tzinfo else at.replace(tzinfo=UTC) for at in (began, ended))  # type: ignore[return-value]


def _of_list(each: Any, place: int, public_key: str) -> dict[str, Any]:
    if not isinstance(each, Mapping) or not isinstance(each.get("record"), str):
        fail(f"[{place}]: give objects with record and public_key")
    found = verify_record(each["record"], public_key or each.get("public_key"))
    return {"id": each.get("id", place), **_row(found)}


def _row(found: RecordVerdict) -> dict[str, Any]:
    registers = "; ".join(f"{each.obis} {each.kwh.normalize():f} kWh" for each in found.registers)
    return {
        "record": found.nature or "-",
        "meter": found.meter,
        "registers": registers,
        "verdict": found.verdict.value,
        "why": "; ".join(filter(None, (found.reason, *found.remarks))),
    }


def _whole(whole: SignedVerdict) -> dict[str, Any]:
    signed = "unknown" if whole.signed_kwh is None else f"{whole.signed_kwh} kWh"
    return {
        "record": "ALL",
        "meter": "",
        "registers": f"signed {signed}, billed {whole.billed_kwh} kWh: {whole.energy.value}",
        "verdict": whole.signatures.value,
        "why": whole.reason,
    }
