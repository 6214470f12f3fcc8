"""Whose word holds on tokens: the central system's, or the hub's where the setting says so."""

import asyncio
import json
from typing import Any

import pytest

from adapters.kit.manifest import Authorization
from adapters.ocpp.proxy.foreign import ASKED_AT_ONCE
from contracts.messages import StationConnected, TransactionEnded, TransactionStarted
from contracts.vocabulary import AuthorizationBasis, AuthorizationStatus
from tests.adapters.ocpp.proxy.conftest import Proxied
from tests.kit.own_csms import OwnCsms
from tests.kit.raw_station import RawStation
from tests.kit.wait import until

START = {"connectorId": 1, "meterStart": 1000, "timestamp": "2026-11-29T09:00:00Z"}
INVALID = {"idTagInfo": {"status": "Invalid"}}
BLOCKED = {"idTagInfo": {"status": "Blocked"}}


async def station_of(proxied: Proxied) -> RawStation:
    """Known to the hub, and told."""
    proxied.fakes.accounts.change("CS-1")
    station = await proxied.dial("CS-1")
    await until(lambda: proxied.running.gateway.find("CS-1") and proxied.inside("CS-1").introduced.is_set())
    return station


def knows(csms: OwnCsms, *tokens: str) -> None:
    """The central system knows these tokens only."""

    def info(payload: dict[str, Any]) -> dict[str, Any]:
        return {"idTagInfo": {"status": "Accepted" if payload["idTag"] in tokens else "Invalid"}}

    csms.answers["Authorize"] = info
    csms.answers["StartTransaction"] = lambda payload: {"transactionId": 4711, **info(payload)}


def allow(proxied: Proxied, uid: str) -> None:
    proxied.fakes.authorizer.answers[uid] = Authorization(
        status=AuthorizationStatus.ACCEPTED, basis=AuthorizationBasis.REAL_TIME, token_uid=uid
    )


def refuse_others(proxied: Proxied) -> None:
    proxied.fakes.authorizer.status = AuthorizationStatus.UNKNOWN_TOKEN


@pytest.mark.parametrize("has_authorized", [True, False])
async def test_a_refusal_of_an_unknown_token_is_the_hubs_to_lift(
    proxied: Proxied, csms: OwnCsms, has_authorized: bool
) -> None:
    await proxied.through(authorise="hub-if-refused")
    knows(csms, "OWN")
    refuse_others(proxied)
    allow(proxied, "GUEST")
    station = await station_of(proxied)
    if has_authorized:
        assert (await station.call("Authorize", {"idTag": "GUEST"}))["idTagInfo"] == {"status": "Accepted"}
    started = await station.call("StartTransaction", {**START, "idTag": "GUEST"})
    assert started == {"transactionId": 4711, "idTagInfo": {"status": "Accepted"}}
    assert csms.asked == (["Authorize"] if has_authorized else []) + ["StartTransaction"]
    await until(lambda: proxied.facts.of(TransactionStarted))
    (told,) = proxied.facts.of(TransactionStarted)
    assert (told.transaction_id, told.token_uid, told.authorization, told.authorization_basis) == (
        "4711", "GUEST", AuthorizationStatus.ACCEPTED, AuthorizationBasis.REAL_TIME,
    )  # fmt: skip


async def test_a_driver_does_not_wait_until_the_connection_is_told(
    proxied: Proxied, csms: OwnCsms, monkeypatch: pytest.MonkeyPatch
) -> None:
    await proxied.through(authorise="hub-if-refused")
    knows(csms)
    allow(proxied, "GUEST")
    proxied.fakes.accounts.change("CS-1")
    is_free, _ = proxied.hold_claims(monkeypatch)
    station = await proxied.dial("CS-1")
    assert (await station.call("Authorize", {"idTag": "GUEST"}))["idTagInfo"] == {"status": "Accepted"}
    assert proxied.facts.of(StationConnected) == []
    proxied.fakes.accounts.change("CS-1", is_admitted=False)
    assert await station.call("Authorize", {"idTag": "GUEST"}) == INVALID
    proxied.fakes.accounts.change("CS-1")
    is_free.set()
    await until(lambda: proxied.facts.of(StationConnected))


async def test_what_the_hub_does_not_know_either_stays_refused(proxied: Proxied, csms: OwnCsms) -> None:
    await proxied.through(authorise="hub-if-refused")
    knows(csms)
    refuse_others(proxied)
    station = await station_of(proxied)
    assert await station.call("Authorize", {"idTag": "NOBODY"}) == INVALID
    await station.call("StartTransaction", {**START, "idTag": "NOBODY"})
    assert station.frames[-1][2]["idTagInfo"] == {"status": "Invalid"}
    await until(lambda: proxied.facts.of(TransactionStarted))
    (told,) = proxied.facts.of(TransactionStarted)
    assert told.authorization is AuthorizationStatus.UNKNOWN_TOKEN


async def test_a_token_that_the_central_system_knows_is_its_own(proxied: Proxied, csms: OwnCsms) -> None:
    await proxied.through(authorise="hub-if-refused")
    csms.answers["Authorize"] = BLOCKED
    station = await station_of(proxied)
    assert await station.call("Authorize", {"idTag": "OWN"}) == BLOCKED
    csms.answers["Authorize"] = {"idTagInfo": {"status": "Accepted", "parentIdTag": "P"}}
    assert (await station.call("Authorize", {"idTag": "OWN"}))["idTagInfo"]["parentIdTag"] == "P"
    assert proxied.fakes.authorizer.asked == []


async def test_a_prefix_is_answered_by_the_hub_alone(proxied: Proxied, csms: OwnCsms) -> None:
    await proxied.through(authorise="hub-prefix", prefixes=["guest"])
    knows(csms, "OWN")
    refuse_others(proxied)
    allow(proxied, "GUEST-1")
    station = await station_of(proxied)
    assert (await station.call("Authorize", {"idTag": "GUEST-1"}))["idTagInfo"] == {"status": "Accepted"}
    assert (await station.call("Authorize", {"idTag": "Guest-2"})) == INVALID
    assert csms.asked == []
    assert (await station.call("Authorize", {"idTag": "OWN"}))["idTagInfo"] == {"status": "Accepted"}
    assert csms.asked == ["Authorize"]
    started = await station.call("StartTransaction", {**START, "idTag": "GUEST-1"})
    assert started == {"transactionId": 4711, "idTagInfo": {"status": "Accepted"}}
    assert csms.asked == ["Authorize", "StartTransaction"]


async def test_by_default_only_the_central_system_decides(proxied: Proxied, csms: OwnCsms) -> None:
    await proxied.through()
    knows(csms)
    station = await station_of(proxied)
    assert await station.call("Authorize", {"idTag": "GUEST"}) == INVALID
    assert proxied.fakes.authorizer.asked == []


async def test_a_hub_that_fails_costs_nobody_an_answer(proxied: Proxied, csms: OwnCsms) -> None:
    await proxied.through(authorise="hub-prefix", prefixes=["G"])
    knows(csms, "G-1")

    async def fail(**_: Any) -> Any:
        raise RuntimeError("told to fail")

    proxied.fakes.authorizer.authorize = fail  # type: ignore[method-assign]
    station = await station_of(proxied)
    assert (await station.call("Authorize", {"idTag": "G-1"}))["idTagInfo"] == {"status": "Accepted"}
    assert csms.asked == ["Authorize"]


async def test_a_flood_of_tokens_asks_the_hub_so_many_at_once(proxied: Proxied, csms: OwnCsms) -> None:
    await proxied.through(authorise="hub-prefix", prefixes=["G"])
    knows(csms)
    is_free, ask = asyncio.Event(), proxied.fakes.authorizer.authorize

    async def wait(**question: Any) -> Authorization:
        await is_free.wait()
        return await ask(**question)

    proxied.fakes.authorizer.authorize = wait  # type: ignore[method-assign]
    station = await station_of(proxied)
    for number in range(ASKED_AT_ONCE + 3):
        await station.socket.send(json.dumps([2, f"a{number}", "Authorize", {"idTag": f"G{number}"}]))
    await csms.until(lambda: len(csms.asked) == 3)
    is_free.set()
    await until(lambda: len(proxied.fakes.authorizer.asked) == ASKED_AT_ONCE)


async def test_nobody_is_answered_for_at_a_station_that_is_not_ours(proxied: Proxied, csms: OwnCsms) -> None:
    await proxied.through(authorise="hub-if-refused")
    knows(csms)
    station = await proxied.dial("CS-9")
    assert await station.call("Authorize", {"idTag": "GUEST"}) == INVALID


async def test_events_of_2_0_1_are_answered_with_the_hubs_word(proxied: Proxied, csms: OwnCsms) -> None:
    await proxied.through(authorise="hub-if-refused")
    csms.answers["TransactionEvent"] = lambda payload: (
        {"idTokenInfo": {"status": "Unknown"}, "chargingPriority": 3} if "idToken" in payload else {}
    )
    refuse_others(proxied)
    allow(proxied, "GUEST")
    proxied.fakes.accounts.change("CS-1")
    station = await proxied.dial("CS-1", subprotocols=("ocpp2.0.1",))
    await until(lambda: proxied.inside("CS-1").introduced.is_set())

    def event(kind: str, number: int, wh: int, **more: Any) -> dict[str, Any]:
        at = f"2026-11-29T09:0{number}:00Z"
        return {
            "eventType": kind, "timestamp": at, "triggerReason": "Authorized", "seqNo": number,
            "transactionInfo": {"transactionId": "T-1"}, "evse": {"id": 1, "connectorId": 1},
            "meterValue": [{"timestamp": at, "sampledValue": [{"value": wh}]}], **more,
        }  # fmt: skip

    token = {"idToken": {"idToken": "GUEST", "type": "ISO14443"}}
    answer = await station.call("TransactionEvent", event("Started", 0, 1000, **token))
    assert answer == {"idTokenInfo": {"status": "Accepted"}, "chargingPriority": 3}
    assert await station.call("TransactionEvent", event("Ended", 1, 8500)) == {}
    await until(lambda: proxied.facts.of(TransactionEnded))
    (started,) = proxied.facts.of(TransactionStarted)
    assert (started.authorization, started.token_uid) == (AuthorizationStatus.ACCEPTED, "GUEST")
