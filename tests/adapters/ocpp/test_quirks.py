"""The habits of ``quirks.py`` over a real socket: each is answered, told, counted, and the connection lives on."""

import json
import re
import sqlite3
from collections import Counter
from datetime import UTC, datetime

import pytest

from adapters.ocpp.answering import LONGEST_RAW
from adapters.ocpp.station import LOGGED
from contracts.messages import (
    MeterValuesTaken,
    StationFaultReported,
    StationMessageRejected,
    TransactionEnded,
    TransactionStarted,
)
from contracts.vocabulary import AuthorizationStatus
from tests.adapters.ocpp.conftest import Hub
from tests.adapters.ocpp.quirks import QUIRKS, Quirk


def _frame_id(text: str) -> str:
    found = re.match(r'\["?2"?,"?(\w+)"?,', text)
    assert found is not None
    return found.group(1)


@pytest.mark.parametrize("quirk", QUIRKS, ids=lambda quirk: quirk.name)
async def test_a_quirk(hub: Hub, quirk: Quirk) -> None:
    station = await hub.station()
    booted = len(hub.facts.facts)
    transaction_id = 0
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    answer: list[object] = []
    for text in quirk.frames:
        frame = text.replace("@TX", str(transaction_id)).replace("@NOW", now)
        answer = await station.say(frame, id=_frame_id(text))
        if isinstance(answer[2], dict) and "transactionId" in answer[2]:
            transaction_id = answer[2]["transactionId"]
            assert 0 < transaction_id < 2**31
    if quirk.error is not None:
        assert answer[0] == 4
        assert answer[2] == quirk.error
    else:
        assert answer[0] == 3, answer
    told = Counter(type(fact.message).__name__ for fact in hub.facts.facts[booted:])
    del told["StationDeviationsCounted"]
    assert dict(told) == quirk.facts
    if quirk.mended is not None:
        assert hub.inside().deviations[quirk.mended]
    assert await station.call("Heartbeat", {}), "the connection lives on"


async def test_names_of_quirks_are_unique() -> None:
    assert len({quirk.name for quirk in QUIRKS}) == len(QUIRKS)


async def test_a_repeated_start_gets_the_same_id(hub: Hub) -> None:
    station = await hub.station()
    start = {"connectorId": 1, "idTag": "TAG", "meterStart": 5, "timestamp": "2026-11-23T10:00:00Z"}
    first = await station.call("StartTransaction", start)
    assert await station.call("StartTransaction", start) == first
    await hub.start()  # days later, after a restart, also with everything lost
    station = await hub.station()
    assert await station.call("StartTransaction", start) == first
    await hub.stop()
    for file in hub.state_path.parent.glob("ocpp.sqlite*"):
        file.unlink()
    await hub.start()
    station = await hub.station()
    assert await station.call("StartTransaction", start) == first
    assert len(hub.facts.of(TransactionStarted)) == 1


async def test_a_start_after_the_stop_is_still_the_same_start(hub: Hub) -> None:
    station = await hub.station()
    start = {"connectorId": 1, "idTag": "TAG", "meterStart": 5, "timestamp": "2026-11-23T10:00:00Z"}
    first = await station.call("StartTransaction", start)
    stop = {"transactionId": first["transactionId"], "meterStop": 9, "timestamp": "2026-11-23T10:30:00Z"}
    await station.call("StopTransaction", stop)
    assert await station.call("StartTransaction", start) == first
    assert len(hub.facts.of(TransactionStarted)) == 1


async def test_a_clock_that_stands_still_makes_two_transactions(hub: Hub) -> None:
    station = await hub.station()
    start = {"connectorId": 1, "idTag": "TAG", "meterStart": 0, "timestamp": "1970-01-01T00:00:00Z"}
    first = await station.call("StartTransaction", start)
    assert await station.call("StartTransaction", start) == first, "a repeat before the stop"
    stop = {"transactionId": first["transactionId"], "meterStop": 9, "timestamp": "1970-01-01T00:00:00Z"}
    await station.call("StopTransaction", stop)
    second = await station.call("StartTransaction", start)
    assert second["transactionId"] != first["transactionId"]
    assert len(hub.facts.of(TransactionStarted)) == 2


async def test_stops_without_an_id_find_their_transaction(hub: Hub) -> None:
    station = await hub.station()
    starts = [
        {"connectorId": connector, "idTag": tag, "meterStart": register, "timestamp": "2026-11-23T10:00:00Z"}
        for connector, tag, register in ((1, "ONE", 100), (2, "TWO", 5000))
    ]
    ids = [(await station.call("StartTransaction", start))["transactionId"] for start in starts]
    stop = {"transactionId": 0, "meterStop": 6000, "timestamp": "2026-11-23T11:00:00Z", "idTag": "two"}
    await station.call("StopTransaction", stop)
    await station.call("StopTransaction", stop)  # the same again, although nothing is open for it any more
    (ended,) = hub.facts.of(TransactionEnded)
    assert ended.transaction_id == str(ids[1])
    assert ended.is_id_known
    assert ended.register_start_wh == 5000

    await station.call("StopTransaction", {**stop, "transactionId": -1, "meterStop": 7000, "idTag": "OTHER"})
    assert hub.facts.of(TransactionEnded)[1].transaction_id == str(ids[0]), "the only one left"
    await station.call("StopTransaction", {**stop, "transactionId": -1, "meterStop": 8000})
    orphan = hub.facts.of(TransactionEnded)[2]
    assert (orphan.transaction_id, orphan.is_id_known) == ("-1", False)


async def test_meter_values_find_the_open_transaction_of_their_connector(hub: Hub) -> None:
    station = await hub.station()
    ids = {}
    for connector in (1, 2):
        start = {"connectorId": connector, "idTag": "T", "meterStart": 1, "timestamp": "2026-11-23T10:00:00Z"}
        ids[connector] = (await station.call("StartTransaction", start))["transactionId"]
    value = {"timestamp": "2026-11-23T10:05:00Z", "sampledValue": [{"value": "2"}]}
    early = {"timestamp": "2026-11-23T09:00:00Z", "sampledValue": [{"value": "1"}]}
    for connector, given, values in ((2, -1, value), (1, None, value), (1, None, early), (3, None, value)):
        payload = {"connectorId": connector, "meterValue": [values]}
        await station.call("MeterValues", payload if given is None else {**payload, "transactionId": given})
    told = [(taken.connector_id, taken.transaction_id) for taken in hub.facts.of(MeterValuesTaken)]
    assert told == [(2, str(ids[2])), (1, str(ids[1])), (1, None), (3, None)]


async def test_the_same_meter_values_again_are_one_fact(hub: Hub) -> None:
    station = await hub.station()
    payload = {
        "connectorId": 1,
        "transactionId": 5,
        "meterValue": [{"timestamp": "2026-11-23T10:05:00Z", "sampledValue": [{"value": "2"}]}],
    }
    await station.call("MeterValues", payload)
    await station.close()
    station = await hub.station()
    await station.call("MeterValues", payload)
    assert len(hub.facts.of(MeterValuesTaken)) == 1


async def test_message_ids_may_be_used_again(hub: Hub) -> None:
    station = await hub.station()
    for status in ("Available", "Preparing", "Available"):
        payload = {"connectorId": 1, "errorCode": "NoError", "status": status}
        await station.call("StatusNotification", payload, id="7")
    assert len([f for f in hub.facts.facts if type(f.message).__name__ == "ConnectorStatusChanged"]) == 3


async def test_the_same_frame_twice_gets_the_same_answer(hub: Hub) -> None:
    station = await hub.station()
    payload = {"connectorId": 1, "errorCode": "HighTemperature", "status": "Available"}
    await station.call("StatusNotification", payload, id="7")
    await station.call("StatusNotification", payload, id="7")
    assert len(hub.facts.of(StationFaultReported)) == 1
    assert hub.inside().deviations["repeated request"] == 1
    await station.call("Heartbeat", {}, id="8")
    await station.call("Heartbeat", {}, id="8")
    assert hub.inside().deviations["repeated request"] == 1, "the time is always fresh"


async def test_a_transaction_survives_boot_and_reconnect(hub: Hub) -> None:
    station = await hub.station()
    start = {"connectorId": 1, "idTag": "TAG", "meterStart": 5, "timestamp": "2026-11-23T10:00:00Z"}
    number = (await station.call("StartTransaction", start))["transactionId"]
    await station.close()
    station = await hub.dial(password="0123456789abcdef")  # without a boot
    await station.status(1, "Charging")
    await station.boot()
    await station.call(
        "StopTransaction", {"transactionId": number, "meterStop": 9, "timestamp": "2026-11-23T11:00:00Z"}
    )
    (ended,) = hub.facts.of(TransactionEnded)
    assert ended.transaction_id == str(number)
    assert ended.register_start_wh == 5


async def test_of_many_frames_that_make_no_sense_the_first_few_are_told(hub: Hub) -> None:
    station = await hub.station()
    for number in range(40):
        await station.exchange("StopTransaction", {"meterStop": f"many {number}"})
    await station.exchange("StopTransaction", {"meterStop": "x" * 50_000})
    told = hub.facts.of(StationMessageRejected)
    assert [message.number for message in told] == list(range(1, LOGGED + 1))


async def test_a_long_frame_that_makes_no_sense_is_told_in_part(hub: Hub) -> None:
    station = await hub.station()
    await station.exchange("StopTransaction", {"meterStop": "ä" * 50_000})
    (told,) = hub.facts.of(StationMessageRejected)
    assert len(told.raw) <= LONGEST_RAW


async def test_raw_frames_that_make_no_sense_are_kept(hub: Hub) -> None:
    station = await hub.station()
    hub.fakes.authorizer.status = AuthorizationStatus.ACCEPTED
    answer = await station.call("StartTransaction", {"connectorId": [], "idTag": "TAG", "meterStart": "many"})
    assert answer["idTagInfo"] == {"status": "Invalid"}
    again = await station.call("StartTransaction", {"connectorId": [], "idTag": "TAG", "meterStart": "many"}, id="m2")
    assert again == answer
    await station.exchange("StopTransaction", {"meterStop": "\x00many"})
    await station.exchange("StatusNotification", {"connectorId": "many"})
    first, second = hub.facts.of(StationMessageRejected)
    assert [(first.kind, first.number), (second.kind, second.number)] == [
        ("StartTransaction", 1),
        ("StopTransaction", 2),
    ], "the same frame again is the same fact"
    assert first.reason.startswith("TypeConstraintViolation: ")
    assert json.loads(first.raw)[3] == {"connectorId": [], "idTag": "TAG", "meterStart": "many"}
    await hub.stop()
    with sqlite3.connect(hub.state_path) as state:
        reasons = [row[0] for row in state.execute("SELECT reason FROM rejected_frames")]
        frames = [json.loads(row[0]) for row in state.execute("SELECT frame FROM rejected_frames")]
    assert reasons[0].startswith("StartTransaction: TypeConstraintViolation")
    assert frames[0][3]["meterStart"] == "many"
