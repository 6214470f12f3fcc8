"""A month priced again over HTTP: page by page, what the command finds."""

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from roaming.billing.rerating import Group, Outcome
from roaming.cli.rerating import rows_of
from roaming.console import rerating_api
from roaming.model.identifiers import PartyId
from roaming.modules.cdrs import repository
from roaming.partners.operators import add_operator
from tests.kit.hub_in_process import HubInProcess, hub_in_process
from tests.roaming.cli.test_rerating import CDR, COUNT, MONTH, PLAIN, keep_month
from tests.roaming.console.test_pricing_api import OWN, TOKENS, call, table

PATH = "/api/cdr-rerates"


@pytest.fixture
async def hub(sqlite_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with hub_in_process(sqlite_url, tmp_path) as running:
        async with running.services.database.work() as work:
            await add_operator(work, "anna", running.services.secrets.digest(OWN))
            digest = running.services.secrets.digest(TOKENS["DE-AAA"])
            await add_operator(work, "aaa", digest, party=PartyId.parse("DE-AAA"))
        await keep_month(running)
        yield running


async def test_a_month_page_by_page(hub: HubInProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rerating_api, "PAGE", 4)
    dearer = json.loads(msgspec.json.Encoder(decimal_format="number").encode(PLAIN))
    for element in dearer["elements"]:
        for each in element["price_components"]:
            each["price"] *= 2
    wish = {"month": MONTH, "tariff": dearer}
    whole = (await call(hub, "POST", PATH, wish)).json()
    (only,) = whole["sums"]
    assert (whole["cdrs"], whole["percent"], whole["next"], only["changed"], only["unpriced"]) == (
        COUNT,
        100,
        "",
        COUNT,
        0,
    )
    assert Decimal(only["stated"]) * 2 == Decimal(only["rerated"]) == 2 * (COUNT - 2) * CDR.total_cost.before_taxes
    pages: list[dict[str, Any]] = []
    address = f"{PATH}?limit=7"
    while address:
        answer = await call(hub, "POST", address, wish)
        pages.append(answer.json())
        link = answer.headers.get("link", "")
        address = link[1 : link.index(">")] if link else ""
        assert bool(link) is bool(pages[-1]["next"])
    assert [page["cdrs"] for page in pages] == [7, 7, 7, 7, 2]
    assert sum(Decimal(page["sums"][0]["rerated"]) for page in pages) == Decimal(only["rerated"])
    done = [page["percent"] for page in pages]
    assert done == sorted(done)
    assert done[0] < done[-2] < done[-1] == 100
    rows = table(await call(hub, "POST", f"{PATH}?format=csv&limit=7", {"month": MONTH}))
    assert [(row["cdrs"], row["unpriced"], Decimal(row["difference"])) for row in rows] == [("7", "1", Decimal(0))]
    (example,) = table(await call(hub, "POST", f"{PATH}?format=csv&rows=examples", {"month": MONTH}))
    assert (example["cdr_id"], example["text"]) == ("C3", "holds no tariff")


async def test_a_currency_that_is_none(hub: HubInProcess) -> None:
    """OCPI takes any three characters of a partner: the month can be priced all the same, here and by the command."""
    async with hub.services.database.work() as work:
        odd = msgspec.structs.replace(CDR, id="ODD", currency="E R", session_id=None)
        assert await repository.insert(work.connection, odd, source="cpo", now=work.now)
    answer = await call(hub, "POST", PATH, {"month": MONTH})
    assert {each["currency"]: each["cdrs"] for each in answer.json()["sums"]} == {"EUR": COUNT, "E R": 1}
    assert rows_of(Outcome(groups={"NL-TNM DE-HME E R": Group()}))[0]["currency"] == "E R"


async def test_what_cannot_be_asked_for(hub: HubInProcess) -> None:
    for query, bend, field, said in (
        ("", {"month": "2026-13"}, "month", "is no month"),
        ("", {"readings": {"decimals": "99"}}, "readings", "decimals: 99"),
        ("", {"tariff": []}, "tariff", "object"),
        ("", {"tariff": {"id": "X"}}, "tariff", "currency"),
        ("?limit=0", {}, "limit", "1 to 10000"),
        ("?after=x", {}, "after", "next"),
    ):
        refused = await call(hub, "POST", f"{PATH}{query}", {"month": MONTH} | bend)
        assert (refused.status_code, refused.json()["field"]) == (400, field), (bend, refused.text)
        assert said in refused.json()["error"], refused.text
    assert (await call(hub, "POST", PATH, {"month": MONTH}, by="DE-AAA")).status_code == 403
