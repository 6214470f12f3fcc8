"""Requests of the hub between those of the central system, which hears nothing of them."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.ocpp.proxy.copies import Copies, Room
from adapters.ocpp.proxy.line import REMEMBERED, Line
from contracts.messages import CommandRequested, StationConnected, TransactionStarted
from contracts.vocabulary import AuthorizationBasis, CommandName, CommandOutcome
from tests.adapters.ocpp.proxy.conftest import Proxied
from tests.kit.own_csms import OwnCsms
from tests.kit.raw_station import RawStation
from tests.kit.wait import until


def remote(name: CommandName, **more: Any) -> CommandRequested:
    return CommandRequested(
        command_id=f"c-{name.value}",
        network="demo",
        station_id="CS-1",
        instance="test-1",
        epoch=1,
        name=name,
        deadline=datetime.now(UTC) + timedelta(seconds=20),
        **more,
    )


START = remote(CommandName.START_CHARGING, connector_id=1, token_uid="GUEST", authorization_reference="REF")


async def station_of(proxied: Proxied, **upstream: Any) -> RawStation:
    await proxied.through({"hold_seconds": 0.3}, **upstream)
    proxied.fakes.accounts.change("CS-1")
    station = await proxied.dial("CS-1")
    await until(lambda: proxied.facts.of(StationConnected))
    return station


def ids(frames: list[Any], action: str) -> list[str]:
    return [frame[1] for frame in frames if frame[0] == 2 and frame[2] == action]


async def test_a_remote_start_is_ours_and_the_transaction_is_theirs(proxied: Proxied, csms: OwnCsms) -> None:
    station = await station_of(proxied, has_commands=True, authorise="hub-if-refused")
    csms.answers["StartTransaction"] = {"transactionId": 77, "idTagInfo": {"status": "Invalid"}}
    station.commands["RemoteStartTransaction"] = lambda _: {"status": "Accepted"}
    station.commands["RemoteStopTransaction"] = lambda _: {"status": "Accepted"}
    assert (await proxied.fakes.commands.send(START)).outcome is CommandOutcome.ACCEPTED
    (frame_id,) = ids(station.frames, "RemoteStartTransaction")
    assert frame_id.startswith("hub:")
    assert len(frame_id) == 36
    begun = {"connectorId": 1, "idTag": "GUEST", "meterStart": 0, "timestamp": "2026-11-29T09:00:00Z"}
    assert (await station.call("StartTransaction", begun))["idTagInfo"]["status"] == "Accepted"
    await until(lambda: proxied.facts.of(TransactionStarted))
    (told,) = proxied.facts.of(TransactionStarted)
    assert (told.transaction_id, told.command_id, told.authorization_basis, told.authorization_reference) == (
        "77", START.command_id, AuthorizationBasis.COMMAND, "REF",
    )  # fmt: skip
    stop = remote(CommandName.STOP_CHARGING, transaction_id="77")
    assert (await proxied.fakes.commands.send(stop)).outcome is CommandOutcome.ACCEPTED
    assert station.got[-1] == ("RemoteStopTransaction", {"transactionId": 77})
    assert [json.loads(text)[0] for text in csms.heard] == [2]


async def test_nothing_is_put_in_between_unless_it_is_allowed(proxied: Proxied, csms: OwnCsms) -> None:
    station = await station_of(proxied)
    result = await proxied.fakes.commands.send(START)
    assert result.outcome is CommandOutcome.REJECTED
    assert "has_commands" in (result.detail or "")
    assert await station.call("Heartbeat", {})
    assert station.got == []


async def test_one_request_at_a_time_reaches_the_station(proxied: Proxied, csms: OwnCsms) -> None:
    station = await station_of(proxied, has_commands=True)
    station.commands["RemoteStartTransaction"] = lambda _: None
    station.commands["Reset"] = lambda _: None
    # Theirs is open: ours waits until it is answered
    theirs = asyncio.create_task(csms.call("t1", "Reset", {"type": "Soft"}))
    await until(lambda: [action for action, _ in station.got] == ["Reset"])
    ours = asyncio.create_task(proxied.fakes.commands.send(START))
    assert await station.call("Heartbeat", {})
    assert len(station.got) == 1
    await station.socket.send('[3,"t1",{"status":"Accepted"}]')
    assert (await theirs)[2] == {"status": "Accepted"}
    await until(lambda: len(station.got) == 2)
    # Ours is open: theirs waits, and what they say after it waits behind it
    again = asyncio.create_task(csms.call("t2", "Reset", {"type": "Hard"}))
    await until(lambda: proxied.inside("CS-1").line.held)  # type: ignore[attr-defined]
    assert len(station.got) == 2
    (frame_id,) = ids(station.frames, "RemoteStartTransaction")
    await station.socket.send(json.dumps([3, frame_id, {"status": "Accepted"}]))
    assert (await ours).outcome is CommandOutcome.ACCEPTED
    await until(lambda: len(station.got) == 3)
    await station.socket.send('[3,"t2",{"status":"Accepted"}]')
    assert (await again)[1] == "t2"
    assert all("hub:" not in str(text) for text in csms.heard)


async def test_a_station_that_does_not_answer_us_is_not_cut_off(proxied: Proxied, csms: OwnCsms) -> None:
    station = await station_of(proxied, has_commands=True)
    station.commands |= {"RemoteStartTransaction": lambda _: None, "Reset": lambda _: None}
    ours = asyncio.create_task(proxied.fakes.commands.send(START))
    await until(lambda: station.got)
    theirs = asyncio.create_task(csms.call("t1", "Reset", {"type": "Soft"}))
    await until(lambda: len(station.got) == 2)
    await station.socket.send('[3,"t1",{"status":"Accepted"}]')
    assert await theirs
    ours.cancel()
    await asyncio.gather(ours, return_exceptions=True)
    # An answer that comes late is still nobody else's
    (frame_id,) = ids(station.frames, "RemoteStartTransaction")
    await station.socket.send(json.dumps([3, frame_id, {"status": "Accepted"}]))
    assert await station.call("Heartbeat", {})
    assert [json.loads(text)[1] for text in csms.heard][:1] == ["t1"]
    assert len(csms.heard) == 2


async def test_an_id_like_ours_that_is_not_ours_passes(proxied: Proxied, csms: OwnCsms) -> None:
    station = await station_of(proxied, has_commands=True)
    text = f'[3,"hub:{"0" * 32}",{{}}]'
    await station.socket.send(text)
    assert await station.call("Heartbeat", {}, id=f"hub:{'1' * 32}")
    assert csms.heard[0] == text


async def test_requests_that_no_station_answers_are_not_remembered_for_ever() -> None:
    socket: Any = object()
    copies = Copies(most=1, room=Room(octets=1))
    line = Line(socket, socket, copies=copies, now=lambda: datetime.now(UTC), hold_seconds=1, has_calls=True)
    for number in range(10 * REMEMBERED):
        assert line._take_turn(json.dumps([2, f"id-{number}", "Reset", {}]).encode()) is None
    assert len(line._theirs) == REMEMBERED
    assert line.is_theirs_open()
