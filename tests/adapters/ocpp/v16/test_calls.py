"""Commands to stations, over a real socket: what is sent, and what is made of the answers."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from contracts.messages import ChargingLimit, ChargingSchedule, CommandRequested, TransactionStarted
from contracts.vocabulary import AuthorizationBasis, AuthorizationStatus, ChargingRateUnit, CommandName, CommandOutcome
from tests.adapters.ocpp.conftest import Hub
from tests.kit.wait import until

pytestmark = pytest.mark.ocpp_exchange

LONG = "550e8400-e29b-41d4-a716-446655440000"


def command(name: CommandName, **fields: Any) -> CommandRequested:
    usual: dict[str, Any] = {
        "command_id": "c-1",
        "instance": "test-1",
        "epoch": 1,
        "network": "demo",
        "station_id": "CS-1",
        "name": name,
        "deadline": datetime.now(UTC) + timedelta(seconds=20),
    }
    return CommandRequested(**(usual | fields))


def start(**fields: Any) -> CommandRequested:
    return command(CommandName.START_CHARGING, **({"token_uid": "TAG", "authorization_reference": "REF"} | fields))


REQUESTS = {
    "RemoteStartTransaction": start(connector_id=2),
    "RemoteStopTransaction": command(CommandName.STOP_CHARGING, transaction_id="55"),
    "UnlockConnector": command(CommandName.UNLOCK_CONNECTOR, connector_id=1),
    "ReserveNow": command(
        CommandName.RESERVE,
        connector_id=1,
        token_uid="TAG",
        group_id="FLEET",
        reservation_id="R-1",
        reservation_expires_at=datetime(2026, 11, 24, tzinfo=UTC),
    ),
    "CancelReservation": command(CommandName.CANCEL_RESERVATION, reservation_id="R-1"),
}


@pytest.mark.parametrize(
    ("action", "answer", "outcome"),
    [
        ("RemoteStartTransaction", {"status": "Accepted"}, CommandOutcome.ACCEPTED),
        ("RemoteStartTransaction", {"status": "Rejected"}, CommandOutcome.REJECTED),
        ("RemoteStartTransaction", {"status": "accepted", "extra": 1}, CommandOutcome.ACCEPTED),
        ("RemoteStartTransaction", {"status": "Perhaps"}, CommandOutcome.FAILED),
        ("RemoteStartTransaction", {}, CommandOutcome.FAILED),
        ("RemoteStartTransaction", {"status": None}, CommandOutcome.FAILED),
        ("RemoteStopTransaction", {"status": "Accepted"}, CommandOutcome.ACCEPTED),
        ("RemoteStopTransaction", {"status": "Rejected"}, CommandOutcome.UNKNOWN_TRANSACTION),
        ("UnlockConnector", {"status": "Unlocked"}, CommandOutcome.ACCEPTED),
        ("UnlockConnector", {"status": "UnlockFailed"}, CommandOutcome.FAILED),
        ("UnlockConnector", {"status": "NotSupported"}, CommandOutcome.NOT_SUPPORTED),
        ("ReserveNow", {"status": "Accepted"}, CommandOutcome.ACCEPTED),
        ("ReserveNow", {"status": "Occupied"}, CommandOutcome.OCCUPIED),
        ("ReserveNow", {"status": "Faulted"}, CommandOutcome.INOPERATIVE),
        ("CancelReservation", {"status": "Accepted"}, CommandOutcome.ACCEPTED),
        ("CancelReservation", {"status": "Rejected"}, CommandOutcome.UNKNOWN_RESERVATION),
    ],
)
async def test_answers(hub: Hub, action: str, answer: dict[str, Any], outcome: CommandOutcome) -> None:
    station = await hub.station()
    station.commands[action] = lambda _: answer
    result = await hub.fakes.commands.send(REQUESTS[action])
    assert result.outcome is outcome
    (sent,) = station.got
    assert sent[0] == action


async def test_what_is_sent(hub: Hub) -> None:
    station = await hub.station()
    for action, request in REQUESTS.items():
        station.commands[action] = lambda _: {"status": "Accepted"}
        await hub.fakes.commands.send(request)
    sent = dict(station.got)
    assert sent["RemoteStartTransaction"] == {"idTag": "TAG", "connectorId": 2}
    assert sent["RemoteStopTransaction"] == {"transactionId": 55}
    assert sent["UnlockConnector"] == {"connectorId": 1}
    number = sent["ReserveNow"].pop("reservationId")
    assert sent["ReserveNow"] == {
        "connectorId": 1,
        "idTag": "TAG",
        "parentIdTag": "FLEET",
        "expiryDate": "2026-11-24T00:00:00.000Z",
    }
    assert sent["CancelReservation"] == {"reservationId": number}


@pytest.mark.parametrize(
    ("request_", "outcome"),
    [
        (command(CommandName.STOP_CHARGING, transaction_id="abc"), CommandOutcome.UNKNOWN_TRANSACTION),
        (command(CommandName.STOP_CHARGING, transaction_id="0"), CommandOutcome.UNKNOWN_TRANSACTION),
        (command(CommandName.STOP_CHARGING, transaction_id="-1"), CommandOutcome.UNKNOWN_TRANSACTION),
        (command(CommandName.STOP_CHARGING, transaction_id="9999999999"), CommandOutcome.UNKNOWN_TRANSACTION),
        (command(CommandName.STOP_CHARGING, transaction_id="٣"), CommandOutcome.UNKNOWN_TRANSACTION),
        (command(CommandName.STOP_CHARGING), CommandOutcome.UNKNOWN_TRANSACTION),
        (start(token_uid=""), CommandOutcome.FAILED),
        (command(CommandName.UNLOCK_CONNECTOR), CommandOutcome.FAILED),
        (command(CommandName.RESERVE, token_uid="T"), CommandOutcome.FAILED),
        (command(CommandName.CANCEL_RESERVATION), CommandOutcome.FAILED),
        (start(station_id="CS-9"), CommandOutcome.OFFLINE),
    ],
)
async def test_what_is_never_sent(hub: Hub, request_: CommandRequested, outcome: CommandOutcome) -> None:
    station = await hub.station()
    result = await hub.fakes.commands.send(request_)
    assert result.outcome is outcome
    assert station.got == []


SCHEDULE = ChargingSchedule(unit=ChargingRateUnit.A, limits=(ChargingLimit(starts_after=0, limit=Decimal("10")),))
PROFILES = {
    "SetChargingProfile": (CommandName.SET_CHARGING_PROFILE, {"schedule": SCHEDULE}),
    "ClearChargingProfile": (CommandName.CLEAR_CHARGING_PROFILE, {}),
    "GetCompositeSchedule": (CommandName.GET_COMPOSITE_SCHEDULE, {"schedule_duration": 300}),
}


async def charging(hub: Hub) -> tuple[Any, str]:
    station = await hub.station()
    frame = {"connectorId": 2, "idTag": "TAG", "meterStart": 0, "timestamp": "2026-11-23T10:00:00Z"}
    return station, str((await station.call("StartTransaction", frame))["transactionId"])


@pytest.mark.parametrize(
    ("action", "answer", "outcome"),
    [
        ("SetChargingProfile", {"status": "Accepted"}, CommandOutcome.ACCEPTED),
        ("SetChargingProfile", {"status": "Rejected"}, CommandOutcome.REJECTED),
        ("SetChargingProfile", {"status": "NotSupported"}, CommandOutcome.NOT_SUPPORTED),
        ("ClearChargingProfile", {"status": "Accepted"}, CommandOutcome.ACCEPTED),
        ("ClearChargingProfile", {"status": "Unknown"}, CommandOutcome.UNKNOWN_PROFILE),
        ("GetCompositeSchedule", {"status": "Rejected"}, CommandOutcome.REJECTED),
        ("GetCompositeSchedule", {"status": "Accepted"}, CommandOutcome.FAILED),
    ],
)
async def test_answers_to_profiles(hub: Hub, action: str, answer: dict[str, Any], outcome: CommandOutcome) -> None:
    station, transaction_id = await charging(hub)
    station.commands[action] = lambda _: answer
    name, fields = PROFILES[action]
    result = await hub.fakes.commands.send(command(name, transaction_id=transaction_id, **fields))
    assert (result.outcome, result.schedule) == (outcome, None)
    (sent,) = station.got
    assert sent[0] == action
    if action == "ClearChargingProfile":
        assert sent[1] == {"id": int(transaction_id)}
    else:
        assert sent[1]["connectorId"] == 2, "that of the transaction"


@pytest.mark.parametrize("action", PROFILES)
@pytest.mark.parametrize("transaction_id", ["1", "abc", None, "99999999999"])
async def test_a_profile_is_for_a_running_transaction(hub: Hub, action: str, transaction_id: str | None) -> None:
    station = await hub.station()
    name, fields = PROFILES[action]
    result = await hub.fakes.commands.send(command(name, transaction_id=transaction_id, **fields))
    assert result.outcome is CommandOutcome.UNKNOWN_TRANSACTION
    assert station.got == []


async def test_callerrors(hub: Hub) -> None:
    station = await hub.station()
    result = await hub.fakes.commands.send(start())
    assert (result.outcome, result.detail) == (CommandOutcome.NOT_SUPPORTED, "NotImplemented: ")

    def break_down(_: dict[str, Any]) -> None:
        asyncio.get_running_loop().create_task(
            station.socket.send(f'[4,"{next(iter(hub.inside()._pending))}","InternalError","oops",{{}}]')
        )

    station.commands["RemoteStartTransaction"] = break_down
    result = await hub.fakes.commands.send(start())
    assert (result.outcome, result.detail) == (CommandOutcome.FAILED, "InternalError: oops")


async def test_a_stranger_gets_no_commands(hub: Hub) -> None:
    station = await hub.dial("NEW")
    await station.boot()
    result = await hub.fakes.commands.send(start(station_id="NEW"))
    assert result.outcome is CommandOutcome.REJECTED
    assert station.got == []


async def test_commands_wait_until_the_station_has_booted(hub: Hub) -> None:
    hub.fakes.accounts.change("CS-1", password="0123456789abcdef")
    station = await hub.dial(password="0123456789abcdef")
    station.commands["RemoteStartTransaction"] = lambda _: {"status": "Accepted"}
    sending = asyncio.create_task(hub.fakes.commands.send(start()))
    _, waiting = await asyncio.wait([sending], timeout=0.2)
    assert waiting
    assert station.got == []
    await station.boot()
    assert (await sending).outcome is CommandOutcome.ACCEPTED


async def test_a_silent_station_is_sent_commands_after_a_while(hub: Hub) -> None:
    hub.running.gateway.pace.silent_seconds = 0.1
    hub.fakes.accounts.change("CS-1", password="0123456789abcdef")
    station = await hub.dial(password="0123456789abcdef")
    station.commands["RemoteStartTransaction"] = lambda _: {"status": "Accepted"}
    assert (await hub.fakes.commands.send(start())).outcome is CommandOutcome.ACCEPTED


async def test_three_timeouts_in_a_row_close_the_socket(hub: Hub) -> None:
    await hub.start(call_seconds=0.05)
    station = await hub.station()
    station.commands["RemoteStartTransaction"] = lambda _: None
    for _ in range(3):
        assert (await hub.fakes.commands.send(start())).outcome is CommandOutcome.TIMEOUT
        await asyncio.sleep(0)
    assert await station.closed() == 1006
    assert (await hub.fakes.commands.send(start())).outcome is CommandOutcome.OFFLINE


async def test_a_late_answer_and_one_nobody_asked_for_are_dropped(hub: Hub) -> None:
    await hub.start(call_seconds=0.05)
    station = await hub.station()
    station.commands["RemoteStartTransaction"] = lambda _: None
    assert (await hub.fakes.commands.send(start())).outcome is CommandOutcome.TIMEOUT
    late = next(frame[1] for frame in station.frames if frame[0] == 2)
    for frame_id in (late, "never-asked"):
        await station.socket.send(f'[3,"{frame_id}",{{"status":"Accepted"}}]')
    await station.socket.send('[4,"never-asked","GenericError","",{}]')
    await station.call("Heartbeat", {})
    assert hub.inside().deviations["answer nobody waits for"] == 3


async def test_a_command_whose_station_hangs_up(hub: Hub) -> None:
    station = await hub.station()

    def hang_up(_: dict[str, Any]) -> None:
        station.socket.transport.abort()

    station.commands["RemoteStartTransaction"] = hang_up
    assert (await hub.fakes.commands.send(start())).outcome is CommandOutcome.OFFLINE


async def test_one_command_at_a_time_and_requests_cross(hub: Hub) -> None:
    """The station asks while our command is open: it is answered at once."""
    station = await hub.station()
    station.commands["RemoteStartTransaction"] = lambda _: None
    station.commands["UnlockConnector"] = lambda _: {"status": "Unlocked"}
    first = asyncio.create_task(hub.fakes.commands.send(start()))
    second = asyncio.create_task(hub.fakes.commands.send(command(CommandName.UNLOCK_CONNECTOR, connector_id=1)))
    await until(lambda: station.got)
    await station.call("Heartbeat", {})
    assert [action for action, _ in station.got] == ["RemoteStartTransaction"]
    pending = next(frame[1] for frame in station.frames if frame[0] == 2)
    await station.socket.send(f'[3,"{pending}",{{"status":"Accepted"}}]')
    assert (await first).outcome is CommandOutcome.ACCEPTED
    assert (await second).outcome is CommandOutcome.ACCEPTED


async def test_an_authorisation_in_progress_does_not_hold_up_answers(hub: Hub) -> None:
    """A station that authorises while it is told to stop: no direction waits for the other."""
    station = await hub.station()
    let_go = asyncio.Event()
    usual = hub.fakes.authorizer.authorize

    async def slow(**question: Any) -> Any:
        await let_go.wait()
        return await usual(**question)

    hub.fakes.authorizer.authorize = slow  # type: ignore[method-assign]
    asking = asyncio.create_task(station.call("Authorize", {"idTag": "TAG"}))
    await asyncio.sleep(0)
    station.commands["UnlockConnector"] = lambda _: {"status": "Unlocked"}
    result = await hub.fakes.commands.send(command(CommandName.UNLOCK_CONNECTOR, connector_id=1))
    assert result.outcome is CommandOutcome.ACCEPTED
    assert not asking.done()
    let_go.set()
    assert (await asking)["idTagInfo"]["status"] == "Accepted"


def _start_frame(tag: str, connector: int = 1, register: int = 1) -> dict[str, Any]:
    return {
        "connectorId": connector,
        "idTag": tag,
        "meterStart": register,
        "timestamp": datetime.now(UTC).isoformat(),
    }


async def test_a_remote_start_with_a_long_token_comes_back_as_its_owner_spells_it(hub: Hub) -> None:
    station = await hub.station()
    station.commands["RemoteStartTransaction"] = lambda _: {"status": "Accepted"}
    hub.fakes.authorizer.status = AuthorizationStatus.UNKNOWN_TOKEN
    await hub.fakes.commands.send(start(token_uid=LONG, group_id="FLEET"))
    tag = station.got[0][1]["idTag"]
    assert len(tag) == 20
    authorized = await station.call("Authorize", {"idTag": tag})
    assert authorized["idTagInfo"] == {"status": "Accepted", "parentIdTag": "FLEET"}
    frame = _start_frame(tag)
    started = await station.call("StartTransaction", frame)
    assert started["idTagInfo"] == {"status": "Accepted", "parentIdTag": "FLEET"}
    (fact,) = hub.facts.of(TransactionStarted)
    assert (fact.token_uid, fact.command_id, fact.authorization_reference) == (LONG, "c-1", "REF")
    assert fact.authorization_basis is AuthorizationBasis.COMMAND
    assert hub.fakes.authorizer.asked == []

    assert (await station.call("StartTransaction", frame)) == started, "a repeat"
    again = await station.call("StartTransaction", _start_frame(tag, register=900))
    assert again["idTagInfo"]["status"] == "Invalid", "one command, one transaction"
    assert hub.facts.of(TransactionStarted)[1].command_id is None
    assert hub.fakes.authorizer.asked == [("CS-1", 1, LONG)], "the alias is resolved"


async def test_a_remote_start_survives_a_restart(hub: Hub) -> None:
    station = await hub.station()
    station.commands["RemoteStartTransaction"] = lambda _: {"status": "Accepted"}
    await hub.fakes.commands.send(start())
    await hub.start()
    station = await hub.station()
    await station.call("StartTransaction", _start_frame("tag"))
    assert hub.facts.of(TransactionStarted)[0].command_id == "c-1"


async def test_a_remote_start_for_one_connector_is_not_used_at_another(hub: Hub) -> None:
    station = await hub.station()
    station.commands["RemoteStartTransaction"] = lambda _: {"status": "Accepted"}
    await hub.fakes.commands.send(start(connector_id=2))
    await station.call("StartTransaction", _start_frame("TAG", connector=1))
    await station.call("StartTransaction", _start_frame("TAG", connector=2))
    assert [fact.command_id for fact in hub.facts.of(TransactionStarted)] == [None, "c-1"]


async def test_a_rejected_remote_start_expects_nothing(hub: Hub) -> None:
    station = await hub.station()
    station.commands["RemoteStartTransaction"] = lambda _: {"status": "Rejected"}
    await hub.fakes.commands.send(start())
    await station.call("StartTransaction", _start_frame("TAG"))
    assert hub.facts.of(TransactionStarted)[0].command_id is None


async def test_a_start_that_cannot_work_is_not_sent(hub: Hub) -> None:
    station = await hub.station()
    await station.status(1, "Faulted", "GroundFailure")
    result = await hub.fakes.commands.send(start(connector_id=1))
    assert result.outcome is CommandOutcome.INOPERATIVE
    await station.status(1, "Available")
    await station.call("StartTransaction", _start_frame("TAG"))
    await station.status(1, "Charging")
    result = await hub.fakes.commands.send(start(connector_id=1))
    assert result.outcome is CommandOutcome.OCCUPIED
    await station.status(0, "Unavailable")
    result = await hub.fakes.commands.send(start())
    assert result.outcome is CommandOutcome.INOPERATIVE
    assert station.got == []


async def test_a_rejected_stop_of_an_open_transaction_is_a_rejection(hub: Hub) -> None:
    station = await hub.station()
    station.commands["RemoteStopTransaction"] = lambda _: {"status": "Rejected"}
    number = (await station.call("StartTransaction", _start_frame("TAG")))["transactionId"]
    result = await hub.fakes.commands.send(command(CommandName.STOP_CHARGING, transaction_id=str(number)))
    assert result.outcome is CommandOutcome.REJECTED


async def test_a_reservation_is_named_in_the_transaction(hub: Hub) -> None:
    station = await hub.station()
    station.commands["ReserveNow"] = lambda _: {"status": "Accepted"}
    await hub.fakes.commands.send(REQUESTS["ReserveNow"])
    number = station.got[0][1]["reservationId"]
    await station.call("StartTransaction", {**_start_frame("TAG"), "reservationId": number})
    await station.call("StartTransaction", {**_start_frame("TAG", 2), "reservationId": 12345})
    assert [fact.reservation_id for fact in hub.facts.of(TransactionStarted)] == ["R-1", None]
