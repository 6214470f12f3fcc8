"""Signed meter data of a CDR or Session: whose signatures hold, and what energy was signed. Pure.

OCMF alone is verified, by ``pyocmf``. What it cannot read (other methods, RSA) is kept as it came and said, never taken
for right or wrong. OCPI 2.2.1 mod_cdrs, SignedData; OCMF 1.0 and later.
"""

import base64
import binascii
import re
import warnings
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from threading import Lock
from typing import Any, Final

import msgspec
from pyocmf import OCMF, PublicKey, PyOCMFError, TimeStatus

from roaming.model.cdr import SignedData
from roaming.rating.exact import ZERO

METHOD: Final = "OCMF"
LONGEST: Final = 100_000
"""Characters of one record. OCPI allows 5,000."""
TOLERANCE: Final = Decimal("0.001")
"""kWh: meters sign whole Wh."""
MOST_APART: Final = timedelta(hours=1)
"""Between a meter's clock and that of the charge."""
Span = tuple[datetime, datetime]
"""Of a charge."""
_PRINTED_KEY: Final = re.compile(r"oca:(base16|base64):[^:]*:(.*)", re.DOTALL)
_HEX: Final = re.compile(r"[0-9A-Fa-f]+")
"""Of a key in base16 as it is printed on a meter, only these count, without 0x (OCA application note Signed Meter
Values in OCPP, section 3.2.2)."""
_ENDS: Final = frozenset("ELRAP")
"""Transaction reasons that end one (OCMF, table of TX)."""
_UNITS: Final = {"kWh": Decimal(1), "Wh": Decimal("0.001")}
_MOST_DIGITS: Final = 25
"""Of a register, before or behind the point."""
_ONE_AT_A_TIME: Final = Lock()
"""What the library warns of is caught by process, not by thread."""


class SignatureVerdict(StrEnum):
    """Of one record, or of all of them: the worst."""

    VALID = "VALID"
    UNREADABLE = "UNREADABLE"
    """Nothing is known: another method, a curve or a form that cannot be read."""
    NO_KEY = "NO_KEY"
    INVALID = "INVALID"
    """The signature is not of this record and this key."""


class EnergyVerdict(StrEnum):
    """The signed difference beside the billed energy."""

    EQUAL = "EQUAL"
    DIFFERENT = "DIFFERENT"
    OTHER_CHARGE = "OTHER_CHARGE"
    """They were signed at another time than what is billed: of another charge, perhaps."""
    UNKNOWN = "UNKNOWN"
    """The signed records hold no begin and end of one register, or not all of them are valid."""


class Register(msgspec.Struct, frozen=True):
    """One reading of an import register."""

    obis: str
    kwh: Decimal
    is_begin: bool
    is_end: bool
    is_loss_compensated: bool
    at: datetime | None = None
    """When, where the meter says that its clock was synchronised (OCMF, TM with status S)."""


class RecordVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """One signed record."""

    nature: str
    verdict: SignatureVerdict
    reason: str
    """In words; empty where nothing is wrong."""
    remarks: tuple[str, ...] = ()
    """Departures from OCMF that do not matter to the signature."""
    meter: str = ""
    registers: tuple[Register, ...] = ()


class SignedVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """All signed data of one CDR or Session."""

    signatures: SignatureVerdict
    energy: EnergyVerdict
    signed_kwh: Decimal | None
    billed_kwh: Decimal
    reason: str
    records: tuple[RecordVerdict, ...]

    @property
    def difference(self) -> Decimal | None:
        """Billed less signed kWh."""
        return None if self.signed_kwh is None else self.billed_kwh - self.signed_kwh


def verify_record(record: str, public_key: str | None, *, nature: str = "") -> RecordVerdict:
    """Whether an OCMF record (plain, hex or base64) was signed by this key (DER in hex or base64, or PEM, or as OCPP
    has it: ``oca:base16:asn1:`` and what is printed on the meter, in base64)."""
    if len(record) > LONGEST:
        reason = f"the record has {len(record)} characters, more than {LONGEST}"
        return RecordVerdict(nature=nature, verdict=SignatureVerdict.UNREADABLE, reason=reason)
    with _ONE_AT_A_TIME, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = _verify(plain(record), public_key, nature)
    remarks = tuple(dict.fromkeys(str(warning.message) for warning in caught))
    return msgspec.structs.replace(found, remarks=remarks)


def verify(
    signed: SignedData, billed_kwh: Decimal, *, tolerance: Decimal = TOLERANCE, span: Span | None = None
) -> SignedVerdict:
    """Verifies every signed value and compares the signed energy with what is billed; ``span``: and when."""
    if signed.encoding_method.strip().upper() != METHOD:
        reason = f"encoding_method {signed.encoding_method} is kept, but cannot be verified here; only OCMF can"
        return _whole(SignatureVerdict.UNREADABLE, reason, (), billed_kwh, tolerance, span)
    records = tuple(
        verify_record(value.signed_data, signed.public_key, nature=value.nature) for value in signed.signed_values
    )
    if not records:
        return _whole(SignatureVerdict.UNREADABLE, "signed_values is empty", (), billed_kwh, tolerance, span)
    order = tuple(SignatureVerdict)
    worst = max(records, key=lambda each: order.index(each.verdict))
    return _whole(worst.verdict, worst.reason, records, billed_kwh, tolerance, span)


def _whole(
    verdict: SignatureVerdict,
    reason: str,
    records: tuple[RecordVerdict, ...],
    billed: Decimal,
    tolerance: Decimal,
    span: Span | None,
) -> SignedVerdict:
    kwh, energy = None, EnergyVerdict.UNKNOWN
    if verdict is SignatureVerdict.VALID:
        kwh, reason = _signed_energy(records)
    if kwh is not None:
        energy = EnergyVerdict.EQUAL if abs(billed - kwh) <= tolerance else EnergyVerdict.DIFFERENT
        if energy is EnergyVerdict.DIFFERENT:
            reason = f"{billed} kWh are billed, {kwh} kWh are signed"
        elif (strayed := _outside(records, span)) is not None:
            energy = EnergyVerdict.OTHER_CHARGE
            reason = f"it was signed at {strayed:%Y-%m-%d %H:%M} UTC, and this is no time of the charge"
    return SignedVerdict(
        signatures=verdict, energy=energy, signed_kwh=kwh, billed_kwh=billed, reason=reason, records=records
    )


def _outside(records: Iterable[RecordVerdict], span: Span | None) -> datetime | None:
    """A time at which a begin or an end was signed and nobody charged."""
    if span is None:
        return None
    began, ended = span[0] - MOST_APART, span[1] + MOST_APART
    times = (each.at for record in records for each in record.registers if each.is_begin or each.is_end)
    return next((at.astimezone(UTC) for at in times if at is not None and not began <= at <= ended), None)


def _signed_energy(records: tuple[RecordVerdict, ...]) -> tuple[Decimal | None, str]:
    """kWh from the begin to the end of one register; a loss-compensated one before others."""
    meters = {record.meter for record in records if record.registers}
    if len(meters) > 1:
        return None, f"the records are of different meters: {', '.join(sorted(meters))}"
    registers: dict[tuple[bool, str], list[Register]] = {}
    for record in records:
        for reading in record.registers:
            registers.setdefault((not reading.is_loss_compensated, reading.obis), []).append(reading)
    for _, readings in sorted(registers.items()):
        begins = [each.kwh for each in readings if each.is_begin]
        ends = [each.kwh for each in readings if each.is_end]
        if begins and ends:
            if ends[-1] < begins[0]:
                return None, f"the signed register falls from {begins[0]} to {ends[-1]} kWh"
            return ends[-1] - begins[0], ""
    return None, "the signed records hold no begin and end of one import register"


def _verify(record: str, public_key: str | None, nature: str) -> RecordVerdict:
    def found(verdict: SignatureVerdict, reason: str, parsed: OCMF | None = None) -> RecordVerdict:
        return RecordVerdict(
            nature=nature,
            verdict=verdict,
            reason=reason,
            meter="" if parsed is None else str(parsed.payload.MS or parsed.payload.GS or ""),
            registers=() if parsed is None else tuple(_registers(parsed.payload.RD)),
        )

    try:
        parsed = OCMF.from_string(record)
    except (PyOCMFError, ValueError) as error:
        return found(SignatureVerdict.UNREADABLE, f"the record cannot be read: {_first_line(error)}")
    if not all(_is_amount(reading.RV) for reading in parsed.payload.RD):
        return found(SignatureVerdict.UNREADABLE, "the record cannot be read: a register is beyond any meter")
    if not (public_key or parsed.embedded_public_key):
        return found(SignatureVerdict.NO_KEY, "public_key is missing: ask the CPO for it", parsed)
    try:
        key = PublicKey.from_string(_der(public_key or parsed.embedded_public_key or ""))
    except (PyOCMFError, ValueError) as error:
        return found(SignatureVerdict.UNREADABLE, f"public_key cannot be read: {_first_line(error)}", parsed)
    try:
        is_valid = parsed.verify_signature(key)
    except (PyOCMFError, ValueError) as error:
        # A signature that is none, or of another curve than the key, signs nothing.
        return found(SignatureVerdict.INVALID, f"the signature cannot be of this key: {_first_line(error)}", parsed)
    if not is_valid:
        return found(SignatureVerdict.INVALID, "the signature is not of this record and this key", parsed)
    return found(SignatureVerdict.VALID, "", parsed)


def _registers(readings: Iterable[Any]) -> Iterable[Register]:
    obis, unit, reason, time = "", None, None, None
    for reading in readings:
        # A reading leaves out what is as in the one before it (OCMF, Reading data).
        obis = str(reading.RI) if reading.RI is not None else obis
        unit = str(reading.RU) if reading.RU is not None else unit
        reason = str(reading.TX) if reading.TX is not None else reason
        time = reading.TM if reading.TM is not None else time
        code = reading.RI
        if reading.RV is None or unit not in _UNITS or code is None or not code.is_law_relevant:
            continue
        yield Register(
            obis=obis,
            kwh=Decimal(str(reading.RV)) * _UNITS[unit] + ZERO,
            is_begin=reason == "B",
            is_end=reason in _ENDS,
            is_loss_compensated=bool(code.is_loss_compensated),
            at=time.timestamp if time is not None and time.status == TimeStatus.SYNCHRONIZED else None,
        )


def _is_amount(register: Any) -> bool:
    """Whether it can be reckoned with, and written: 1E+300000 is short, and has so many digits."""
    return register is None or abs(Decimal(str(register)).adjusted()) <= _MOST_DIGITS


def plain(record: str) -> str:
    """A record as it can be read: OCPI and OCPP have signed data in base64, many send it plain. What is no OCMF comes
    back as it is, without the space around it."""
    text = record.strip()
    if text.startswith(f"{METHOD}|"):
        return text
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return text
    return decoded.decode(errors="replace") if decoded.startswith(b"OCMF|") else text


def _der(key: str) -> str:
    """Without the lines around a PEM key, and once out of base64 where hex was packed into it."""
    lines = [line for line in key.strip().splitlines() if not line.startswith("-----")]
    text = "".join("".join(lines).split())
    try:
        inner = base64.b64decode(text, validate=True).decode("ascii").strip()
    except (binascii.Error, ValueError):
        inner = text
    if (printed := _PRINTED_KEY.match(inner)) is not None:
        return printed[2] if printed[1] == "base64" else "".join(_HEX.findall(printed[2].replace("0x", "")))
    try:
        bytes.fromhex(inner)
    except ValueError:
        return text
    return inner


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:200]
