"""Commands to 2.x stations, over a real socket: what is sent, and what is made of the answers."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from adapters.kit.manifest import Authorization
from adapters.ocpp.v201.calls import profile_id
from contracts.messages import ChargingLimit, ChargingSchedule, CommandRequested, TokenOwner, TransactionStarted
from contracts.vocabulary import AuthorizationBasis, AuthorizationStatus, ChargingRateUnit, CommandName, CommandOutcome
from tests.adapters.ocpp.conftest import Hub
from tests.kit.raw_station import RawStation2

pytestmark = pytest.mark.ocpp_exchange

LONG = "550e8400-e29b-41d4-a716-446655440000/0"
T0, T1, T2 = (f"2026-11-23T10:0{minute}:00Z" for minute in range(3))
EVSE = {"id": 2, "connectorId": 1}
EMSP = TokenOwner(country_code="NL", party_id="TNM", token_type="RFID")


def command(name: CommandName, **fields: Any) -> CommandRequested:
    usual: dict[str, Any] = {
        "command_id": "c-1",
        "instance": "test-1",
        "epoch": 1,
        "network": "demo",
        "station_id": "CS-2",
        "name": name,
        "deadline": datetime.now(UTC) + timedelta(seconds=20),
    }
    return CommandRequested(**(usual | fields))


START = command(
    CommandName.START_CHARGING,
    token_uid="TAG",
    connector_id=302,
    authorization_reference="REF",
    group_id="FLEET",
    token_owner=EMSP,
)
COMMANDS = {
    "RequestStartTransaction": START,
    "RequestStopTransaction": command(CommandName.STOP_CHARGING, transaction_id="tx"),
    "UnlockConnector": command(CommandName.UNLOCK_CONNECTOR, connector_id=302),
    "ReserveNow": command(
        CommandName.RESERVE,
        connector_id=2,
        token_uid=LONG,
        token_owner=EMSP,
        reservation_id="R-1",
        reservation_expires_at=datetime(2026, 11, 24, tzinfo=UTC),
    ),
    "CancelReservation": command(CommandName.CANCEL_RESERVATION, reservation_id="R-1"),
    "SetChargingProfile": command(
        CommandName.SET_CHARGING_PROFILE,
        transaction_id="tx",
        schedule=ChargingSchedule(
            unit=ChargingRateUnit.A,
            limits=(ChargingLimit(starts_after=0, limit=Decimal("16.19")),),
            duration=600,
        ),
    ),
    "ClearChargingProfile": command(CommandName.CLEAR_CHARGING_PROFILE, transaction_id="tx"),
    "GetCompositeSchedule": command(
        CommandName.GET_COMPOSITE_SCHEDULE,
        transaction_id="tx",
        schedule_duration=300,
        schedule_unit=ChargingRateUnit.W,
    ),
}
PERIODS = [{"startPeriod": 0, "limit": 11000.5}]
SCHEDULE = {
    "evseId": 2,
    "duration": 300,
    "scheduleStart": T0,
    "chargingRateUnit": "W",
    "chargingSchedulePeriod": PERIODS,
}


async def charging(hub: Hub, version: str = "ocpp2.0.1") -> RawStation2:
    """A station with a transaction."""
    station = await hub.station2(version=version)
    await station.event("Started", "tx", 0, T0, evse=EVSE, tag="OTHER", wh=100)
    return station


@pytest.mark.parametrize("version", ["ocpp2.0.1", "ocpp2.1"])
async def test_what_is_sent(hub: Hub, version: str) -> None:
    station = await charging(hub, version)
    for action in COMMANDS:
        station.commands[action] = lambda _: {"status": "Accepted", "schedule": SCHEDULE}
    station.commands["UnlockConnector"] = lambda _: {"status": "Unlocked"}
    outcomes = {action: (await hub.fakes.commands.send(asked)).outcome for action, asked in COMMANDS.items()}
    assert set(outcomes.values()) == {CommandOutcome.ACCEPTED}
    sent = dict(station.got)
    start = sent["RequestStartTransaction"]
    assert start.pop("remoteStartId") > 0
    assert start == {
        "idToken": {"idToken": "TAG", "type": "ISO14443"},
        "groupIdToken": {"idToken": "FLEET", "type": "Central"},
        "evseId": 3,
    }
    assert sent["RequestStopTransaction"] == {"transactionId": "tx"}
    assert sent["UnlockConnector"] == {"evseId": 3, "connectorId": 2}
    reserved = sent["ReserveNow"]
    assert (reserved["evseId"], reserved["expiryDateTime"]) == (2, "2026-11-24T00:00:00.000Z")
    assert reserved["idToken"]["type"] == "Central", "an alias is no card"
    assert len(reserved["idToken"]["idToken"]) == 20
    assert sent["CancelReservation"] == {"reservationId": reserved["id"]}
    profile = sent["SetChargingProfile"]["chargingProfile"]
    assert sent["SetChargingProfile"]["evseId"] == 2
    assert (profile["id"], profile["transactionId"]) == (profile_id("tx"), "tx")
    assert profile["chargingSchedule"][0]["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 16.1}]
    assert sent["ClearChargingProfile"] == {"chargingProfileId": profile_id("tx")}
    assert sent["GetCompositeSchedule"] == {"evseId": 2, "duration": 300, "chargingRateUnit": "W"}


async def test_the_schedule_that_is_told(hub: Hub) -> None:
    station = await charging(hub, "ocpp2.1")
    station.commands["GetCompositeSchedule"] = lambda _: {"status": "Accepted", "schedule": SCHEDULE}
    result = await hub.fakes.commands.send(COMMANDS["GetCompositeSchedule"])
    assert result.schedule is not None
    assert result.schedule.limits == (ChargingLimit(starts_after=0, limit=Decimal("11000.5")),)
    assert result.schedule.starts_at == datetime.fromisoformat(T0)
    without = SCHEDULE | {"chargingSchedulePeriod": [{"startPeriod": 0, "setpoint": 1}]}
    station.commands["GetCompositeSchedule"] = lambda _: {"status": "Accepted", "schedule": without}
    assert (await hub.fakes.commands.send(COMMANDS["GetCompositeSchedule"])).outcome is CommandOutcome.FAILED


@pytest.mark.parametrize(
    ("action", "answer", "outcome"),
    [
        ("RequestStartTransaction", {"status": "Rejected"}, CommandOutcome.REJECTED),
        ("RequestStartTransaction", {"status": "accepted", "extra": 1}, CommandOutcome.ACCEPTED),
        ("RequestStartTransaction", {"status": "Perhaps"}, CommandOutcome.FAILED),
        ("RequestStartTransaction", {}, CommandOutcome.FAILED),
        ("RequestStopTransaction", {"status": "Rejected"}, CommandOutcome.UNKNOWN_TRANSACTION),
        ("UnlockConnector", {"status": "OngoingAuthorizedTransaction"}, CommandOutcome.REJECTED),
        ("UnlockConnector", {"status": "UnlockFailed"}, CommandOutcome.FAILED),
        ("ReserveNow", {"status": "Occupied"}, CommandOutcome.OCCUPIED),
        ("ReserveNow", {"status": "Faulted"}, CommandOutcome.INOPERATIVE),
        ("CancelReservation", {"status": "Rejected"}, CommandOutcome.UNKNOWN_RESERVATION),
    ],
)
async def test_answers(hub: Hub, action: str, answer: dict[str, Any], outcome: CommandOutcome) -> None:
    station = await hub.station2()
    station.commands[action] = lambda _: answer
    assert (await hub.fakes.commands.send(COMMANDS[action])).outcome is outcome


async def test_what_cannot_be_asked(hub: Hub) -> None:
    offline = await hub.fakes.commands.send(COMMANDS["UnlockConnector"])
    assert offline.outcome is CommandOutcome.OFFLINE
    station = await hub.station2()
    assert (await hub.fakes.commands.send(COMMANDS["UnlockConnector"])).outcome is CommandOutcome.NOT_SUPPORTED
    for action in ("SetChargingProfile", "ClearChargingProfile", "GetCompositeSchedule"):
        assert (await hub.fakes.commands.send(COMMANDS[action])).outcome is CommandOutcome.UNKNOWN_TRANSACTION
    await station.connector(3, "Faulted", connector=2)
    assert (await hub.fakes.commands.send(START)).outcome is CommandOutcome.INOPERATIVE
    info = {"status": "Rejected", "statusInfo": {"reasonCode": "InvalidId", "additionalInfo": "no such"}}
    station.commands["CancelReservation"] = lambda _: info
    refused = await hub.fakes.commands.send(COMMANDS["CancelReservation"])
    assert refused.detail == "Rejected: InvalidId: no such"


async def test_a_remote_start_is_found_by_its_number(hub: Hub) -> None:
    """Two starts of one token wait: the number says which one it was."""
    station = await hub.station2()
    numbers = []
    station.commands["RequestStartTransaction"] = lambda asked: (
        numbers.append(asked["remoteStartId"]) or {"status": "Accepted"}
    )
    first = msgspec.structs.replace(START, connector_id=None)
    second = msgspec.structs.replace(first, command_id="c-2", authorization_reference="REF-2")
    for asked in (first, second):
        assert (await hub.fakes.commands.send(asked)).outcome is CommandOutcome.ACCEPTED
    answer = await station.event(
        "Started", "tx", 0, T0, evse=EVSE, tag="TAG", wh=1, info={"remoteStartId": numbers[1]}, reason="RemoteStart"
    )
    assert answer["idTokenInfo"]["status"] == "Accepted"
    (started,) = hub.facts.of(TransactionStarted)
    assert (started.command_id, started.authorization_reference) == ("c-2", "REF-2")
    assert (started.authorization_basis, started.token_owner) == (AuthorizationBasis.COMMAND, EMSP)
    assert hub.fakes.authorizer.used_up == [("CS-2", "c-2")]
    assert hub.fakes.authorizer.asked == []


async def test_a_car_that_waits_is_started_remotely(hub: Hub) -> None:
    """Plugged in first: the transaction is there, the start comes to it."""
    station = await hub.station2()
    await station.event("Started", "tx", 0, T0, evse=EVSE, wh=100, info={"chargingState": "EVConnected"})
    numbers = []
    station.commands["RequestStartTransaction"] = lambda asked: (
        numbers.append(asked["remoteStartId"]) or {"status": "Accepted", "transactionId": "tx"}
    )
    asked = msgspec.structs.replace(START, connector_id=2, token_uid=LONG)
    assert (await hub.fakes.commands.send(asked)).outcome is CommandOutcome.ACCEPTED
    alias = dict(station.got)["RequestStartTransaction"]["idToken"]["idToken"]
    await station.event("Updated", "tx", 1, T1, tag=alias, info={"remoteStartId": numbers[0]}, reason="RemoteStart")
    (started,) = hub.facts.of(TransactionStarted)
    assert (started.token_uid, started.command_id, started.register_wh) == (LONG, "c-1", 100)
    await station.event("Updated", "tx", 2, T2, info={"chargingState": "Charging"})
    assert (await hub.fakes.commands.send(asked)).outcome is CommandOutcome.OCCUPIED


async def test_the_card_of_a_remote_start_is_asked_about_first(hub: Hub) -> None:
    """AuthorizeRemoteStart: the station sends an Authorize for the token it was given."""
    station = await hub.station2()
    station.commands["RequestStartTransaction"] = lambda _: {"status": "Accepted"}
    await hub.fakes.commands.send(msgspec.structs.replace(START, connector_id=2))
    answer = await station.call("Authorize", {"idToken": {"idToken": "TAG", "type": "ISO14443"}})
    assert answer["idTokenInfo"]["status"] == "Accepted"
    assert hub.fakes.authorizer.asked == []
    await station.event("Started", "tx", 0, T0, evse=EVSE, tag="TAG", wh=1)
    assert hub.facts.of(TransactionStarted)[0].command_id == "c-1"
    await station.event("Ended", "tx", 1, T1, wh=2)
    hub.fakes.authorizer.answers["TAG"] = Authorization(
        status=AuthorizationStatus.BLOCKED, basis=AuthorizationBasis.REAL_TIME, token_uid="TAG"
    )
    again = await station.event("Started", "tx-2", 0, T2, evse=EVSE, tag="TAG", wh=2)
    assert again["idTokenInfo"]["status"] == "Blocked", "a command starts one charge"


async def test_the_reservation_is_that_of_the_service(hub: Hub) -> None:
    station = await hub.station2()
    station.commands["ReserveNow"] = lambda _: {"status": "Accepted"}
    await hub.fakes.commands.send(COMMANDS["ReserveNow"])
    number = dict(station.got)["ReserveNow"]["id"]
    await station.event("Started", "tx", 0, T0, evse=EVSE, tag="TAG", wh=1, reservationId=number)
    assert hub.facts.of(TransactionStarted)[0].reservation_id == "R-1"


async def test_a_station_that_says_nothing(hub: Hub) -> None:
    await hub.start(call_seconds=0.1)
    station = await hub.station2()
    station.commands["RequestStartTransaction"] = lambda _: None
    result = await asyncio.wait_for(hub.fakes.commands.send(START), 5)
    assert result.outcome is CommandOutcome.TIMEOUT
    await station.event("Started", "tx", 0, T0, evse={"id": 3, "connectorId": 2}, tag="TAG", wh=1)
    assert hub.facts.of(TransactionStarted)[0].command_id == "c-1", "it has heard it all the same"
