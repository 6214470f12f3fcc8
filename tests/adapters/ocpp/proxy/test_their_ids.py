"""Transaction ids of another central system: given twice, changed for the same start, or meaning nothing."""

from typing import Any

from contracts.messages import StationConnected, TransactionEnded, TransactionStarted
from tests.adapters.ocpp.proxy.conftest import Proxied
from tests.kit.own_csms import OwnCsms
from tests.kit.raw_station import RawStation
from tests.kit.wait import until


async def station_of(proxied: Proxied) -> RawStation:
    await proxied.through()
    proxied.fakes.accounts.change("CS-1")
    station = await proxied.dial("CS-1")
    await until(lambda: proxied.facts.of(StationConnected))
    return station


def gives(csms: OwnCsms, number: int) -> None:
    csms.answers["StartTransaction"] = {"transactionId": number, "idTagInfo": {"status": "Accepted"}}


def start(hour: int) -> dict[str, Any]:
    at = f"2026-11-29T{hour:02}:00:00Z"
    return {"connectorId": 1, "idTag": "TAG", "meterStart": 1000 * hour, "timestamp": at}


def stop(hour: int, number: int) -> dict[str, Any]:
    return {"transactionId": number, "meterStop": 1000 * hour + 500, "timestamp": f"2026-11-29T{hour:02}:30:00Z"}


def told(proxied: Proxied) -> tuple[list[str], list[str]]:
    started, ended = proxied.facts.of(TransactionStarted), proxied.facts.of(TransactionEnded)
    return [fact.transaction_id for fact in started], [fact.transaction_id for fact in ended]


async def test_an_id_that_is_given_twice_is_two_transactions(proxied: Proxied, csms: OwnCsms) -> None:
    station = await station_of(proxied)
    gives(csms, 5)
    for hour in (9, 10):
        await station.call("StartTransaction", start(hour))
        await station.call("StopTransaction", stop(hour, 5))
    await station.call("StopTransaction", stop(9, 5))
    await station.call("StopTransaction", stop(10, 5))
    await station.call("Heartbeat", {})
    await until(lambda: len(proxied.facts.of(TransactionEnded)) == 2)
    started, ended = told(proxied)
    assert started == ended
    assert started[0] == "5"
    assert started[1].startswith("5~")
    assert [fact.register_start_wh for fact in proxied.facts.of(TransactionEnded)] == [9000, 10000]


async def test_another_id_for_a_start_that_is_repeated_is_the_same_transaction(proxied: Proxied, csms: OwnCsms) -> None:
    station = await station_of(proxied)
    for number in (5, 6):
        gives(csms, number)
        await station.call("StartTransaction", start(9))
    await station.call("StopTransaction", stop(9, 6))
    await until(lambda: proxied.facts.of(TransactionEnded))
    assert told(proxied) == (["5"], ["5"])


async def test_an_id_that_means_nothing_is_found_by_its_connector(proxied: Proxied, csms: OwnCsms) -> None:
    station = await station_of(proxied)
    gives(csms, -1)
    await station.call("StartTransaction", start(9))
    await station.call("StopTransaction", stop(9, -1))
    await until(lambda: proxied.facts.of(TransactionEnded))
    started, ended = told(proxied)
    assert started == ended
    assert int(started[0]) > 0


async def test_a_start_that_was_not_answered_is_none_yet(proxied: Proxied, csms: OwnCsms) -> None:
    station = await station_of(proxied)
    csms.answers["StartTransaction"] = '[4,"s1","InternalError","",{}]'
    assert (await station.exchange("StartTransaction", start(9), id="s1"))[0] == 4
    gives(csms, 5)
    await station.call("StartTransaction", start(9))
    await until(lambda: proxied.facts.of(TransactionStarted))
    assert told(proxied)[0] == ["5"]
