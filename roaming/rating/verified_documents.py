"""Signed meter data as people have it at hand: an OCMF record, a list of records with their keys, SignedData, or a CDR
or Session with it; judged record by record and as a whole. Pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from roaming.model.cdr import SignedData
from roaming.rating.errors import RatingError
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
_MOST_DIGITS: Final = 25
"""Of an amount of energy; more, and it is no longer reckoned to the last digit."""


class Unverifiable(RatingError):
    """There is nothing to verify. ``field``: where that is wrong: ``public_key``, ``kwh``, or of the document."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(f"{field} {text}" if text.startswith("is ") else f"{field}: {text}")
        self.field = field


class NamedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """``id``: of a list; its place where the list names none."""

    id: str
    verdict: RecordVerdict


class VerifiedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """``whole``: signatures and energy together, of what says what was billed. ``is_right``: nothing is wrong or
    unknown."""

    records: tuple[NamedRecord, ...]
    whole: SignedVerdict | None = None
    is_right: bool


def verify_document(body: Any, *, public_key: str = "", kwh: str = "") -> VerifiedDocument:
    """``body``: a text is one record; numbers are Decimal or int. ``public_key`` (DER in hex or base64, or PEM) and
    ``kwh`` go over what it says itself. Raises ``Unverifiable``."""
    if isinstance(body, str):
        return _judged([NamedRecord(id="", verdict=verify_record(body, public_key or None))])
    if isinstance(body, Sequence):
        return _judged([_of_list(each, place, public_key) for place, each in enumerate(body)])
    if not isinstance(body, Mapping):
        raise Unverifiable("signed_data", "is missing: there is nothing to verify")
    whole = verify(_signed_data(body, public_key), _billed(body, kwh), span=_span(body))
    return VerifiedDocument(
        records=tuple(NamedRecord(id="", verdict=each) for each in whole.records),
        whole=whole,
        is_right=whole.signatures is SignatureVerdict.VALID and whole.energy is EnergyVerdict.EQUAL,
    )


def _judged(records: Sequence[NamedRecord]) -> VerifiedDocument:
    is_right = all(each.verdict.verdict is SignatureVerdict.VALID for each in records)
    return VerifiedDocument(records=tuple(records), is_right=is_right)


def _of_list(each: Any, place: int, public_key: str) -> NamedRecord:
    if not isinstance(each, Mapping) or not isinstance(each.get("record"), str):
        raise Unverifiable(f"[{place}]", "give objects with record and public_key")
    key = public_key or each.get("public_key")
    if key is not None and not isinstance(key, str):
        raise Unverifiable(f"[{place}].public_key", "DER in hex or base64, or PEM")
    return NamedRecord(id=str(each.get("id", place)), verdict=verify_record(each["record"], key))


def _signed_data(body: Mapping[str, Any], public_key: str) -> SignedData:
    if "signed_data" not in body and "encoding_method" not in body:
        raise Unverifiable("signed_data", "is missing: there is nothing to verify")
    try:
        signed = msgspec.convert(body.get("signed_data", body), SignedData, strict=False)
    except msgspec.ValidationError as error:
        raise Unverifiable("signed_data", str(error)) from None
    return msgspec.structs.replace(signed, public_key=public_key or signed.public_key)


def _billed(body: Mapping[str, Any], kwh: str) -> Decimal:
    stated = kwh or body.get("total_energy", body.get("kwh"))
    if stated is None:
        raise Unverifiable("kwh", "is missing, and the document has no total_energy")
    try:
        billed = Decimal(str(stated))
    except InvalidOperation:
        billed = Decimal("NaN")
    if not billed.is_finite() or billed.adjusted() > _MOST_DIGITS or len(billed.as_tuple().digits) > _MOST_DIGITS:
        raise Unverifiable("kwh" if kwh else "total_energy", f"{str(stated)[:40]} is no amount of energy")
    return billed


def _span(body: Mapping[str, Any]) -> Span | None:
    """When it was charged, of a CDR or a Session that has ended."""
    times = [body.get(name, body.get(older)) for name, older in _TIMES]
    try:
        began, ended = (msgspec.convert(time, datetime, strict=False) for time in times)
    except msgspec.ValidationError:
        return None
    return tuple(at if at.tzinfo else at.replace(tzinfo=UTC) for at in (began, ended))  # type: ignore[return-value]
