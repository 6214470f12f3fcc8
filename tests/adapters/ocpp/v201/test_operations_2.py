"""Operators' requests to 2.x stations, over a real socket: what is sent, and what is made of the answers."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, get_args

import pytest

from adapters.kit.manifest import OperationResult
from adapters.ocpp.v16.operations import OPERATIONS as OPERATIONS_16
from adapters.ocpp.v201.operations import OPERATIONS
from adapters.ocpp.v201.triggering import TRIED
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

pytestmark = pytest.mark.ocpp_exchange

STOP = op.ChangeAvailability(is_operative=False)
STATUS = op.Trigger(what=TriggeredMessage.STATUS)
AT = datetime(2026, 11, 24, tzinfo=UTC)
TOLD = "2026-11-24T00:00:00.000Z"
ACCEPTED = {"status": "Accepted"}
SCHEDULE = ChargingSchedule(
    unit=ChargingRateUnit.A, limits=(ChargingLimit(starts_after=0, limit=Decimal("10.19")),), starts_at=AT
)
HEARTBEAT = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}
POWER = {"component": {"name": "EVSE", "evse": {"id": 2}}, "variable": {"name": "Power", "instance": "MaxLimit"}}


def asked(operation: op.AnyOperation, **fields: Any) -> OperationRequested:
    usual: dict[str, Any] = {
        "operation_id": "o-1",
        "instance": "test-1",
        "epoch": 1,
        "network": "demo",
        "station_id": "CS-2",
        "deadline": datetime.now(UTC) + timedelta(seconds=20),
        "operation": operation,
    }
    return OperationRequested(**(usual | fields))


async def ask(hub: Hub, operation: op.AnyOperation, **fields: Any) -> OperationResult:
    return await hub.fakes.commands.ask(asked(operation, **fields))


CASES: list[tuple[op.AnyOperation, str, dict[str, Any], dict[str, Any]]] = [
    (op.Reset(), "Reset", {"type": "OnIdle"}, ACCEPTED),
    (op.Reset(is_immediate=True), "Reset", {"type": "Immediate"}, ACCEPTED),
    (STOP, "ChangeAvailability", {"operationalStatus": "Inoperative"}, ACCEPTED),
    (
        op.ChangeAvailability(is_operative=True, connector_id=302),
        "ChangeAvailability",
        {"evse": {"id": 3, "connectorId": 2}, "operationalStatus": "Operative"},
        ACCEPTED,
    ),
    (
        op.Trigger(what=TriggeredMessage.STATUS, connector_id=1),
        "TriggerMessage",
        {"requestedMessage": "StatusNotification", "evse": {"id": 1, "connectorId": 1}},
        ACCEPTED,
    ),
    (
        op.Trigger(what=TriggeredMessage.TRANSACTION, connector_id=302),
        "TriggerMessage",
        {"requestedMessage": "TransactionEvent", "evse": {"id": 3}},
        ACCEPTED,
    ),
    (
        op.Trigger(what=TriggeredMessage.CERTIFICATE_REQUEST),
        "TriggerMessage",
        {"requestedMessage": "SignChargingStationCertificate"},
        ACCEPTED,
    ),
    (op.ClearCache(), "ClearCache", {}, ACCEPTED),
    (
        op.GetConfiguration(keys=("HeartbeatInterval", "EVSE(2).Power[MaxLimit]", "Own.Thing", "Own")),
        "GetVariables",
        {"getVariableData": [HEARTBEAT, POWER, {"component": {"name": "Own"}, "variable": {"name": "Thing"}}]},
        {
            "getVariableResult": [
                HEARTBEAT | {"attributeStatus": "Accepted", "attributeValue": "300"},
                POWER | {"attributeStatus": "Rejected"},
                {"component": {"name": "Own"}, "variable": {"name": "Thing"}, "attributeStatus": "UnknownComponent"},
            ]
        },
    ),
    (
        op.SetConfiguration(entries=(op.ConfigurationEntry(key="HeartbeatInterval", value="60"),)),
        "SetVariables",
        {"setVariableData": [HEARTBEAT | {"attributeValue": "60"}]},
        {"setVariableResult": [HEARTBEAT | {"attributeStatus": "Accepted"}]},
    ),
    (op.GetLocalListVersion(), "GetLocalListVersion", {}, {"versionNumber": 4}),
    (
        op.SendLocalList(
            version=5,
            is_full=False,
            entries=(
                op.LocalListEntry(token_uid="TAG", choice=TokenChoice.ACCEPTED, group_id="FLEET", expires_at=AT),
                op.LocalListEntry(token_uid="E00401000A0B0C0D", choice=TokenChoice.REMOVE),
                op.LocalListEntry(token_uid="no card/0", choice=TokenChoice.ACCEPTED),
            ),
        ),
        "SendLocalList",
        {
            "versionNumber": 5,
            "updateType": "Differential",
            "localAuthorizationList": [
                {
                    "idToken": {"idToken": "TAG", "type": "ISO14443"},
                    "idTokenInfo": {
                        "status": "Accepted",
                        "cacheExpiryDateTime": TOLD,
                        "groupIdToken": {"idToken": "FLEET", "type": "Central"},
                    },
                },
                {"idToken": {"idToken": "E00401000A0B0C0D", "type": "ISO15693"}},
            ],
        },
        ACCEPTED,
    ),
    (
        op.SetChargingProfile(
            profile_id=7,
            purpose=ProfilePurpose.STATION_MAX,
            schedule=SCHEDULE,
            stack_level=2,
            recurrence=Recurrence.DAILY,
            valid_to=AT,
        ),
        "SetChargingProfile",
        {
            "evseId": 0,
            "chargingProfile": {
                "id": 7,
                "stackLevel": 2,
                "chargingProfilePurpose": "ChargingStationMaxProfile",
                "chargingProfileKind": "Recurring",
                "recurrencyKind": "Daily",
                "validTo": TOLD,
                "chargingSchedule": [
                    {
                        "id": 1,
                        "chargingRateUnit": "A",
                        "startSchedule": TOLD,
                        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10.1}],
                    }
                ],
            },
        },
        ACCEPTED,
    ),
    (op.ClearChargingProfiles(profile_id=7), "ClearChargingProfile", {"chargingProfileId": 7}, ACCEPTED),
    (
        op.ClearChargingProfiles(connector_id=302, purpose=ProfilePurpose.TRANSACTION_DEFAULT, stack_level=0),
        "ClearChargingProfile",
        {"chargingProfileCriteria": {"evseId": 3, "chargingProfilePurpose": "TxDefaultProfile", "stackLevel": 0}},
        ACCEPTED,
    ),
    (
        op.GetCompositeSchedule(duration=600, connector_id=302, unit=ChargingRateUnit.A),
        "GetCompositeSchedule",
        {"evseId": 3, "duration": 600, "chargingRateUnit": "A"},
        ACCEPTED
        | {
            "schedule": {
                "evseId": 3,
                "duration": 600,
                "scheduleStart": TOLD,
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10.1}],
            }
        },
    ),
    (
        op.UpdateFirmware(request_id=9, url="https://hub.example/f/1", retrieve_at=AT, retries=2, retry_interval=60),
        "UpdateFirmware",
        {
            "requestId": 9,
            "retries": 2,
            "retryInterval": 60,
            "firmware": {"location": "https://hub.example/f/1", "retrieveDateTime": TOLD},
        },
        ACCEPTED,
    ),
    (
        op.UpdateFirmware(
            request_id=9, url="https://h/1", retrieve_at=AT, install_at=AT, signing_certificate="PEM", signature="c2ln"
        ),
        "UpdateFirmware",
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
        {"status": "AcceptedCanceled"},
    ),
    (
        op.UploadLog(request_id=9, log=LogKind.DIAGNOSTICS, url="https://h/u", oldest=AT),
        "GetLog",
        {
            "logType": "DiagnosticsLog",
            "requestId": 9,
            "log": {"remoteLocation": "https://h/u", "oldestTimestamp": TOLD},
        },
        ACCEPTED | {"filename": "log.txt"},
    ),
    (
        op.UploadLog(request_id=9, log=LogKind.SECURITY, url="https://h/u", latest=AT, retries=1),
        "GetLog",
        {
            "logType": "SecurityLog",
            "requestId": 9,
            "retries": 1,
            "log": {"remoteLocation": "https://h/u", "latestTimestamp": TOLD},
        },
        {"status": "AcceptedCanceled", "filename": "sec.log"},
    ),
    (
        trust.InstallCertificate(purpose=CertificatePurpose.CENTRAL_SYSTEM, certificate="PEM"),
        "InstallCertificate",
        {"certificateType": "CSMSRootCertificate", "certificate": "PEM"},
        ACCEPTED,
    ),
    (
        trust.GetInstalledCertificates(purposes=(CertificatePurpose.V2G, CertificatePurpose.CONTRACTS)),
        "GetInstalledCertificateIds",
        {"certificateType": ["V2GRootCertificate", "MORootCertificate"]},
        {"status": "NotFound"},
    ),
    (trust.GetInstalledCertificates(), "GetInstalledCertificateIds", {}, {"status": "NotFound"}),
    (trust.DeleteCertificate(**DIGESTS), "DeleteCertificate", {"certificateHashData": DATA}, ACCEPTED),
    (
        op.SendCertificate(chain="PEM"),
        "CertificateSigned",
        {"certificateChain": "PEM", "certificateType": "ChargingStationCertificate"},
        ACCEPTED,
    ),
    (
        op.TransferData(vendor_id="com.example", message_id="door", data="{}"),
        "DataTransfer",
        {"vendorId": "com.example", "messageId": "door", "data": "{}"},
        ACCEPTED | {"data": {"door": "closed"}},
    ),
    (op.CallRaw(action="ClearCache", payload="{}"), "ClearCache", {}, ACCEPTED),
]


@pytest.mark.parametrize("version", ["ocpp2.0.1", "ocpp2.1"])
async def test_what_is_sent(hub: Hub, version: str) -> None:
    station = await hub.station2(version=version)
    for operation, action, payload, answer in CASES:
        station.commands[action] = lambda _, answer=answer: answer  # type: ignore[misc]
        station.got.clear()
        result = await ask(hub, operation)
        assert (station.got, result.outcome) == ([(action, payload)], OperationOutcome.ACCEPTED), operation


def test_every_operation_is_tried() -> None:
    """Those that 1.6 has too; the others are tried in ``test_newer_operations``."""
    assert {type(case[0]) for case in CASES} | {op.RaiseSecurityProfile} == set(OPERATIONS_16)
    assert set(OPERATIONS) == set(get_args(op.AnyOperation))


@pytest.mark.parametrize(
    ("operation", "action", "answer", "outcome"),
    [
        (op.Reset(), "Reset", {"status": "Rejected"}, OperationOutcome.REJECTED),
        (op.Reset(), "Reset", {"status": "Scheduled"}, OperationOutcome.SCHEDULED),
        (op.Reset(), "Reset", {"status": "Perhaps"}, OperationOutcome.FAILED),
        (op.Reset(), "Reset", {"status": None}, OperationOutcome.FAILED),
        (op.Reset(), "Other", {}, OperationOutcome.NOT_SUPPORTED),
        (STOP, "ChangeAvailability", {"status": "Scheduled"}, OperationOutcome.SCHEDULED),
        (STATUS, "TriggerMessage", {"status": "NotImplemented"}, OperationOutcome.NOT_SUPPORTED),
        (STATUS, "TriggerMessage", {"status": "Rejected"}, OperationOutcome.REJECTED),
        (op.ClearChargingProfiles(profile_id=1), "ClearChargingProfile", {"status": "Unknown"}, "UNKNOWN"),
        (op.TransferData(vendor_id="x"), "DataTransfer", {"status": "UnknownVendorId"}, OperationOutcome.UNKNOWN),
        (op.GetConfiguration(), "GetBaseReport", {"status": "NotSupported"}, OperationOutcome.NOT_SUPPORTED),
        (op.GetConfiguration(), "GetBaseReport", {"status": "EmptyResultSet"}, OperationOutcome.ACCEPTED),
        (
            op.GetConfiguration(keys=("HeartbeatInterval",)),
            "GetVariables",
            {"getVariableResult": [HEARTBEAT | {"attributeStatus": "UnknownVariable"}]},
            OperationOutcome.UNKNOWN,
        ),
        (op.GetCompositeSchedule(duration=1), "GetCompositeSchedule", ACCEPTED, OperationOutcome.FAILED),
        (
            op.UpdateFirmware(request_id=1, url="https://h", retrieve_at=AT),
            "UpdateFirmware",
            {"status": "InvalidCertificate"},
            OperationOutcome.REJECTED,
        ),
    ],
)
async def test_answers(
    hub: Hub, operation: op.AnyOperation, action: str, answer: dict[str, Any], outcome: OperationOutcome
) -> None:
    station = await hub.station2()
    station.commands[action] = lambda _: answer
    assert (await ask(hub, operation)).outcome == outcome


async def test_the_station_may_say_why(hub: Hub) -> None:
    station = await hub.station2()
    info = {"reasonCode": "InternalError", "additionalInfo": "flash is full"}
    station.commands["Reset"] = lambda _: {"status": "Rejected", "statusInfo": info}
    assert (await ask(hub, op.Reset())).detail == "Rejected: InternalError: flash is full"


async def test_what_stations_tell(hub: Hub) -> None:
    station = await hub.station2()
    told = {}
    for operation, action, _, answer in CASES:
        station.commands[action] = lambda _, answer=answer: answer  # type: ignore[misc]
        told[type(operation)] = (await ask(hub, operation)).told
    assert told[op.GetConfiguration] == op.ConfigurationTold(
        values=(
            op.ConfigurationValue(key="OCPPCommCtrlr.HeartbeatInterval", value="300"),
            op.ConfigurationValue(key="EVSE(2).Power[MaxLimit]"),
        ),
        unknown_keys=("Own", "Own.Thing"),
    )
    assert told[op.GetLocalListVersion] == op.LocalListVersionTold(version=4)
    limits = (ChargingLimit(starts_after=0, limit=Decimal("10.1")),)
    schedule = ChargingSchedule(unit=ChargingRateUnit.A, limits=limits, starts_at=AT, duration=600)
    assert told[op.GetCompositeSchedule] == op.ScheduleTold(schedule=schedule)
    assert told[op.UploadLog] == op.LogTold(file_name="sec.log")
    assert told[op.TransferData] == op.DataTold(data='{"door": "closed"}')
    assert told[op.CallRaw] == op.RawTold(payload='{"status": "Accepted"}')


def by_the_letter(evses: int) -> Any:
    """A station that has so many EVSEs of one connector each (F06.FR.12)."""

    def answer(said: dict[str, Any]) -> dict[str, Any]:
        evse = said.get("evse", {})
        return {"status": "Accepted" if evse.get("connectorId") == 1 and evse["id"] <= evses else "Rejected"}

    return answer


async def test_a_status_of_all_is_asked_of_each(hub: Hub) -> None:
    station = await hub.station2()
    for evse in (7, 1):
        await station.connector(evse, "Available")
    station.commands["TriggerMessage"] = by_the_letter(7)
    assert (await ask(hub, STATUS)).outcome is OperationOutcome.ACCEPTED
    assert [payload["evse"] for _, payload in station.got] == [{"id": n, "connectorId": 1} for n in (1, 7)]


@pytest.mark.parametrize(
    ("evses", "asked_of", "outcome"),
    [(2, 3, OperationOutcome.ACCEPTED), (99, TRIED, OperationOutcome.ACCEPTED), (0, 1, OperationOutcome.REJECTED)],
)
async def test_a_station_that_told_nothing_is_asked_in_order(
    hub: Hub, evses: int, asked_of: int, outcome: OperationOutcome
) -> None:
    station = await hub.station2()
    station.commands["TriggerMessage"] = by_the_letter(evses)
    assert (await ask(hub, STATUS)).outcome is outcome
    assert [payload["evse"]["id"] for _, payload in station.got] == list(range(1, asked_of + 1))
    await hub.running.gateway.versions["ocpp2.0.1"].greeter.ask_status(hub.inside("CS-2"))
    assert len(station.got) == 2 * asked_of


async def test_all_profiles_go_by_purpose(hub: Hub) -> None:
    """K10.FR.02: a request must say which."""
    station = await hub.station2()
    answers = iter(("Unknown", "Accepted", "Unknown"))
    station.commands["ClearChargingProfile"] = lambda _: {"status": next(answers)}
    assert (await ask(hub, op.ClearChargingProfiles())).outcome is OperationOutcome.ACCEPTED
    assert [payload["chargingProfileCriteria"]["chargingProfilePurpose"] for _, payload in station.got] == [
        "ChargingStationMaxProfile",
        "TxDefaultProfile",
        "TxProfile",
    ]


async def test_a_list_of_another_version_tells_which(hub: Hub) -> None:
    station = await hub.station2()
    station.commands["SendLocalList"] = lambda _: {"status": "VersionMismatch"}
    station.commands["GetLocalListVersion"] = lambda _: {"versionNumber": 12}
    result = await ask(hub, op.SendLocalList(version=3, is_full=False, entries=()))
    assert (result.outcome, result.told) == (OperationOutcome.VERSION_MISMATCH, op.LocalListVersionTold(version=12))


async def test_a_profile_of_a_charge_goes_to_its_evse(hub: Hub) -> None:
    station = await hub.station2()
    await station.event("Started", "tx", 0, "2026-11-23T10:00:00Z", evse={"id": 3, "connectorId": 2}, tag="TAG", wh=0)
    station.commands["SetChargingProfile"] = lambda _: ACCEPTED
    profile = op.SetChargingProfile(
        profile_id=1, purpose=ProfilePurpose.TRANSACTION, schedule=SCHEDULE, transaction_id="tx"
    )
    await ask(hub, profile)
    ((_, sent),) = station.got
    assert sent["evseId"] == 3
    assert sent["chargingProfile"]["transactionId"] == "tx"
    await station.event("Ended", "tx", 1, "2026-11-23T10:01:00Z", wh=1)
    assert (await ask(hub, profile)).outcome is OperationOutcome.UNKNOWN


@pytest.mark.parametrize(
    ("operation", "outcome"),
    [
        (op.CallRaw(action="Reset", payload='{"type": "Gently"}'), OperationOutcome.FAILED),
        (op.CallRaw(action="Reset", payload="{"), OperationOutcome.FAILED),
        (op.CallRaw(action="Reset", payload="[]"), OperationOutcome.FAILED),
        (op.CallRaw(action="../Reset", payload="{}"), OperationOutcome.NOT_SUPPORTED),
        (op.CallRaw(action="NotifyPeriodicEventStream", payload="{}"), OperationOutcome.NOT_SUPPORTED),
        (op.GetConfiguration(keys=(f"{'K' * 51}.V",)), OperationOutcome.FAILED),
        (op.GetConfiguration(keys=("NumberOfConnectors",)), OperationOutcome.UNKNOWN),
        (op.SetConfiguration(entries=()), OperationOutcome.FAILED),
        (op.ClearChargingProfiles(profile_id=1, stack_level=0), OperationOutcome.FAILED),
        (
            op.SetChargingProfile(
                profile_id=1, purpose=ProfilePurpose.TRANSACTION, schedule=SCHEDULE, transaction_id="77"
            ),
            OperationOutcome.UNKNOWN,
        ),
    ],
)
@pytest.mark.parametrize("version", ["ocpp2.0.1", "ocpp2.1"])
async def test_what_is_never_sent(
    hub: Hub, version: str, operation: op.AnyOperation, outcome: OperationOutcome
) -> None:
    station = await hub.station2(version=version)
    assert (await ask(hub, operation)).outcome is outcome
    assert station.got == []


async def test_2_1_says_what_2_0_1_cannot(hub: Hub) -> None:
    """A text of over 1,000 characters."""
    for name, version, outcome in (("CS-2", "ocpp2.0.1", "FAILED"), ("CS-3", "ocpp2.1", "ACCEPTED")):
        station = await hub.station2(name, version=version)
        changed = {"setVariableResult": [HEARTBEAT | {"attributeStatus": "Accepted"}]}
        station.commands["SetVariables"] = lambda _, changed=changed: changed  # type: ignore[misc]
        entries = (op.ConfigurationEntry(key="HeartbeatInterval", value="1" * 1001),)
        assert (await ask(hub, op.SetConfiguration(entries=entries), station_id=name)).outcome == outcome
