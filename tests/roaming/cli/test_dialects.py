"""Partners' dialects on the command line."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from roaming.cli.commands import app
from roaming.ocpi.habits import Habit
from roaming.ocpi.noticing import notice
from roaming.ocpi.switches import BY_NAME
from tests.kit.hub_in_process import HubInProcess, hub_in_process


@pytest.fixture
async def hub(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HubInProcess]:
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    monkeypatch.setenv("ROAMING_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("ROAMING_SECRET", "5e" * 32)
    async with hub_in_process(sqlite_url, tmp_path) as running:
        yield running


async def roaming(*words: str) -> Result:
    """Runs a command; in a thread, since it has a loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, app, words)


async def rows(*words: str) -> dict[str, dict[str, Any]]:
    result = await roaming("partner", "dialect", *words, "--json")
    assert result.exit_code == 0, result.output
    return {row["switch"]: row for row in json.loads(result.stdout)}


async def test_a_dialect_is_shown_set_and_forgotten(hub: HubInProcess) -> None:
    shown = await rows("cpo")
    assert list(shown) == list(BY_NAME)
    assert {row["by"] for row in shown.values()} == {"default"}
    assert all(row["changes"] and row["detected by"] and row["values"] and row["default"] for row in shown.values())
    habit = Habit(name="token_encoding", value="raw", why="GET versions: HTTP 401 to base64, HTTP 200 to raw")
    await notice(hub.services, "cpo", [habit])
    seen = (await rows("cpo"))["token_encoding"]
    assert (seen["value"], seen["by"], seen["seen"]) == ("raw", "traffic", f"raw ({habit.why})")
    by_hand = (await rows("cpo", "--set", "token_encoding=base64", "--set", "patch=no"))["token_encoding"]
    assert (by_hand["value"], by_hand["by"]) == ("base64", "hand")
    await notice(hub.services, "cpo", [habit])
    assert (await rows("cpo"))["token_encoding"]["value"] == "base64", "never overruled"
    listed = json.loads((await roaming("partner", "list", "--json")).stdout)
    assert {row["id"]: row["dialect"] for row in listed}["cpo"] == "token_encoding=base64 patch=no"
    known = json.loads((await roaming("partner", "show", "cpo", "--json")).stdout)
    assert known["dialect"] == ["token_encoding=base64", "patch=no"]
    assert (await rows("cpo", "--set", "token_encoding=auto"))["token_encoding"]["by"] == "default"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("nobody",), "roaming partner list"),
        (("cpo", "--set", "colour=red"), "token_encoding, trailing_slash"),
        (("cpo", "--set", "patch=perhaps"), "one of yes, no"),
        (("cpo", "--set", "patch"), "one of yes, no"),
        (("cpo", "--set", "time_zone=Mars/Base"), "such as Europe/Paris"),
    ],
)
async def test_what_cannot_be_set_is_said(hub: HubInProcess, words: tuple[str, ...], hint: str) -> None:
    result = await roaming("partner", "dialect", *words)
    assert result.exit_code == 1
    assert hint in result.stderr
