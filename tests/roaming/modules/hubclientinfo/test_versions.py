"""Hub client info in each version that has it: served, taken, pushed, and asked of a hub in front of us."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from roaming.model.identifiers import PartyId
from roaming.modules.hubclientinfo import repository, service
from roaming.modules.hubclientinfo.asking import HubAsker
from tests.kit.answering_partner import answering_partner, delivering
from tests.kit.hub_in_process import HubInProcess, hub_in_process
from tests.kit.listing_partner import ListingPartner, listen_at
from tests.kit.ocpi_speech import ALL
from tests.kit.scripted_partner import ScriptedPartner
from tests.kit.wait import until

VERSIONS = ALL[1:]
BEHIND = PartyId("NL", "ALL")


@pytest.fixture(params=VERSIONS)
async def hub(request: pytest.FixtureRequest, sqlite_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    """Everybody connected and told, and ``up``, a hub in front of us."""
    async with hub_in_process(sqlite_url, tmp_path, version=request.param, offered_versions=ALL) as running:
        await running.connect("up", "NL-UPP", "HUB", more_modules=("hubclientinfo",))
        yield running


def client(party: str = "NL-ALL", **values: Any) -> dict[str, Any]:
    body = {"country_code": party[:2], "party_id": party[3:], "role": "CPO", "status": "CONNECTED"}
    return body | {"last_updated": "2026-11-23T10:00:00Z"} | values


@pytest.mark.ocpi_cell("hubclientinfo", "$hub", "sender", "server")
async def test_the_list_is_of_everybody_but_the_caller(hub: HubInProcess) -> None:
    await service.keep(hub.services)
    listed = await hub.call("aaa", "GET", f"/{hub.speech.version}/hubclientinfo")
    assert {entry["party_id"] for entry in listed.data} == {"HUB", "HME", "BBB", "CPO", "RIV"}


@pytest.mark.ocpi_cell("hubclientinfo", "$hub", "receiver", "server")
async def test_a_hub_tells_of_a_party_behind_it(hub: HubInProcess) -> None:
    address = f"/{hub.speech.version}/hubclientinfo/NL/ALL"
    assert (await hub.call("up", "PUT", address, body=client())).outcome == (201, 1000)
    changed = client(status="OFFLINE", last_updated="2026-11-24T10:00:00Z")
    assert (await hub.call("up", "PUT", address, body=changed)).outcome == (200, 1000)
    assert (await hub.call("up", "GET", address)).data == changed


@pytest.mark.ocpi_cell("hubclientinfo", "$hub", "receiver", "client")
async def test_a_change_is_pushed(hub: HubInProcess) -> None:
    async with answering_partner(hub, "aaa", "DE-AAA", "EMSP") as listening, delivering(hub):
        await service.keep(hub.services)
        end = f"/{hub.speech.version}/receiver/hubclientinfo/FR/CPO"
        (told,) = await until(lambda: listening.of("PUT", end))  # type: ignore[misc]
    assert told.body == client("FR-CPO", last_updated=told.body["last_updated"])
    assert not [name for name in told.headers if name.startswith("ocpi-")], "a configuration module"


@pytest.mark.ocpi_cell("hubclientinfo", "$hub", "sender", "client")
async def test_who_is_behind_a_hub_is_asked(hub: HubInProcess) -> None:
    listing = ListingPartner({"hubclientinfo": [client(), client("NL-ALL", role="EMSP", status="PLANNED"), "nothing"]})
    async with ScriptedPartner(listing) as listening:
        await listen_at(hub, "up", listening.url, ("hubclientinfo",), version=hub.speech.version)
        await HubAsker(hub.services).look()
    assert len(listing.asked) == 2, "two pages"
    assert not [name for request in listing.asked for name in request.headers if name.startswith("ocpi-")]
    reader = hub.services.database.reader
    told = await repository.told_by(reader, "up", BEHIND)
    assert told is not None
    assert (told.role, told.status) == ("CPO", "CONNECTED")
    assert await repository.told_by(reader, "aaa", BEHIND) is None
