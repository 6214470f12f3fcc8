"""Transactions of 2.x stations: whatever the order in which their events come, one start, one end, one energy."""

import itertools
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from adapters.kit.manifest import Authorization
from contracts.messages import (
    CommandRequested,
    ConnectorStatusChanged,
    MeterValuesTaken,
    SignedReading,
    StationMessageRejected,
    StationReported,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
)
from contracts.vocabulary import (
    AuthorizationBasis,
    AuthorizationStatus,
    CommandName,
    CommandOutcome,
    ConnectorStatus,
    ReadingContext,
    StopReason,
)
from tests.adapters.ocpp.conftest import Hub
from tests.kit.raw_station import CallFailed, RawStation2

pytestmark = pytest.mark.ocpp_exchange

T0, T1, T2, T3, T4 = (f"2026-11-23T10:0{minute}:00Z" for minute in range(5))
EVSE = {"id": 1, "connectorId": 1}
ACCEPTED = {"idTokenInfo": {"status": "Accepted"}}


@pytest.fixture(params=["ocpp2.0.1", "ocpp2.1"])
def version(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def test_a_whole_charge(hub: Hub, version: str) -> None:
    station = await hub.station2(version=version)
    await station.connector(1, "Occupied", at=T0)
    assert await station.event("Started", "tx-1", 0, T0, tag="TAG", evse=EVSE, wh=100, reason="Authorized") == ACCEPTED
    await station.event("Updated", "tx-1", 1, T1, info={"chargingState": "Charging"}, reason="ChargingStateChanged")
    await station.event("Updated", "tx-1", 2, T2, wh=2600)
    ended = await station.event(
        "Ended", "tx-1", 3, T3, wh=5100, tag="tag", info={"stoppedReason": "EVDisconnected"}, reason="EVDeparted"
    )
    assert ended == ACCEPTED
    await station.connector(1, "Available", at=T4)
    (started,) = hub.facts.of(TransactionStarted)
    assert (started.transaction_id, started.connector_id, started.token_uid) == ("tx-1", 1, "TAG")
    assert (started.register_wh, started.started_at) == (Decimal(100), at(T0))
    assert started.authorization is AuthorizationStatus.ACCEPTED
    (end,) = hub.facts.of(TransactionEnded)
    assert (end.register_start_wh, end.register_wh, end.ended_at) == (Decimal(100), Decimal(5100), at(T3))
    assert (end.reason, end.reason_text, end.token_uid) == (StopReason.CAR_GONE, "EVDisconnected", "tag")
    assert [update.state for update in hub.facts.of(TransactionUpdated)] == [ConnectorStatus.CHARGING]
    assert [change.status for change in hub.facts.of(ConnectorStatusChanged)] == [
        ConnectorStatus.PREPARING,
        ConnectorStatus.CHARGING,
        ConnectorStatus.FINISHING,
        ConnectorStatus.AVAILABLE,
    ]
    values = [(taken.transaction_id, taken.samples[0].values[0].value) for taken in hub.facts.of(MeterValuesTaken)]
    assert values == [("tx-1", 100), ("tx-1", 2600), ("tx-1", 5100)]
    stories = {fact.correlation_id for fact in hub.facts.facts if isinstance(fact.message, TransactionStarted)}
    stories |= {fact.correlation_id for fact in hub.facts.facts if isinstance(fact.message, TransactionEnded)}
    assert len(stories) == 1
    assert not any("strict" in name or "mended" in name for name in hub.inside("CS-2").deviations)


EVENTS: tuple[tuple[str, int, str, dict[str, Any]], ...] = (
    ("Started", 0, T0, {"evse": EVSE, "wh": 100, "reason": "CablePluggedIn"}),
    ("Updated", 1, T1, {"tag": "TAG", "reason": "Authorized"}),
    ("Updated", 2, T2, {"wh": 2100}),
    ("Ended", 3, T3, {"wh": 4100, "info": {"stoppedReason": "Local"}, "reason": "StopAuthorized", "tag": "OTHER"}),
)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))), ids=lambda order: "".join(map(str, order)))
async def test_events_in_any_order_make_the_same_charge(hub: Hub, order: tuple[int, ...]) -> None:
    station = await hub.station2()
    for index in order:
        kind, number, moment, fields = EVENTS[index]
        await station.event(kind, "tx", number, moment, **dict(fields))
    await tell_held_back(hub)
    (started,) = hub.facts.of(TransactionStarted)
    assert (started.token_uid, started.register_wh, started.started_at) == ("TAG", Decimal(100), at(T1))
    assert started.connector_id == 1
    (ended,) = hub.facts.of(TransactionEnded)
    assert (ended.register_wh, ended.ended_at, ended.token_uid) == (Decimal(4100), at(T3), "OTHER")


async def tell_held_back(hub: Hub) -> None:
    """What the adapter does by itself a minute after the end."""
    answer = hub.running.gateway.versions["ocpp2.0.1"].answer
    await answer.charging.tell_untold(datetime.now(UTC) + timedelta(minutes=5))  # type: ignore[attr-defined]


async def test_repeats_make_no_second_fact(hub: Hub) -> None:
    station = await hub.station2()
    for _ in range(2):
        for kind, number, moment, fields in EVENTS:
            await station.event(kind, "tx", number, moment, **dict(fields))
    assert len(hub.facts.of(TransactionStarted)) == len(hub.facts.of(TransactionEnded)) == 1
    assert len(hub.facts.of(MeterValuesTaken)) == 3
    assert len(hub.fakes.authorizer.asked) == 1
    assert hub.inside("CS-2").deviations["repeated or late event"] == 4
    await station.event("Updated", "tx", 2, T2, wh=2200)
    assert len(hub.facts.of(MeterValuesTaken)) == 4, "a station that counts badly loses nothing"


async def test_what_it_remembers_outlives_the_process_and_the_socket(hub: Hub) -> None:
    station = await hub.station2()
    await station.event("Started", "tx", 0, T0, evse=EVSE, wh=100)
    await hub.start()
    station = await hub.station2()
    await station.event("Updated", "tx", 1, T1, tag="TAG", reason="Authorized")
    (started,) = hub.facts.of(TransactionStarted)
    assert (started.connector_id, started.register_wh) == (1, 100)


async def test_a_start_that_never_came_is_told_with_what_is_known(hub: Hub) -> None:
    station = await hub.station2()
    await station.event("Updated", "tx", 4, T1, tag="TAG", evse=EVSE, wh=1000)
    assert hub.facts.of(TransactionStarted) == [], "its Started may still come"
    assert hub.inside("CS-2").deviations["events missing"] == 1
    await station.event("Ended", "tx", 5, T2, wh=3000)
    assert hub.facts.of(TransactionStarted) == []
    await tell_held_back(hub)
    (started,) = hub.facts.of(TransactionStarted)
    assert (started.register_wh, started.started_at, started.token_uid) == (1000, at(T1), "TAG")
    await tell_held_back(hub)
    assert len(hub.facts.of(TransactionStarted)) == 1


async def test_nobody_pays_for_what_flowed_before_the_card(hub: Hub) -> None:
    station = await hub.station2()
    await station.event("Started", "tx", 0, T0, evse=EVSE, wh=100, info={"chargingState": "EVConnected"})
    await station.event("Updated", "tx", 1, T1, wh=300)
    await station.event("Updated", "tx", 2, T2, tag="TAG", reason="Authorized")
    (started,) = hub.facts.of(TransactionStarted)
    assert (started.register_wh, started.started_at) == (300, at(T2))


async def test_a_second_card_may_do_what_the_first_may_not(hub: Hub) -> None:
    hub.fakes.authorizer.answers["BAD"] = Authorization(
        status=AuthorizationStatus.NO_CREDIT, basis=AuthorizationBasis.REAL_TIME, token_uid="BAD"
    )
    station = await hub.station2()
    refused = await station.event("Started", "tx", 0, T0, evse=EVSE, wh=100, tag="BAD")
    assert refused == {"idTokenInfo": {"status": "NoCredit"}}
    assert hub.facts.of(TransactionStarted) == []
    assert await station.event("Updated", "tx", 1, T1, tag="GOOD") == ACCEPTED
    (started,) = hub.facts.of(TransactionStarted)
    assert started.token_uid == "GOOD"


async def test_a_charge_without_a_good_card_is_told_with_its_end(hub: Hub) -> None:
    hub.fakes.authorizer.status = AuthorizationStatus.BLOCKED
    station = await hub.station2()
    await station.event("Started", "tx", 0, T0, evse=EVSE, wh=100, tag="BAD")
    await station.event("Ended", "tx", 1, T1, wh=100, info={"stoppedReason": "DeAuthorized"})
    await tell_held_back(hub)
    (started,) = hub.facts.of(TransactionStarted)
    assert (started.authorization, started.token_uid) == (AuthorizationStatus.BLOCKED, "BAD")
    assert started.token_owner is None
    assert hub.facts.of(TransactionEnded)[0].reason is StopReason.NOT_ALLOWED


async def test_the_answer_to_authorize_is_kept_for_the_start(hub: Hub) -> None:
    hub.fakes.authorizer.answers["04A2B3C4"] = Authorization(
        status=AuthorizationStatus.ACCEPTED,
        basis=AuthorizationBasis.REAL_TIME,
        token_uid="04A2B3C4",
        authorization_reference="REF",
        group_id="G 1",
    )
    station = await hub.station2()
    answer = await station.call("Authorize", {"idToken": {"idToken": "04:A2:B3:C4", "type": "ISO14443"}})
    group = answer["idTokenInfo"]["groupIdToken"]
    assert (answer["idTokenInfo"]["status"], group["type"], len(group["idToken"])) == ("Accepted", "Central", 20)
    await station.event("Started", "tx", 0, T0, evse=EVSE, wh=100, tag="04A2B3C4")
    (started,) = hub.facts.of(TransactionStarted)
    assert (started.authorization_reference, started.authorization_basis) == ("REF", AuthorizationBasis.REAL_TIME)
    assert len(hub.fakes.authorizer.asked) == 1


@pytest.mark.parametrize("version", ["ocpp2.0.1", "ocpp2.1"])
async def test_no_token_is_nobody(hub: Hub, version: str) -> None:
    station = await hub.station2(version=version)
    free = {"idToken": "", "type": "NoAuthorization"}
    assert (await station.call("Authorize", {"idToken": free}))["idTokenInfo"]["status"] == "Unknown"
    await station.event("Started", "tx", 0, T0, evse=EVSE, wh=100, idToken=free)
    assert hub.facts.of(TransactionStarted) == []
    assert hub.fakes.authorizer.asked == []
    card = {"idToken": "04A2B3C4", "type": "ISO14443"}
    assert (await station.call("Authorize", {"idToken": card}))["idTokenInfo"]["status"] == "Accepted"


async def test_signed_values_are_kept_byte_for_byte(hub: Hub, version: str) -> None:
    data = 'OCMF|{"FV":"1.0","RD":[{"TM":"2026-11-23T10:00:00,000+0000 S","RV":100.000}]}|{"SD":"30\u00e9"}'
    data += "A" * 3000
    station = await hub.station2(version=version)
    signed = {"signedMeterData": data, "encodingMethod": "OCMF", "signingMethod": "ECDSA", "publicKey": "MFkw"}
    sampled = [{"value": 100.0, "context": "Transaction.Begin", "signedMeterValue": signed}]
    await station.event("Started", "tx", 0, T0, evse=EVSE, meterValue=[{"timestamp": T0, "sampledValue": sampled}])
    (taken,) = hub.facts.of(MeterValuesTaken)
    (sample,) = taken.samples
    assert sample.context is ReadingContext.BEGIN
    assert sample.signed == (
        SignedReading(data=data, encoding_method="OCMF", public_key="MFkw", signing_method="ECDSA"),
    )
    bare = [{"value": 1, "signedMeterValue": {"signedMeterData": data}}]
    await station.event("Updated", "tx", 1, T1, meterValue=[{"timestamp": T1, "sampledValue": bare}])
    assert hub.facts.of(MeterValuesTaken)[1].samples[0].signed[0].data == data


async def test_the_place_may_come_later_and_without_connector(hub: Hub) -> None:
    station = await hub.station2()
    await station.connector(2, "Available", connector=1, at=T0)
    await station.connector(2, "Occupied", connector=2, at=T0)
    await station.event("Started", "tx", 0, T0, tag="TAG", wh=100)
    assert hub.facts.of(TransactionStarted) == []
    await station.event("Updated", "tx", 1, T1, evse={"id": 2}, info={"chargingState": "Charging"})
    (started,) = hub.facts.of(TransactionStarted)
    assert started.connector_id == 202
    assert hub.facts.of(ConnectorStatusChanged)[-1].connector_id == 202


async def test_another_stations_transaction_is_left_alone(hub: Hub) -> None:
    victim, thief = await hub.station2("VICTIM"), await hub.station2("THIEF")
    await victim.event("Started", "tx", 0, T0, evse=EVSE, tag="TAG", wh=100)
    await thief.event("Ended", "tx", 1, T1, wh=200)
    assert [ended.station_id for ended in hub.facts.of(TransactionEnded)] == ["THIEF"]
    await victim.event("Ended", "tx", 2, T2, wh=700)
    assert hub.facts.of(TransactionEnded, "VICTIM")[0].register_start_wh == 100


async def test_a_stranger_charges_nothing(hub: Hub) -> None:
    station = await RawStation2.dial(hub.url, "STRANGER", subprotocols=("ocpp2.0.1",))
    assert (await station.boot())["status"] == "Pending"
    answer = await station.event("Started", "tx", 0, T0, evse=EVSE, tag="TAG", wh=100)
    assert answer == {"idTokenInfo": {"status": "Unknown"}}
    assert hub.facts.of(TransactionStarted) == hub.facts.of(MeterValuesTaken) == []
    await station.close()


@pytest.mark.parametrize("version", ["ocpp2.0.1", "ocpp2.1"])
async def test_meter_values_of_no_transaction(hub: Hub, version: str) -> None:
    station = await hub.station2(version=version)
    sampled = [
        {"value": 1.25, "unitOfMeasure": {"unit": "kWh"}, "context": "Sample.Clock"},
        {"value": 12, "measurand": "Power.Active.Import", "unitOfMeasure": {"unit": "W", "multiplier": 3}},
    ]
    said = {"evseId": 1, "meterValue": [{"timestamp": T0, "sampledValue": sampled}]}
    for _ in range(2):
        assert await station.call("MeterValues", said) == {}
    (taken,) = hub.facts.of(MeterValuesTaken)
    assert (taken.connector_id, taken.transaction_id) == (1, None)
    assert [value.value for sample in taken.samples for value in sample.values] == [1250, 12000]


@pytest.mark.parametrize(
    "broken",
    [
        {"seqNo": "7"},
        {"timestamp": None},
        {"triggerReason": "Whim"},
        {"evse": [{"id": "1"}]},
        {"meterValue": {"timestamp": T0, "sampledValue": [{"value": "100.5"}, {"value": ""}]}},
        {"vendorExtra": {"a": 1}},
        {"transactionInfo": {"transactionId": 77, "chargingState": "charging"}},
        {"idToken": {"idToken": "TAG", "type": "Card"}},
    ],
)
async def test_what_strays_is_mended_and_counted(hub: Hub, broken: dict[str, Any]) -> None:
    station = await hub.station2()
    await station.event("Started", "77", 0, T0, **({"evse": EVSE, "tag": "TAG", "wh": 100} | broken))
    assert hub.inside("CS-2").deviations["not strict"] == 1
    await station.event("Ended", "77", 8, T1, wh=200)
    (started,) = hub.facts.of(TransactionStarted)
    assert started.transaction_id == "77"


@pytest.mark.parametrize("payload", [{}, {"eventType": "Ended"}, {"eventType": "Ended", "transactionInfo": {}}, 7])
async def test_what_nobody_can_read_is_answered_and_told(hub: Hub, payload: Any) -> None:
    station = await hub.station2()
    assert await station.call("TransactionEvent", payload) == {}
    (rejected,) = hub.facts.of(StationMessageRejected)
    assert rejected.kind == "TransactionEvent"
    with pytest.raises(CallFailed, match="OccurenceConstraintViolation"):
        await station.call("Authorize", {})


async def test_an_id_that_is_used_again_is_another_charge(hub: Hub) -> None:
    station = await hub.station2()
    for begun, ended, wh in ((T0, T1, 100), (T2, T3, 900)):
        await station.event("Started", "1", 0, begun, evse=EVSE, tag="TAG", wh=wh)
        await station.event("Ended", "1", 1, ended, wh=wh + 500)
    started, ended = hub.facts.of(TransactionStarted), hub.facts.of(TransactionEnded)
    assert [(fact.transaction_id, fact.register_wh) for fact in started] == [("1", 100), ("1~1", 900)]
    assert [(fact.transaction_id, fact.register_wh) for fact in ended] == [("1", 600), ("1~1", 1400)]
    await station.event("Started", "1", 0, T4, evse=EVSE, tag="TAG", wh=1400)
    station.commands["RequestStopTransaction"] = lambda _: {"status": "Accepted"}
    stop = CommandRequested(
        command_id="c",
        instance="test-1",
        epoch=1,
        network="demo",
        station_id="CS-2",
        name=CommandName.STOP_CHARGING,
        deadline=datetime.now(UTC) + timedelta(seconds=20),
        transaction_id="1~2",
    )
    assert (await hub.fakes.commands.send(stop)).outcome is CommandOutcome.ACCEPTED
    assert station.got == [("RequestStopTransaction", {"transactionId": "1"})]


async def test_an_end_that_comes_late_frees_the_connector(hub: Hub) -> None:
    """The station was offline; it tells how its connectors are before what it had queued."""
    station = await hub.station2()
    await station.event("Started", "tx", 0, T0, evse=EVSE, tag="TAG", wh=100, info={"chargingState": "Charging"})
    await station.close()
    station = await hub.station2(is_booted=False)
    await station.connector(1, "Available", at=T4)
    assert hub.facts.of(ConnectorStatusChanged)[-1].status is ConnectorStatus.CHARGING
    await station.event("Ended", "tx", 1, T2, wh=200, offline=True)
    last = [fact for fact in hub.facts.facts if isinstance(fact.message, ConnectorStatusChanged)][-1]
    assert (last.message.status, last.occurred_at) == (ConnectorStatus.AVAILABLE, at(T4))
    await station.event("Started", "tx-2", 0, T4, evse=EVSE, tag="TAG", wh=200, info={"chargingState": "Charging"})
    await station.event("Ended", "tx-0", 9, T1, evse=EVSE, wh=50, offline=True)
    assert hub.facts.of(ConnectorStatusChanged)[-1].status is ConnectorStatus.CHARGING, "another charge runs there"


async def test_a_state_is_told_when_it_changes_or_may_have_changed(hub: Hub) -> None:
    station = await hub.station2()
    charging, suspended = {"chargingState": "Charging"}, {"chargingState": "SuspendedEVSE"}
    await station.event("Started", "tx", 0, T0, evse=EVSE, tag="TAG", wh=100, info=charging)
    await station.event("Updated", "tx", 1, T1, wh=200, info=charging)
    await station.event("Updated", "tx", 3, T3, wh=400, info=charging)
    await station.event("Updated", "tx", 2, T2, wh=300, info=suspended)
    told = [(update.at, update.state) for update in hub.facts.of(TransactionUpdated)]
    assert told == [
        (at(T0), ConnectorStatus.CHARGING),
        (at(T3), ConnectorStatus.CHARGING),
        (at(T2), ConnectorStatus.SUSPENDED_EVSE),
    ]


async def test_transactions_without_end_are_bounded(hub: Hub) -> None:
    station = await hub.station2()
    for number in range(70):
        moment = f"2026-11-23T{10 + number // 60}:{number % 60:02}:00Z"
        await station.event("Started", f"tx-{number}", 0, moment, evse=EVSE, tag="TAG", wh=number)
    await station.event("Ended", "tx-0", 1, "2026-11-23T12:00:00Z", wh=5)
    (ended,) = hub.facts.of(TransactionEnded)
    assert (ended.transaction_id, ended.register_start_wh) == ("tx-0", 0), "its end is still its end"
    await tell_held_back(hub)
    assert len(hub.facts.of(TransactionStarted)) == 70


async def test_what_2_1_tells_beside_is_kept_as_evidence(hub: Hub) -> None:
    station = await hub.station2(version="ocpp2.1")
    cost = {
        "totalCost": {"currency": "EUR", "typeOfCost": "NormalCost", "total": {"exclTax": 1.5}},
        "totalUsage": {"energy": 5, "chargingTime": 60, "idleTime": 0},
    }
    info = {"tariffId": "T", "transactionLimit": {"maxCost": 20}}
    await station.event("Started", "tx", 0, T0, evse=EVSE, tag="TAG", wh=100, info=info)
    for _ in range(2):
        await station.event("Ended", "tx", 1, T1, wh=200, costDetails=cost)
    assert [(told.kind, told.transaction_id, json.loads(told.body)) for told in hub.facts.of(StationReported)] == [
        ("TransactionEvent", "tx", info),
        ("TransactionEvent", "tx", {"costDetails": cost}),
    ]
    assert hub.inside("CS-2").deviations["not strict"] == 0


async def test_the_first_good_card_is_the_drivers(hub: Hub) -> None:
    station = await hub.station2()
    await station.event("Updated", "tx", 1, T1, tag="FIRST", evse=EVSE)
    assert await station.event("Updated", "tx", 2, T2, tag="SECOND") == ACCEPTED
    await station.event("Started", "tx", 0, T0, wh=100)
    (started,) = hub.facts.of(TransactionStarted)
    assert (started.token_uid, started.started_at) == ("FIRST", at(T1))


async def test_integers_may_be_written_as_floats(hub: Hub) -> None:
    """To JSON Schema they are integers."""
    station = await hub.station2()
    reading = {"value": 2, "unitOfMeasure": {"unit": "Wh", "multiplier": 3.0}}
    await station.event(
        "Started",
        "tx",
        0.0,  # type: ignore[arg-type]
        T0,
        evse={"id": 1.0, "connectorId": 2.0},
        tag="TAG",
        reservationId=7.0,
        info={"remoteStartId": 1e300},
        meterValue=[{"timestamp": T0, "sampledValue": [reading]}],
    )
    await station.event("Ended", "tx", 1.0, T1, wh=2500)  # type: ignore[arg-type]
    (started,) = hub.facts.of(TransactionStarted)
    assert (started.connector_id, started.register_wh) == (102, 2000)
    assert hub.facts.of(TransactionEnded)[0].register_wh == 2500
    assert await station.call("FirmwareStatusNotification", {"status": "Idle", "requestId": 7.0}) == {}
    assert hub.facts.of(StationMessageRejected) == []
