"""Signed meter data: whose signatures hold, and the signed energy beside the billed."""

import base64
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from roaming.model.cdr import SignedData, SignedValue
from roaming.rating.signed_data import EnergyVerdict, SignatureVerdict, verify, verify_record

SHARED = Path(__file__).resolve().parents[4] / "shared" / "pricing" / "ocmf.json"
RECORDS: list[dict[str, Any]] = json.loads(SHARED.read_text()) if SHARED.exists() else []
KEY = ec.generate_private_key(ec.SECP256R1())


def public(key: ec.EllipticCurvePrivateKey = KEY) -> str:
    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(encoding, form).hex()


def reading(
    reason: str, value: str, obis: str = "1-0:1.8.0", unit: str = "kWh", *, at: str = "2026-01-12T09:00:00,000+0000 U"
) -> dict[str, Any]:
    """``at``: with a clock that nobody set, or ``… S``, synchronised."""
    stamp = at
    return {"TM": stamp, "TX": reason, "RV": float(value), "RI": obis, "RU": unit, "ST": "G"}


def record(*readings: dict[str, Any], meter: str = "M1") -> str:
    payload = json.dumps(
        {"FV": "1.0", "GI": "G", "GS": "S", "PG": "T1", "MS": meter, "IS": False, "RD": list(readings)}
    )
    signature = KEY.sign(payload.encode(), ec.ECDSA(hashes.SHA256())).hex()
    return f"OCMF|{payload}|{json.dumps({'SA': 'ECDSA-secp256r1-SHA256', 'SD': signature})}"


def signed(*records: str, key: str | None = "", method: str = "OCMF") -> SignedData:
    values = tuple(SignedValue(nature="End", plain_data="", signed_data=text) for text in records)
    return SignedData(encoding_method=method, public_key=public() if key == "" else key, signed_values=values)


START, END = record(reading("B", "100.5")), record(reading("E", "110.75"))


@pytest.mark.skipif(not RECORDS, reason="no shared OCMF records beside the repository")
@pytest.mark.parametrize("case", RECORDS, ids=[case["id"] for case in RECORDS])
def test_shared_record(case: dict[str, Any]) -> None:
    found = verify_record(case["record"], case["public_key"])
    assert (found.verdict is SignatureVerdict.VALID) is case["valid"], found
    assert bool(found.reason) is not case["valid"]


def test_signed_energy_beside_billed() -> None:
    equal = verify(signed(START, END), Decimal("10.25"))
    assert (equal.signatures, equal.energy, equal.signed_kwh) == ("VALID", "EQUAL", Decimal("10.25"))
    more = verify(signed(START, END), Decimal("10.252"))
    assert (more.energy, more.difference) == (EnergyVerdict.DIFFERENT, Decimal("0.002"))
    assert more.reason == "10.252 kWh are billed, 10.25 kWh are signed"


def test_both_readings_in_one_record_in_wh() -> None:
    whole = record(reading("B", "1000", unit="Wh"), reading("E", "3500", unit="Wh"))
    assert verify(signed(whole), Decimal("2.5")).energy is EnergyVerdict.EQUAL


@pytest.mark.parametrize(
    ("times", "energy"),
    [
        (("2026-01-12T09:00:00,000+0000 S", "2026-01-12T11:00:00,000+0100 S"), "EQUAL"),
        (("2026-01-12T08:10:00,000+0000 S", "2026-01-12T10:50:00,000+0000 S"), "EQUAL"),
        (("2026-01-11T09:00:00,000+0000 S", "2026-01-11T10:00:00,000+0000 S"), "OTHER_CHARGE"),
        (("2026-01-12T09:00:00,000+0000 S", "2026-01-12T12:00:00,000+0000 S"), "OTHER_CHARGE"),
        (("2026-01-11T09:00:00,000+0000 U", "2026-01-11T10:00:00,000+0000 R"), "EQUAL"),
    ],
    ids=["as charged", "an hour off", "the day before", "long after", "a clock that is not set"],
)
def test_what_was_signed_in_another_charge_proves_nothing(times: tuple[str, str], energy: str) -> None:
    span = (datetime(2026, 1, 12, 9, tzinfo=UTC), datetime(2026, 1, 12, 10, tzinfo=UTC))
    records = (record(reading("B", "100.5", at=times[0])), record(reading("E", "110.75", at=times[1])))
    found = verify(signed(*records), Decimal("10.25"), span=span)
    assert (found.signatures, found.energy) == ("VALID", energy)
    assert ("no time of the charge" in found.reason) is (energy == "OTHER_CHARGE")
    assert verify(signed(*records), Decimal("10.25")).energy is EnergyVerdict.EQUAL


def test_export_is_left_out_and_compensated_losses_come_first() -> None:
    whole = record(
        reading("B", "1"),
        reading("B", "5", "1-0:2.8.0"),
        reading("B", "2", "01-00:B3.08.00"),
        reading("E", "11"),
        reading("E", "50", "1-0:2.8.0"),
        reading("E", "11.5", "01-00:B3.08.00"),
    )
    assert verify(signed(whole), Decimal("9.5")).signed_kwh == Decimal("9.5")


def test_one_changed_digit_is_invalid_and_signs_nothing() -> None:
    found = verify(signed(START, END.replace("110.75", "111.75")), Decimal("11.25"))
    assert (found.signatures, found.energy, found.signed_kwh) == ("INVALID", "UNKNOWN", None)
    assert [each.verdict for each in found.records] == ["VALID", "INVALID"]


@pytest.mark.parametrize(
    ("data", "verdict", "said"),
    [
        (signed(START, END, method="EDL40"), "UNREADABLE", "EDL40 is kept, but cannot be verified"),
        (signed("<xml/>"), "UNREADABLE", "the record cannot be read"),
        (signed("OCMF|{}|{}"), "UNREADABLE", "the record cannot be read"),
        (signed("x" * 100_001), "UNREADABLE", "more than 100000"),
        (signed(START, END.replace("110.75", "1E+300000000")), "UNREADABLE", "a register is beyond any meter"),
        (signed(START, END.replace("110.75", "1E+300000")), "UNREADABLE", "a register is beyond any meter"),
        (signed(START, END.replace("110.75", "1E-300000")), "UNREADABLE", "a register is beyond any meter"),
        (signed(START, key=None), "NO_KEY", "public_key is missing"),
        (signed(START, key="not a key"), "UNREADABLE", "public_key cannot be read"),
        (signed(START, key=public(ec.generate_private_key(ec.SECP384R1()))), "INVALID", "signature"),
        (signed(), "UNREADABLE", "signed_values is empty"),
    ],
)
def test_what_cannot_be_verified_is_said(data: SignedData, verdict: str, said: str) -> None:
    found = verify(data, Decimal(1))
    assert found.signatures == verdict
    assert said in found.reason
    assert found.energy is EnergyVerdict.UNKNOWN


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ((START,), "no begin and end"),
        ((START, record(reading("E", "99"))), "falls from 100.5 to 99"),
        ((START, record(reading("E", "101"), meter="M2")), "different meters: M1, M2"),
    ],
)
def test_valid_records_that_sign_no_energy(records: tuple[str, ...], said: str) -> None:
    found = verify(signed(*records), Decimal(1))
    assert (found.signatures, found.energy) == ("VALID", "UNKNOWN")
    assert said in found.reason


def test_forms_of_records_and_keys() -> None:
    packed = base64.b64encode(START.encode()).decode()
    der = bytes.fromhex(public())
    pem = f"-----BEGIN PUBLIC KEY-----\n{base64.b64encode(der).decode()}\n-----END PUBLIC KEY-----\n"
    hex_in_base64 = base64.b64encode(public().encode()).decode()
    printed = f"oca:base16:asn1:0x{public()[:40]} {public()[40:]}"
    packed_key = base64.b64encode(f"oca:base64:asn1:{base64.b64encode(der).decode()}".encode()).decode()
    in_ocpp = base64.b64encode(printed.encode()).decode()
    for text in (START, START.encode().hex(), packed):
        for key in (public(), base64.b64encode(der).decode(), pem, hex_in_base64, printed, in_ocpp, packed_key):
            assert verify_record(text, key).verdict is SignatureVerdict.VALID
