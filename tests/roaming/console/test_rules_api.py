"""``/api/rules`` and what belongs to it: the same changes as by commands, as the OpenAPI document says."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest

from roaming.model.identifiers import PartyId
from roaming.model.party import Role
from roaming.partners import registry
from roaming.partners.operators import add_operator
from tests import openapi
from tests.kit.hub_in_process import SENDER, HubInProcess, hub_in_process

TOKEN = "an-operators-token-of-43-characters-at-least"
DENY = {"effect": "deny", "kind": "locations", "of": "NL-HUB", "location": "OURS", "who": "partner:aaa"}


@pytest.fixture
async def hub(database_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    """On SQLite, then on PostgreSQL."""
    async with hub_in_process(database_url, tmp_path) as running:
        await running.host_objects()
        async with running.services.database.work() as work:
            assert await add_operator(work, "dashboard", running.services.secrets.digest(TOKEN))
        yield running


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((openapi.API / "operators-rules.json").read_text())
    return found


class Api:
    """Asks, and checks each answer against the document."""

    def __init__(self, hub: HubInProcess, document: dict[str, Any]) -> None:
        self.hub, self.document = hub, document

    async def __call__(
        self, method: str, path: str, body: Any = None, *, content: bytes | None = None, token: str = TOKEN
    ) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.hub.app), trust_env=False) as client:
            content = json.dumps(body).encode() if body is not None else content
            headers = {"Authorization": f"Bearer {token}"}
            answer = await client.request(method, f"http://hub.test/api/{path}", content=content, headers=headers)
        said = self._operation(method, path)["responses"][str(answer.status_code)]
        assert ("content" in said) == bool(answer.content)
        if "content" in said:
            schema = {**said["content"]["application/json"]["schema"], "components": self.document["components"]}
            jsonschema_rs.validate(schema, answer.json())
        return answer

    def _operation(self, method: str, path: str) -> Any:
        asked = path.partition("?")[0].split("/")
        for shape, methods in self.document["paths"].items():
            parts = shape.removeprefix("/api/").split("/")
            if len(parts) == len(asked) and all(p == a or p[0] == "{" for p, a in zip(parts, asked, strict=True)):
                return methods[method.lower()]
        raise AssertionError(f"{path} is not in the document")


@pytest.fixture
def api(hub: HubInProcess, document: dict[str, Any]) -> Api:
    return Api(hub, document)


async def sees(hub: HubInProcess, partner: str = "aaa") -> bool:
    return (await hub.call(partner, "GET", f"{SENDER}/locations/OURS")).http_status == 200


async def retellings(hub: HubInProcess) -> int:
    rows = await hub.services.database.reader.fetch("SELECT COUNT(*) FROM retellings")
    return int(rows[0][0])


async def changes(api: Api) -> list[tuple[str, str, str]]:
    found = (await api("GET", "rule-changes")).json()["changes"]
    return [(each["who"], each["action"], each["what"]) for each in found]


async def test_a_rule_is_added_holds_and_is_removed(hub: HubInProcess, api: Api) -> None:
    added = await api("POST", "rules", DENY | {"note": "yard"})
    assert added.status_code == 201, added.text
    rule = added.json()
    assert (rule["location"], rule["who"], rule["tariffs"]) == ("OURS", "partner:aaa", [])
    assert not await sees(hub)
    assert await sees(hub, "bbb")
    assert await retellings(hub) == 1, "the partner is told"
    assert (await api("GET", "rules")).json() == {"rules": [rule]}
    again = await api("POST", "rules", DENY | {"effect": "allow"})
    assert again.json()["id"] == rule["id"], "in place of one about the same"
    assert (await api("DELETE", f"rules/{rule['id']}")).status_code == 204
    assert (await api("GET", "rules")).json() == {"rules": []}
    assert await sees(hub)
    gone = await api("DELETE", f"rules/{rule['id']}")
    assert (gone.status_code, gone.json()["error"]) == (404, f"no rule {rule['id']}: see `roaming rule list`")


async def test_a_price_for_tokens_and_a_time_and_why_it_decides(hub: HubInProcess, api: Api) -> None:
    await api("POST", "groups/tokens/vans/members", {"members": ["DE-AAA/CARD-1"], "force": True})
    words = {"effect": "price", "kind": "locations", "of": "NL-HUB", "tariffs": ["OURS"], "tokens": "vans"}
    times = {"valid_from": "2020-01-01T01:00:00+01:00", "valid_until": "2099-01-01T00:00:00Z"}
    rule = (await api("POST", "rules", words | times)).json()
    assert (rule["tokens"], rule["is_in_force"]) == ("vans", True)
    assert (rule["valid_from"], rule["valid_until"]) == ("2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z")
    assert (await api("GET", "rules")).json() == {"rules": [rule]}
    other = (await api("POST", "rules", words)).json()
    assert other["id"] != rule["id"], "one more: for all times"
    evse = (await hub.call("aaa", "GET", f"{SENDER}/locations/OURS")).data["evses"][0]["uid"]
    there = f"price-reason?of=NL-HUB&place=OURS/{evse}"
    found = (await api("GET", f"{there}&emsp=DE-AAA")).json()
    assert (found["rule"], found["also"]) == (None, []), "no token of the group"
    assert (found["profile"], found["profile_from"]) == ("REGULAR", "nobody named one")
    found = (await api("GET", f"{there}&emsp=DE-AAA&profile=FAST")).json()
    assert found["profile_from"].startswith("preferences for FAST are asked for, but ")
    for path, status, said in (
        (f"{there}&token=NOBODYS", 404, "roaming token list"),
        (there, 404, "name a token"),
        ("price-reason?session=NONE", 404, "roaming session list"),
        ("price-reason", 400, "a session, or of and place"),
        (f"{there}&emsp=DE-AAA&at=noon", 400, "noon"),
        (f"{there}&emsp=DE-AAA&profile=fast", 400, "one of CHEAP, FAST"),
        ("price-reason?of=NL-HUB&place=OURS/NONE&emsp=DE-AAA", 404, f"OURS/{evse}"),
    ):
        answer = await api("GET", path)
        assert (answer.status_code, said in answer.json()["error"]) == (status, True), answer.text
    for wrong, field in (
        (words | {"tokens": "buses"}, "tokens"),
        (words | {"valid_until": times["valid_from"], "valid_from": times["valid_until"]}, "valid_until"),
        (DENY | {"tokens": "vans"}, "tokens"),
        (DENY | {"valid_from": times["valid_from"]}, "valid_from"),
        (words | {"valid_from": "2020-01-01T01:00:00"}, "valid_from"),
    ):
        answer = await api("POST", "rules", wrong)
        assert (answer.status_code, answer.json()["field"]) == (400, field), answer.text


async def test_who_changed_what_is_kept(hub: HubInProcess, api: Api) -> None:
    number = (await api("POST", "rules", DENY)).json()["id"]
    await api("POST", "groups/parties/big/members", {"members": ["DE-AAA"]})
    await api("DELETE", "groups/parties/big/members")
    await api("DELETE", "agreements/NL-HUB/DE-AAA")
    await api("PUT", "agreements/NL-HUB/DE-AAA")
    await api("DELETE", f"rules/{number}")
    rule = f"rule {number}: deny partner:aaa locations NL-HUB/OURS"
    assert await changes(api) == [
        ("api:dashboard", "remove rule", rule),
        ("api:dashboard", "agree", "NL-HUB DE-AAA"),
        ("api:dashboard", "end agreement", "NL-HUB DE-AAA"),
        ("api:dashboard", "remove from group", "parties big: all"),
        ("api:dashboard", "add to group", "parties big: DE-AAA"),
        ("api:dashboard", "add rule", rule),
    ]
    newest = (await api("GET", "rule-changes?limit=1")).json()["changes"]
    older = (await api("GET", f"rule-changes?limit=1&before={newest[0]['id']}")).json()["changes"]
    assert [each["action"] for each in (*newest, *older)] == ["remove rule", "agree"]


async def test_what_was_refused_has_changed_nothing(hub: HubInProcess, api: Api) -> None:
    assert (await api("POST", "rules", DENY | {"location": "NONE"})).status_code == 400
    assert (await api("DELETE", "rules/99")).status_code == 404
    assert await changes(api) == []
    assert await retellings(hub) == 0


async def test_readings_of_tariffs(api: Api) -> None:
    async def chosen(answer: httpx.Response) -> dict[str, str]:
        assert answer.status_code == 200, answer.text
        return {row["reading"]: row["value"] for row in answer.json()["readings"] if row["is_chosen"]}

    path = "agreements/NL-HUB/DE-AAA/readings"
    assert await chosen(await api("GET", path)) == {}
    wish = {"readings": {"spanned_period": "DIVIDED", "decimals": 2, "element_choice": "PER_DIMENSION"}}
    expected = {name: str(value) for name, value in wish["readings"].items()}
    assert await chosen(await api("PUT", path, wish)) == expected
    assert await chosen(await api("GET", path)) == expected
    (change,) = (await api("GET", "rule-changes?limit=1")).json()["changes"]
    assert (change["who"], "spanned_period=DIVIDED" in change["what"]) == ("api:dashboard", True)
    for readings, said in (
        ({"step_scope": "WEEK"}, "WEEK is none of SESSION"),
        ({"colour": "red"}, "colour: no reading"),
    ):
        refused = await api("PUT", path, {"readings": readings})
        assert (refused.status_code, refused.json()["field"], said in refused.text) == (400, "readings", True)
    assert await chosen(await api("PUT", path, {"readings": {"step_scope": "PERIOD"}})) == {"step_scope": "PERIOD"}
    assert await chosen(await api("PUT", path, {"readings": {}})) == {}
    assert (await api("GET", "agreements/NL-HUB/DE-NIL/readings")).status_code == 404


async def test_groups_and_agreements(hub: HubInProcess, api: Api) -> None:
    added = await api("POST", "groups/locations/closed%20yards/members", {"members": ["NL-HUB/OURS"]})
    assert added.json() == {"members": 1}
    group = {"kind": "locations", "name": "closed yards", "members": ["NL-HUB/ours"]}
    assert (await api("GET", "groups")).json() == {"groups": [group]}
    await api("POST", "rules", {"effect": "deny", "kind": "locations", "of": "group:closed yards"})
    assert not await sees(hub)
    gone = await api("DELETE", "groups/locations/closed%20yards/members?member=NL-HUB/OURS")
    assert gone.json() == {"members": 1}
    assert await sees(hub)
    assert (await api("DELETE", "agreements/NL-HUB/DE-AAA")).status_code == 204
    assert not await sees(hub)
    assert (await api("DELETE", "agreements/NL-HUB/DE-AAA")).status_code == 404
    found = (await api("GET", "agreements")).json()["agreements"]
    states = {(each["cpo"], each["emsp"]): (each["is_in_force"], each["emsp_of"]) for each in found}
    assert states["NL-HUB", "DE-AAA"] == (False, "aaa")
    assert (await api("PUT", "agreements/nl*hub/DE-AAA")).status_code == 204
    assert await sees(hub)


async def test_an_agreement_that_would_rest_is_not_made_and_one_that_rests_can_be_ended(
    database_url: str, tmp_path: Path, document: dict[str, Any]
) -> None:
    other, aaa = PartyId("NL", "TWO"), PartyId("DE", "AAA")
    async with hub_in_process(database_url, tmp_path, version="2.1.1") as hub:
        async with hub.services.database.work() as work:
            assert await add_operator(work, "dashboard", hub.services.secrets.digest(TOKEN))
            await registry.host_party(work, other, Role.CPO, name="Two")
        api = Api(hub, document)

        async def state() -> list[tuple[bool, bool]]:
            found = (await api("GET", "agreements")).json()["agreements"]
            mine = [each for each in found if (each["cpo"], each["emsp"]) == ("NL-TWO", "DE-AAA")]
            return [(each["is_in_force"], each["is_resting"]) for each in mine]

        refused = await api("PUT", "agreements/NL-TWO/DE-AAA")
        assert (refused.status_code, "2.1.1" in refused.json()["error"]) == (409, True)
        assert await state() == []
        assert await changes(api) == []
        assert (await api("DELETE", "agreements/NL-TWO/DE-AAA")).status_code == 404
        async with hub.services.database.work() as work:
            await registry.agree(work, cpo=other, emsp=aaa)
        assert await state() == [(False, True)]
        assert (await api("DELETE", "agreements/NL-TWO/DE-AAA")).status_code == 204
        assert await state() == [(False, False)]


@pytest.mark.parametrize(
    ("method", "path", "body", "field", "complaint"),
    [
        ("POST", "rules", {"effect": "deny", "of": "NL-HUB"}, "kind", "missing"),
        ("POST", "rules", DENY | {"colour": "red"}, "colour", "unknown field"),
        ("POST", "rules", DENY | {"note": 7}, "note", "Expected `str`"),
        ("POST", "rules", DENY | {"note": "a\0b"}, "note", "regex"),
        ("POST", "rules", DENY | {"note": "x" * 256}, "note", "length"),
        ("POST", "rules", DENY | {"tariffs": [1]}, "tariffs", "Expected `str`"),
        ("POST", "rules", [DENY], "", "Expected `object`"),
        ("POST", "rules", DENY | {"effect": "forbid"}, "effect", "allow, deny, price"),
        ("POST", "rules", DENY | {"of": "?"}, "of", "?"),
        ("POST", "rules", DENY | {"of": "group:none", "location": ""}, "of", "no group of locations none"),
        ("POST", "rules", DENY | {"who": "them"}, "who", "party:NL-TNM"),
        ("POST", "rules", DENY | {"location": "", "evse": "E"}, "location", "required"),
        ("POST", "rules", DENY | {"location": "NONE"}, "location", '"force": true'),
        ("POST", "rules", DENY | {"evse": "NONE"}, "evse", "OURS-1"),
        ("POST", "rules", DENY | {"effect": "price"}, "tariffs", "one at least"),
        ("POST", "rules", DENY | {"effect": "price", "tariffs": ["T9"]}, "tariffs", "has no tariff T9"),
        ("POST", "groups/cars/x/members", {"members": ["DE-AAA"]}, "kind", "parties, locations or tokens"),
        ("POST", "groups/parties/x/members", {"members": []}, "members", "one at least"),
        ("POST", "groups/parties/x/members", {"members": ["DE-ZZX"]}, "members", "DE-ZZX is no party"),
        ("POST", "groups/parties/%00/members", {"members": ["DE-AAA"]}, "name", "characters"),
        ("DELETE", "rules/one", None, "id", "whole number"),
        ("PUT", "agreements/x/DE-AAA", None, "cpo", "x"),
        ("GET", "rule-changes?limit=0", None, "limit", "from 1"),
    ],
)
async def test_a_mistake_is_named_by_its_field(
    hub: HubInProcess, api: Api, method: str, path: str, body: Any, field: str, complaint: str
) -> None:
    answer = await api(method, path, body)
    assert (answer.status_code, answer.json().get("field", "")) == (400, field), answer.text
    assert complaint in answer.json()["error"]


async def test_a_body_that_is_no_json_is_refused(hub: HubInProcess, api: Api) -> None:
    for content in (b"", b"{", b"\xff", b"[" * 100_000, b" " * (1024 * 1024 + 1)):
        assert (await api("POST", "rules", content=content)).status_code == 400


async def test_nobody_else_changes_anything(hub: HubInProcess, api: Api) -> None:
    for token in ("wrong", hub.tokens["aaa"]):
        assert (await api("POST", "rules", DENY, token=token)).status_code == 401
    assert (await api("GET", "rules")).json() == {"rules": []}


async def test_the_document_is_served(hub: HubInProcess, document: dict[str, Any]) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(hub.app), trust_env=False) as client:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        assert (await client.get("http://hub.test/api/openapi.json", headers=headers)).json() == document
