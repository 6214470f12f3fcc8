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
from tests.kit.hub_in_process import HubInProcess, hub_in_process
from tests.kit.listing_partner import ListingPartner, broken, listen_at, stored
from tests.kit.scripted_partner import ScriptedPartner


@pytest.fixture
async def hub(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HubInProcess]:
    monkeypatch.setenv("DATABASE_URL", database_url)
    for name, value in {
        "DATA_DIR": str(tmp_path),
        "SECRET": "5e" * 32,
        "IS_HTTP_ALLOWED": "true",
        "ALLOWED_NETWORKS": "127.0.0.0/8",
        "PULL_PAGE_SIZE": "2",
        "PULL_REQUESTS_PER_SECOND": "1000",
    }.items():
        monkeypatch.setenv(f"ROAMING_{name}", value)
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
