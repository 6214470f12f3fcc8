"""Webhooks over HTTP: for holders of an operator's token; mistakes are named, and secrets are shown once."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from roaming.console import webhooks_api
from roaming.console.webhooks_api import ROUTES
from roaming.model.identifiers import PartyId
from roaming.partners.operators import add_operator
from tests.kit.hub_in_process import HubInProcess, hub_in_process
from tests.kit.scripted_partner import ScriptedPartner, always, http_answer

TOKEN = "an-operators-token-of-43-characters-at-least"


@pytest.fixture
async def hub(sqlite_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with hub_in_process(sqlite_url, tmp_path, smtp_host="127.0.0.1", smtp_from="hub@example.org") as running:
        async with running.services.database.work() as work:
            await add_operator(work, "anna", running.services.secrets.digest(TOKEN))
        yield running


async def call(hub: HubInProcess, method: str, path: str, body: Any = None, *, token: str = TOKEN) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(hub.app), trust_env=False) as client:
        return await client.request(method, f"http://hub.test{path}", json=body, headers=headers)


async def test_the_life_of_a_webhook(hub: HubInProcess) -> None:
    async with ScriptedPartner(always(http_answer(b"ok"))) as receiver:
        wanted = {"name": "noc", "url": receiver.url, "events": ["station.*"], "party": "NL-HUB"}
        answer = await call(hub, "POST", "/api/webhooks", wanted)
        assert answer.status_code == 201, answer.text
        secret = answer.json()["secret"]
        assert secret.startswith("whsec_")
        assert (await call(hub, "POST", "/api/webhooks", wanted)).status_code == 409
        listed = await call(hub, "GET", "/api/webhooks")
        (one,) = listed.json()["webhooks"]
        assert (one["name"], one["events"], one["party"], one["who"]) == ("noc", ["station.*"], "NL-HUB", "api:anna")
        assert secret not in listed.text
        done = (await call(hub, "POST", "/api/webhooks/noc/test")).json()
        assert (done["arrived"], done["http_status"]) == (True, 200)
        assert b'"webhook.test"' in receiver.requests[0].body
        receiver.script = always(http_answer(b"no", status="404 No"))
        done = (await call(hub, "POST", "/api/webhooks/noc/test")).json()
        assert (done["arrived"], done["error"]) == (False, "HTTP 404")
    assert (await call(hub, "POST", "/api/webhooks/noc/secret")).json()["secret"] != secret
    assert (await call(hub, "POST", "/api/webhooks/noc/off")).json() == {"name": "noc", "is_on": False}
    assert (await call(hub, "POST", "/api/webhooks/noc/replay")).json() == {"replayed": 0}
    assert (await call(hub, "GET", "/api/webhooks/noc/notifications?state=dead")).json() == {"notifications": []}
    assert "station.fault" in (await call(hub, "GET", "/api/event-kinds")).json()["events"]
    assert (await call(hub, "DELETE", "/api/webhooks/noc")).status_code == 200
    assert (await call(hub, "DELETE", "/api/webhooks/noc")).status_code == 404


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"url": "https://10.0.0.1/"}, "url"),
        ({"url": "ftp://noc.example"}, "url"),
        ({"name": "../x"}, "name"),
        ({"events": ["station.exploded"]}, "events"),
        ({"events": "station.fault"}, "events"),
        ({"party": "NOBODY-AT-ALL"}, "party"),
        ({"secret": "whsec_c2hvcnQ="}, "secret"),
    ],
)
async def test_a_mistake_is_named(hub: HubInProcess, values: dict[str, Any], field: str) -> None:
    wanted = {"name": "noc", "url": "https://noc.example/hook"} | values
    answer = await call(hub, "POST", "/api/webhooks", wanted)
    assert (answer.status_code, answer.json()["field"]) == (400, field)
    assert field in answer.json()["error"]
    assert (await call(hub, "GET", "/api/webhooks")).json() == {"webhooks": []}


async def test_a_wrong_address_is_named_as_the_body_calls_it(hub: HubInProcess) -> None:
    for address in ("noc", "noc@example.org, x@example.org", "https://noc.example"):
        answer = await call(hub, "POST", "/api/mails", {"name": "noc", "address": address})
        assert (answer.status_code, answer.json()["field"]) == (400, "address"), answer.text
        assert "such as noc@example.org" in answer.json()["error"]


async def test_a_party_adds_so_many_itself(hub: HubInProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks_api, "MOST_OF_PARTY", 1)
    theirs = "a-partys-token-of-43-characters-at-the-very-least"
    async with hub.services.database.work() as work:
        digest = hub.services.secrets.digest(theirs)
        await add_operator(work, "bert", digest, party=PartyId("NL", "HUB"))
    wanted = {"url": "https://noc.example/hook", "party": "NL-HUB"}
    statuses = [
        (await call(hub, "POST", "/api/webhooks", wanted | {"name": name}, token=token)).status_code
        for name, token in (("a", theirs), ("b", theirs), ("c", TOKEN))
    ]
    assert statuses == [201, 409, 201]
    answer = await call(hub, "POST", "/api/mails", {"name": "d", "address": "anybody@example.org"}, token=theirs)
    assert (answer.status_code, answer.json()["field"]) == (403, "address")


async def test_nobody_else_is_answered(hub: HubInProcess) -> None:
    for path, method, _ in ROUTES:
        for token in (hub.tokens["aaa"], "", "wrong"):
            answer = await call(hub, method, path.replace("{name}", "x").replace("{what}", "on"), {}, token=token)
            assert answer.status_code in (401, 429), path
