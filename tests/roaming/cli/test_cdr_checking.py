"""Partners' CDRs checked from the command line: those for our drivers, and those that the hub passed on."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from contracts.messages import CdrAccepted
from roaming.billing import watching
from roaming.billing.watching import Watcher
from roaming.cli import waiting as waiting_in_cli
from roaming.cli.commands import app
from roaming.model.identifiers import PartyId
from roaming.model.party import Role
from roaming.modules.cdrs import repository, service
from roaming.partners import registry
from roaming.partners.operators import add_operator
from roaming.store.journal import Exchange
from roaming.store.locks import locks_of
from tests.kit import ocpi_bodies
from tests.kit.hub_in_process import RECEIVER, HubInProcess, decoded, hub_in_process
from tests.kit.outbox import waiting
from tests.kit.scripted_partner import ScriptedPartner, always, enveloped, http_answer
from tests.roaming.console.test_pricing_api import OWN, TOKENS, call

MONTH = "2026-11"


@pytest.fixture
async def hub(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HubInProcess]:
    monkeypatch.setenv("DATABASE_URL", database_url)
    for name, value in {"DATA_DIR": str(tmp_path), "SECRET": "5e" * 32}.items():
        monkeypatch.setenv(f"ROAMING_{name}", value)
    async with hub_in_process(database_url, tmp_path) as running:
        await running.host_objects()
        yield running


async def roaming(*words: str) -> Result:
    """Runs a command; in a thread, since it has a loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, app, words)


async def rows(*words: str) -> Any:
    result = await roaming(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def body(**changes: Any) -> dict[str, Any]:
    """For the token of the hosted eMSP, at its own minimum price."""
    right = {"total_cost": {"excl_vat": 0.5, "incl_vat": 0.6}, "cdr_token": ocpi_bodies.cdr_token("DE-HME", "HOME1")}
    return ocpi_bodies.cdr(**right | changes)


async def give(hub: HubInProcess, **changes: Any) -> None:
    answer = await hub.call("cpo", "POST", f"{RECEIVER}/cdrs", body=body(**changes))
    assert answer.outcome == (201, 1000), answer.text


async def give_surroundings(hub: HubInProcess) -> None:
    over = {"status": "COMPLETED", "end_date_time": ocpi_bodies.NOW, "start_date_time": "2026-11-23T09:00:00Z"}
    token = ocpi_bodies.cdr_token("DE-HME", "HOME1")
    for module, value, path in (
        ("locations", ocpi_bodies.location(last_updated="2026-11-01T00:00:00Z"), "L1"),
        ("tariffs", ocpi_bodies.tariff(last_updated="2026-11-01T00:00:00Z"), "T1"),
        ("sessions", ocpi_bodies.session(cdr_token=token, **over), "S1"),
    ):
        answer = await hub.call("cpo", "PUT", f"{RECEIVER}/{module}/FR/CPO/{path}", body=value)
        assert answer.code == 1000, answer.text


async def test_a_month_is_checked_and_rules_are_tried_before_they_hold(hub: HubInProcess) -> None:
    await give_surroundings(hub)
    await give(hub)
    await give(hub, id="CHEAP", session_id="S1", total_cost={"excl_vat": 0.45, "incl_vat": 0.54})
    checked = await rows("cdr", "check", "--month", MONTH, "--all")
    assert {row["CDR"]: row["outcome"] for row in checked if row["kind"] != "FUTURE"} == {
        "C1": "ACCEPT",
        "CHEAP": "DISPUTE",
    }
    wrong = {row["kind"]: row for row in checked if row["CDR"] == "CHEAP"}
    assert wrong["PRICE"]["reading"] == "min_price and max_price left out"
    assert (wrong["PRICE"]["at stake"], wrong["PRICE"]["currency"]) == ("0.05", "EUR")
    assert "CDR C1" in wrong["DUPLICATE"]["finding"]
    assert len(await hub.services.database.reader.fetch("SELECT 1 FROM cdr_verdicts")) == 2

    tried = await rows("cdr", "check", "--month", MONTH, "--try", "currencies=SEK", "--summary")
    assert ("CURRENCY", 2) in {(row["kind"], row["findings"]) for row in tried}
    by_id = await rows("cdr", "check", "C1", "--party", "FR-CPO", "--try", "currencies=SEK")
    assert [(row["kind"], row["outcome"], row["stored outcome"]) for row in by_id if row["kind"] == "CURRENCY"] == [
        ("CURRENCY", "DISPUTE", "ACCEPT")
    ]
    verdicts = await hub.services.database.reader.fetch("SELECT outcome FROM cdr_verdicts ORDER BY outcome")
    assert [row[0] for row in verdicts] == ["ACCEPT", "DISPUTE"], "what is tried is not stored"

    await rows("cdr", "rules", "set", "cpo", "PRICE=accept", "DUPLICATE=accept")
    assert await rows("cdr", "check", "--month", MONTH, "--partner", "cpo") == []
    listed = {(row["partner"], row["rule"]): row for row in await rows("cdr", "rules", "list")}
    assert (listed["cpo", "PRICE"]["value"], listed["cpo", "PRICE"]["default"]) == ("ACCEPT", False)
    assert listed["all", "PRICE"]["value"] == "DISPUTE"
    await rows("cdr", "rules", "reset", "cpo")
    assert await rows("cdr", "check", "--month", MONTH, "--partner", "riv") == []

    accepted = await rows("cdr", "accept", "CHEAP", "--note", "agreed by telephone")
    assert (accepted["check"], accepted["decision"]) == ("DISPUTE", "ACCEPT")
    (again, *_) = await rows("cdr", "check", "CHEAP")
    assert again["outcome"] == "DISPUTE, accepted by hand"
    told = [message for _, message in await waiting(hub.services.database, CdrAccepted)]
    assert [(message.cdr_id, message.is_by_hand, message.note) for message in told] == [
        ("C1", False, ""),
        ("CHEAP", False, ""),  # by the rules that were set meanwhile
        ("CHEAP", True, "agreed by telephone"),
    ]
    assert (told[0].cpo, told[0].emsp, told[0].net, told[0].tax) == ("FR-CPO", "DE-HME", Decimal("0.5"), Decimal("0.1"))


async def test_what_came_is_checked_by_itself(hub: HubInProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    await give(hub, total_cost={"excl_vat": 7, "incl_vat": 8.4})
    watcher = Watcher(hub.services, locks_of(hub.services.database))
    assert await watcher.look() == 0, "its session may still come"
    monkeypatch.setattr(watching, "GRACE", timedelta(minutes=-1))
    assert await watcher.look() == 1
    assert await watcher.look() == 0
    (state,) = [row for row in await rows("cdr", "states", "--month", MONTH) if row["CDR"] == "C1"]
    assert state["state"] == "HELD"


async def test_for_spreadsheets_and_for_people(hub: HubInProcess) -> None:
    await give(hub)
    result = await roaming("cdr", "check", "--month", MONTH, "--csv")
    kinds = {row["kind"] for row in csv.DictReader(io.StringIO(result.stdout))}
    assert {"SESSION_MISSING", "LOCATION"} <= kinds
    assert "nothing is wrong" in (await roaming("cdr", "check", "--month", "2026-01")).stdout


async def test_what_was_passed_on_is_read_back_from_the_journal(hub: HubInProcess) -> None:
    async with ScriptedPartner(always(http_answer(enveloped(None)))) as partner:
        await hub.connect("ccc", "DE-CCC", Role.EMSP, url=partner.url)
        # The fixture's partners agree with hosted parties only: these two have to agree with each other
        async with hub.services.database.work() as work:
            await registry.agree(work, cpo=PartyId("FR", "CPO"), emsp=PartyId("DE", "CCC"))
        dear = {"total_cost": {"excl_vat": 7, "incl_vat": 8.4}, "cdr_token": ocpi_bodies.cdr_token("DE-CCC")}
        answer = await hub.call("cpo", "POST", f"{RECEIVER}/cdrs", body=body(id="PASSED", **dear))
        assert answer.code == 1000, answer.text
        assert len(partner.requests) == 1
        await hub.services.journal.keep(
            Exchange(
                at=hub.services.clock.now(),
                direction="in",
                method="POST",
                url="/cdrs",
                partner_id="cpo",
                module="cdrs",
                http_status=200,
                request_body='{"cut": "sho',
            )
        )
    now = f"{hub.services.clock.now():%Y-%m}"
    found = {row["kind"]: row for row in await rows("cdr", "check", "--passed", "--month", now)}
    assert (found["PRICE"]["CDR"], found["PRICE"]["eMSP"], found["PRICE"]["at stake"]) == ("PASSED", "DE-CCC", "6.50")
    assert not {"SESSION_MISSING", "TOKEN"} & found.keys()
    async with hub.services.database.work() as work:
        await add_operator(work, "anna", hub.services.secrets.digest(OWN))
        party, digest = PartyId("DE", "AAA"), hub.services.secrets.digest(TOKENS["DE-AAA"])
        await add_operator(work, "aaa", digest, party=party)
    wish, pages, after = {"month": now, "passed": True}, [], "0"
    while after:  # one message a page
        answer = await call(hub, "POST", f"/api/cdr-checks?limit=1&after={after}", wish)
        pages.append(answer.json())
        after = pages[-1]["next"]
    assert [page["checked"] for page in pages] == [1, 0, 0], "passed, cut short, none"
    assert {each["kind"]: each["at_stake"] for each in pages[0]["findings"]}["PRICE"] == "6.5000"
    assert [page["percent"] == 100 for page in pages] == [False, False, True]
    assert (await call(hub, "POST", "/api/cdr-checks", wish, by="DE-AAA")).status_code == 403
    assert await hub.services.database.reader.fetch("SELECT 1 FROM cdrs WHERE object_id = 'PASSED'") == []


async def test_sessions_and_tokens_of_foreign_emsps_are_not_asked_for(hub: HubInProcess) -> None:
    pulled = decoded(service.CODECS, body(cdr_token=ocpi_bodies.cdr_token("DE-AAA")))
    async with hub.services.database.work() as work:
        await repository.insert(work.connection, pulled, source="cpo", now=work.now)
    kinds = {row["kind"] for row in await rows("cdr", "check", "C1")}
    assert "LOCATION" in kinds
    assert not {"SESSION_MISSING", "TOKEN"} & kinds


async def test_a_long_check_says_how_far_it_is(hub: HubInProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    await give(hub)
    monkeypatch.setattr(waiting_in_cli, "TELL_SECONDS", 0)
    result = await roaming("cdr", "check", "--month", MONTH)
    assert "1 CDRs checked" in result.stderr
    assert "checked" not in (await roaming("cdr", "check", "--month", MONTH, "--json")).stderr


async def test_a_currency_that_was_not_agreed_on(hub: HubInProcess) -> None:
    await give(hub)
    await rows("settle", "terms", "set", "FR-CPO", "DE-HME", "--currency", "SEK")
    assert "CURRENCY" in {row["kind"] for row in await rows("cdr", "check", "C1")}
    await rows("settle", "terms", "set", "FR-CPO", "DE-HME", "--currency", "SEK", "--currency", "EUR")
    assert "CURRENCY" not in {row["kind"] for row in await rows("cdr", "check", "C1")}


MISTAKES = (
    (("cdr", "check", "NONE"), "roaming cdr list"),
    (("cdr", "check", "OURS-AAA"), "roaming cdr explain"),
    (("cdr", "check", "--month", "November"), "2026-10"),
    (("cdr", "check", "--partner", "nobody"), "roaming partner list"),
    (("cdr", "check", "--try", "late=3"), "none of tolerance"),
    (("cdr", "check", "C1", "--passed"), "leave the ids away"),
    (("cdr", "rules", "set", "cpo", "LATE=soon"), "accept, hold, dispute"),
    (("cdr", "rules", "reset", "cpo"), "no rules of its own"),
)


async def test_what_cannot_be_done_is_said(hub: HubInProcess) -> None:
    for words, hint in MISTAKES:
        result = await roaming(*words)
        assert (result.exit_code, hint in result.stderr) == (1, True), (words, result.output)
