"""The central system cannot be reached: what stations meet is the operator's choice."""

import asyncio
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from adapters.ocpp.adapter import OcppSettings
from adapters.ocpp.limits import LATEST, SOONEST
from adapters.ocpp.proxy.returning import Returning
from contracts.messages import StationConnected, StationDisconnected, TransactionStarted
from tests.adapters.ocpp.proxy.conftest import Proxied
from tests.kit.own_csms import OwnCsms
from tests.kit.wait import until

START = {"connectorId": 1, "idTag": "TAG", "meterStart": 1000, "timestamp": "2026-11-29T09:00:00Z"}


async def test_refuse_tells_stations_to_come_later(proxied: Proxied, csms: OwnCsms) -> None:
    await proxied.through()
    await csms.stop()
    with pytest.raises(InvalidStatus) as refused:
        await proxied.dial("CS-1")
    assert refused.value.response.status_code == 503
    assert SOONEST <= int(refused.value.response.headers["Retry-After"]) <= LATEST


async def test_refuse_lets_a_station_go_with_its_central_system(proxied: Proxied, csms: OwnCsms) -> None:
    await proxied.through()
    proxied.fakes.accounts.change("CS-1")
    station = await proxied.dial("CS-1")
    await until(lambda: proxied.facts.of(StationConnected))
    await csms.stop()
    assert await station.closed() == 1001
    await until(lambda: proxied.facts.of(StationDisconnected))


async def test_hold_waits_and_loses_nothing(proxied: Proxied, csms: OwnCsms) -> None:
    await proxied.through(when_down="hold")
    station = await proxied.dial("CS-1", password="secret")
    assert await station.call("Heartbeat", {})
    await csms.stop()
    frames = [f'[2,"w{number}","Heartbeat",{{}}]' for number in range(50)]
    answers = [asyncio.create_task(station.say(text, id=f"w{number}")) for number, text in enumerate(frames)]
    await asyncio.sleep(0)
    await csms.start()
    await asyncio.gather(*answers)
    assert csms.heard[1:] == frames
    assert csms.authorizations[0] == csms.authorizations[1]


async def test_hold_has_an_end(proxied: Proxied, csms: OwnCsms) -> None:
    await proxied.through(when_down="hold", hold_seconds=0.2)
    station = await proxied.dial("CS-1")
    await csms.stop()
    assert await station.closed() == 1001


async def test_a_refusal_while_it_is_held_ends_it(proxied: Proxied, csms: OwnCsms) -> None:
    await proxied.through(when_down="hold")
    station = await proxied.dial("CS-1")
    csms.refuse = (401, "no more")
    csms.sockets[-1].transport.abort()
    assert await station.closed() == 1006


async def test_a_central_system_that_hangs_up_for_good_is_not_held(proxied: Proxied, csms: OwnCsms) -> None:
    await proxied.through(when_down="hold")
    station = await proxied.dial("CS-1")
    await csms.sockets[-1].close(1008, "not you")
    assert await station.closed() == 1008


async def test_the_hub_serves_and_gives_stations_back(proxied: Proxied, csms: OwnCsms) -> None:
    await proxied.through(when_down="hub")
    await csms.stop()
    station = await proxied.station("CS-1")
    started = await station.call("StartTransaction", START)
    assert started["transactionId"] != 4711
    gateway = proxied.running.gateway
    assert gateway.passing is not None
    is_open = [True]
    returning = Returning(door=gateway.passing.door, stations=gateway.stations, has_open=lambda _: is_open[0])
    await returning.look()
    await csms.start()
    await returning.look()
    assert await station.call("Heartbeat", {})
    is_open[0] = False
    await returning.look()
    assert await station.closed() == 1012
    again = await proxied.dial("CS-1", password="0123456789abcdef")
    assert await again.call("Heartbeat", {})
    assert csms.asked == ["Heartbeat"]
    await until(lambda: [told.is_proxied for told in proxied.facts.of(StationConnected)] == [False, True])
    assert len(proxied.facts.of(TransactionStarted)) == 1


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"mode": "proxy"}, "upstreams"),
        ({"upstreams": [{"url": "ws://csms/"}]}, "mode"),
        ({"mode": "proxy", "upstreams": [{"url": "http://csms/"}]}, "ws://HOST"),
        ({"mode": "proxy", "upstreams": [{"url": "ws://user:secret@csms/"}]}, "credentials"),
        ({"mode": "proxy", "upstreams": [{"url": "ws://csms/", "authorise": "hub-prefix"}]}, "prefixes"),
        ({"mode": "proxy", "upstreams": [{"url": "ws://csms/", "user": "me"}]}, "password"),
    ],
)
def test_settings_that_do_not_go_together_say_so(values: dict[str, Any], field: str) -> None:
    with pytest.raises(ValueError, match=field) as refused:
        OcppSettings(**values)
    assert "secret" not in str(refused.value)
