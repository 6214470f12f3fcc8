"""Operators' requests to stations, over a real socket: what is sent, and what is made of the answers."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, get_args

import pytest

from adapters.ocpp.v16.operations import OPERATIONS
from contracts.messages import ChargingLimit, ChargingSchedule, OperationRequested, trust
from contracts.messages import operation as op
from contracts.vocabulary import (
    CertificatePurpose,
    ChargingRateUnit,
    LogKind,
    OperationOutcome,
    ProfilePurpose,
    Recurrence,
    TokenChoice,
    TriggeredMessage,
)
from tests.adapters.ocpp.conftest import Hub
from tests.adapters.ocpp.test_certificates import DATA, DIGESTS
from tests.kit.raw_station import RawStation

pytestmark = pytest.mark.ocpp_exchange

STOP = op.ChangeAvailability(is_operative=False)
AT = datetime(2026, 11, 24, tzinfo=UTC)
TOLD = "2026-11-24T00:00:00.000Z"
ACCEPTED = {"status": "Accepted"}
SCHEDULE = ChargingSchedule(
    unit=ChargingRateUnit.A, limits=(ChargingLimit(starts_after=0, limit=Decimal("10.19")),), starts_at=AT
)


def asked(operation: op.AnyOperation, **fields: Any) -> OperationRequested:
    usual: dict[str, Any] = {
        "operation_id": "o-1",
        "instance": "test-1",
        "epoch": 1,
        "network": "demo",
        "station_id": "CS-1",
        "deadline": datetime.now(UTC) + timedelta(seconds=20),
        "operation": operation,
    }
    return OperationRequested(**(usual | fields))


CASES: list[tuple[op.AnyOperation, str, dict[str, Any], dict[str, Any]]] = [
    (op.Reset(), "Reset", {"type": "Soft"}, ACCEPTED),
    (op.Reset(is_immediate=True), "Reset", {"type": "Hard"}, ACCEPTED),
    (
        op.ChangeAvailability(is_operative=False),
        "ChangeAvailability",
        {"connectorId": 0, "type": "Inoperative"},
        ACCEPTED,
    ),
    (
        op.ChangeAvailability(is_operative=True, connector_id=2),
        "ChangeAvailability",
        {"connectorId": 2, "type": "Operative"},
        ACCEPTED,
    ),
    (
        op.Trigger(what=TriggeredMessage.STATUS, connector_id=1),
        "TriggerMessage",
        {"requestedMessage": "StatusNotification", "connectorId": 1},
        ACCEPTED,
    ),
    (
        op.Trigger(what=TriggeredMessage.CERTIFICATE_REQUEST),
        "ExtendedTriggerMessage",
        {"requestedMessage": "SignChargePointCertificate"},
        ACCEPTED,
    ),
    (op.ClearCache(), "ClearCache", {}, ACCEPTED),
    (
        op.GetConfiguration(keys=("OCPPCommCtrlr.HeartbeatInterval", "Own")),
        "GetConfiguration",
        {"key": ["HeartbeatInterval", "Own"]},
        {"configurationKey": [{"key": "HeartbeatInterval", "readonly": False, "value": "300"}], "unknownKey": ["Own"]},
    ),
    (op.GetLocalListVersion(), "GetLocalListVersion", {}, {"listVersion": 4}),
    (
        op.SendLocalList(
            version=5,
            is_full=False,
            entries=(
                op.LocalListEntry(token_uid="TAG", choice=TokenChoice.ACCEPTED, group_id="FLEET", expires_at=AT),
                op.LocalListEntry(token_uid="OLD", choice=TokenChoice.REMOVE),
                op.LocalListEntry(token_uid="550e8400-e29b-41d4-a716-446655440000", choice=TokenChoice.ACCEPTED),
            ),
        ),
        "SendLocalList",
        {
            "listVersion": 5,
            "updateType": "Differential",
            "localAuthorizationList": [
                {"idTag": "TAG", "idTagInfo": {"status": "Accepted", "expiryDate": TOLD, "parentIdTag": "FLEET"}},
                {"idTag": "OLD"},
            ],
        },
        ACCEPTED,
    ),
    (
        op.SetChargingProfile(
            profile_id=7,
            purpose=ProfilePurpose.TRANSACTION_DEFAULT,
            schedule=SCHEDULE,
            stack_level=2,
            recurrence=Recurrence.DAILY,
            valid_to=AT,
        ),
        "SetChargingProfile",
        {
            "connectorId": 0,
            "csChargingProfiles": {
                "chargingProfileId": 7,
                "stackLevel": 2,
                "chargingProfilePurpose": "TxDefaultProfile",
                "chargingProfileKind": "Recurring",
                "recurrencyKind": "Daily",
                "validTo": TOLD,
                "chargingSchedule": {
                    "chargingRateUnit": "A",
                    "startSchedule": TOLD,
                    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10.1}],
                },
            },
        },
        ACCEPTED,
    ),
    (
        op.ClearChargingProfiles(purpose=ProfilePurpose.STATION_MAX, stack_level=0),
        "ClearChargingProfile",
        {"chargingProfilePurpose": "ChargePointMaxProfile", "stackLevel": 0},
        ACCEPTED,
    ),
    (
        op.GetCompositeSchedule(duration=600, unit=ChargingRateUnit.A),
        "GetCompositeSchedule",
        {"connectorId": 0, "duration": 600, "chargingRateUnit": "A"},
        ACCEPTED
        | {
            "scheduleStart": TOLD,
            "chargingSchedule": {
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10.1}],
            },
        },
    ),
    (
        op.UpdateFirmware(request_id=9, url="https://hub.example/f/1", retrieve_at=AT, retries=2, retry_interval=60),
        "UpdateFirmware",
        {"location": "https://hub.example/f/1", "retrieveDate": TOLD, "retries": 2, "retryInterval": 60},
        {},
    ),
    (
        op.UpdateFirmware(
            request_id=9, url="https://h/1", retrieve_at=AT, install_at=AT, signing_certificate="PEM", signature="c2ln"
        ),
        "SignedUpdateFirmware",
        {
            "requestId": 9,
            "firmware": {
                "location": "https://h/1",
                "retrieveDateTime": TOLD,
                "installDateTime": TOLD,
                "signingCertificate": "PEM",
                "signature": "c2ln",
            },
        },
        ACCEPTED,
    ),
    (
        op.UploadLog(request_id=9, log=LogKind.DIAGNOSTICS, url="https://h/u", oldest=AT),
        "GetDiagnostics",
        {"location": "https://h/u", "startTime": TOLD},
        {"fileName": "log.txt"},
    ),
    (
        op.UploadLog(request_id=9, log=LogKind.SECURITY, url="https://h/u", latest=AT),
        "GetLog",
        {"logType": "SecurityLog", "requestId": 9, "log": {"remoteLocation": "https://h/u", "latestTimestamp": TOLD}},
        ACCEPTED | {"filename": "sec.log"},
    ),
    (
        trust.InstallCertificate(purpose=CertificatePurpose.CENTRAL_SYSTEM, certificate="PEM"),
        "InstallCertificate",
        {"certificateType": "CentralSystemRootCertificate", "certificate": "PEM"},
        ACCEPTED,
    ),
    (
        trust.GetInstalledCertificates(purposes=(CertificatePurpose.MANUFACTURER,)),
        "GetInstalledCertificateIds",
        {"certificateType": "ManufacturerRootCertificate"},
        {"status": "NotFound"},
    ),
    (
        trust.DeleteCertificate(**DIGESTS),
        "DeleteCertificate",
        {"certificateHashData": DATA},
        ACCEPTED,
    ),
    (
        op.RaiseSecurityProfile(profile=2),
        "ChangeConfiguration",
        {"key": "SecurityProfile", "value": "2"},
        ACCEPTED,
    ),
    (op.SendCertificate(chain="PEM", request_id=7), "CertificateSigned", {"certificateChain": "PEM"}, ACCEPTED),
    (
        op.TransferData(vendor_id="com.example", message_id="door", data="{}"),
        "DataTransfer",
        {"vendorId": "com.example", "messageId": "door", "data": "{}"},
        ACCEPTED | {"data": "closed"},
    ),
    (op.CallRaw(action="ClearCache", payload="{}"), "ClearCache", {}, ACCEPTED),
]


@pytest.mark.parametrize(("operation", "action", "payload", "answer"), CASES, ids=lambda case: type(case).__name__)
async def test_what_is_sent(
    hub: Hub, operation: op.AnyOperation, action: str, payload: dict[str, Any], answer: dict[str, Any]
) -> None:
    station = await hub.station()
    station.commands[action] = lambda _: answer
    result = await hub.fakes.commands.ask(asked(operation))
    assert station.got == [(action, payload)]
    assert result.outcome is OperationOutcome.ACCEPTED


def test_every_operation_is_tried() -> None:
    """Those that 1.6 cannot say are tried in ``v201/test_newer_operations``."""
    assert {type(case[0]) for case in CASES} | {op.SetConfiguration} == set(OPERATIONS) < set(get_args(op.AnyOperation))


@pytest.mark.parametrize(
    ("operation", "action", "answer", "outcome"),
    [
        (op.Reset(), "Reset", {"status": "Rejected"}, OperationOutcome.REJECTED),
        (op.Reset(), "Reset", {"status": "Perhaps"}, OperationOutcome.FAILED),
        (op.Reset(), "Reset", {"status": None}, OperationOutcome.FAILED),
        (op.Reset(), "Other", {}, OperationOutcome.NOT_SUPPORTED),
        (STOP, "ChangeAvailability", {"status": "Scheduled"}, OperationOutcome.SCHEDULED),
        (
            op.Trigger(what=TriggeredMessage.BOOT),
            "TriggerMessage",
            {"status": "NotImplemented"},
            OperationOutcome.NOT_SUPPORTED,
        ),
        (op.ClearChargingProfiles(), "ClearChargingProfile", {"status": "Unknown"}, OperationOutcome.UNKNOWN),
        (op.TransferData(vendor_id="x"), "DataTransfer", {"status": "UnknownVendorId"}, OperationOutcome.UNKNOWN),
        (op.GetConfiguration(keys=("A",)), "GetConfiguration", {"unknownKey": ["A"]}, OperationOutcome.UNKNOWN),
        (op.GetLocalListVersion(), "GetLocalListVersion", {"listVersion": -1}, OperationOutcome.NOT_SUPPORTED),
        (op.GetCompositeSchedule(duration=1), "GetCompositeSchedule", ACCEPTED, OperationOutcome.FAILED),
    ],
)
async def test_answers(
    hub: Hub, operation: op.AnyOperation, action: str, answer: dict[str, Any], outcome: OperationOutcome
) -> None:
    station = await hub.station()
    station.commands[action] = lambda _: answer
    assert (await hub.fakes.commands.ask(asked(operation))).outcome is outcome


async def test_what_stations_tell(hub: Hub) -> None:
    station = await hub.station()
    told = {}
    for operation, action, _, answer in CASES:
        station.commands[action] = lambda _, answer=answer: answer  # type: ignore[misc]
        told[type(operation), action] = (await hub.fakes.commands.ask(asked(operation))).told
    assert told[op.GetConfiguration, "GetConfiguration"] == op.ConfigurationTold(
        values=(op.ConfigurationValue(key="HeartbeatInterval", value="300"),), unknown_keys=("Own",)
    )
    assert told[op.GetLocalListVersion, "GetLocalListVersion"] == op.LocalListVersionTold(version=4)
    limits = (ChargingLimit(starts_after=0, limit=Decimal("10.1")),)
    schedule = ChargingSchedule(unit=ChargingRateUnit.A, limits=limits, starts_at=AT)
    assert told[op.GetCompositeSchedule, "GetCompositeSchedule"] == op.ScheduleTold(schedule=schedule)
    assert told[op.UploadLog, "GetDiagnostics"] == op.LogTold(file_name="log.txt")
    assert told[op.UploadLog, "GetLog"] == op.LogTold(file_name="sec.log")
    assert told[op.TransferData, "DataTransfer"] == op.DataTold(data="closed")
    assert told[op.CallRaw, "ClearCache"] == op.RawTold(payload='{"status": "Accepted"}')


async def configured(hub: Hub, answers: dict[str, str]) -> tuple[RawStation, Any]:
    station = await hub.station()
    station.commands["ChangeConfiguration"] = lambda payload: {"status": answers[payload["key"]]}
    entries = tuple(op.ConfigurationEntry(key=key, value="1") for key in answers)
    return station, await hub.fakes.commands.ask(asked(op.SetConfiguration(entries=entries)))


@pytest.mark.parametrize(
    ("answers", "outcome", "each"),
    [
        (("Accepted", "Accepted"), "ACCEPTED", ("ACCEPTED", "ACCEPTED")),
        (("Accepted", "RebootRequired"), "REBOOT_REQUIRED", ("ACCEPTED", "REBOOT_REQUIRED")),
        (("RebootRequired", "Rejected"), "REJECTED", ("REBOOT_REQUIRED", "REJECTED")),
        (("NotSupported", "Accepted"), "UNKNOWN", ("UNKNOWN", "ACCEPTED")),
    ],
)
async def test_settings_are_changed_one_by_one(
    hub: Hub, answers: tuple[str, str], outcome: str, each: tuple[str, str]
) -> None:
    station, result = await configured(hub, dict(zip(("HeartbeatInterval", "Own"), answers, strict=True)))
    assert [payload["key"] for _, payload in station.got] == ["HeartbeatInterval", "Own"]
    assert result.outcome == outcome
    assert tuple(entry.outcome for entry in result.told.results) == each


async def test_what_is_secret_never_leaves_the_adapter(hub: Hub) -> None:
    station = await hub.station()
    values = [{"key": key, "readonly": False, "value": "hunter2"} for key in ("AuthorizationKey", "WifiPassword")]
    station.commands["GetConfiguration"] = lambda _: {"configurationKey": values}
    result = await hub.fakes.commands.ask(asked(op.GetConfiguration()))
    assert "hunter2" not in repr(result)


async def test_a_list_of_another_version_tells_which(hub: Hub) -> None:
    station = await hub.station()
    station.commands["SendLocalList"] = lambda _: {"status": "VersionMismatch"}
    station.commands["GetLocalListVersion"] = lambda _: {"listVersion": 12}
    result = await hub.fakes.commands.ask(asked(op.SendLocalList(version=3, is_full=False, entries=())))
    assert (result.outcome, result.told) == (OperationOutcome.VERSION_MISMATCH, op.LocalListVersionTold(version=12))


async def test_a_profile_of_a_charge_goes_to_its_connector(hub: Hub) -> None:
    station = await hub.station()
    frame = {"connectorId": 2, "idTag": "TAG", "meterStart": 0, "timestamp": "2026-11-23T10:00:00Z"}
    number = (await station.call("StartTransaction", frame))["transactionId"]
    station.commands["SetChargingProfile"] = lambda _: ACCEPTED
    profile = op.SetChargingProfile(
        profile_id=1, purpose=ProfilePurpose.TRANSACTION, schedule=SCHEDULE, transaction_id=str(number)
    )
    await hub.fakes.commands.ask(asked(profile))
    ((_, sent),) = station.got
    assert sent["connectorId"] == 2
    assert sent["csChargingProfiles"]["transactionId"] == number


@pytest.mark.parametrize(
    ("operation", "outcome"),
    [
        (op.CallRaw(action="Reset", payload='{"type": "Gently"}'), OperationOutcome.FAILED),
        (op.CallRaw(action="Reset", payload="{"), OperationOutcome.FAILED),
        (op.CallRaw(action="Reset", payload="[]"), OperationOutcome.FAILED),
        (op.CallRaw(action="../Reset", payload="{}"), OperationOutcome.NOT_SUPPORTED),
        (op.GetConfiguration(keys=("K" * 51,)), OperationOutcome.FAILED),
        (op.SetConfiguration(entries=()), OperationOutcome.FAILED),
        (op.ClearChargingProfiles(connector_id=10**12), OperationOutcome.ACCEPTED),
        (
            op.SetChargingProfile(
                profile_id=1, purpose=ProfilePurpose.TRANSACTION, schedule=SCHEDULE, transaction_id="77"
            ),
            OperationOutcome.UNKNOWN,
        ),
    ],
)
async def test_what_is_never_sent(hub: Hub, operation: op.AnyOperation, outcome: OperationOutcome) -> None:
    station = await hub.station()
    station.commands["ClearChargingProfile"] = lambda _: ACCEPTED
    result = await hub.fakes.commands.ask(asked(operation))
    assert result.outcome is outcome
    assert bool(station.got) == (outcome is OperationOutcome.ACCEPTED)


async def test_a_station_that_is_away_or_a_stranger_is_not_asked(hub: Hub) -> None:
    assert (await hub.fakes.commands.ask(asked(op.Reset()))).outcome is OperationOutcome.OFFLINE
    stranger = await hub.dial("CS-1", password="0123456789abcdef")
    await stranger.boot()
    assert (await hub.fakes.commands.ask(asked(op.Reset()))).outcome is OperationOutcome.REJECTED
    assert stranger.got == []
