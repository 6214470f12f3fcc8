"""``/api/why``: for holders of an operator's token, and nobody else."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from roaming.model.identifiers import PartyId
from roaming.ocpi.authorization import MAX_FAILURES
from roaming.ocpi.outgoing import DELIVERIES
from roaming.partners.operators import add_operator, remove_operator
from roaming.store.bulk import append
from roaming.store.documents import object_key
from tests.kit import ocpi_bodies
from tests.kit.hub_in_process import HOSTED_CPO, HubInProcess, hub_in_process
from tests.kit.ruling import a_rule, rule

OWNER = PartyId.parse(HOSTED_CPO)
TOKEN = "an-operators-token-of-43-characters-at-least"


@pytest.fixture
async def hub(sqlite_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with hub_in_process(sqlite_url, tmp_path) as running:
        await running.host_location("OURS")
        async with running.services.database.work() as work:
            assert await add_operator(work, "dashboard", running.services.secrets.digest(TOKEN))
            assert not await add_operator(work, "dashboard", "another")
        yield running


async def ask(hub: HubInProcess, token: str | None = TOKEN, scheme: str = "Bearer", **query: str) -> httpx.Response:
    headers = {"Authorization": f"{scheme} {token}"} if token is not None else {}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(hub.app), trust_env=False) as client:
        return await client.get("http://hub.test/api/why", params=query, headers=headers)


async def test_the_rule_that_decided_is_named(hub: HubInProcess) -> None:
    await rule(hub.services.database, [a_rule("deny", "locations", object_id="OURS", partner="aaa")])
    answers: dict[str, Any] = {}
    for partner in ("aaa", "bbb"):
        response = await ask(hub, partner=partner, what="OURS")
        assert response.status_code == 200, response.text
        answers[partner] = response.json()["reasons"][0]
    assert (answers["aaa"]["answer"], answers["bbb"]["answer"]) == ("no", "yes")
    assert answers["aaa"]["because"].startswith(f"rule {answers['aaa']['rule']}: deny partner:aaa")


async def test_what_a_version_cannot_say_and_what_was_not_taken_is_told(hub: HubInProcess) -> None:
    await hub.connect("old", "DE-OLD", "EMSP", version="2.1.1")
    await hub.host_location("BARE", postal_code=None)
    await hub.host_location("BUSY", parking_type="ALONG_MOTORWAY", publish=False)
    row = {"coalesce_key": "one", "partner_id": "old", "module": "locations", "object_key": object_key(OWNER, "BARE")}
    row |= {"owner": str(OWNER), "order_key": "", "state": "REFUSED", "last_error": "we take no such", "attempts": 3}
    async with hub.services.database.work() as work:
        times = {"created_at": work.now, "due_at": work.now}
        await append(
            work.connection,
            DELIVERIES,
            [{**row, **times, "revision": 1, "is_full": False, "is_in_doubt": False, "detail": "", "remote_url": ""}],
        )
    found = {each["question"]: each for each in (await ask(hub, partner="old", what="BARE")).json()["reasons"]}
    said = found["its OCPI 2.1.1 can say it"]
    assert (said["answer"], said["because"].partition(":")[0]) == ("no", "postal_code")
    told = found["was told the latest"]
    assert (told["answer"], "we take no such" in told["because"]) == ("REFUSED", True)
    assert "roaming delivery replay" in told["because"]
    found = {each["question"]: each for each in (await ask(hub, partner="aaa", what="OURS")).json()["reasons"]}
    assert found["its OCPI 2.2.1 can say it"]["answer"] == "yes"
    assert "was told the latest" not in found
    hidden = (await ask(hub, partner="aaa", what="BUSY")).json()["reasons"]
    assert not [each for each in hidden if "can say it" in each["question"]]


async def test_what_a_version_leaves_out_is_named(hub: HubInProcess) -> None:
    connectors = [ocpi_bodies.connector(), ocpi_bodies.connector(id="2", standard="NEMA_5_20")]
    evse = ocpi_bodies.evse(uid="E1", evse_id="NL*HUB*E1", connectors=connectors)
    await hub.host_location("WIDE", evses=[evse])
    await hub.connect("old", "DE-OLD", "EMSP", version="2.1.1")
    found = {each["question"]: each for each in (await ask(hub, partner="old", what="WIDE/E1")).json()["reasons"]}
    said = found["its OCPI 2.1.1 can say it"]
    assert (said["answer"], any("NEMA_5_20" in field for field in said["also"])) == ("in part", True), said


async def test_nobody_else_is_answered(hub: HubInProcess) -> None:
    asked = {"partner": "aaa", "what": "OURS"}
    partners = hub.tokens["aaa"]
    wrong = [
        await ask(hub, token, scheme, **asked) for token, scheme in ((None, ""), (partners, "Bearer"), (TOKEN, "Token"))
    ]
    assert {response.status_code for response in wrong} == {401}
    assert len({response.text for response in wrong}) == 1
    assert (await hub.call(None, "GET", "/2.2.1/sender/locations", token=TOKEN)).http_status == 401
    async with hub.services.database.work() as work:
        assert await remove_operator(work, "dashboard")
    assert (await ask(hub, **asked)).status_code == 401


async def test_guesses_are_slowed_down(hub: HubInProcess) -> None:
    for _ in range(MAX_FAILURES):
        assert (await ask(hub, "a guess", partner="aaa", what="OURS")).status_code == 401
    limited = await ask(hub, partner="aaa", what="OURS")
    assert (limited.status_code, "retry-after" in limited.headers) == (429, True)


@pytest.mark.parametrize(
    ("query", "http_status", "complaint"),
    [
        ({}, 400, "partner, what"),
        ({"partner": "aaa", "what": "x" * 600}, 400, "partner, what"),
        ({"partner": "aaa", "what": "a\0b"}, 400, "partner, what"),
        ({"partner": "aaa", "what": "OURS", "party": "?"}, 400, "party"),
        ({"partner": "aaa", "what": "OURS", "kind": "thing"}, 404, "location, tariff"),
        ({"partner": "zzz", "what": "OURS"}, 404, "roaming partner list"),
        ({"partner": "aaa", "what": "NOWHERE"}, 404, "roaming location list"),
    ],
)
async def test_a_mistake_is_named(hub: HubInProcess, query: dict[str, str], http_status: int, complaint: str) -> None:
    response = await ask(hub, **query)
    assert (response.status_code, complaint in response.json()["error"]) == (http_status, True), response.text
