"""What stations say of their upkeep becomes facts, over a real socket."""

from typing import Any

import pytest

from contracts.messages import (
    CertificateRequested,
    FirmwareStatusReported,
    LogStatusReported,
    Message,
    SecurityEventReported,
    VendorDataReceived,
)
from contracts.vocabulary import FirmwareStatus, LogStatus
from tests.adapters.ocpp.conftest import PASSWORD, Hub

pytestmark = pytest.mark.ocpp_exchange

CASES: list[tuple[str, dict[str, Any], type[Message], dict[str, Any]]] = [
    (
        "FirmwareStatusNotification",
        {"status": "InstallationFailed"},
        FirmwareStatusReported,
        {"status": FirmwareStatus.INSTALL_FAILED, "word": "InstallationFailed", "request_id": None},
    ),
    (
        "FirmwareStatusNotification",
        {"status": "AlmostInstalled"},
        FirmwareStatusReported,
        {"status": FirmwareStatus.OTHER, "word": "AlmostInstalled"},
    ),
    (
        "SignedFirmwareStatusNotification",
        {"status": "InvalidSignature", "requestId": 9},
        FirmwareStatusReported,
        {"status": FirmwareStatus.INVALID_SIGNATURE, "request_id": 9},
    ),
    ("DiagnosticsStatusNotification", {"status": "Uploaded"}, LogStatusReported, {"status": LogStatus.UPLOADED}),
    (
        "LogStatusNotification",
        {"status": "UploadFailure", "requestId": 4},
        LogStatusReported,
        {"status": LogStatus.UPLOAD_FAILED, "request_id": 4},
    ),
    (
        "SecurityEventNotification",
        {"type": "TamperDetectionActivated", "timestamp": "2026-11-23T10:00:00Z", "techInfo": "door"},
        SecurityEventReported,
        {"event": "TamperDetectionActivated", "info": "door"},
    ),
    (
        "DataTransfer",
        {"vendorId": "com.example", "messageId": "m", "data": "x" * 20_000},
        VendorDataReceived,
        {"vendor_id": "com.example", "message_id": "m", "data": "x" * 16_384},
    ),
    ("SignCertificate", {"csr": "PEM"}, CertificateRequested, {"signing_request": "PEM", "is_for_contracts": False}),
]


@pytest.mark.parametrize(("action", "payload", "kind", "fields"), CASES, ids=lambda case: str(case)[:30])
async def test_it_becomes_a_fact(
    hub: Hub, action: str, payload: dict[str, Any], kind: type[Message], fields: dict[str, Any]
) -> None:
    station = await hub.station()
    await station.call(action, payload)
    (told,) = hub.facts.of(kind)
    assert {name: getattr(told, name) for name in fields} == fields


async def test_a_stranger_is_answered_and_leaves_no_fact(hub: Hub) -> None:
    stranger = await hub.dial("CS-9", password=PASSWORD)
    for action, payload, _, _ in CASES:
        await stranger.call(action, payload)
    assert not any(hub.facts.of(kind) for _, _, kind, _ in CASES)
