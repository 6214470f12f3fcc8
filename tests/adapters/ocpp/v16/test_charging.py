"""Authorisations around starts, and what transactions tell."""

import itertools
from decimal import Decimal
from typing import Any

import pytest

from adapters.kit.manifest import Authorization
from contracts.messages import (
    MeterValuesTaken,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
)
from contracts.vocabulary import AuthorizationBasis, AuthorizationStatus, ConnectorStatus, StopReason
from tests.adapters.ocpp.conftest import Hub

pytestmark = pytest.mark.ocpp_exchange

START = {"connectorId": 1, "idTag": "TAG", "meterStart": 100, "timestamp": "2026-11-23T10:00:00Z"}


def _answer(status: AuthorizationStatus, **fields: Any) -> Authorization:
    return Authorization(status=status, basis=AuthorizationBasis.REAL_TIME, token_uid="Tag", **fields)


async def test_the_answer_to_authorize_is_kept_for_the_start(hub: Hub) -> None:
    hub.fakes.authorizer.answers["TAG"] = _answer(
        AuthorizationStatus.ACCEPTED, authorization_reference="REF", group_id="G"
    )
    station = await hub.station()
    assert await station.call("Authorize", {"idTag": "TAG"}) == {
        "idTagInfo": {"status": "Accepted", "parentIdTag": "G"}
    }
    await station.call("StartTransaction", START)
    assert len(hub.fakes.authorizer.asked) == 1
    (started,) = hub.facts.of(TransactionStarted)
    assert (started.authorization_reference, started.token_uid) == ("REF", "Tag")
    assert started.authorization_basis is AuthorizationBasis.REAL_TIME
    await station.call("StartTransaction", {**START, "connectorId": 2})
    assert len(hub.fakes.authorizer.asked) == 2, "one authorisation, one start"


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (AuthorizationStatus.BLOCKED, "Blocked"),
        (AuthorizationStatus.EXPIRED, "Expired"),
        (AuthorizationStatus.NO_CREDIT, "Blocked"),
        (AuthorizationStatus.NOT_ALLOWED, "Invalid"),
        (AuthorizationStatus.UNKNOWN_TOKEN, "Invalid"),
    ],
)
async def test_a_refused_tag_gets_a_transaction_all_the_same(hub: Hub, status: AuthorizationStatus, word: str) -> None:
    hub.fakes.authorizer.status = status
    station = await hub.station()
    assert (await station.call("Authorize", {"idTag": "TAG"}))["idTagInfo"] == {"status": word}
    started = await station.call("StartTransaction", START)
    assert started["idTagInfo"] == {"status": word}
    assert started["transactionId"] > 0
    (fact,) = hub.facts.of(TransactionStarted)
    assert fact.authorization is status


async def test_tags_are_cleaned_before_they_are_looked_up(hub: Hub) -> None:
    station = await hub.station()
    await station.call("Authorize", {"idTag": "04:a2:b3:c4\u0000"})
    assert hub.fakes.authorizer.asked == [("CS-1", None, "04a2b3c4")]
    assert (await station.call("Authorize", {"idTag": " "}))["idTagInfo"]["status"] == "Invalid"
    assert len(hub.fakes.authorizer.asked) == 1


async def test_a_whole_charge(hub: Hub) -> None:
    station = await hub.station()
    number = (await station.call("StartTransaction", START))["transactionId"]
    await station.status(1, "Charging")
    await station.status(1, "SuspendedEV")
    midway = {"timestamp": "2026-11-23T10:30:00Z", "sampledValue": [{"value": "5000"}]}
    assert await station.call("MeterValues", {"connectorId": 1, "transactionId": number, "meterValue": [midway]}) == {}
    begin = {"timestamp": "2026-11-23T10:00:00Z", "sampledValue": [{"value": "100", "context": "Transaction.Begin"}]}
    end = {"timestamp": "2026-11-23T11:00:00Z", "sampledValue": [{"value": "7.5", "unit": "kWh"}]}
    stopped = await station.call(
        "StopTransaction",
        {
            "transactionId": number,
            "meterStop": 7500,
            "timestamp": "2026-11-23T11:00:00Z",
            "reason": "EVDisconnected",
            "idTag": "tag",
            "transactionData": [end, begin],
        },
    )
    assert stopped == {"idTagInfo": {"status": "Accepted"}}
    updates = hub.facts.of(TransactionUpdated)
    assert [(update.state, update.transaction_id) for update in updates] == [
        (ConnectorStatus.CHARGING, str(number)),
        (ConnectorStatus.SUSPENDED_EV, str(number)),
    ]
    first, last = hub.facts.of(MeterValuesTaken)
    assert {(taken.connector_id, taken.transaction_id) for taken in (first, last)} == {(1, str(number))}
    assert [sample.values[0].value for sample in first.samples + last.samples] == [5000, 100, 7500]
    (ended,) = hub.facts.of(TransactionEnded)
    assert (ended.register_start_wh, ended.register_wh) == (Decimal(100), Decimal(7500))
    assert (ended.reason, ended.reason_text, ended.token_uid) == (StopReason.CAR_GONE, "EVDisconnected", "TAG")
    assert ended.is_id_known
    stories = {fact.correlation_id for fact in hub.facts.facts if type(fact.message).__name__ != "StationConnected"}
    assert len(stories - {None}) == 1, "one story"
    await station.status(1, "Charging")
    assert len(hub.facts.of(TransactionUpdated)) == 2, "nothing is open any more"


async def test_another_station_s_transaction_is_left_alone(hub: Hub) -> None:
    victim = await hub.station("VICTIM")
    number = (await victim.call("StartTransaction", START))["transactionId"]
    thief = await hub.station("THIEF")
    stop = {"transactionId": number, "meterStop": 100, "timestamp": "2026-11-23T10:30:00Z"}
    assert await thief.call("StopTransaction", stop) == {}
    (ended,) = hub.facts.of(TransactionEnded)
    assert ended.station_id == "THIEF"
    assert ended.register_start_wh is None
    await victim.call("StopTransaction", {**stop, "meterStop": 5000})
    assert hub.facts.of(TransactionEnded, "VICTIM")[0].register_start_wh == 100


async def test_ids_cannot_be_counted(hub: Hub) -> None:
    station = await hub.station()
    ids = [
        (await station.call("StartTransaction", {**START, "meterStart": register}))["transactionId"]
        for register in range(20)
    ]
    steps = {second - first for first, second in itertools.pairwise(ids)}
    assert len(set(ids)) == 20
    assert len(steps) == 19
    assert max(map(abs, steps)) > 2**20
