"""`roaming partner check`, on a partner and on a stranger."""

import asyncio
import csv
import io
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from roaming.cli.commands import app
from tests.kit.hub_in_process import HubInProcess, hub_in_process
from tests.kit.listing_partner import listen_at
from tests.kit.platform import TOKEN, Platform, Reply, cpo_objects
from tests.kit.scripted_partner import ScriptedPartner


@pytest.fixture(autouse=True)
def _settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "DATA_DIR": str(tmp_path),
        "SECRET": "5e" * 32,
        "IS_HTTP_ALLOWED": "true",
        "ALLOWED_NETWORKS": "127.0.0.0/8",
    }.items():
        monkeypatch.setenv(f"ROAMING_{name}", value)


@pytest.fixture
async def hub(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HubInProcess]:
    monkeypatch.setenv("DATABASE_URL", database_url)
    async with hub_in_process(database_url, tmp_path) as running:
        yield running


async def roaming(*words: str) -> Result:
    """Runs a command; in a thread, since it has a loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, app, words)


def without_uid(reply: Reply) -> None:
    if reply.kind == "list" and reply.module == "locations":
        reply.data = [item | {"evses": [item["evses"][0] | {"uid": ""}]} for item in reply.data]


async def test_a_stranger_is_checked_without_a_hub(tmp_path: Path) -> None:
    platform = Platform(cpo_objects())
    async with ScriptedPartner(platform) as partner:
        url = f"{partner.url}/versions"
        good = await roaming("partner", "check", url, "--token", TOKEN, "--as", "DE-HME", "--json")
        assert good.exit_code == 0, good.output
        report = json.loads(good.stdout)
        assert (report["verdict"], report["version"], report["url"]) == ("PASS", "2.2.1", url)
        platform.faults = [without_uid]
        bad = await roaming("partner", "check", url, "--token", TOKEN, "--as", "DE-HME", "--csv")
        shown = await roaming("partner", "check", url, "--token", TOKEN)
    assert bad.exit_code == 1
    found = {(row["module"], row["check"]): row for row in csv.DictReader(io.StringIO(bad.stdout))}
    row = found["locations", "fields"]
    assert (row["result"], row["details"]) == ("fail", "evses[].uid: is empty (3 times)")
    assert "locations: " in shown.stderr, "progress goes to the side"
    assert TOKEN not in good.output + bad.output + shown.output
    assert os.listdir(tmp_path) == [], "nothing is kept"
    assert {request.method for request in platform.asked} == {"GET"}


async def test_a_partner_is_checked_with_its_token_and_the_result_kept(hub: HubInProcess) -> None:
    platform = Platform(cpo_objects(), form="raw", faults=[without_uid])
    async with ScriptedPartner(platform) as partner:
        await listen_at(hub, "cpo", partner.url)
        await hub.give_token("cpo", TOKEN)
        before = await roaming("partner", "show", "cpo")
        assert "none yet: roaming partner check" in before.stdout
        result = await roaming("partner", "check", "cpo", "--json")
    assert result.exit_code == 1, result.output
    report = json.loads(result.stdout)
    shown = await roaming("partner", "show", "cpo", "--json")
    assert json.loads(shown.stdout)["check"] == report
    for_people = (await roaming("partner", "show", "cpo")).stdout
    assert f"FAIL of {report['at']}" in for_people
    listed = json.loads((await roaming("partner", "list", "--json")).stdout)
    assert {row["id"]: row["dialect"] for row in listed}["cpo"] == "token_encoding=raw"
    exchanges = await hub.journal("partner_id = 'cpo' AND direction = 'out'")
    assert {(row[1], row[2]) for row in exchanges} >= {("versions", "GET"), ("locations", "GET")}
    headers = next(request.headers for request in platform.asked if request.target.startswith("/sender/cdrs"))
    assert (headers["ocpi-from-party-id"], headers["ocpi-to-party-id"]) == ("HME", "CPO")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("nobody",), "roaming partner list"),
        (("cpo", "--token", "x"), "goes with an address"),
        (("cpo", "--version", "2.2"), "2.1.1, 2.2.1, 2.3.0"),
        (("http://127.0.0.1:9/versions",), "--token: needed"),
        (("http://10.0.0.1/versions", "--token", "x"), "ROAMING_ALLOWED_NETWORKS"),
        (("http://127.0.0.1:9/versions", "--token", "x", "--as", "nobody"), "is no party"),
    ],
)
async def test_what_cannot_be_checked_is_said(hub: HubInProcess, words: tuple[str, ...], hint: str) -> None:
    result = await roaming("partner", "check", *words)
    assert result.exit_code == 1
    assert hint in result.stderr


async def test_a_partner_that_is_not_registered_is_checked_as_a_stranger(hub: HubInProcess) -> None:
    await hub.add_planned("new")
    result = await roaming("partner", "check", "new")
    assert result.exit_code == 1
    assert "give its versions address and a token" in result.stderr
