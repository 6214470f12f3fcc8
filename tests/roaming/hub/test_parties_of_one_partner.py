"""A platform that speaks for several eMSPs: each sees what rules and agreements give it, in lists and pushes alike."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from roaming.hub.retelling import Reteller
from roaming.hub.why import why
from roaming.model.identifiers import PartyId
from roaming.model.party import Role
from roaming.modules.tariffs import service as tariffs
from roaming.partners import registry
from roaming.partners.agreements import Rule
from roaming.partners.retelling import changed
from roaming.partners.rules import drop_rule, put_rule
from roaming.store.locks import ProcessLocks
from tests.kit import ocpi_bodies
from tests.kit.answering_partner import AnsweringPartner, answering_partner, delivering
from tests.kit.hub_in_process import HOSTED_CPO, SENDER, HubInProcess, decoded, hub_in_process
from tests.kit.ruling import a_rule, rule
from tests.kit.wait import until

ONE, TWO = "DE-TW1", "DE-TW2"
OWN, FLEET = ["T-OWN"], ["FLEET"]
PRICE = a_rule("price", "locations", object_id="OURS", party=ONE, tariffs=FLEET)


async def publish(hub: HubInProcess) -> None:
    connector = ocpi_bodies.connector(tariff_ids=OWN)
    await hub.host_location("OURS", evses=[ocpi_bodies.evse(uid="E1", evse_id=None, connectors=[connector])])


@pytest.fixture
async def hub(database_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    """On SQLite, then on PostgreSQL."""
    async with hub_in_process(database_url, tmp_path) as running:
        for id in (*OWN, *FLEET):
            async with running.services.database.work() as work:
                await tariffs.publish(work, decoded(tariffs.CODECS, ocpi_bodies.tariff(HOSTED_CPO, id=id)))
        await publish(running)
        async with running.services.database.work() as work:
            await work.connection.exec_driver_sql("DELETE FROM outgoing")
        yield running


@pytest.fixture
async def two(hub: HubInProcess) -> AsyncIterator[AnsweringPartner]:
    """``two`` speaks for DE-TW1 and DE-TW2."""
    async with AsyncExitStack() as stack:
        found = await stack.enter_async_context(answering_partner(hub, "two", f"{ONE} {TWO}", Role.EMSP))
        await stack.enter_async_context(delivering(hub))
        yield found


def of(party: str | None) -> dict[str, str]:
    country, _, id = (party or "").partition("-")
    return {"OCPI-from-country-code": country, "OCPI-from-party-id": id} if party else {}


async def listed(hub: HubInProcess, party: str | None) -> tuple[list[Any], list[str]]:
    """Tariffs at the connectors, and those of the list."""
    places = (await hub.call("two", "GET", f"{SENDER}/locations", headers=of(party))).data
    prices = (await hub.call("two", "GET", f"{SENDER}/tariffs", headers=of(party))).data
    return [entry["evses"][0]["connectors"][0]["tariff_ids"] for entry in places], sorted(each["id"] for each in prices)


def told(two: AnsweringPartner) -> set[tuple[str, str, str, str]]:
    """(method, receiver, path, tariffs at the connector) of all that came."""
    return {
        (
            entry.method,
            f"{entry.headers['ocpi-to-country-code']}-{entry.headers['ocpi-to-party-id']}",
            entry.path.split("/receiver/")[1],
            ",".join(entry.body["evses"][0]["connectors"][0].get("tariff_ids", ()))
            if "/locations/" in entry.path
            else "",
        )
        for entry in two.taken
    }


async def change(hub: HubInProcess, new: Rule | None = None, *, drop: int = 0) -> int:
    number = await changed(hub.services.database, lambda work: put_rule(work, new) if new else drop_rule(work, drop))
    reteller = Reteller(hub.services, hub.services.modules, ProcessLocks())
    while await reteller.tell_once():
        pass
    return number


async def settled(hub: HubInProcess) -> None:
    async def nothing_waits() -> bool:
        reader = hub.services.database.reader
        waiting = "SELECT 1 FROM deliveries WHERE partner_id = 'two' AND state = 'PENDING' UNION SELECT 1 FROM outgoing"
        return not await reader.fetch(waiting)

    await until(nothing_waits)


async def test_each_party_lists_what_it_is_offered(hub: HubInProcess, two: AnsweringPartner) -> None:
    await rule(hub.services.database, [PRICE])
    assert await listed(hub, ONE) == ([FLEET], ["FLEET", "T-OWN"])
    assert await listed(hub, TWO) == ([OWN], ["T-OWN"])
    assert await listed(hub, None) == ([OWN], ["FLEET", "T-OWN"]), "who names nobody sees no price that is not for all"
    single = {
        party: (await hub.call("two", "GET", f"{SENDER}/locations/OURS/E1/1", headers=of(party))).data["tariff_ids"]
        for party in (ONE, TWO)
    }
    assert single == {ONE: FLEET, TWO: OWN}


async def test_a_price_of_one_party_is_told_to_that_one(hub: HubInProcess, two: AnsweringPartner) -> None:
    number = await change(hub, PRICE)
    await settled(hub)
    place, fleet = "locations/NL/HUB/OURS", "tariffs/NL/HUB/FLEET"
    assert told(two) == {("PUT", ONE, place, "FLEET"), ("DELETE", TWO, fleet, "")}
    two.taken.clear()
    await publish(hub)
    await settled(hub)
    assert told(two) == {("PUT", ONE, place, "FLEET"), ("PUT", TWO, place, "T-OWN")}
    two.taken.clear()
    await change(hub, drop=number)
    await settled(hub)
    assert {(method, path, at) for method, _, path, at in told(two)} == {("PUT", place, "T-OWN"), ("PUT", fleet, "")}
    two.taken.clear()
    await publish(hub)
    await settled(hub)
    assert told(two) == {("PUT", ONE, place, "T-OWN")}, "once, as long as all its parties see the same"


async def test_what_is_hidden_from_one_party_goes_for_that_one(hub: HubInProcess, two: AnsweringPartner) -> None:
    await change(hub, a_rule("deny", "locations", object_id="OURS", party=TWO))
    await settled(hub)
    ((method, party, path, _),) = told(two)
    assert (method, party, path, two.taken[0].body["publish"]) == ("PUT", TWO, "locations/NL/HUB/OURS", False)
    assert (await listed(hub, TWO), await listed(hub, ONE)) == (
        ([], ["FLEET", "T-OWN"]),
        ([OWN], ["FLEET", "T-OWN"]),
    )
    answer = await hub.call("two", "GET", f"{SENDER}/locations/OURS", headers=of(TWO))
    assert answer.http_status == 404


async def test_each_party_has_its_own_agreements(hub: HubInProcess, two: AnsweringPartner) -> None:
    async with hub.services.database.work() as work:
        await registry.agree(work, cpo=PartyId.parse(HOSTED_CPO), emsp=PartyId.parse(TWO), is_active=False)
    assert await listed(hub, TWO) == ([], [])
    assert await listed(hub, ONE) == await listed(hub, None) == ([OWN], ["FLEET", "T-OWN"])


async def test_why_speaks_of_each_party(hub: HubInProcess, two: AnsweringPartner) -> None:
    await rule(hub.services.database, [PRICE])
    reasons = {reason["question"]: reason["answer"] for reason in await why(hub.services, "two", "OURS/E1")}
    assert reasons[f"{ONE} is offered there"] == "FLEET"
    assert reasons[f"{TWO} is offered there"] == "the connectors' own tariffs"
    fleet = {r["question"]: r["answer"] for r in await why(hub.services, "two", "FLEET", kind="tariff")}
    assert {question: answer for question, answer in fleet.items() if "sees" in question} == {
        f"{ONE} sees the tariff": "yes",
        f"{TWO} sees the tariff": "no",
    }


async def test_a_partner_that_knows_no_parties_is_told_once(hub: HubInProcess) -> None:
    await hub.connect("old", "DE-OL1 DE-OL2", Role.EMSP, version="2.1.1")
    await rule(hub.services.database, [a_rule("price", "locations", object_id="OURS", party="DE-OL1", tariffs=FLEET)])
    places = (await hub.call("old", "GET", "/2.1.1/locations")).data
    assert [place["evses"][0]["connectors"][0]["tariff_id"] for place in places] == OWN
    assert sorted(each["id"] for each in (await hub.call("old", "GET", "/2.1.1/tariffs")).data) == ["FLEET", "T-OWN"]
