"""Rules decide what passes between two partners, who may charge, and which commands reach a station."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from contracts.messages import AuthorizationRequested, CommandRequested
from contracts.vocabulary import AuthorizationStatus
from roaming.hub import callbacks
from roaming.model.identifiers import PartyId
from roaming.model.version import Version
from roaming.modules.tokens.asking import decide
from roaming.ocpi.headers import RoutingHeaders
from roaming.partners import registry
from roaming.partners.registry import agreements_of
from tests.kit import ocpi_bodies, outbox
from tests.kit.hub_in_process import RECEIVER, SENDER, HubInProcess, hub_in_process
from tests.kit.ruling import a_rule, rule
from tests.kit.speaking import envelope_of

TO_FR_CPO = {"OCPI-to-country-code": "FR", "OCPI-to-party-id": "CPO"}
TO_AAA = {"OCPI-to-country-code": "DE", "OCPI-to-party-id": "AAA"}
SILENT = (200, 4003)
"""The request was let through: nobody listens at the partner's address."""
UNKNOWN = (200, 4001)


@pytest.fixture
async def hub(sqlite_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    """FR-CPO has an agreement with DE-AAA."""
    async with hub_in_process(sqlite_url, tmp_path, hub_party="NL-ZZZ") as running:
        async with running.services.database.work() as work:
            await registry.agree(work, cpo=PartyId("FR", "CPO"), emsp=PartyId("DE", "AAA"))
        yield running


async def test_a_list_that_a_rule_narrows_comes_from_the_hubs_store(hub: HubInProcess) -> None:
    for id in ("L1", "L2"):
        body = ocpi_bodies.location("FR-CPO", id=id)
        await hub.call("cpo", "PUT", f"{RECEIVER}/locations/FR/CPO/{id}", body=body)
    passed = await hub.call("aaa", "GET", f"{SENDER}/locations", headers=TO_FR_CPO)
    assert passed.outcome == SILENT, passed.text
    await rule(hub.services.database, [a_rule("deny", "locations", owner="FR-CPO", object_id="L1", partner="aaa")])
    found = await hub.call("aaa", "GET", f"{SENDER}/locations", headers=TO_FR_CPO)
    assert [entry["id"] for entry in found.data] == ["L2"]
    assert (await hub.call("aaa", "GET", f"{SENDER}/locations/L1", headers=TO_FR_CPO)).http_status == 404
    assert (await hub.call("aaa", "GET", f"{SENDER}/locations/L2", headers=TO_FR_CPO)).outcome == SILENT


async def test_the_next_page_of_a_list_ends_where_a_rule_has_narrowed_it(hub: HubInProcess) -> None:
    (module,) = (entry for entry in hub.services.modules if entry.id == "locations")
    id = await callbacks.keep(
        hub.services,
        callbacks.Kind.PAGE,
        holder="aaa",
        target="cpo",
        url="http://127.0.0.1:9/locations?offset=10",
        module=module,
        route=module.routes[0],
        routing=RoutingHeaders(PartyId("DE", "AAA"), PartyId("FR", "CPO")),
    )
    address = callbacks.address(hub.services, Version.V2_2_1, id)
    assert (await hub.call("aaa", "GET", address)).outcome == SILENT
    await rule(hub.services.database, [a_rule("deny", "locations", owner="FR-CPO", object_id="L1", partner="aaa")])
    assert (await hub.call("aaa", "GET", address)).outcome == (404, 2000)


async def test_a_push_to_one_partner_passes_as_rules_say(hub: HubInProcess) -> None:
    hidden = a_rule("deny", "locations", owner="FR-CPO", object_id="L1", partner="aaa")
    priced = a_rule("price", "locations", owner="FR-CPO", object_id="L2", partner="aaa", tariffs=["T2"])
    await rule(hub.services.database, [hidden, priced])
    for id, outcome in (("L1", UNKNOWN), ("L2", SILENT), ("L3", SILENT)):
        path, body = f"{RECEIVER}/locations/FR/CPO/{id}", ocpi_bodies.location("FR-CPO", id=id)
        assert (await hub.call("cpo", "PUT", path, body=body, headers=TO_AAA)).outcome == outcome, id
    tariff = ocpi_bodies.tariff("FR-CPO", id="T1")
    put = await hub.call("cpo", "PUT", f"{RECEIVER}/tariffs/FR/CPO/T1", body=tariff, headers=TO_AAA)
    assert put.outcome == SILENT


@pytest.mark.parametrize("name", ["START_SESSION", "STOP_SESSION"])
async def test_a_command_for_another_partner_passes_as_rules_say(hub: HubInProcess, name: str) -> None:
    body = {
        "START_SESSION": ocpi_bodies.start_session(location_id="L1", token=ocpi_bodies.token("DE-AAA")),
        "STOP_SESSION": ocpi_bodies.stop_session(),
    }[name]
    path = f"{RECEIVER}/commands/{name}"
    assert (await hub.call("aaa", "POST", path, body=body, headers=TO_FR_CPO)).outcome == SILENT
    await rule(hub.services.database, [a_rule("deny", "commands", owner="FR-CPO", command=name)])
    assert (await hub.call("aaa", "POST", path, body=body, headers=TO_FR_CPO)).outcome == UNKNOWN
    await rule(hub.services.database, [a_rule("deny", "commands", owner="FR-CPO", command="UNLOCK_CONNECTOR")])
    assert (await hub.call("aaa", "POST", path, body=body, headers=TO_FR_CPO)).outcome == SILENT
    await rule(hub.services.database, [a_rule("deny", "tokens", owner="FR-CPO", object_id="L1")])
    expected = UNKNOWN if name == "START_SESSION" else SILENT
    assert (await hub.call("aaa", "POST", path, body=body, headers=TO_FR_CPO)).outcome == expected


async def test_authorisation_at_another_partners_emsp_passes_as_rules_say(hub: HubInProcess) -> None:
    path, where = f"{SENDER}/tokens/CARD/authorize", {"location_id": "L1", "evse_uids": ["E1"]}
    assert (await hub.call("cpo", "POST", path, body=where, headers=TO_AAA)).outcome == SILENT
    await rule(hub.services.database, [a_rule("deny", "tokens", owner="FR-CPO", object_id="L1", evse_uid="E1")])
    assert (await hub.call("cpo", "POST", path, body=where, headers=TO_AAA)).outcome == UNKNOWN
    where["evse_uids"].append("E2")  # type: ignore[attr-defined]
    assert (await hub.call("cpo", "POST", path, body=where, headers=TO_AAA)).outcome == SILENT


async def test_a_hosted_token_charges_as_rules_say(hub: HubInProcess) -> None:
    await hub.host_objects()
    path, where = f"{SENDER}/tokens/HOME1/authorize", {"location_id": "L1", "evse_uids": ["E1"]}
    assert (await hub.call("cpo", "POST", path, body=where)).data["allowed"] == "ALLOWED"
    await rule(hub.services.database, [a_rule("deny", "tokens", owner="FR-CPO", object_id="L1")])
    assert (await hub.call("cpo", "POST", path, body=where)).data["allowed"] == "NOT_ALLOWED"
    assert (await hub.call("riv", "POST", path, body=where)).data["allowed"] == "ALLOWED"
    await rule(hub.services.database, [a_rule("deny", "tokens", owner="DE-HME", partner="cpo")])
    assert (await hub.call("cpo", "POST", path, body=where)).outcome == (404, 2004)


async def test_a_drivers_card_charges_at_our_station_as_rules_say(hub: HubInProcess) -> None:
    await hub.host_location("OURS")
    await hub.host_station("CS-1", "OURS")
    card = ocpi_bodies.token("DE-AAA", uid="CARD", whitelist="ALWAYS")
    await hub.call("aaa", "PUT", f"{RECEIVER}/tokens/DE/AAA/CARD", body=card)

    async def status() -> AuthorizationStatus:
        question = AuthorizationRequested(
            request_id="Q1",
            network="main",
            station_id="CS-1",
            connector_id=1,
            token_uid="CARD",
            deadline=hub.services.clock.now() + timedelta(seconds=2),
        )
        return (await decide(hub.services, envelope_of(question), question)).status

    async def told() -> set[str]:
        async with hub.services.database.reading() as connection:
            return set((await agreements_of(connection, [PartyId("NL", "HUB")]))[0].emsps)

    assert await status() is AuthorizationStatus.ACCEPTED
    assert {"DE-AAA", "DE-BBB"} <= await told()
    await rule(hub.services.database, [a_rule("deny", "tokens", object_id="OURS", evse_uid="OURS-1", partner="aaa")])
    assert await status() is not AuthorizationStatus.ACCEPTED
    assert await told() == set(), "adapters ask about what a rule may keep from them"


@pytest.mark.parametrize("kind", ["commands", "tokens", "locations"])
async def test_a_command_at_our_station_is_taken_as_rules_say(hub: HubInProcess, kind: str) -> None:
    await hub.host_location("OURS")
    await hub.host_station("CS-1", "OURS")
    body = ocpi_bodies.start_session(location_id="OURS", evse_uid=None, token=ocpi_bodies.token("DE-AAA"))
    path = f"{RECEIVER}/commands/START_SESSION"
    await rule(hub.services.database, [a_rule("deny", kind, object_id="OURS", evse_uid="OURS-1", partner="bbb")])
    assert (await hub.call("aaa", "POST", path, body=body)).data["result"] == "ACCEPTED"
    await rule(hub.services.database, [a_rule("deny", kind, object_id="OURS", evse_uid="OURS-1", partner="aaa")])
    refused = await hub.call("aaa", "POST", path, body=body)
    assert refused.data["result"] == "REJECTED", refused.text
    assert len(await outbox.waiting(hub.services.database, CommandRequested)) == 1
    if kind == "locations":
        named = ocpi_bodies.start_session(location_id="OURS", evse_uid="OURS-1", token=ocpi_bodies.token("DE-AAA"))
        assert (await hub.call("aaa", "POST", path, body=named)).code == 2003
