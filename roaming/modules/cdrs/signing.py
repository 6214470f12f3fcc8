"""What a station's meter signed becomes the signed data of the CDR, byte for byte, verified as it is issued. Pure.

OCPI 2.2.1 mod_cdrs, SignedData and SignedValue. What cannot be verified is sent all the same, and said in the remark,
as is what does not hold: the payer decides.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from enum import StrEnum
from itertools import zip_longest
from typing import Final, NamedTuple

import msgspec
import structlog

from contracts.vocabulary import ReadingContext
from roaming.model.cdr import CDR, SignedData, SignedValue
from roaming.model.signed_records import SignedRecord, SignedRecords
from roaming.rating.signed_data import (
    METHOD,
    EnergyVerdict,
    RecordVerdict,
    SignatureVerdict,
    SignedVerdict,
    Span,
    plain,
    verify,
)

UNKNOWN_METHOD: Final = "UNKNOWN"
"""``encoding_method`` is required, and a station of OCPP 1.6 need not name it."""
MAX_REMARK: Final = 255
_WRONG: Final = (EnergyVerdict.DIFFERENT, EnergyVerdict.OTHER_CHARGE)

logger = structlog.get_logger(__name__)


class Nature(StrEnum):
    """Of a signed value, in the order of a session (OCPI 2.2.1 mod_cdrs, SignedValue)."""

    START = "Start"
    INTERMEDIATE = "Intermediate"
    END = "End"


_ORDER: Final = tuple(Nature)
_BY_CONTEXT: Final = {ReadingContext.BEGIN.value: Nature.START, ReadingContext.END.value: Nature.END}


class Signed(NamedTuple):
    """Signed data of a CDR, and what its readers should know of it; empty: it holds, and is what is billed."""

    data: SignedData
    remark: str
    is_wrong: bool
    """A signature or the energy: not merely unknown."""


def with_signed(cdr: CDR, records: SignedRecords | None) -> CDR:
    """The CDR with what was signed in its session, if anything was."""
    if records is None or not records.records:
        return cdr
    signed = signed_of(records.records, cdr.total_energy, span=(cdr.start_date_time, cdr.end_date_time))
    if signed.is_wrong:
        logger.warning("signed_data_is_wrong", cdr=cdr.id, session=cdr.session_id, reason=signed.remark)
    remark = "; ".join(filter(None, (cdr.remark, signed.remark)))[:MAX_REMARK] or None
    return msgspec.structs.replace(cdr, signed_data=signed.data, remark=remark)


def signed_of(records: Sequence[SignedRecord], billed_kwh: Decimal, *, span: Span | None = None) -> Signed:
    """``records``, of which there must be some, as OCPI says them; ``span`` of the session. OCPI has room for one
    method and one key: those of the end of the session; what was signed otherwise is left out, and counted in the
    remark."""
    last = max(records, key=lambda record: (record.context == ReadingContext.END.value, record.at))
    method = _method_of(last)
    alike = [record for record in records if _method_of(record) == method]
    key = last.public_key or next((each.public_key for each in reversed(alike) if each.public_key), None)
    ours = [record for record in alike if record.public_key in (None, key)]
    values = _values(ours)
    data = SignedData(encoding_method=method, public_key=key, signed_values=values)
    verdict = verify(data, billed_kwh, span=span)
    named = [_named(*each) for each in zip_longest(values, verdict.records)]
    data = msgspec.structs.replace(data, signed_values=_in_order(named))
    left_out = len(records) - len(ours)
    parts = (_said(verdict), f"{left_out} signed values of another method or key are left out" if left_out else "")
    is_wrong = verdict.signatures is SignatureVerdict.INVALID or verdict.energy in _WRONG
    return Signed(data, "; ".join(filter(None, parts)), is_wrong)


def _method_of(record: SignedRecord) -> str:
    if record.encoding_method is not None:
        return record.encoding_method
    return METHOD if plain(record.data).startswith(f"{METHOD}|") else UNKNOWN_METHOD


def _values(records: Iterable[SignedRecord]) -> tuple[SignedValue, ...]:
    """In the order of the session; what was sent twice stands once, where it says most."""
    natures: dict[str, Nature] = {}
    for record in sorted(records, key=lambda record: record.at):
        nature = _BY_CONTEXT.get(record.context, Nature.INTERMEDIATE)
        if natures.get(record.data, Nature.INTERMEDIATE) is Nature.INTERMEDIATE:
            natures[record.data] = nature
    return _in_order(
        SignedValue(nature=nature.value, plain_data=plain(data), signed_data=data) for data, nature in natures.items()
    )


def _in_order(values: Iterable[SignedValue]) -> tuple[SignedValue, ...]:
    return tuple(sorted(values, key=lambda value: _ORDER.index(Nature(value.nature))))


def _named(value: SignedValue, found: RecordVerdict | None) -> SignedValue:
    """By what the meter says of it, where its station did not say when it was taken: most of OCPP 1.6 do not."""
    if found is None or value.nature != Nature.INTERMEDIATE:
        return value
    is_end = any(register.is_end for register in found.registers)
    is_begin = any(register.is_begin for register in found.registers)
    if not is_end and not is_begin:
        return value
    return msgspec.structs.replace(value, nature=(Nature.END if is_end else Nature.START).value)


def _said(verdict: SignedVerdict) -> str:
    if verdict.signatures is SignatureVerdict.INVALID:
        return f"signed meter data does not hold: {verdict.reason}"
    if verdict.signatures is SignatureVerdict.NO_KEY:
        return "signed meter data is not verified: the station sent no public key"
    if verdict.signatures is SignatureVerdict.UNREADABLE:
        return f"signed meter data is not verified: {verdict.reason}"
    return f"signed meter data: {verdict.reason}" if verdict.energy is not EnergyVerdict.EQUAL else ""
