"""The example files of each import, which a README names, are taken as they are."""

import asyncio
import itertools
import json
import shlex
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from contracts.messages import AuthorizationRequested
from contracts.vocabulary import AuthorizationStatus
from roaming.cli.commands import app
from roaming.modules.tokens.asking import decide
from roaming.stations.passwords import LENGTH
from tests.kit import ocpi_bodies
from tests.kit.hub_in_process import RECEIVER, HubInProcess, hub_in_process
from tests.kit.speaking import envelope_of

ROOT = Path(__file__).parents[3]
SAMPLES = {
    "tariff": ("tariffs.json", ["FLEET", "STANDARD"]),
    "location": ("locations.json", ["SITE-3"]),
    "station": ("stations.csv", ["CS-001", "CS-002", "CS-003"]),
    "token": ("tokens.csv", ["04C1A5B2D3E480", "04C1A5B2D3E481", "app-7f3a9c"]),
}
"""File and ids of each, in an order in which they can be imported."""


async def roaming(*words: str) -> Result:
    """Runs a command; in a thread, since it has a loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, app, words)


@pytest.fixture
async def hub(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HubInProcess]:
    """With the parties of README."""
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    monkeypatch.setenv("ROAMING_DATA_DIR", str(tmp_path))
    async with hub_in_process(sqlite_url, tmp_path) as running:
        for party, role in (("NL-ABC", "CPO"), ("NL-EMS", "EMSP")):
            added = await roaming("party", "add", party, "--role", role, "--name", party, "--no-tell")
            assert added.exit_code == 0, added.output
        yield running


async def held(kind: str) -> list[str]:
    rows: list[dict[str, Any]] = json.loads((await roaming(kind, "list", "--json")).stdout)
    return sorted(row["station" if kind == "station" else "id"] for row in rows)


async def test_each_sample_is_imported(hub: HubInProcess) -> None:
    for kind, (name, ids) in SAMPLES.items():
        file = str(ROOT / "deploy" / "samples" / name)
        tried = await roaming(kind, "import", file, "--dry-run", "--json")
        assert (tried.exit_code, await held(kind)) == (0, []), tried.output
        done = await roaming(kind, "import", file, "--json")
        assert done.exit_code == 0, done.output
        assert await held(kind) == (ids if kind != "location" else ["SITE-3"])
        if kind == "station":
            for row in json.loads((await roaming("location", "list", "--json")).stdout):
                assert row["published"], row
            passwords = [row["password"] for row in json.loads(done.stdout)]
            assert {len(password) for password in passwords} == {LENGTH}
            assert len(set(passwords)) == len(passwords)


def readme_lines(first: str) -> list[list[str]]:
    """The commands of the block in README that begins so, without their comments."""
    text = (ROOT / "README.md").read_text()
    block = text[text.index(first) :].split("```", 1)[0]
    lines = [shlex.split(line, comments=True) for line in block.splitlines()]
    return [
        list(words)
        for line in lines
        for is_and, words in itertools.groupby(line, key=lambda word: word == "&&")
        if not is_and
    ]


async def test_the_rules_of_readme_are_about_what_the_samples_hold(hub: HubInProcess) -> None:
    for kind, (name, _) in SAMPLES.items():
        assert (await roaming(kind, "import", str(ROOT / "deploy" / "samples" / name))).exit_code == 0
    await hub.connect("acme", "DE-ACM", "EMSP")
    card = ocpi_bodies.token("DE-ACM", uid="04C1A5B2D3E480")
    assert (await hub.call("acme", "PUT", f"{RECEIVER}/tokens/DE/ACM/04C1A5B2D3E480", body=card)).code == 1000
    commands = readme_lines("roaming agreement add FR-CPO DE-ACM")
    assert len([words for words in commands if words[1:3] == ["rule", "add"]]) > 3
    for program, *words in commands:
        done = await roaming(*words)
        assert (program, done.exit_code) == ("roaming", 0), (words, done.output)
    offered = json.loads((await roaming("why", "acme", "SITE-1/CS-001-2", "--json")).stdout)[1]
    assert (offered["question"], offered["answer"]) == ("is offered there", "FLEET")
    assert [await is_let_in(hub, connector) for connector in (1, 2)] == [False, True]


async def is_let_in(hub: HubInProcess, connector_id: int) -> bool:
    """Whether a card of acme charges at station CS-001."""
    card = ocpi_bodies.token("DE-ACM", uid="CARD", whitelist="ALWAYS")
    assert (await hub.call("acme", "PUT", f"{RECEIVER}/tokens/DE/ACM/CARD", body=card)).code == 1000
    question = AuthorizationRequested(
        request_id=f"asked-{connector_id}",
        network="main",
        station_id="CS-001",
        connector_id=connector_id,
        token_uid="CARD",
        deadline=hub.services.clock.now() + timedelta(seconds=5),
    )
    return (await decide(hub.services, envelope_of(question), question)).status is AuthorizationStatus.ACCEPTED


def test_every_sample_has_a_test_and_is_named_for_newcomers() -> None:
    samples = {path.name for path in (ROOT / "deploy" / "samples").iterdir()}
    assert samples == {name for name, _ in SAMPLES.values()}
    for text in ("README.md", "deploy/README.md"):
        written = (ROOT / text).read_text()
        assert all(f"deploy/samples/{name}" in written or f"samples/{name}" in written for name in samples), text


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ({"station": "CS-1"}, "party, location: must not be empty"),
        ({"station": "CS-1", "party": "NL-ABC", "location": "L", "evses": "2"}, "evses: no such column"),
        ({"station": "CS-1", "party": "NL-ABC", "location": "L", "connectors": "two"}, "connectors: 'two'"),
        ({"station": "CS-1", "party": "NL-ABC", "location": "L", "no_password": "so"}, "no_password: 'so'"),
        ({"station": "CS-1", "party": "NL-ABC", "location": "L", "tariff": "NONE"}, "no tariff NONE"),
        ({"station": "CS-1", "party": "FR-CPO", "location": "L"}, "FR-CPO is no CPO hosted here"),
        ("CS-1", "a row is an object"),
    ],
)
async def test_a_row_that_cannot_be_is_named_and_the_others_are_bound(
    hub: HubInProcess, tmp_path: Path, row: Any, named: str
) -> None:
    file = tmp_path / "stations.json"
    file.write_text(json.dumps([row, {"station": "CS-2", "party": "NL-ABC", "location": "L"}]))
    done = await roaming("station", "import", str(file), "--json")
    assert done.exit_code == 1
    first, second = json.loads(done.stdout)
    assert (first["row"], first["state"], second["state"]) == (1, "error", "ok")
    assert named in first["error"]
    assert await held("station") == ["CS-2"]
