"""The pages of billing say what commands and the API say, escaped, to people at this machine only."""

import threading
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from lxml import html

from roaming.billing import disputes, explaining, selecting, settling
from roaming.billing.receiving import check_keys
from roaming.billing.statement import pair_of
from roaming.billing.watching import Watcher
from roaming.console import billing_pages
from roaming.console.pages import mount_console
from roaming.model.identifiers import PartyId
from roaming.modules.cdrs.crediting import credit_of
from roaming.store.locks import locks_of
from tests.kit.hub_in_process import HubInProcess, hub_in_process
from tests.roaming.billing.test_statement import a_bill, changed
from tests.roaming.cli.test_settling import keep

HERE = "http://127.0.0.1"
ODD = "<b>'odd'</b>"


@pytest.fixture
async def hub(sqlite_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with hub_in_process(sqlite_url, tmp_path) as running:
        mount_console(running.app, running.services, notice="")
        for number, net in ((1, "10.00125"), (2, "8"), (3, "7")):
            await keep(running, a_bill(number, Decimal(net), currency="SEK" if number == 3 else "EUR"))
        await keep(running, changed(a_bill(4, Decimal(2)), id=ODD))
        yield running


async def see(hub: HubInProcess, path: str, *, host: str = "127.0.0.1") -> httpx.Response:
    transport = httpx.ASGITransport(hub.app, client=(host, 1))
    async with httpx.AsyncClient(transport=transport, base_url=HERE, trust_env=False) as client:
        return await client.get(path)


def rows(answer: httpx.Response, section: str) -> list[list[str]]:
    (part,) = html.fromstring(answer.content).xpath(f"//section[@aria-labelledby='{section}']")
    return [[cell.text_content() for cell in row] for row in part.xpath(".//tbody/tr")]


async def test_a_month(hub: HubInProcess) -> None:
    odd = await selecting.entry_of(hub.services, PartyId("FR", "CPO"), ODD)
    await check_keys(hub.services, [odd.key])
    await selecting.dispute(hub.services, odd, reason=f"too dear {ODD}", days=30)
    page = await see(hub, "/console/billing?month=2026-07")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert ODD not in page.text
    pairs = rows(page, "h-pairs")
    assert [row[:6] for row in pairs] == [
        ["FR-CPO", "DE-HME", "3", "44.1", "20.00125", "EUR"],
        ["FR-CPO", "DE-HME", "1", "14.7", "7", "SEK"],
    ]
    assert pairs[0][6] == "2 acknowledged, 1 disputed"
    ((cdr, *_, why),) = rows(page, "h-waiting")
    assert (cdr, bool(why)) == (ODD, True)
    ((_, _, cpo, emsp, at_stake, due, reason),) = rows(page, "h-disputes")
    assert (cpo, emsp, at_stake[-3:], len(due), reason) == ("FR-CPO", "DE-HME", "EUR", 10, f"too dear {ODD}")
    assert rows(page, "h-statements") == []

    pair = pair_of(PartyId("FR", "CPO"), PartyId("DE", "HME"))
    await settling.close(hub.services, pair, "2026-07", is_held_paid=True)
    page = await see(hub, "/console/billing?month=2026-07")
    ((of, state, count, payable),) = rows(page, "h-statements")
    assert (of, state, count) == ("DE-HME and FR-CPO", "CLOSED", "4")
    assert payable == "DE-HME owes FR-CPO 21.60 EUR; DE-HME owes FR-CPO 8.40 SEK"
    for link in html.fromstring(page.content).xpath("//main//a/@href"):
        answer = await see(hub, link)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8"), link
    assert "2026-08" in (await see(hub, "/console/billing?month=2026-08")).text


async def test_who_looks_changes_nothing(hub: HubInProcess) -> None:
    entry = await selecting.entry_of(hub.services, PartyId("FR", "CPO"), "C1")
    await selecting.dispute(hub.services, entry, reason="too dear", days=30)
    await keep(hub, credit_of(entry.cdr, reason="yes"))
    before = await hub.services.database.reader.fetch("SELECT state FROM disputes")
    page = await see(hub, "/console/billing?month=2026-07")
    assert rows(page, "h-disputes") == [], "the CDR was taken back"
    await see(hub, "/console/statement?one=FR-CPO&other=DE-HME&month=2026-07")
    (found,) = await disputes.find_disputes(hub.services.database.reader, state="CREDITED")
    assert found.closed_at is None
    reader = hub.services.database.reader
    assert await reader.fetch("SELECT state FROM disputes") == before
    await Watcher(hub.services, locks_of(hub.services.database)).look()
    assert [row[0] for row in await reader.fetch("SELECT state FROM disputes")] == ["CREDITED"]


async def test_what_takes_long_is_done_off_the_loop(hub: HubInProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: dict[str, threading.Thread] = {}

    def noting(module: ModuleType, name: str) -> None:
        work = getattr(module, name)

        def noted(*arguments: Any, **named: Any) -> Any:
            threads[name] = threading.current_thread()
            return work(*arguments, **named)

        monkeypatch.setattr(module, name, noted)

    for module, name in ((billing_pages, "to_html"), (explaining, "rate"), (explaining, "explain")):
        noting(module, name)
    assert (await see(hub, "/console/cdr?cpo=FR-CPO&id=C2")).status_code == 200
    assert (await see(hub, "/console/statement?one=FR-CPO&other=DE-HME&month=2026-07")).status_code == 200
    assert threads.keys() == {"to_html", "rate", "explain"}
    assert threading.current_thread() not in threads.values()


async def test_a_cdr_line_by_line(hub: HubInProcess) -> None:
    page = await see(hub, "/console/cdr?cpo=FR-CPO&id=C2")
    lines = rows(page, "h-lines")
    assert lines
    assert all(row[-1] for row in lines), "a reason for each"
    assert "against the lines above: ask FR-CPO" in page.text


async def test_who_may_look_and_what_is_not_there(hub: HubInProcess) -> None:
    for path, status, said in (
        ("/console/billing?month=July", 400, "2026-10"),
        ("/console/cdr?cpo=FR-CPO&id=NONE", 404, "has no CDR NONE"),
        ("/console/cdr?cpo=x&id=NONE", 400, "NL-TNM"),
        ("/console/statement?one=FR-CPO&other=x&month=2026-07", 400, "NL-TNM"),
        ("/console/statement?one=FR-CPO&other=DE-HME&month=x", 400, "2026-10"),
    ):
        answer = await see(hub, path)
        assert (answer.status_code, said in answer.json()["error"]) == (status, True), answer.text
        assert (await see(hub, path, host="192.0.2.1")).status_code == 403
