"""Parties behind a partner that is a hub, as its client info tells of them: reached through it while they are there."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from roaming.hub import reach
from roaming.hub.retelling import Reteller
from roaming.model.identifiers import PartyId
from roaming.model.party import InterfaceRole
from roaming.modules.hubclientinfo.asking import HubAsker
from roaming.partners import registry
from roaming.partners.changing import change_agreement
from roaming.partners.directory import HUB, Endpoint, Partner, PartyRole
from roaming.partners.retelling import changed
from roaming.partners.rules import put_rule
from roaming.store.locks import ProcessLocks
from tests.kit.answering_partner import delivering
from tests.kit.hub_in_process import HOSTED_CPO
from tests.kit.passing import Passing, parties_in, passing_hub
from tests.kit.ruling import a_rule
from tests.kit.wait import until

LIST = "/2.2.1/hubclientinfo"


@pytest.fixture
async def passing(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Passing]:
    """``ms2`` is a hub of 2.2.1 that has told of nobody yet; ES-OPE has an agreement with SE-BEH, behind it."""
    monkeypatch.setattr(reach, "KEPT_SECONDS", 0.0)
    async with passing_hub(sqlite_url, tmp_path, ope="2.2.1", msp="2.2.1", ms2="2.2.1") as found:
        async with found.hub.services.database.work() as work:
            directory = await found.hub.services.directory.current()
            hub = directory.partners["ms2"]
            told = Endpoint(module="hubclientinfo", role=InterfaceRole.SENDER, url=f"{found.ms2.door.url}{LIST}")
            await registry.connect_partner(
                work,
                directory,
                hub,
                version="2.2.1",
                versions_url=hub.versions_url,
                endpoints=[*hub.endpoints, told],
                roles=[PartyRole(party=PartyId("IT", "MS2"), role=HUB, name="a hub")],
                sealed_token=hub.sealed_token,
            )
            for cpo, emsp in (("ES-OPE", "SE-BEH"), ("ES-OPE", "DE-HME")):
                await registry.agree(work, cpo=PartyId.parse(cpo), emsp=PartyId.parse(emsp))
        yield found


async def tell(passing: Passing, party: str, status: str, *, role: str = "EMSP", at: str = "10:00:00") -> int:
    body = {"country_code": party[:2], "party_id": party[3:], "role": role, "status": status}
    body["last_updated"] = f"2026-11-23T{at}Z"
    answer = await passing.ms2.call("PUT", f"{LIST}/{party[:2]}/{party[3:]}", body=body)
    return answer.http_status


async def push(passing: Passing, party: str = "SE-BEH") -> tuple[int, int]:
    body = passing.ope.speech.session("ES-OPE", party)
    return (await passing.ope.push("PUT", "sessions", "S1", to=party, body=body)).outcome


async def partner(passing: Passing) -> Partner:
    return (await passing.hub.services.directory.current()).partners["ms2"]


async def test_states_of_a_party_behind_a_hub(passing: Passing) -> None:
    assert await push(passing) == (200, 4001), "nobody told of it"
    assert await tell(passing, "SE-BEH", "PLANNED") == 201
    assert await push(passing) == (200, 4003)
    assert await tell(passing, "SE-BEH", "CONNECTED", at="10:00:01") == 200
    assert await push(passing) == (200, 1000)
    assert parties_in(passing.ms2.last.headers) == ("ES-OPE", "SE-BEH")
    seen = len(passing.ms2.asked)
    for second, status in enumerate(("OFFLINE", "SUSPENDED"), 2):
        await tell(passing, "SE-BEH", status, at=f"10:00:0{second}")
        assert await push(passing) == (200, 4003)
    assert await push(passing, "SE-NOB") == (200, 4001)
    assert len(passing.ms2.asked) == seen
    assert PartyId("SE", "BEH") not in (await partner(passing)).parties(), "gone: another platform may bring it"


async def test_an_old_word_moves_nobody(passing: Passing) -> None:
    await tell(passing, "SE-BEH", "CONNECTED", at="11:00:00")
    await tell(passing, "SE-BEH", "SUSPENDED", at="10:00:00")
    assert await push(passing) == (200, 1000)


async def test_a_hub_is_agreed_with_as_a_whole_and_asked_for_all_behind_it(passing: Passing) -> None:
    services, hub, emsp = passing.hub.services, PartyId("IT", "MS2"), PartyId("IT", "MSP")
    await tell(passing, "SE-CPO", "CONNECTED", role="CPO")
    assert await change_agreement(services.database, services.directory, hub, emsp, is_active=True, who="test")
    passing.ms2.says_data([passing.ope.speech.location("SE-CPO")])
    listed = await passing.msp.call("GET", "/2.2.1/sender/locations", to="IT-MS2")
    assert [location["party_id"] for location in listed.data] == ["CPO"], listed.text
    assert parties_in(passing.ms2.last.headers) == ("IT-MSP", "IT-MS2")


async def test_a_hub_takes_nobodys_parties(passing: Passing) -> None:
    for party, role in (("IT-MSP", "EMSP"), ("DE-HME", "EMSP"), ("NL-HUX", "CPO")):
        await tell(passing, party, "CONNECTED", role=role)
    assert (await partner(passing)).parties() == (PartyId("IT", "MS2"),)
    assert await push(passing, "IT-MSP") == (200, 1000)
    assert parties_in(passing.msp.last.headers) == ("ES-OPE", "IT-MSP")


async def test_only_parties_that_were_agreed_on_are_taken(passing: Passing) -> None:
    async with passing.hub.services.database.work() as work:
        await work.connection.execute(text("UPDATE partners SET allowed_parties = '[\"SE-ONE\"]' WHERE id = 'ms2'"))
        await registry.touch(work)
    for party in ("SE-BEH", "SE-ONE"):
        await tell(passing, party, "CONNECTED")
    assert (await partner(passing)).parties() == (PartyId("IT", "MS2"), PartyId("SE", "ONE"))


async def test_a_hub_is_asked_for_its_list_after_registration(passing: Passing) -> None:
    info: dict[str, Any] = {"country_code": "SE", "party_id": "BEH", "role": "EMSP", "status": "CONNECTED"}
    passing.ms2.says_data([{**info, "last_updated": "2026-11-23T10:00:00Z"}, {"role": 1}, None])
    asker = HubAsker(passing.hub.services)
    await asker.look()
    await asker.look()
    assert [request.target for request in passing.ms2.asked] == [LIST]
    assert (await partner(passing)).parties() == (PartyId("IT", "MS2"), PartyId("SE", "BEH"))
    passing.ms2.says_data(None)
    assert await push(passing) == (200, 1000)


async def test_what_is_for_all_goes_to_the_hub_itself(passing: Passing) -> None:
    await tell(passing, "SE-BEH", "CONNECTED")
    await tell(passing, "SE-TWO", "CONNECTED")
    directory = await passing.hub.services.directory.current()
    takers = {partner.id: taker for partner, taker in directory.takers_of(PartyId("ES", "OPE"))}
    assert (takers["ms2"], takers["msp"]) == (PartyId("IT", "MS2"), PartyId("IT", "MSP"))
    location = passing.ope.speech.location("SE-CPO")
    await tell(passing, "SE-CPO", "CONNECTED", role="CPO")
    pushed = await passing.ms2.call("PUT", "/2.2.1/receiver/locations/SE/CPO/L1", to="NL-HUX", body=location)
    assert pushed.outcome == (201, 1000), pushed.text


async def test_pushes_and_what_rules_change_name_the_hub_not_one_behind_it(passing: Passing) -> None:
    """Else a hub would keep the object for that one alone."""
    hub, its_hub = passing.hub, passing.ms2
    await tell(passing, "SE-BEH", "CONNECTED")
    await tell(passing, "SE-TWO", "CONNECTED")
    async with hub.services.database.work() as work:
        for party in ("SE-BEH", "SE-TWO"):
            await registry.agree(work, cpo=PartyId.parse(HOSTED_CPO), emsp=PartyId.parse(party))
        await work.connection.execute(text("DELETE FROM outgoing"))

    def named() -> dict[str, tuple[str, str]]:
        found = [request for request in its_hub.asked if request.target.endswith("/NL/HUB/OURS")]
        return {request.target.split("/")[-4]: parties_in(request.headers) for request in found}

    both = {"locations": (HOSTED_CPO, "IT-MS2"), "tariffs": (HOSTED_CPO, "IT-MS2")}
    async with delivering(hub):
        await hub.host_objects()
        await until(lambda: len(named()) == 2)
        assert named() == both
        its_hub.asked.clear()
        for kind in ("locations", "tariffs"):
            denied = a_rule("deny", kind, object_id="OURS", partner="ms2")
            await changed(hub.services.database, partial(put_rule, rule=denied))
        reteller = Reteller(hub.services, hub.services.modules, ProcessLocks())
        while await reteller.tell_once():
            pass
        await until(lambda: len(named()) == 2)
        assert named() == both
