"""Coming and going: identity, takeovers, strangers, silence, the end."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from websockets.exceptions import InvalidStatus

from adapters.ocpp import gateway
from adapters.ocpp.greeting import Greeting
from contracts.messages import (
    ConnectorStatusChanged,
    SecurityEventReported,
    StationBooted,
    StationConnected,
    StationDisconnected,
    TransactionStarted,
)
from tests.adapters.ocpp.conftest import PASSWORD, Hub
from tests.kit.wait import until

pytestmark = pytest.mark.ocpp_exchange


async def _refused(hub: Hub, status: int, station_id: str = "CS-1", **options: object) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        await hub.dial(station_id, **options)
    assert refusal.value.response.status_code == status


async def test_a_station_comes_and_goes(hub: Hub) -> None:
    station = await hub.station("RDAM|1 2")
    (connected,) = hub.facts.of(StationConnected)
    assert (connected.station_id, connected.epoch, connected.protocol) == ("RDAM|1 2", 1, "ocpp1.6")
    assert (connected.security_profile, connected.remote_address) == (1, "127.0.0.1")
    assert (connected.is_admitted, connected.instance) == (True, "test-1")
    await station.close()
    await until(lambda: hub.facts.of(StationDisconnected))
    (gone,) = hub.facts.of(StationDisconnected)
    assert (gone.epoch, gone.reason) == (1, "closed by the station (1000)")
    assert hub.running.gateway.stations() == ()


async def test_refusals_over_the_wire(hub: Hub) -> None:
    hub.fakes.accounts.change("CS-1", password=PASSWORD)
    await _refused(hub, 404, path="/")
    await _refused(hub, 404, path="/..%2f..%2fetc")
    await _refused(hub, 404, path="/CS%001")
    await _refused(hub, 404, path="/" + "A" * 49)
    await _refused(hub, 403, headers={"Origin": "https://evil.example"}, password=PASSWORD)
    await _refused(hub, 400, subprotocols=None, password=PASSWORD)
    await _refused(hub, 400, subprotocols=("ocpp2.0",), password=PASSWORD)
    await _refused(hub, 401, password="wrong")
    await _refused(hub, 401, password=PASSWORD, user="CS-2")
    await _refused(hub, 401)
    assert hub.facts.facts == []
    assert hub.running.gateway.refusals == {404: 4, 403: 1, 400: 2, 401: 3}
    await hub.start(strangers="refuse", is_1_6_assumed=True)
    await _refused(hub, 401, "CS-2", password=PASSWORD)
    station = await hub.dial(password=PASSWORD, subprotocols=None)
    assert station.socket.subprotocol is None
    await station.boot()


async def test_the_newest_authenticated_connection_replaces_the_old_one(hub: Hub) -> None:
    old = await hub.station()
    new = await hub.station()
    assert await old.closed() == 1012
    await until(lambda: hub.facts.of(StationDisconnected))
    (gone,) = hub.facts.of(StationDisconnected)
    assert (gone.epoch, gone.reason) == (1, "replaced by a newer connection")
    assert hub.inside().epoch == 2, "closing the old one does not take the new one along"
    await new.status(1, "Available")


async def test_an_unauthenticated_newcomer_disturbs_nobody(hub: Hub) -> None:
    station = await hub.station()
    told = len(hub.facts.facts)
    for _ in range(3):
        await _refused(hub, 401, password="wrong")
        await _refused(hub, 401)
    await station.status(1, "Available")
    assert len(hub.facts.facts) == told + 1
    assert hub.inside().epoch == 1


async def test_connections_that_keep_replacing_each_other_are_frozen(hub: Hub) -> None:
    hub.fakes.accounts.change("CS-1", password=PASSWORD)
    for _ in range(7):
        last = await hub.dial(password=PASSWORD)
    await _refused(hub, 503, password=PASSWORD)
    await last.status(1, "Available")
    assert await hub.station("CS-2")
    await until(lambda: hub.facts.of(SecurityEventReported))
    (told,) = hub.facts.of(SecurityEventReported)
    assert (told.station_id, told.event) == ("CS-1", "ConnectionsReplaceEachOther")


async def test_guessing_of_passwords_is_told_of_stations_of_ours(hub: Hub) -> None:
    await hub.start(strangers="refuse")
    hub.fakes.accounts.change("CS-1", password=PASSWORD)
    hub.fakes.accounts.change("CS-9", password=PASSWORD, is_admitted=False)
    for station_id in ("CS-1", "CS-9"):
        for status in (*[401] * 6, *[429] * 3):
            await _refused(hub, status, station_id, password="guess")
    (told,) = hub.facts.of(SecurityEventReported)
    assert (told.station_id, told.event) == ("CS-1", "PasswordGuessing")
    assert told.info == "too many wrong passwords or certificates, now from 127.0.0.1"


async def test_names_that_nobody_knows_come_slowly(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after another they would get past the bound on those held at the same time."""
    monkeypatch.setattr(gateway, "STRANGERS_AT_ONCE", 3)
    monkeypatch.setattr(gateway, "STRANGERS_PER_SECOND", 1e-6)
    await hub.start(max_strangers=2)
    for number in range(3):
        stranger = await hub.dial(f"MADE-UP-{number}")
        await stranger.close()
        await until(lambda: not hub.running.gateway.stations())
    await _refused(hub, 503, "MADE-UP-3")
    assert len(hub.facts.of(StationConnected)) == 3
    await hub.station("OURS")


async def test_a_stranger_waits_and_is_admitted_where_it_stands(hub: Hub) -> None:
    station = await hub.dial("NEW", password="its own")
    station.commands["TriggerMessage"] = lambda _: {"status": "Accepted"}
    answer = await station.boot()
    assert (answer["status"], answer["interval"]) == ("Pending", 30)
    await station.status(1, "Available")
    assert (await station.call("Authorize", {"idTag": "TAG"}))["idTagInfo"]["status"] == "Invalid"
    start = {"connectorId": 1, "idTag": "TAG", "meterStart": 1, "timestamp": "2026-11-23T10:00:00Z"}
    started = await station.call("StartTransaction", start)
    assert started["idTagInfo"]["status"] == "Invalid"
    assert started["transactionId"] > 0
    value = {"timestamp": "2026-11-23T10:00:00Z", "sampledValue": [{"value": "2"}]}
    assert await station.call("MeterValues", {"connectorId": 1, "meterValue": [value]}) == {}
    stop = {"transactionId": started["transactionId"], "meterStop": 2, "timestamp": "2026-11-23T10:00:00Z"}
    assert await station.call("StopTransaction", stop) == {}
    assert await station.call("Heartbeat", {})
    assert {type(fact.message) for fact in hub.facts.facts} == {StationConnected, StationBooted}
    assert hub.fakes.authorizer.asked == []
    (connected,) = hub.facts.of(StationConnected)
    assert not connected.is_admitted

    hub.fakes.accounts.change("NEW", password="its own")
    await until(
        lambda: (
            [payload["requestedMessage"] for _, payload in station.got] == ["BootNotification", "StatusNotification"]
        )
    )
    again = hub.facts.of(StationConnected)[-1]
    assert (again.is_admitted, again.epoch) == (True, 2)
    assert again.key_digest == connected.key_digest
    assert (await station.boot())["status"] == "Accepted"
    await station.status(1, "Available")
    assert hub.facts.of(ConnectorStatusChanged)
    assert (await station.call("StartTransaction", start))["idTagInfo"]["status"] == "Accepted"
    assert len(hub.facts.of(TransactionStarted)) == 1


async def test_a_station_is_asked_how_all_its_connectors_are(hub: Hub) -> None:
    station = await hub.station()
    station.commands["TriggerMessage"] = lambda _: {"status": "Accepted"}
    await Greeting().ask_status(hub.inside())
    assert station.got == [("TriggerMessage", {"requestedMessage": "StatusNotification"})]


async def test_a_station_that_cannot_be_asked_stays(hub: Hub) -> None:
    station = await hub.station()
    station.commands["TriggerMessage"] = lambda _: {"status": "NotImplemented"}
    await Greeting().ask_status(hub.inside())
    await station.status(1, "Available")


async def test_a_stranger_admitted_with_another_password_is_sent_away(hub: Hub) -> None:
    station = await hub.dial("NEW", password="guessed")
    hub.fakes.accounts.change("NEW", password="the real one")
    assert await station.closed() == 1008


async def test_a_station_that_is_shut_out_is_sent_away(hub: Hub) -> None:
    station = await hub.station()
    hub.fakes.accounts.change("CS-1", password=PASSWORD)  # nothing new
    await station.status(1, "Available")
    hub.fakes.accounts.change("CS-1", password=PASSWORD, is_admitted=False)
    assert await station.closed() == 1008


async def test_a_new_password_ends_a_connection_with_the_old_one(hub: Hub) -> None:
    station = await hub.station()
    hub.fakes.accounts.change("CS-1", password="another")
    assert await station.closed() == 1008
    await _refused(hub, 401, password=PASSWORD)


async def test_strangers_are_bounded(hub: Hub) -> None:
    await hub.start(max_strangers=2)
    await hub.dial("A")
    await hub.dial("B")
    await _refused(hub, 503, "C")
    await hub.dial("B")
    await hub.station("CS-1")


async def test_newcomers_are_paced(hub: Hub) -> None:
    await hub.start(accepts_per_second=20)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await asyncio.gather(*(hub.dial(f"S-{number}") for number in range(30)))
    assert loop.time() - began >= 0.4


async def test_the_end_is_told_and_stations_are_asked_to_come_back(hub: Hub) -> None:
    stations = [await hub.station(f"CS-{number}") for number in range(3)]
    await hub.stop()
    assert [await station.closed() for station in stations] == [1012] * 3
    assert {gone.reason for gone in hub.facts.of(StationDisconnected)} == {"the service restarts"}
    assert len(hub.facts.of(StationDisconnected)) == 3


async def test_what_was_said_before_the_end_is_kept(hub: Hub) -> None:
    station = await hub.station()
    stop = '[2,"x","StopTransaction",{"transactionId":5,"meterStop":2,"timestamp":"2026-11-23T10:00:00Z"}]'
    await station.socket.send(stop)
    await station.close()
    await until(lambda: hub.facts.of(StationDisconnected))
    kinds = [type(fact.message).__name__ for fact in hub.facts.facts]
    assert kinds[-3:] == ["TransactionEnded", "StationDeviationsCounted", "StationDisconnected"]


async def test_a_full_spool_makes_the_station_wait(hub: Hub) -> None:
    station = await hub.station()
    hub.facts.is_full = True
    status = asyncio.create_task(station.status(1, "Available"))
    _, waiting = await asyncio.wait([status], timeout=0.3)
    assert waiting, "not answered before it is kept"
    hub.facts.is_full = False
    await status
    assert len(hub.facts.of(ConnectorStatusChanged)) == 1


async def test_a_failing_spool_leaves_the_station_unanswered(hub: Hub) -> None:
    station = await hub.station()

    async def fail(facts: object) -> None:
        raise OSError("disk gone")

    hub.facts.record = fail
    with pytest.raises(ConnectionError):
        await station.call("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available"})
    assert await station.closed() == 1013


async def test_times_are_the_hub_s(hub: Hub) -> None:
    hub.fakes.now = lambda: datetime(2026, 11, 23, 12, 0, tzinfo=UTC) + timedelta(milliseconds=5)
    await hub.start()
    station = await hub.station()
    assert (await station.call("Heartbeat", {}))["currentTime"] == "2026-11-23T12:00:00.005Z"
