"""Pulling on demand, beside a hub or without one, and what is shown of it."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from roaming.cli.commands import app
from tests.kit import ocpi_bodies
from tests.kit.command_settings import set_settings
from tests.kit.hub_in_process import HubInProcess, hub_in_process
from tests.kit.listing_partner import ListingPartner, broken, listen_at, stored
from tests.kit.scripted_partner import ScriptedPartner


@pytest.fixture
async def hub(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HubInProcess]:
    set_settings(monkeypatch, database_url, tmp_path, PULL_PAGE_SIZE="2", PULL_REQUESTS_PER_SECOND="1000")
    async with hub_in_process(database_url, tmp_path) as running:
        yield running


async def roaming(*words: str) -> Result:
    """Runs a command; in a thread, since it has a loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, app, words)


async def test_a_sync_on_demand_says_what_it_did(hub: HubInProcess) -> None:
    cpo = ListingPartner({"locations": [ocpi_bodies.location(id=f"L{n}") for n in range(4)] + ["no location"]})
    async with ScriptedPartner(cpo) as partner:
        await listen_at(hub, "cpo", partner.url)
        result = await roaming("partner", "sync", "cpo", "--module", "locations", "--json")
        assert result.exit_code == 0, result.output
        (row,) = json.loads(result.stdout)
        assert (row["state"], row["kind"], row["new"], row["refused"]) == ("DONE", "FULL", 4, 1)
        again = await roaming("partner", "sync", "cpo", "--module", "locations")
        assert "locations: DONE, 5 objects" in again.stderr, "progress goes to the side"
        assert any("date_from=" in target for target in cpo.targets)
        full = await roaming("partner", "sync", "cpo", "--module", "locations", "--full", "--csv")
    (read,) = csv.DictReader(io.StringIO(full.stdout))
    assert (read["kind"], read["same"]) == ("FULL", "4")
    assert len(await stored(hub, "locations", "cpo")) == 4
    shown = await roaming("partner", "show", "cpo")
    assert "expected an object, got str (1 times)" in shown.stdout
    as_json = json.loads((await roaming("partner", "show", "cpo", "--json")).stdout)
    assert as_json["parties"] == ["FR-CPO:CPO"]
    assert {pull["module"] for pull in as_json["pulls"]} == {"locations", "tariffs", "sessions", "cdrs"}
    listed = json.loads((await roaming("sync", "list", "--partner", "cpo", "--json")).stdout)
    assert [(pull["module"], pull["state"]) for pull in listed if pull["state"] != "NEW"] == [("locations", "DONE")]


async def test_a_partner_that_is_down_is_left_to_the_hub(hub: HubInProcess) -> None:
    async with ScriptedPartner(ListingPartner({}, plan=[broken()])) as partner:
        await listen_at(hub, "cpo", partner.url)
        result = await roaming("partner", "sync", "cpo", "--module", "tariffs", "--json")
    assert result.exit_code == 1
    (row,) = json.loads(result.stdout)
    assert row["state"] == "WAITING"
    assert "503" in row["last error"]
    assert row["next"]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("partner", "sync", "nobody"), "roaming partner list"),
        (("partner", "show", "nobody"), "roaming partner list"),
        (("sync", "list", "--partner", "nobody"), "roaming partner list"),
        (("partner", "sync", "cpo", "--module", "tokens"), "cdrs, locations, sessions, tariffs"),
    ],
)
async def test_what_cannot_be_done_is_said(hub: HubInProcess, words: tuple[str, ...], hint: str) -> None:
    result = await roaming(*words)
    assert result.exit_code == 1
    assert hint in result.stderr


async def test_our_copy_is_compared_and_mended_on_demand(hub: HubInProcess) -> None:
    old, new = "2026-11-20T10:00:00Z", "2026-11-22T10:00:00Z"
    listed = [ocpi_bodies.tariff(id=name, last_updated=old) for name in ("SAME", "OLD", "NEW", "EQUAL", "GONE")]
    cpo = ListingPartner({"tariffs": listed})
    async with ScriptedPartner(cpo) as partner:
        await listen_at(hub, "cpo", partner.url)
        await roaming("partner", "sync", "cpo", "--module", "tariffs")
        cpo.objects["tariffs"] = [
            listed[0],
            ocpi_bodies.tariff(id="OLD", currency="SEK", last_updated="2026-11-01T10:00:00Z"),
            ocpi_bodies.tariff(id="NEW", currency="SEK", last_updated=new),
            ocpi_bodies.tariff(id="EQUAL", currency="SEK", last_updated=old),
            ocpi_bodies.tariff(id="FRESH", last_updated=new),
            ocpi_bodies.tariff("FR-RIV", id="FOREIGN", last_updated=new),
        ]
        before = await stored(hub, "tariffs", "cpo")
        compared = await roaming("partner", "compare", "cpo", "--module", "tariffs", "--json")
        assert await stored(hub, "tariffs", "cpo") == before, "nothing changes without --mend"
        mended = await roaming("partner", "compare", "cpo", "--module", "tariffs", "--mend", "--csv")
        after = await stored(hub, "tariffs", "cpo")
        left = json.loads((await roaming("partner", "compare", "cpo", "--module", "tariffs", "--json")).stdout)
    rows = json.loads(compared.stdout)
    assert {row["object"].rsplit("/", 1)[-1]: (row["difference"], row["fields"]) for row in rows} == {
        "old": ("newer here", "currency last_updated"),
        "new": ("newer there", "currency last_updated"),
        "equal": ("different", "currency"),
        "fresh": ("missing here", ""),
        "foreign": ("unusable there", ""),
        "gone": ("missing there", ""),
    }
    assert not any(row["mended"] for row in rows)
    done = {row["object"].rsplit("/", 1)[-1]: row["mended"] for row in csv.DictReader(io.StringIO(mended.stdout))}
    assert done == {"old": "", "new": "yes", "equal": "yes", "fresh": "yes", "foreign": "", "gone": "yes"}
    assert {name: body["currency"] for name, body in after.items()} == {
        "SAME": "EUR",
        "OLD": "EUR",
        "NEW": "SEK",
        "EQUAL": "SEK",
        "FRESH": "EUR",
    }
    assert {row["difference"] for row in left} == {"newer here", "unusable there"}


@pytest.mark.parametrize("module", ["locations", "sessions", "cdrs"])
async def test_what_is_on_both_sides_is_no_difference(hub: HubInProcess, module: str) -> None:
    make = {"locations": ocpi_bodies.location, "sessions": ocpi_bodies.session, "cdrs": ocpi_bodies.cdr}[module]
    async with ScriptedPartner(ListingPartner({module: [make(id="A"), make(id="B"), make(id="C")]})) as partner:
        await listen_at(hub, "cpo", partner.url)
        await roaming("partner", "sync", "cpo", "--module", module)
        assert len(await stored(hub, module, "cpo")) == 3
        assert "no difference" in (await roaming("partner", "compare", "cpo", "--module", module)).stdout


async def test_what_was_hidden_before_is_said_to_be(hub: HubInProcess) -> None:
    cpo = ListingPartner({"locations": [ocpi_bodies.location(id=name) for name in "AB"]})
    async with ScriptedPartner(cpo) as partner:
        await listen_at(hub, "cpo", partner.url)
        await roaming("partner", "sync", "cpo", "--module", "locations")
        cpo.objects["locations"].pop()
        notes = []
        for words in ((), ("--mend",), ()):
            result = await roaming("partner", "compare", "cpo", "--module", "locations", "--json", *words)
            (row,) = json.loads(result.stdout)
            notes.append((row["difference"], row["mended"], row["note"]))
    assert notes == [
        ("missing there", "", ""),
        ("missing there", "yes", ""),
        ("missing there", "", "shown to nobody already"),
    ]


async def test_a_list_that_cannot_be_had_is_not_compared(hub: HubInProcess) -> None:
    async with ScriptedPartner(ListingPartner({}, plan=[broken()])) as partner:
        await listen_at(hub, "cpo", partner.url)
        result = await roaming("partner", "compare", "cpo", "--module", "tariffs", "--mend")
    assert result.exit_code == 1
    assert "503" in result.stderr


async def test_a_list_that_came_short_takes_nothing_away(hub: HubInProcess) -> None:
    cpo = ListingPartner({"tariffs": [ocpi_bodies.tariff(id=name) for name in "AB"]})
    async with ScriptedPartner(cpo) as partner:
        await listen_at(hub, "cpo", partner.url)
        await roaming("partner", "sync", "cpo", "--module", "tariffs")
        cpo.objects["tariffs"].pop()
        cpo.total = lambda _count: 2
        result = await roaming("partner", "compare", "cpo", "--module", "tariffs", "--mend", "--json")
    (row,) = json.loads(result.stdout)
    assert (row["difference"], row["mended"]) == ("missing there", "")
    assert "left alone" in row["note"]
    assert list(await stored(hub, "tariffs", "cpo")) == ["A", "B"]


async def test_what_a_partner_was_not_told_is_shown(hub: HubInProcess) -> None:
    async with ScriptedPartner(ListingPartner({})) as partner:
        await listen_at(hub, "cpo", partner.url)
    hub.services.journal.lose("cpo", "tokens", [("2.2.1", "tokens[3].x", "not there")])
    hub.services.journal.lose("", "locations", [("2.2.1", "evses[0].parking", "not there")] * 2)
    hub.services.journal.lose("", "locations", [("2.1.1", "facilities", "not there")])
    await hub.services.journal.flush()
    rows = json.loads((await roaming("partner", "losses", "cpo", "--json")).stdout)
    assert [(row["module"], row["field"], row["times"], row["where"]) for row in rows] == [
        ("tokens", "tokens[].x", 1, "sent to it"),
        ("locations", "evses[].parking", 2, "lists of this version"),
    ]
    shown = (await roaming("partner", "show", "cpo")).stdout
    assert "locations: evses[].parking lost 2 times (not there)" in shown
    unknown = await roaming("partner", "losses", "nobody")
    assert (unknown.exit_code, "no partner nobody" in unknown.stderr) == (1, True)


async def test_what_versions_cannot_say_is_shown() -> None:
    rows = json.loads((await roaming("losses", "--module", "cdrs", "--version", "2.1.1", "--json")).stdout)
    assert {"auth_method", "cdr_token"} <= {row["field"] for row in rows}
    assert "nothing" in (await roaming("losses", "--version", "9")).stdout
