"""Agreements, rules and groups by commands, and ``why``, which agrees with what the hub does."""

import asyncio
import json
import shlex
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from roaming.cli.commands import app
from roaming.model.identifiers import PartyId
from roaming.partners import changing
from roaming.rating import Readings
from tests.kit import ocpi_bodies
from tests.kit.hub_in_process import RECEIVER, SENDER, HubInProcess, hub_in_process


@pytest.fixture
async def hub(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HubInProcess]:
    """Commands work on its database."""
    for name, value in {"DATABASE_URL": sqlite_url, "SECRET": "5e" * 32, "DATA_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(f"ROAMING_{name}", value)
    async with hub_in_process(sqlite_url, tmp_path) as running:
        await running.host_objects()
        evses = [ocpi_bodies.evse(uid=uid, evse_id=f"NL*HUB*E{uid}") for uid in ("A", "B")]
        await running.host_location("L1", evses=evses)
        yield running


async def roaming(*words: str) -> Result:
    """Runs a command; in a thread, since it has a loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, app, words)


async def said(*words: str) -> Any:
    result = await roaming(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


async def reason(partner: str, what: str, *words: str, question: str = "sees") -> dict[str, Any]:
    rows = await said("why", partner, what, *words)
    return next(row for row in rows if row["question"].startswith(question))


async def sees(hub: HubInProcess, partner: str, path: str) -> bool:
    return (await hub.call(partner, "GET", f"{SENDER}/locations/{path}")).http_status == 200


async def test_a_rule_is_made_named_by_why_and_removed(hub: HubInProcess) -> None:
    assert (await reason("aaa", "L1"))["because"] == "the agreement between NL-HUB and DE-AAA"
    words = ("deny", "locations", "NL-HUB", "--who", "partner:aaa", "--location", "L1", "--note", "closed yard")
    added = await said("rule", "add", *words)
    number = added["rule"]
    found = await reason("aaa", "L1")
    assert (found["answer"], found["rule"]) == ("no", number)
    assert "closed yard" in found["because"]
    assert not await sees(hub, "aaa", "L1")
    assert (await reason("bbb", "L1"))["answer"] == "yes"
    assert [row["rule"] for row in await said("rule", "list")] == [number]
    await said("rule", "remove", str(number))
    assert (await reason("aaa", "L1"))["answer"] == "yes"
    assert await sees(hub, "aaa", "L1")
    again = await roaming("rule", "remove", str(number))
    assert again.exit_code == 1
    assert "roaming rule list" in again.output


async def test_the_narrower_rule_decides_and_the_others_are_named(hub: HubInProcess) -> None:
    await said("group", "add", "locations", "yards", "NL-HUB/l1")
    broad = (await said("rule", "add", "deny", "locations", "group:yards"))["rule"]
    narrow = (await said("rule", "add", "allow", "locations", "NL-HUB", "--location", "L1", "--evse", "A"))["rule"]
    for what in ("A", "NL*HUB*EA", "L1/A", "l1/nl*hub*ea"):
        found = await reason("aaa", what)
        assert (found["answer"], found["rule"]) == ("yes", narrow), what
        assert [text.split(":")[0] for text in found["also"]] == [f"rule {broad}"]
    assert ((await reason("aaa", "B"))["answer"], await sees(hub, "aaa", "L1/B")) == ("no", False)
    assert ((await reason("aaa", "L1"))["answer"], await sees(hub, "aaa", "L1")) == ("yes", True)
    await said("group", "remove", "locations", "yards")
    assert await said("group", "list") == []
    assert (await reason("aaa", "B"))["answer"] == "yes"


async def test_what_may_be_done_there(hub: HubInProcess) -> None:
    command = (await said("rule", "add", "deny", "commands", "NL-HUB", "--command", "unlock_connector"))["rule"]
    tokens = (await said("rule", "add", "deny", "tokens", "NL-HUB", "--who", "party:DE-AAA"))["rule"]
    price = (await said("rule", "add", "price", "locations", "NL-HUB", "--with", "OURS"))["rule"]
    unlock = await reason("aaa", "L1", question="may send UNLOCK_CONNECTOR")
    assert (unlock["answer"], unlock["rule"]) == ("no", command)
    assert (await reason("aaa", "L1", question="may send START_SESSION"))["answer"] == "yes"
    charging = await reason("aaa", "L1", question="its drivers")
    assert (charging["answer"], charging["rule"]) == ("no", tokens)
    offered = await reason("aaa", "L1", question="is offered")
    assert (offered["answer"], offered["rule"]) == ("OURS", price)


async def test_an_agreement_is_ended_and_made(hub: HubInProcess) -> None:
    assert (await said("agreement", "end", "NL-HUB", "DE-AAA"))["state"] == "ended"
    found = await reason("aaa", "L1")
    assert (found["answer"], found["rule"]) == ("no", None)
    assert "roaming agreement add" in found["because"]
    assert not await sees(hub, "aaa", "L1")
    assert "no agreement in force" in (await roaming("agreement", "end", "NL-HUB", "DE-AAA")).output
    await said("agreement", "add", "NL-HUB", "DE-AAA")
    assert await sees(hub, "aaa", "L1")
    states = {(row["CPO"], row["eMSP"]): row["state"] for row in await said("agreement", "list")}
    assert states["NL-HUB", "DE-AAA"] == "in force"


@pytest.mark.parametrize(
    ("partner", "words", "answer"),
    [
        ("aaa", ("OURS", "--kind", "tariff"), "yes"),
        ("cpo", ("HOME1", "--kind", "token"), "yes"),
        ("aaa", ("OURS-AAA", "--kind", "session"), "yes"),
        ("bbb", ("OURS-AAA", "--kind", "session"), "no"),
        ("aaa", ("OURS-AAA", "--kind", "cdr"), "yes"),
        ("cpo", ("OURS-AAA", "--kind", "cdr"), "no"),
        ("cpo", ("L1",), "no"),
    ],
)
async def test_why_of_other_objects(hub: HubInProcess, partner: str, words: tuple[str, ...], answer: str) -> None:
    assert (await reason(partner, *words))["answer"] == answer


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("why", "nobody", "L1"), "roaming partner list"),
        (("why", "aaa", "NOWHERE"), "roaming location list"),
        (("why", "aaa", "L1", "--kind", "thing"), "location, tariff"),
        (("rule", "add", "forbid", "locations", "NL-HUB"), "allow, deny, price"),
        (("rule", "add", "deny", "places", "NL-HUB"), "locations, tariffs"),
        (("rule", "add", "price", "locations", "NL-HUB"), "--with"),
        (("rule", "add", "deny", "locations", "NL-HUB", "--evse", "A"), "--location"),
        (("rule", "add", "deny", "commands", "NL-HUB", "--command", "DANCE"), "START_SESSION"),
        (("rule", "add", "price", "locations", "NL-HUB", "--with", "OURS", "--from", "soon"), "--from"),
        (("tariff", "why", "NL-HUB"), "--session"),
        (("tariff", "why", "NL-HUB", "L1/C", "--emsp", "DE-AAA"), "L1/A, L1/B"),
        (("rule", "add", "deny", "locations", "NL-HUB", "--who", "partner:zzz"), "roaming partner list"),
        (("rule", "add", "deny", "locations", "NL-HUB", "--who", "them"), "party:NL-TNM"),
        (("group", "add", "locations", "yards", "NL-HUB"), "NL-TNM/LOC1"),
        (("group", "add", "locations", "yards", "NL-HUB/L1", "NL-HUB/L9"), "NL-HUB has no location l9"),
        (("group", "add", "parties", "fleets", "DE-AAX"), "DE-AAX is no party"),
        (("rule", "add", "deny", "locations", "NL-HUX"), "NL-HUX is no party"),
        (("rule", "add", "deny", "locations", "group:yard"), "roaming group add locations yard"),
        (("rule", "add", "deny", "locations", "NL-HUB", "--location", "L9"), "roaming location list --party NL-HUB"),
        (("rule", "add", "deny", "tokens", "NL-HUB", "--location", "L1", "--evse", "C"), "give the uid of one, A, B"),
        (("rule", "add", "deny", "commands", "NL-HUB", "--location", "L9"), "NL-HUB has no location L9"),
        (("rule", "add", "deny", "tariffs", "NL-HUB", "--tariff", "L1"), "NL-HUB has no tariff L1"),
        (("rule", "add", "price", "locations", "NL-HUB", "--with", "OURS", "--with", "T9"), "has no tariff T9"),
        (("rule", "add", "deny", "locations", "NL-HUB", "--who", "party:DE-AAX"), "DE-AAX is no party"),
        (("rule", "add", "deny", "locations", "NL-HUB", "--who", "group:fleets"), "roaming group add parties fleets"),
    ],
)
async def test_a_mistake_is_named(hub: HubInProcess, words: tuple[str, ...], complaint: str) -> None:
    result = await roaming(*words)
    assert (result.exit_code, complaint in result.output) == (1, True), result.output


async def test_what_is_not_there_is_kept_out_until_it_is_forced(hub: HubInProcess) -> None:
    words = ("deny", "locations", "NL-HUB", "--location", "L2")
    refused = await roaming("rule", "add", *words)
    assert (refused.exit_code, "--force" in refused.output) == (1, True)
    assert await said("rule", "list") == []
    await said("rule", "add", *words, "--force")
    await hub.host_location("L2")
    assert not await sees(hub, "aaa", "L2")
    await said("group", "add", "locations", "yards", "NL-HUB/L3", "--force")
    await said("rule", "add", "deny", "locations", "group:yards")
    await hub.host_location("L3")
    assert not await sees(hub, "aaa", "L3")


async def test_a_price_for_tokens_and_why(hub: HubInProcess) -> None:
    card = ocpi_bodies.token("DE-AAA", uid="CARD-1", contract_id="DE-AAA-C1")
    await hub.call("aaa", "PUT", f"{RECEIVER}/tokens/DE/AAA/CARD-1", body=card)
    assert "no token card-2" in (await roaming("group", "add", "tokens", "vans", "DE-AAA/CARD-2")).output
    await said("group", "add", "tokens", "vans", "DE-AAA/CARD-1")
    words = ("price", "locations", "NL-HUB", "--with", "OURS")
    plain = (await said("rule", "add", *words))["rule"]
    vans = (await said("rule", "add", *words, "--tokens", "vans", "--until", "2099-01-01T00:00:00Z"))["rule"]
    found = await said("tariff", "why", "NL-HUB", "L1/A", "--token", "CARD-1")
    assert (found["tariff"], found["rule"], found["also"][0][:6]) == ("OURS", vans, f"rule {plain}"[:6])
    later = await said("tariff", "why", "NL-HUB", "L1/A", "--token", "CARD-1", "--at", "2099-01-01T00:00:00Z")
    assert (later["rule"], later["also"]) == (plain, [])
    asked = await said("tariff", "why", "NL-HUB", "L1/A", "--token", "CARD-1", "--profile", "fast")
    assert (
        asked["profile_from"] == "preferences for FAST are asked for, but the EVSE is not CHARGING_PREFERENCES_CAPABLE"
    )
    shown = {row["rule"]: (row["tokens"], row["until"]) for row in await said("rule", "list")}
    assert shown == {plain: ("", None), vans: ("vans", "2099-01-01 00:00:00+00:00")}


async def test_a_price_rule_of_a_group_needs_a_tariff_of_each_owner(hub: HubInProcess) -> None:
    await hub.call("cpo", "PUT", f"{RECEIVER}/locations/FR/CPO/L1", body=ocpi_bodies.location("FR-CPO", id="L1"))
    await said("group", "add", "locations", "both", "NL-HUB/L1", "FR-CPO/L1")
    words = ("rule", "add", "price", "locations", "group:both", "--with", "OURS")
    assert "FR-CPO has no tariff OURS" in (await roaming(*words)).output
    await hub.call("cpo", "PUT", f"{RECEIVER}/tariffs/FR/CPO/T1", body=ocpi_bodies.tariff("FR-CPO", id="T1"))
    assert "nobody in the group has a tariff T9" in (await roaming(*words, "--with", "T1", "--with", "T9")).output
    await said(*words, "--with", "T1")


async def charging(what: str) -> Any:
    return (await reason("aaa", what, question="its drivers"))["answer"]


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (("NL-HUB",), "L1"),
        (("NL-HUB", "--location", "L1", "--who", "partner:aaa"), "L1"),
        (("NL-HUB", "--location", "L1", "--evse", "A", "--who", "party:DE-AAA"), "L1/A"),
        (("group:closed yards",), "L1"),
    ],
)
async def test_who_hides_a_place_is_told_how_to_close_it(hub: HubInProcess, words: tuple[str, ...], where: str) -> None:
    await said("group", "add", "locations", "closed yards", "NL-HUB/L1")
    hidden = await said("rule", "add", "deny", "locations", *words)
    assert ((await reason("aaa", where))["answer"], await charging(where)) == ("no", "yes")
    assert "still allowed" in hidden["charging"]
    program, *line = shlex.split(hidden["charging"].partition("this ends it: ")[2])
    closed = await said(*line)
    assert (program, await charging(where), "charging" in closed) == ("roaming", "no", False)
    again = await said("rule", "add", "deny", "locations", *words)
    assert "charging" not in again, "it is closed"


async def test_how_two_parties_read_tariffs(hub: HubInProcess) -> None:
    words = ("agreement", "readings", "NL-HUB", "DE-AAA")
    rows = {row["reading"]: row for row in await said(*words)}
    assert {row["default"] for row in rows.values()} == {""}
    assert rows["step_scope"]["values"] == "SESSION, PERIOD, TARIFF"
    changed = {row["reading"]: row for row in await said(*words, "--set", "step_scope=PERIOD", "--set", "decimals=2")}
    assert (changed["step_scope"]["value"], changed["step_scope"]["default"]) == ("PERIOD", "SESSION")
    assert [row["value"] for row in await said(*words) if row["default"]] == ["PERIOD", "2"]
    assert [row["value"] for row in await said(*words, "--set", "decimals=4") if row["default"]] == ["PERIOD"]
    kept = [row["reading"] for row in await said(*words, "--set", "element_choice=PER_DIMENSION") if row["chosen"]]
    assert kept == ["element_choice", "step_scope", "decimals"], "also what is a default here: in 2.1.1 it is none"
    async with hub.services.database.reading() as connection:
        chosen = await changing.chosen_readings(connection, PartyId("NL", "HUB"), PartyId("DE", "AAA"))
    assert Readings.of_version("2.1.1").choosing(chosen).element_choice == "PER_DIMENSION"
    wrong = await roaming(*words, "--set", "step_scope=WEEK")
    assert (wrong.exit_code, "WEEK is none of SESSION, PERIOD" in wrong.output) == (1, True)
    assert "give NAME=VALUE" in (await roaming(*words, "--set", "step_scope")).output
    assert [row for row in await said(*words, "--reset") if row["default"]] == []
    assert "have no agreement" in (await roaming("agreement", "readings", "NL-HUB", "DE-NIL")).output


async def test_sides_are_not_taken_for_each_other(hub: HubInProcess) -> None:
    for words, wrong in ((("DE-AAA", "FR-CPO"), "DE-AAA"), (("FR-CPO", "NL-HUB"), "NL-HUB")):
        refused = await roaming("agreement", "add", *words)
        assert (refused.exit_code, f"{wrong} is known here as" in refused.stderr) == (1, True), refused.output
    early = await said("agreement", "add", "FR-CPO", "DE-NEW")
    assert "nobody speaks for DE-NEW yet" in early["note"]
    assert "note" not in await said("agreement", "add", "FR-CPO", "DE-AAA")


async def test_a_party_is_named_for_a_partner(hub: HubInProcess) -> None:
    named = await said("partner", "allow", "AAA", "DE-NEW", "DE-BBB")
    assert (named["partner"], named["parties"]) == ("aaa", "DE-AAA, DE-BBB, DE-NEW")
    assert named["taken"] == "DE-BBB stays with bbb until bbb registers anew"
    refused = await roaming("partner", "allow", "aaa", "NL-HUB")
    assert refused.exit_code == 1
    assert "NL-HUB is hosted by this hub" in refused.output
