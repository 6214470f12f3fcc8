"""Every message of a 2.x station but those about transactions: what becomes of it, and what is answered."""

import json
from typing import Any

import pytest

from adapters.ocpp import spoken
from contracts.messages import (
    CertificateRequested,
    ConnectorStatusChanged,
    FirmwareStatusReported,
    LogStatusReported,
    SecurityEventReported,
    StationBooted,
    StationConnected,
    StationFaultReported,
    StationReported,
    VendorDataReceived,
)
from contracts.vocabulary import ConnectorStatus, FirmwareStatus, LogStatus
from tests.adapters.ocpp.conftest import PASSWORD, Hub
from tests.adapters.ocpp.payloads import sound
from tests.kit.raw_station import CallFailed, RawStation, RawStation2
from tests.kit.wait import until

pytestmark = pytest.mark.ocpp_exchange

AT = "2026-11-23T10:00:00Z"
EVSE = {"id": 1, "connectorId": 1}
CHARGING = {"chargingState": "Charging"}


@pytest.fixture(params=["ocpp2.0.1", "ocpp2.1"])
def version(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


async def test_the_version_is_the_first_that_the_station_offers(hub: Hub) -> None:
    hub.fakes.accounts.change("CS-1", password=PASSWORD)
    for offered, chosen in (
        (("ocpp2.1", "ocpp2.0.1", "ocpp1.6"), "ocpp2.1"),
        (("ocpp9", "ocpp2.0.1", "ocpp2.1"), "ocpp2.0.1"),
        (("ocpp1.6", "ocpp2.1"), "ocpp1.6"),
    ):
        station = await hub.dial("CS-1", password=PASSWORD, subprotocols=offered)
        assert station.socket.subprotocol == chosen
        assert hub.facts.of(StationConnected)[-1].protocol == chosen
        await station.close()
    await hub.start(versions=("ocpp1.6", "ocpp2.1"))
    station = await hub.dial("CS-1", password=PASSWORD, subprotocols=("ocpp2.0.1", "ocpp2.1"))
    assert station.socket.subprotocol == "ocpp2.1"


async def test_another_version_after_a_reconnect(hub: Hub) -> None:
    old = await hub.station("CS-1")
    await old.close()
    new = await hub.station2("CS-1", version="ocpp2.1")
    assert "currentTime" in await new.call("Heartbeat", {})
    with pytest.raises(CallFailed, match="NotImplemented"):
        await new.call("StartTransaction", {})


async def test_boot(hub: Hub, version: str) -> None:
    station = await hub.station2(version=version, is_booted=False)
    answer = await station.call(
        "BootNotification",
        {
            "reason": "PowerUp",
            "chargingStation": {
                "vendorName": "V" * 60,
                "model": "M",
                "serialNumber": "S",
                "firmwareVersion": "1",
                "modem": {"iccid": "89"},
            },
        },
    )
    assert answer["status"] == "Accepted"
    assert 240 <= answer["interval"] <= 360
    (booted,) = hub.facts.of(StationBooted)
    assert (booted.vendor, booted.model, booted.serial_number, booted.iccid) == ("V" * 60, "M", "S", "89")
    assert (await station.call("BootNotification", {"reason": "Whim"}))["status"] == "Accepted"


async def test_status_and_charging_state_are_put_together(hub: Hub) -> None:
    station = await hub.station2()
    for word in ("Available", "Occupied", "Reserved", "Unavailable", "Faulted", "Whim"):
        await station.connector(3, word, connector=2, at=AT)
    assert [(change.connector_id, change.status) for change in hub.facts.of(ConnectorStatusChanged)] == [
        (302, ConnectorStatus.AVAILABLE),
        (302, ConnectorStatus.PREPARING),
        (302, ConnectorStatus.RESERVED),
        (302, ConnectorStatus.UNAVAILABLE),
        (302, ConnectorStatus.FAULTED),
        (302, ConnectorStatus.UNKNOWN),
    ]
    (fault,) = hub.facts.of(StationFaultReported)
    assert (fault.connector_id, fault.error_code) == (302, "Faulted")


async def test_a_transaction_says_more_than_the_connector(hub: Hub) -> None:
    station = await hub.station2()

    def last() -> ConnectorStatus:
        found = hub.facts.of(ConnectorStatusChanged)[-1]
        assert isinstance(found, ConnectorStatusChanged)
        return found.status

    await station.event("Started", "tx", 0, AT, evse=EVSE, tag="TAG", wh=1, info=CHARGING)
    assert last() is ConnectorStatus.CHARGING
    await station.connector(1, "Available", at=AT)
    assert last() is ConnectorStatus.CHARGING, "taken by a charge whatever the connector says"
    await station.connector(1, "Faulted", at=AT)
    assert last() is ConnectorStatus.FAULTED
    await station.connector(1, "Occupied", at=AT)
    await station.event("Updated", "tx", 1, "2026-11-23T10:05:00Z", info={"chargingState": "SuspendedEV"})
    assert last() is ConnectorStatus.SUSPENDED_EV
    await station.event("Updated", "tx", 2, "2026-11-23T10:01:00Z", info=CHARGING)
    assert last() is ConnectorStatus.SUSPENDED_EV, "an older state came late"
    await station.close()
    station = await hub.station2(is_booted=False)
    await station.connector(1, "Occupied", at="2026-11-23T10:06:00Z")
    assert last() is ConnectorStatus.SUSPENDED_EV, "the charge has gone on over the reconnect"
    await station.boot()
    await station.connector(1, "Available", at="2026-11-23T10:07:00Z")
    assert last() is ConnectorStatus.AVAILABLE, "nothing was heard of the charge since the boot"


async def test_upkeep(hub: Hub, version: str) -> None:
    station = await hub.station2(version=version)
    assert await station.call("FirmwareStatusNotification", {"status": "Installed", "requestId": 7}) == {}
    assert await station.call("LogStatusNotification", {"status": "AcceptedCanceled", "requestId": 8}) == {}
    event = {"type": "TamperDetectionActivated", "timestamp": AT, "techInfo": "door"}
    assert await station.call("SecurityEventNotification", event) == {}
    signing = {"csr": "PEM", "certificateType": "V2GCertificate"}
    assert await station.call("SignCertificate", signing) == {"status": "Rejected"}
    vendor = {"vendorId": "com.v", "messageId": "m", "data": {"open": [1, "a"]}}
    assert await station.call("DataTransfer", vendor) == {"status": "UnknownVendorId"}
    (firmware,) = hub.facts.of(FirmwareStatusReported)
    assert (firmware.status, firmware.request_id) == (FirmwareStatus.INSTALLED, 7)
    (log,) = hub.facts.of(LogStatusReported)
    assert (log.status, log.request_id) == (LogStatus.CANCELED, 8)
    (security,) = hub.facts.of(SecurityEventReported)
    assert (security.event, security.info) == ("TamperDetectionActivated", "door")
    (wanted,) = hub.facts.of(CertificateRequested)
    assert wanted.is_for_contracts
    (data,) = hub.facts.of(VendorDataReceived)
    assert json.loads(data.data) == {"open": [1, "a"]}


async def test_a_problem_is_a_fault(hub: Hub) -> None:
    station = await hub.station2()

    def event(variable: str, value: str, **more: Any) -> dict[str, Any]:
        component = {"name": "Connector", "evse": {"id": 2, "connectorId": 1}}
        return {
            "eventId": 1,
            "timestamp": AT,
            "trigger": "Delta",
            "actualValue": value,
            "eventNotificationType": "HardWiredNotification",
            "component": component,
            "variable": {"name": variable},
        } | more

    said = [event("Problem", "true", techCode="E7"), event("Temperature", "40"), event("Problem", "true", cleared=True)]
    assert await station.call("NotifyEvent", {"generatedAt": AT, "seqNo": 0, "eventData": said}) == {}
    (fault,) = hub.facts.of(StationFaultReported)
    assert (fault.connector_id, fault.error_code) == (2, "E7")
    (report,) = hub.facts.of(StationReported)
    assert len(json.loads(report.body)["eventData"]) == 3


@pytest.mark.parametrize(
    ("edition", "action"),
    [
        (edition, action)
        for edition in spoken.EDITIONS
        for action in sorted({**edition.reported, **edition.declined, "NotifyEvent": {}})
        if action != "NotifyPeriodicEventStream"
    ],
    ids=lambda value: value if isinstance(value, str) else value.subprotocol,
)
async def test_each_report_is_kept_and_answered_by_its_schema(hub: Hub, edition: Any, action: str) -> None:
    station = await hub.station2(version=edition.subprotocol)
    schema = edition.schemas.request(action)
    payload = sound(schema.definition, schema.definition)
    assert schema.is_strict(payload)
    answer = await station.call(action, payload)
    assert edition.schemas.response(action).is_strict(answer)
    (report,) = hub.facts.of(StationReported)
    assert report.kind == action
    if action in edition.declined:
        assert report.body == "", "that it was asked is told, not what it holds"
    else:
        assert json.loads(report.body) == payload


def test_every_message_of_stations_is_served() -> None:
    older, newer = (set(edition.reported) | set(edition.declined) for edition in spoken.EDITIONS)
    assert len(older) == 25 - 12, "the other twelve have handlers of their own"
    assert newer - older == {
        "BatterySwap",
        "ClosePeriodicEventStream",
        "GetCertificateChainStatus",
        "NotifyDERAlarm",
        "NotifyDERStartStop",
        "NotifyPeriodicEventStream",
        "NotifyPriorityCharging",
        "NotifySettlement",
        "OpenPeriodicEventStream",
        "ReportDERControl",
        "VatNumberValidation",
    }


async def test_what_is_sent_without_waiting(hub: Hub) -> None:
    stream = {"id": 1, "pending": 0, "basetime": AT, "data": [{"t": 0, "v": "1"}]}
    newer = await hub.station2("NEW", version="ocpp2.1")
    await newer.socket.send(json.dumps([6, "s1", "NotifyPeriodicEventStream", stream]), text=True)
    older = await hub.station2("OLD")
    await older.socket.send(json.dumps([6, "s1", "NotifyPeriodicEventStream", stream]), text=True)
    for station in (newer, older):
        await station.call("Heartbeat", {})
        assert [frame for frame in station.frames if frame[1] == "s1"] == []
    (report,) = hub.facts.of(StationReported)
    assert (report.station_id, report.kind) == ("NEW", "NotifyPeriodicEventStream")
    assert hub.inside("OLD").deviations["message type of another version"] == 1


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('[2,"x","NoSuchThing",{}]', "NotImplemented"),
        ('[2,"x","StartTransaction",{}]', "NotImplemented"),
        ('[2,"x","RequestStartTransaction",{}]', "NotSupported"),
        ('[2,"x",7,{}]', "RpcFrameworkError"),
        ('[2,"x","Heartbeat",{]', "RpcFrameworkError"),
        ('[2,"x","SecurityEventNotification",{"type":{},"timestamp":"2026-11-23T10:00:00Z"}]', "TypeConstraint"),
        ('[2,"x","SecurityEventNotification",{}]', "Occur"),
    ],
)
async def test_refusals_have_the_codes_of_the_version(hub: Hub, version: str, text: str, code: str) -> None:
    station = await hub.station2(version=version)
    kind, _, found, *_ = await station.say(text, id="x")
    assert kind == 4
    assert found.startswith(code)


async def test_a_held_station_is_asked_to_boot_again_in_its_version(hub: Hub) -> None:
    station = await RawStation2.dial(hub.url, "CS-2", password=PASSWORD, subprotocols=("ocpp2.0.1",))
    station.commands["TriggerMessage"] = lambda _: {"status": "Accepted"}
    assert (await station.boot())["status"] == "Pending"
    hub.fakes.accounts.change("CS-2", password=PASSWORD)
    await _until_asked(station, "BootNotification")
    await station.close()


async def _until_asked(station: RawStation, message: str) -> None:
    await until(lambda: ("TriggerMessage", {"requestedMessage": message}) in station.got)


async def test_what_cannot_be_repeated_in_an_answer_is_refused(hub: Hub) -> None:
    station = await hub.station2(version="ocpp2.1")
    kind, _, code, *_ = await station.exchange("VatNumberValidation", {"vatNumber": "9" * 40})
    assert (kind, code) == (4, "PropertyConstraintViolation")


async def test_integers_of_any_length_are_kept(hub: Hub, version: str) -> None:
    station = await hub.station2(version=version)
    await station.call("ClearedChargingLimit", {"chargingLimitSource": "EMS", "evseId": "100000000000000000000"})
    (report,) = hub.facts.of(StationReported)
    assert json.loads(report.body)["evseId"] == 10**20
