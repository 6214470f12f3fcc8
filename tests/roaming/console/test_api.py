"""``/api/why``: for holders of an operator's token, and nobody else."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from roaming.ocpi.authorization import MAX_FAILURES
from roaming.partners.operators import add_operator, remove_operator
from tests.kit.hub_in_process import HubInProcess, hub_in_process
from tests.kit.ruling import a_rule, rule

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
