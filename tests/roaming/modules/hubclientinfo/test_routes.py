"""Hub client info: what is said of whom, to whom, and what a hub in front of us may tell."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from roaming import worker
from roaming.model.identifiers import PartyId
from roaming.modules.hubclientinfo import service
from roaming.partners.presence import note_presence
from roaming.partners.registry import disconnect_partner
from tests.kit.bus import ScriptedBus
from tests.kit.hub_in_process import HubInProcess, hub_in_process
from tests.kit.scripted_partner import ScriptedPartner, always, enveloped, http_answer
from tests.kit.wait import until

LIST = "/2.2.1/hubclientinfo"
EVERYBODY = {("NL-HUB", "CPO"), ("DE-HME", "EMSP"), ("DE-AAA", "EMSP"), ("DE-BBB", "EMSP"), ("FR-CPO", "CPO")} | {
    ("FR-RIV", "CPO")
}


@pytest.fixture
async def hub(database_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    """Everybody connected and told, and ``up``, a hub in front of us."""
    async with hub_in_process(database_url, tmp_path) as running:
        await running.connect("up", "NL-UPP", "HUB", more_modules=("hubclientinfo",))
        await service.keep(running.services)
        yield running


def said(answer: Any) -> dict[tuple[str, str], str]:
    return {(f"{e['country_code']}-{e['party_id']}", e["role"]): e["status"] for e in answer.data}


def client(party: str = "NL-ALL", **values: Any) -> dict[str, Any]:
    """The specification's example, with the time that it lacks."""
    body = {"country_code": party[:2], "party_id": party[3:], "role": "CPO", "status": "PLANNED"}
    return body | {"last_updated": "2026-11-23T10:00:00Z"} | values


async def fall_silent(hub: HubInProcess, partner_id: str, *, is_offline: bool = True) -> None:
    async with hub.services.database.work() as work:
        await note_presence(work, partner_id, is_offline=is_offline)
    await service.keep(hub.services)


@pytest.mark.parametrize(("partner", "own"), [("aaa", "DE-AAA"), ("cpo", "FR-CPO"), ("up", "")])
async def test_everybody_is_listed_but_the_caller(hub: HubInProcess, partner: str, own: str) -> None:
    answer = await hub.call(partner, "GET", LIST)
    assert answer.outcome == (200, 1000)
    assert said(answer) == {entry: "CONNECTED" for entry in EVERYBODY if entry[0] != own}
    assert answer.headers["x-total-count"] == str(len(answer.data))
    assert not [name for name in answer.headers if name.lower().startswith("ocpi-")]


async def test_2_3_0_lists_the_same(hub: HubInProcess) -> None:
    answer = await hub.call("aaa", "GET", "/2.3.0/hubclientinfo")
    assert said(answer) == said(await hub.call("aaa", "GET", LIST))


async def test_2_1_1_does_not_have_it(database_url: str, tmp_path: Path) -> None:
    async with hub_in_process(database_url, tmp_path, version="2.1.1", offered_versions=("2.1.1",)) as old:
        assert (await old.call("aaa", "GET", "/2.1.1/hubclientinfo")).http_status == 404


async def test_the_list_is_followed_to_its_end(hub: HubInProcess) -> None:
    pages = await hub.pages("aaa", f"{LIST}?limit=2")
    assert [len(page.data) for page in pages] == [2, 2, 1]
    assert {entry for page in pages for entry in said(page)} == {entry for entry in EVERYBODY if entry[0] != "DE-AAA"}


async def test_silence_and_return_are_changes_with_their_date(hub: HubInProcess) -> None:
    before = (await hub.call("aaa", "GET", LIST)).data
    await asyncio.sleep(0.002)
    await fall_silent(hub, "cpo")
    since = max(entry["last_updated"] for entry in before)
    changed = [entry for entry in (await hub.call("aaa", "GET", LIST)).data if entry not in before]
    assert [(entry["party_id"], entry["status"]) for entry in changed] == [("CPO", "OFFLINE")]
    assert changed[0]["last_updated"] >= since
    answer = await hub.call("aaa", "GET", f"{LIST}?date_from={changed[0]['last_updated']}")
    assert ("FR-CPO", "CPO") in said(answer)
    assert said(await hub.call("aaa", "GET", f"{LIST}?date_from=2099-01-01T00:00:00Z")) == {}
    await fall_silent(hub, "cpo", is_offline=False)
    assert said(await hub.call("aaa", "GET", LIST))["FR-CPO", "CPO"] == "CONNECTED"


async def test_whoever_left_is_suspended_and_stays_listed(hub: HubInProcess) -> None:
    async with hub.services.database.work() as work:
        await disconnect_partner(work, "cpo")
    assert await service.keep(hub.services) == 1
    assert said(await hub.call("aaa", "GET", LIST))["FR-CPO", "CPO"] == "SUSPENDED"


async def test_nothing_is_said_twice(hub: HubInProcess) -> None:
    before = (await hub.call("aaa", "GET", LIST)).data
    assert await service.keep(hub.services) == 0
    assert (await hub.call("aaa", "GET", LIST)).data == before


async def test_what_a_hub_tells_is_kept_for_it_alone(hub: HubInProcess) -> None:
    address = f"{LIST}/NL/ALL"
    assert (await hub.call("up", "GET", address)).outcome == (404, 2000)
    assert (await hub.call("up", "PUT", address, body=client())).outcome == (201, 1000)
    assert (await hub.call("up", "PUT", address, body=client(x_note="kept"))).outcome == (200, 1000)
    assert (await hub.call("up", "GET", address)).data == client(x_note="kept")
    for other in ("aaa", "cpo"):
        assert (await hub.call(other, "GET", address)).outcome == (404, 2000)
        assert ("NL-ALL", "CPO") not in said(await hub.call(other, "GET", LIST))


async def test_what_a_hub_tells_of_ours_changes_nothing_of_ours(hub: HubInProcess) -> None:
    body = client("FR-CPO", status="SUSPENDED", last_updated="2099-01-01T00:00:00Z")
    assert (await hub.call("up", "PUT", f"{LIST}/FR/CPO", body=body)).http_status == 201
    assert said(await hub.call("aaa", "GET", LIST))["FR-CPO", "CPO"] == "CONNECTED"
    assert (await hub.call("up", "GET", f"{LIST}/FR/CPO")).data == body


async def test_of_two_roles_the_connected_one_is_got(hub: HubInProcess) -> None:
    await hub.call("up", "PUT", f"{LIST}/NL/ALL", body=client(role="EMSP", status="CONNECTED"))
    await hub.call("up", "PUT", f"{LIST}/NL/ALL", body=client(last_updated="2026-11-24T10:00:00Z"))
    assert (await hub.call("up", "GET", f"{LIST}/NL/ALL")).data["role"] == "EMSP"


async def test_an_older_word_does_not_undo_a_newer(hub: HubInProcess) -> None:
    await hub.call("up", "PUT", f"{LIST}/NL/ALL", body=client(status="CONNECTED"))
    old = client(status="OFFLINE", last_updated="2026-11-22T10:00:00Z")
    assert (await hub.call("up", "PUT", f"{LIST}/NL/ALL", body=old)).outcome == (200, 1000)
    assert (await hub.call("up", "GET", f"{LIST}/NL/ALL")).data["status"] == "CONNECTED"


async def test_the_specifications_own_example_is_taken(hub: HubInProcess) -> None:
    body = {name: value for name, value in client().items() if name != "last_updated"}
    assert (await hub.call("up", "PUT", f"{LIST}/NL/ALL", body=body)).outcome == (201, 1000)
    (entry,) = await hub.journal("method = 'PUT'")
    assert entry[:3] == ("up", "hubclientinfo", "PUT")


@pytest.mark.parametrize(
    ("partner", "address", "body"),
    [
        ("aaa", "NL/ALL", client()),
        ("up", "NL/ALL", client("NL-ELS")),
        ("up", "NL/ALL", client(status=None)),
        ("up", "NL/ALL", {}),
        ("up", "NL/ALLL", client()),
    ],
)
async def test_what_cannot_be_told(hub: HubInProcess, partner: str, address: str, body: dict[str, Any]) -> None:
    assert (await hub.call(partner, "PUT", f"{LIST}/{address}", body=body)).outcome == (200, 2001)
    assert (await hub.call("up", "GET", f"{LIST}/NL/ALL")).outcome == (404, 2000)


def pushed(listener: ScriptedPartner) -> list[dict[str, Any]]:
    """What came of FR-CPO, in order."""
    return [json.loads(r.body) for r in listener.requests if r.target.endswith("/receiver/hubclientinfo/FR/CPO")]


async def test_a_change_is_pushed_to_those_who_take_it(hub: HubInProcess) -> None:
    async with ScriptedPartner(always(http_answer(enveloped(None)))) as listener:
        await hub.connect("lis", "SE-LIS", "EMSP", url=listener.url, more_modules=("hubclientinfo",))
        running = worker.Worker(hub.services, ScriptedBus())
        await running.start()
        try:
            async with hub.services.database.work() as work:
                await note_presence(work, "cpo", is_offline=True)
            await until(lambda: [entry["status"] for entry in pushed(listener)][-1:] == ["OFFLINE"])
        finally:
            await running.stop()
    assert {name: pushed(listener)[-1][name] for name in ("country_code", "party_id", "role")} == {
        "country_code": "FR",
        "party_id": "CPO",
        "role": "CPO",
    }
    for request in listener.requests:
        assert not [name for name in request.headers if name.startswith("ocpi-")], "a configuration module"
    assert not [request for request in listener.requests if "/SE/LIS" in request.target], "it knows of itself"


async def test_a_party_that_moved_is_where_it_is_now(hub: HubInProcess) -> None:
    directory = await hub.services.directory.current()
    known = service.stated(directory, {"cpo"}, {})
    assert known["FR/CPO/cpo"].status == "OFFLINE"
    assert known["FR/RIV/cpo"].status == "CONNECTED"
    assert PartyId.parse("NL-UPP") not in {entry.party for entry in known.values()}, "a hub is a platform"
