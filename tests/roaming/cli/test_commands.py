"""The command line as people meet it."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from roaming.cli.commands import app
from roaming.partners.presence import note_presence
from tests.kit.hub_in_process import HubInProcess, hub_in_process

HELD = ("party", "partner", "location", "tariff", "token", "session", "cdr")
LISTS = (*HELD, "invoice", "station", "delivery", "dead-letter", "sync", "command")


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = dict(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_everything_has_a_help_text(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    assert command.help, path
    assert all(getattr(parameter, "help", None) for parameter in command.params), path
    assert "as_json" in {parameter.name for parameter in command.params}, path


@pytest.mark.parametrize("name", LISTS)
def test_lists_have_json_and_csv_twins(name: str) -> None:
    assert {"as_json", "as_csv"} <= {parameter.name for parameter in COMMANDS[name, "list"].params}


@pytest.fixture
async def hub(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HubInProcess]:
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    monkeypatch.setenv("ROAMING_DATA_DIR", str(tmp_path))
    async with hub_in_process(sqlite_url, tmp_path) as running:
        await running.host_objects()
        yield running


async def roaming(*words: str) -> Result:
    """Runs a command; in a thread, since it has a loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, app, words)


@pytest.mark.parametrize("name", LISTS)
async def test_a_list_says_the_same_in_json_and_csv(hub: HubInProcess, name: str) -> None:
    as_json, as_csv, table = [await roaming(name, "list", *form) for form in (["--json"], ["--csv"], [])]
    rows = json.loads(as_json.stdout)
    read = list(csv.DictReader(io.StringIO(as_csv.stdout)))
    assert [list(row) for row in read] == [list(row) for row in rows]
    assert bool(rows) == (name in HELD)
    assert table.exit_code == 0


async def test_what_a_cdr_costs_is_explained(hub: HubInProcess) -> None:
    listed = json.loads((await roaming("cdr", "list", "--json")).stdout)
    explained = json.loads((await roaming("cdr", "explain", listed[0]["id"], "--json")).stdout)
    *lines, billed = explained
    assert all(row["why"] for row in lines)
    assert (lines[-1]["sum before taxes"], billed["sum before taxes"]) == ("0.5000", listed[0]["cost before taxes"])
    assert billed["why"].startswith("-0.05"), "this CDR is not what its tariff makes of its periods"


async def test_an_invoice_is_told_checked_and_withdrawn(hub: HubInProcess) -> None:
    wanted = ("R1", "--from", "NL-HUB", "--to", "DE-AAA", "--invoice", "2026/11", "--cdr", "OURS-AAA")
    *lines, total = json.loads((await roaming("invoice", "issue", *wanted, "--json")).stdout)
    assert [(line["CDR"], line["state"]) for line in lines] == [("OURS-AAA", "FOUND")]
    assert (total["CDR"], total["before taxes"]) == ("TOTAL", lines[0]["before taxes"])
    twice = await roaming("invoice", "issue", "R2", *wanted[1:])
    assert (twice.exit_code, "another invoice" in twice.stderr) == (1, True)
    assert (await roaming("invoice", "check", "r1")).exit_code == 0
    (listed,) = json.loads((await roaming("invoice", "list", "--party", "DE-AAA", "--json")).stdout)
    assert (listed["id"], listed["to"], listed["CDRs"]) == ("R1", "DE-AAA", 1)
    assert (await roaming("invoice", "withdraw", "R1", "--from", "NL-HUB")).exit_code == 0
    gone = await roaming("invoice", "check", "R1")
    assert (gone.exit_code, "roaming invoice list" in gone.stderr) == (1, True)


@pytest.mark.parametrize("typed", ["NL*ABC", "nl-abc", "NLABC", " nl/abc "])
async def test_a_party_is_taken_as_people_write_it(hub: HubInProcess, typed: str) -> None:
    added = await roaming("party", "add", typed, "--role", "cpo", "--name", "ABC", "--no-tell", "--json")
    assert json.loads(added.stdout)["party"] == "NL-ABC", added.output
    only = await roaming("location", "list", "--party", "nl*hub", "--partner", "", "--json")
    assert [row["id"] for row in json.loads(only.stdout)] == ["OURS"]


async def test_ids_are_compared_without_case(hub: HubInProcess) -> None:
    for words in (
        ("partner", "show", "AAA"),
        ("location", "list", "--partner", "AAA"),
        ("sync", "list", "--partner", "AAA"),
        ("cdr", "explain", "ours-aaa"),
        ("partner", "dialect", "AAA"),
        ("delivery", "list", "--partner", "AAA"),
    ):
        result = await roaming(*words, "--json")
        assert result.exit_code == 0, f"{words}: {result.output}"
    again = json.loads((await roaming("partner", "add", "AAA", "--json")).stdout)
    assert again["partner"] == "aaa", "no second partner of the same name"
    for group in ("location", "delivery"):
        nobody = await roaming(group, "list", "--partner", "nobody")
        assert (nobody.exit_code, "roaming partner list" in nobody.stderr) == (1, True)


async def test_a_partner_that_does_not_answer_is_shown_as_such(hub: HubInProcess) -> None:
    async with hub.services.database.work() as work:
        await note_presence(work, "aaa", is_offline=True)
        await note_presence(work, "bbb", is_offline=False)
    states = {row["id"]: row["state"] for row in json.loads((await roaming("partner", "list", "--json")).stdout)}
    assert states["aaa"].startswith("OFFLINE since 20")
    assert states["bbb"] == "CONNECTED"
    assert json.loads((await roaming("partner", "show", "aaa", "--json")).stdout)["state"] == states["aaa"]
    checked = json.loads((await roaming("doctor", "--json")).stdout)
    found = {row["check"]: (row["state"], row["detail"]) for row in checked}
    assert found["partner aaa"] == ("warn", states["aaa"])
    assert found["partner bbb"] == ("ok", "CONNECTED")


async def test_an_id_that_is_not_there_says_where_to_look(hub: HubInProcess) -> None:
    result = await roaming("cdr", "explain", "NOPE")
    assert result.exit_code == 1
    assert "roaming cdr list" in result.stderr


def test_without_a_hub_the_next_step_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROAMING_DATA_DIR", str(tmp_path))
    result = CliRunner().invoke(app, ["station", "list"])
    assert result.exit_code == 1
    assert "roaming start" in result.stderr
    assert not list(tmp_path.iterdir()), "looking must not make a database"


async def test_what_came_late_is_listed(hub: HubInProcess) -> None:
    shown = await roaming("session", "late")
    assert shown.exit_code == 0, shown.output
    assert "nothing came late" in shown.output
