"""``roaming station reset`` and its like: asked of the running hub, and over when the station has spoken."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from contracts.messages import CommandAnswered, CommandRequested, OperationAnswered, OperationRequested
from contracts.messages import operation as op
from contracts.vocabulary import CommandOutcome, ComponentCriterion, MonitoringBase, OperationOutcome
from roaming.cli.commands import app
from roaming.operations.projection import handle
from tests.kit.admitting import admitted, received
from tests.kit.hub_in_process import HubInProcess, hub_in_process
from tests.kit.outbox import waiting


@pytest.fixture
async def hub(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HubInProcess]:
    for name, value in {
        "DATABASE_URL": sqlite_url,
        "ROAMING_DATA_DIR": str(tmp_path),
        "ROAMING_SECRET": "5e" * 32,
        "USER": "anna",
        "LOGNAME": "anna",
    }.items():
        monkeypatch.setenv(name, value)
    async with hub_in_process(sqlite_url, tmp_path) as running:
        await admitted(running.services.database, "CS-1", "CS-2")
        yield running


async def roaming(*words: str) -> Result:
    """Runs a command; in a thread, since it has a loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, app, words)


async def sent(hub: HubInProcess) -> list[Any]:
    """What the hub would put on the bus."""
    database = hub.services.database
    return [m for kind in (OperationRequested, CommandRequested) for _, m in await waiting(database, kind)]


async def answered(
    hub: HubInProcess, *words: str, outcome: str = "ACCEPTED", told: op.AnyTold | None = None
) -> tuple[Result, list[Any]]:
    """The command's end and what was asked, when each station asked says ``outcome``."""
    task = asyncio.create_task(roaming("station", *words))
    asked: list[Any] = []

    async def has_asked() -> bool:
        asked[:] = await sent(hub)
        return bool(asked) or task.done()

    while not await has_asked():
        await asyncio.sleep(0.02)
    assert asked, task.result().output
    for message in asked:
        answer: Any
        at = {"network": message.network, "station_id": message.station_id}
        if isinstance(message, CommandRequested):
            id, name = message.command_id, message.name
            answer = CommandAnswered(command_id=id, name=name, outcome=CommandOutcome(outcome), **at)
        else:
            id = message.operation_id
            answer = OperationAnswered(operation_id=id, outcome=OperationOutcome(outcome), told=told, **at)
        async with hub.services.database.work() as work:
            await handle(work, [received(answer)])
    return await task, asked


TARIFF = str(Path(__file__).parents[1] / "operations" / "tariff.json")
CASES: list[tuple[tuple[str, ...], Any]] = [
    (("reset", "CS-1", "--now"), op.Reset(is_immediate=True)),
    (("availability", "off", "CS-1"), op.ChangeAvailability(is_operative=False)),
    (("trigger", "meter-values", "CS-1", "--connector", "1"), {"what": "METER_VALUES", "connector_id": 1}),
    (("clear-cache", "CS-1"), op.ClearCache()),
    (("new-password", "CS-1"), {}),
    (("list-version", "CS-1"), op.GetLocalListVersion()),
    (("transfer", "com.x", "CS-1", "--data", "d"), op.TransferData(vendor_id="com.x", data="d")),
    (("call", "ClearCache", "CS-1"), op.CallRaw(action="ClearCache", payload="{}")),
    (("update", "https://hub.example/1", "CS-1", "--retries", "2"), {"url": "https://hub.example/1", "retries": 2}),
    (("log", "CS-1", "--url", "https://hub.example/u", "--log", "security"), {"log": "SECURITY"}),
    (("config", "get", "CS-1", "--setting", "A"), op.GetConfiguration(keys=("A",))),
    (("config", "set", "CS-1", "--set", "A=b=c"), {"entries": (op.ConfigurationEntry(key="A", value="b=c"),)}),
    (("profile", "set", "CS-1", "--step", "0:16"), {"purpose": "TRANSACTION_DEFAULT", "profile_id": 1}),
    (("profile", "clear", "CS-1", "--purpose", "station-max"), {"purpose": "STATION_MAX"}),
    (("profile", "show", "CS-1"), op.GetCompositeSchedule(duration=3600)),
    (("profile", "set", "CS-1", "--step", "0:16", "--dynamic", "--pull", "60"), {"is_dynamic": True, "pull_every": 60}),
    (("profile", "move", "9.5", "CS-1", "--id", "3"), op.ChangeDynamicLimit(profile_id=3, limit=Decimal("9.5"))),
    (("profile", "list", "CS-1", "--purpose", "station-max"), {"purpose": "STATION_MAX"}),
    (("check", "CS-1", "--transaction", "tx"), op.CheckTransaction(transaction_id="tx")),
    (("cost", "CS-1", "3.75", "--transaction", "tx"), {"total_cost": Decimal("3.75"), "transaction_id": "tx"}),
    (("priority", "CS-1", "on", "--transaction", "tx"), op.UsePriorityCharging(transaction_id="tx", is_active=True)),
    (("customer", "04A2B3C4", "CS-1", "--clear"), {"token_uid": "04A2B3C4", "is_cleared": True}),
    (("text", "show", "Closed", "CS-1", "--priority", "in-front"), {"text": "Closed", "priority": "IN_FRONT"}),
    (("text", "clear", "CS-1", "--id", "4"), op.ClearText(text_id=4)),
    (("text", "list", "CS-1"), {}),
    (("monitor", "set", "EVSE(1).Power", "delta", "500", "CS-1"), {"monitor": "DELTA", "value": Decimal(500)}),
    (("monitor", "clear", "CS-1", "--id", "3", "--id", "4"), op.ClearMonitors(monitor_ids=(3, 4))),
    (("monitor", "list", "CS-1", "--variable", "EVSE(1).Power"), {"variables": ("EVSE(1).Power",)}),
    (("monitor", "base", "hard-wired-only", "CS-1"), {"base": MonitoringBase.HARD_WIRED_ONLY}),
    (("monitor", "level", "4", "CS-1"), {"severity": 4}),
    (("stream", "list", "CS-1"), {}),
    (("stream", "adjust", "CS-1", "--id", "3", "--interval", "60"), {"stream_id": 3, "interval": 60, "values": None}),
    (
        ("config", "report", "CS-1", "--criterion", "problem", "--component", "EVSE(1)"),
        {"criteria": (ComponentCriterion.PROBLEM,), "names": ("EVSE(1)",)},
    ),
    (("publish", "https://hub.example/1", "CS-1", "--checksum", "0f" * 16), {"checksum": "0f" * 16}),
    (("unpublish", "0f" * 16, "CS-1"), {"checksum": "0f" * 16}),
    (("expect-payment", "CS-1", "--connector", "2"), {"connector_id": 2, "seconds": 120}),
    (
        ("update", "https://hub.example/1", "CS-1", "--install-at", "2026-11-24T02:00:00Z"),
        {"install_at": datetime(2026, 11, 24, 2, tzinfo=UTC)},
    ),
    (("log", "CS-1", "--since", "2026-11-24T02:00:00Z"), {"oldest": datetime(2026, 11, 24, 2, tzinfo=UTC)}),
    (("tariff", "set", TARIFF, "CS-1"), {"connector_id": None}),
    (("tariff", "list", "CS-1"), op.ReportTariffs()),
    (("tariff", "clear", "CS-1", "--tariff", "T"), op.ClearTariffs(tariff_ids=("T",))),
    (("start", "CS-1", "--token", "T"), {"token_uid": "T"}),
    (("stop", "CS-1", "--transaction", "5"), {"transaction_id": "5"}),
    (("unlock", "CS-1"), {"connector_id": 1}),
    (("reserve", "CS-1", "--token", "T", "--reservation", "R"), {"reservation_id": "R", "token_uid": "T"}),
    (("cancel", "CS-1", "R"), {"reservation_id": "R"}),
]


@pytest.mark.parametrize(("words", "expected"), CASES, ids=[" ".join(words[:2]) for words, _ in CASES])
async def test_it_is_asked_and_the_answer_shown(hub: HubInProcess, words: tuple[str, ...], expected: Any) -> None:
    done, (message,) = await answered(hub, *words, "--json", "--why", "ticket")
    assert done.exit_code == 0, done.output
    order = message.operation if isinstance(message, OperationRequested) else message
    if isinstance(expected, dict):
        assert {name: getattr(order, name) for name in expected} == expected
    else:
        assert order == expected
    (told,) = json.loads(done.stdout)
    assert (told["station_id"], told["outcome"], told["who"]) == ("CS-1", "ACCEPTED", "cli:anna")


async def test_a_group_is_secured_at_once(hub: HubInProcess) -> None:
    async def secured(*words: str) -> list[tuple[str, int, int]]:
        rows = json.loads((await roaming("station", "secure", "--profile", "2", *words, "--json")).stdout)
        return [(row["station"], row["wanted"], row["demanded"]) for row in rows]

    await roaming("station", "group", "depot", "CS-1", "CS-2")
    assert await secured("--group", "depot", "--dry-run") == [("CS-1", 0, 0), ("CS-2", 0, 0)]
    assert await secured("cs-2") == [("CS-2", 2, 0)]
    assert await secured("--group", "depot") == [("CS-1", 2, 0), ("CS-2", 2, 0)]
    nobody = await roaming("station", "secure", "CS-9", "--profile", "2")
    assert (nobody.exit_code, "no station CS-9" in nobody.stderr) == (1, True)


async def test_a_refusal_ends_with_an_error_code(hub: HubInProcess) -> None:
    done, _ = await answered(hub, "reset", "CS-1", outcome="REJECTED")
    assert (done.exit_code, "REJECTED" in done.stdout) == (1, True)


async def test_settings_are_shown_with_what_they_mean(hub: HubInProcess) -> None:
    values = (op.ConfigurationValue(key="HeartbeatInterval", value="300"),)
    told = op.ConfigurationTold(values=values, unknown_keys=("Nonsense",))
    done, _ = await answered(hub, "config", "get", "CS-1", "--csv", told=told)
    lines = done.stdout.splitlines()
    assert lines[1] == "CS-1,HeartbeatInterval,300,s,no,How often a silent station says it is there"
    assert lines[2].startswith("CS-1,Nonsense,(unknown there)")


async def test_who_tells_no_settings_is_named(hub: HubInProcess) -> None:
    done, _ = await answered(hub, "config", "get", "CS-1", "--csv", outcome="NOT_SUPPORTED")
    assert (done.exit_code, done.stdout, "CS-1: NOT_SUPPORTED" in done.stderr) == (1, "", True)


async def test_a_local_list_is_sent_and_waited_for(hub: HubInProcess) -> None:
    dry = json.loads((await roaming("station", "sync-list", "CS-1", "--dry-run", "--json")).stdout)
    assert dry == [{"station": "CS-1", "wanted": 0}]
    done, (message,) = await answered(hub, "sync-list", "CS-1", "--json")
    assert (done.exit_code, message.operation.is_full) == (0, True)
    (row,) = json.loads(done.stdout)
    assert (row["state"], row["version"]) == ("SYNCED", message.operation.version)


async def test_groups_and_tags_choose(hub: HubInProcess) -> None:
    for words in (("group", "depot", "CS-1", "CS-2"), ("tag", "CS-2", "--add", "fast")):
        assert (await roaming("station", *words)).exit_code == 0
    dry = json.loads((await roaming("station", "reset", "--group", "depot", "--dry-run", "--json")).stdout)
    assert [row["station"] for row in dry] == ["CS-1", "CS-2"]
    assert not await sent(hub)
    done, (message,) = await answered(hub, "reset", "--group", "depot", "--tag", "fast", "--json")
    assert (done.exit_code, message.station_id) == (0, "CS-2")
    (listed,) = json.loads((await roaming("station", "operations", "--kind", "reset", "--json")).stdout)
    assert (listed["station"], listed["outcome"]) == ("CS-2", "ACCEPTED")
    shown = json.loads((await roaming("station", "show", "cs-2", "--json")).stdout)
    assert (shown["group"], shown["tags"], len(shown["operations"])) == ("depot", ["fast"], 1)
    for words, names in (
        (("--group", "depot", "--tag", "fast"), ["CS-2"]),
        (("--find", "cs-1", "--online", "--bound"), ["CS-1"]),
        (("--offline",), []),
        (("--waiting",), []),
    ):
        listed = json.loads((await roaming("station", "list", *words, "--json")).stdout)
        assert [row["station"] for row in listed] == names
    (group,) = json.loads((await roaming("station", "groups", "--json")).stdout)
    assert group == {"group": "depot", "stations": 2}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("reset",), "say which stations"),
        (("reset", "CS-9"), "no station CS-9"),
        (("trigger", "dance", "CS-1"), "Invalid enum value 'DANCE'"),
        (("availability", "maybe", "CS-1"), "on or off"),
        (("config", "set", "CS-1", "--set", "A"), "KEY=VALUE"),
        (("profile", "set", "CS-1", "--step", "16"), "SECONDS:LIMIT"),
        (("update", "file:///x", "CS-1"), "url: an address"),
        (("update", "https://x/1", "CS-1", "--signature", "x"), "give both"),
        (("show", "CS-9"), "no station CS-9"),
    ],
)
async def test_a_mistake_is_named(hub: HubInProcess, words: tuple[str, ...], complaint: str) -> None:
    done = await roaming("station", *words)
    assert (done.exit_code, complaint in done.output) == (1, True), done.output
    assert not await sent(hub)


async def test_nobody_is_waited_for_without_end(hub: HubInProcess) -> None:
    done = await roaming("station", "reset", "CS-1", "--wait", "0", "--json")
    (told,) = json.loads(done.stdout)
    assert (done.exit_code, told["state"], told["outcome"]) == (1, "REQUESTED", "")
