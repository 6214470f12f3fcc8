"""``/api/tariffs``: one or many, each judged by itself; tariffs of a day's prices. As the OpenAPI document says."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest

from roaming.model.identifiers import PartyId
from roaming.partners.operators import add_operator
from tests.kit import ocpi_bodies
from tests.kit.hub_in_process import HOSTED_CPO, HubInProcess, hub_in_process

TOKEN = "an-operators-token-of-43-characters-at-least"
THEIRS = "a-token-of-one-party-of-43-characters-at-least"
PRICES = {"party": HOSTED_CPO, "id": "SPOT", "time_zone": "Europe/Amsterdam", "vat": "20", "markup": 0.1}


@pytest.fixture
async def hub(database_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with hub_in_process(database_url, tmp_path) as running:
        async with running.services.database.work() as work:
            digest = running.services.secrets.digest
            await add_operator(work, "erp", digest(TOKEN))
            await add_operator(work, "theirs", digest(THEIRS), party=PartyId.parse("FR-CPO"))
        yield running


async def post(hub: HubInProcess, path: str, body: Any, *, token: str = TOKEN) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(hub.app), trust_env=False) as client:
        headers = {"Authorization": f"Bearer {token}"}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = await client.post(f"http://hub.test/api/{path}", content=content, headers=headers)
        document = (
            await client.get("http://hub.test/api/tariffs.json", headers={"Authorization": f"Bearer {TOKEN}"})
        ).json()
    operation = document["paths"][f"/api/{path.partition('?')[0]}"]["post"]["responses"]
    if answer.status_code in (200, 400):
        schema = operation[str(answer.status_code)]["content"]["application/json"]["schema"]
        jsonschema_rs.validate({**schema, "components": document["components"]}, answer.json())
    return answer


async def stored(hub: HubInProcess) -> set[str]:
    rows = await hub.services.database.reader.fetch("SELECT object_id FROM tariffs WHERE source = ''")
    return {row[0] for row in rows}


def own(**changes: Any) -> dict[str, Any]:
    return ocpi_bodies.tariff(HOSTED_CPO, **changes)


def without(name: str) -> dict[str, Any]:
    return {field: value for field, value in own(id="W").items() if field != name}


async def test_each_is_judged_by_itself(hub: HubInProcess) -> None:
    bad_time = {
        "price_components": [{"type": "ENERGY", "price": 1, "step_size": 1}],
        "restrictions": {"start_time": "25:00"},
    }
    entries: list[tuple[Any, str]] = [
        (own(id="A"), ""),
        (without("currency"), "currency"),
        (own(id="C", elements=[{"price_components": [{"type": "ENERGY", "price": "dear", "step_size": 1}]}]), "price"),
        (own(id="D", elements=[{"price_components": []}]), "elements[0].price_components"),
        (own(id="E", elements=[bad_time]), "elements[0].restrictions.start_time"),
        (ocpi_bodies.tariff("FR-CPO", id="F"), "party_id"),
        ("no tariff", ""),
        (without("last_updated") | {"id": "H"}, ""),
        (own(id="I", tax_included="YES", min_price={"before_taxes": 1}), ""),
    ]
    right = {1, 8, 9}
    for query, is_stored in (("?dry_run=true", False), ("", True)):
        answer = await post(hub, f"tariffs{query}", [entry for entry, _ in entries])
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert (found["stored"], found["refused"], found["dry_run"]) == (3, 6, not is_stored)
        assert {row["row"] for row in found["tariffs"] if row["state"] == "ok"} == right
        for row, (_, field) in zip(found["tariffs"], entries, strict=True):
            assert row["field"].endswith(field), row
            assert bool(row["error"]) == (row["row"] not in right), row
        assert await stored(hub) == ({"A", "H", "I"} if is_stored else set())
        told = await hub.services.database.reader.fetch("SELECT object_key FROM outgoing WHERE module = 'tariffs'")
        assert len(told) == (3 if is_stored else 0)
    alone = (await post(hub, "tariffs", own(id="J"))).json()
    assert (alone["stored"], alone["tariffs"][0]["party"], alone["tariffs"][0]["id"]) == (1, HOSTED_CPO, "J")
    told = await hub.services.database.reader.fetch("SELECT object_key FROM outgoing WHERE module = 'tariffs'")
    assert {row[0].rpartition("/")[2].upper() for row in told} == {"A", "H", "I", "J"}, "partners are told"


async def test_what_is_no_list_of_tariffs_is_refused(hub: HubInProcess) -> None:
    for body, query, said in (
        (b"{", "", "no JSON"),
        ([], "", "a list of 1 to 1000"),
        ([1] * 1001, "", "a list of 1 to 1000"),
        (own(), "?dry_run=perhaps", "true or false"),
    ):
        answer = await post(hub, f"tariffs{query}", body)
        assert (answer.status_code, said in answer.json()["error"]) == (400, True), answer.text
    assert (await post(hub, "tariffs", own(), token=THEIRS)).status_code == 403
    assert (await post(hub, "tariffs/from-prices", PRICES, token=THEIRS)).status_code == 403
    assert await stored(hub) == set()


async def test_prices_of_a_day_become_a_tariff(hub: HubInProcess) -> None:
    day = {"prices": [0.1 + hour / 1000 for hour in range(23)], "day": "2026-03-29"}
    made = await post(
        hub, "tariffs/from-prices", PRICES | day | {"preview": {"start": "2026-03-29T01:00", "power": 10}}
    )
    assert made.status_code == 200, made.text
    found = made.json()
    assert "20 kWh, Sun 29 March 2026 01:00 to 04:00" in found["preview"], "an hour of it does not come"
    assert (found["findings"], found["published"], await stored(hub)) == ([], False, set())
    prices = [element["price_components"][0]["price"] for element in found["tariff"]["elements"]]
    assert prices == [*(round(0.2 + hour / 1000, 4) for hour in range(23)), 0.211]
    assert (await post(hub, "tariffs", found["tariff"])).json()["stored"] == 1

    rows = {"prices": [{"start": "2026-01-12T10:00Z", "end": "2026-01-12T11:00Z", "price": 80}], "per": "MWh"}
    published = await post(hub, "tariffs/from-prices", PRICES | rows | {"id": "ONE", "publish": True})
    assert published.json()["published"] is True
    assert await stored(hub) == {"SPOT", "ONE"}
    csv = {"csv": "start;price\n2026-01-12 10:00;0,1\n2026-01-12 11:00;0,2\n"}
    assert (await post(hub, "tariffs/from-prices", PRICES | csv)).json()["notes"][0].startswith("2 prices from")
    for wish, field, said in (
        ({}, "prices", "either prices or csv"),
        (day | csv, "prices", "either prices or csv"),
        (day | {"day": ""}, "day", "bare prices need the day"),
        ({"prices": [1, {"start": "noon", "price": 1}]}, "prices[0]", "is no time"),
        (day | {"per": "J"}, "per", "kWh or MWh"),
        (day | {"party": "me"}, "party", "is no party"),
        (day | {"party": "FR-CPO", "publish": True}, "party_id", "not hosted here"),
        (day | {"id": "a\0b", "publish": True}, "id", "character"),
        (day | {"currency": "EURO", "publish": True}, "currency", "ISO 4217"),
        (day | {"vat": "1e400"}, "vat", "no amount"),
        (day | {"preview": {"start": "noon"}}, "preview", "no time"),
        (day | {"preview": {"start": "9999-12-31T00:00"}}, "preview", "start: 9999"),
        (day | {"preview": {"start": "2026-03-29T01:00", "power": "1e-99999"}}, "power_kw", "no number"),
        (day | {"colour": "red"}, "colour", "unknown field"),
    ):
        answer = await post(hub, "tariffs/from-prices", PRICES | wish)
        assert answer.status_code == 400, answer.text
        assert (answer.json()["field"], said in answer.json()["error"]) == (field, True), answer.text
    assert await stored(hub) == {"SPOT", "ONE"}
