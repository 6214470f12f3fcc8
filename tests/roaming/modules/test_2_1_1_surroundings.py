"""What bodies of 2.1.1 leave out and where it comes from: drivers behind an auth_id, sessions behind a CDR, quoted
locations, one address for both sides of a module, one party of ours."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from roaming.model.identifiers import PartyId
from roaming.model.version import Version
from roaming.modules.tokens import service as tokens
from roaming.partners import registry
from tests.kit import ocpi_bodies
from tests.kit.hub_in_process import HOSTED_CPO, HubInProcess, hub_in_process
from tests.kit.ocpi_speech import ALL, Speech

SPEECH = Speech("2.1.1")
SESSION = "/2.1.1/sessions/FR/CPO/S1"
SINCE = "date_from=2020-01-01T00:00:00Z"


@pytest.fixture
async def hub(database_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with hub_in_process(database_url, tmp_path, version="2.1.1", offered_versions=ALL) as running:
        yield running


async def know(hub: HubInProcess, uid: str, **changes: Any) -> None:
    """A driver of DE-HME."""
    body = ocpi_bodies.token("DE-HME", uid=uid, **changes)
    async with hub.services.database.work() as work:
        await tokens.publish(work, tokens.CODECS[Version.V2_2_1].decode(body).value)


async def as_later_versions_say(hub: HubInProcess, module: str, path: str) -> dict[str, Any]:
    """What is stored, in full."""
    found: dict[str, Any] = (await hub.call("cpo", "GET", f"/2.3.0/receiver/{module}/{path}")).data
    return found


async def test_a_contract_of_nobody_here_is_refused(hub: HubInProcess) -> None:
    for method, path, body in (
        ("PUT", SESSION, SPEECH.session()),
        ("POST", "/2.1.1/cdrs", SPEECH.cdr()),
    ):
        answer = await hub.call("cpo", method, path, body=body)
        assert answer.outcome == (200, 2001)
        assert answer.message.startswith("auth_id:")


async def test_a_contract_means_the_card_before_the_app(hub: HubInProcess) -> None:
    await know(hub, "CARD", contract_id="DE-HME-C1")
    await know(hub, "APP", type="APP_USER", contract_id="DE-HME-C1")
    await know(hub, "OTHER", contract_id="DE-HME-C2")
    body = SPEECH.session() | {"auth_id": "de-hme-c1"}
    assert (await hub.call("cpo", "PUT", SESSION, body=body)).outcome == (201, 1000)
    stored = await as_later_versions_say(hub, "sessions", "FR/CPO/S1")
    assert (stored["cdr_token"]["uid"], stored["cdr_token"]["party_id"]) == ("CARD", "HME")
    assert [stored[name] for name in ("location_id", "evse_uid", "connector_id")] == ["L1", "E1", "1"]


async def test_a_cdr_finds_its_session(hub: HubInProcess) -> None:
    await know(hub, "CARD", contract_id="DE-HME-C1")
    near, far = "2026-11-23T09:01:30Z", "2026-11-23T09:10:00Z"
    for number, start in enumerate((near, far)):
        body = SPEECH.session(id=f"S{number}", start_date_time=start) | {"auth_id": "DE-HME-C1"}
        assert (await hub.call("cpo", "PUT", f"/2.1.1/sessions/FR/CPO/S{number}", body=body)).code == 1000
    answer = await hub.call("cpo", "POST", "/2.1.1/cdrs", body=SPEECH.cdr() | {"auth_id": "DE-HME-C1"})
    assert answer.outcome == (201, 1000), answer.text
    assert (await as_later_versions_say(hub, "cdrs", "FR/CPO/C1"))["session_id"] == "S0"
    alone = SPEECH.cdr(id="C2", start_date_time="2026-11-23T08:00:00Z") | {"auth_id": "DE-HME-C1"}
    assert (await hub.call("cpo", "POST", "/2.1.1/cdrs", body=alone)).outcome == (201, 1000)
    assert "session_id" not in await as_later_versions_say(hub, "cdrs", "FR/CPO/C2")


async def test_a_session_gives_back_the_location_that_it_came_with(hub: HubInProcess) -> None:
    await know(hub, "CARD", contract_id="DE-HME-C00000001")
    assert (await hub.call("cpo", "PUT", SESSION, body=SPEECH.session())).outcome == (201, 1000)
    assert (await hub.call("cpo", "GET", SESSION)).data["location"] == SPEECH.location()


async def test_a_patch_leaves_the_place_alone(hub: HubInProcess) -> None:
    await know(hub, "CARD", contract_id="DE-HME-C00000001")
    await hub.call("cpo", "PUT", SESSION, body=SPEECH.session())
    answer = await hub.call("cpo", "PATCH", SESSION, body={"kwh": 9, "status": "COMPLETED"})
    assert answer.outcome == (200, 1000), answer.text
    stored = (await hub.call("cpo", "GET", SESSION)).data
    assert (stored["kwh"], stored["status"], stored["location"]["id"]) == (9, "COMPLETED", "L1")
    other = await hub.call("cpo", "PATCH", SESSION, body={"auth_id": "DE-HME-C9"})
    assert other.outcome == (200, 2001)


async def test_three_segments_are_ours_or_the_callers(hub: HubInProcess) -> None:
    await hub.host_location("OURS")
    assert (await hub.call("cpo", "PUT", "/2.1.1/locations/FR/CPO/L1", body=SPEECH.location())).code == 1000
    theirs = await hub.call("cpo", "GET", "/2.1.1/locations/FR/CPO/L1")
    assert theirs.data["id"] == "L1"
    ours = await hub.call("aaa", "GET", "/2.1.1/locations/OURS/OURS-1/1")
    assert ours.data["id"] == "1"
    foreign = await hub.call("aaa", "GET", "/2.1.1/locations/FR/CPO/L1")
    assert foreign.outcome == (404, 2000)
    forged = await hub.call("riv", "PUT", "/2.1.1/locations/FR/CPO/L1", body=SPEECH.location())
    assert forged.outcome == (200, 2001)


async def test_routing_headers_are_neither_read_nor_sent(hub: HubInProcess) -> None:
    await hub.host_location("OURS")
    headers = {"OCPI-to-country-code": "XX", "OCPI-from-party-id": "?", "X-Request-ID": "one"}
    answer = await hub.call("aaa", "GET", "/2.1.1/locations", headers=headers)
    assert answer.outcome == (200, 1000)
    assert not [name for name in answer.headers if name.startswith(("ocpi-", "x-request", "x-correlation"))]


async def test_only_the_counterpart_is_seen(hub: HubInProcess) -> None:
    await hub.host_location("OURS")
    other = PartyId("NL", "OTH")
    async with hub.services.database.work() as work:
        await registry.host_party(work, other, "CPO", name="Another CPO of ours")
        await registry.agree(work, cpo=other, emsp=PartyId("DE", "AAA"))
    directory = await hub.services.directory.current()
    assert directory.hosted_cpos_for(directory.partners["aaa"]) == (PartyId.parse(HOSTED_CPO),)
    assert not directory.may_exchange(cpo=other, emsp=PartyId("DE", "AAA"))


@pytest.mark.parametrize("name", ["CANCEL_RESERVATION", "NONSENSE"])
async def test_commands_that_2_1_1_lacks(hub: HubInProcess, name: str) -> None:
    answer = await hub.call("aaa", "POST", f"/2.1.1/commands/{name}", body=ocpi_bodies.cancel_reservation())
    assert answer.outcome == (404, 2000)


async def test_what_2_1_1_cannot_say_hides_nothing_else(hub: HubInProcess) -> None:
    await hub.host_location("OURS")
    await hub.host_location("NO-POST", postal_code=None)
    assert [entry["id"] for entry in (await hub.call("aaa", "GET", "/2.1.1/locations")).data] == ["OURS"]
    answer = await hub.call("aaa", "GET", "/2.1.1/locations/NO-POST")
    assert answer.outcome == (200, 3000)
    assert "postal_code" in answer.message
