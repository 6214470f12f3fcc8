"""What the kit forgets while it runs, and what it keeps."""

import sqlite3
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from adapters.kit import trimming
from adapters.kit.authorization import TokenAuthorizer
from adapters.kit.commands import CommandDesk
from adapters.kit.connections import Epochs
from adapters.kit.database import Database
from adapters.kit.tokens import TokenCache
from adapters.kit.trimming import Trimming
from contracts.bus.memory import MemoryBus
from tests.kit.clock import HeldClock
from tests.kit.stations import RecordingFacts

KEPT = timedelta(days=30)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(tmp_path / "kit.sqlite")
    yield database
    await database.close()


async def test_strangers_are_forgotten_and_their_epochs_still_rise(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trimming, "SLICE", 3)
    monkeypatch.setattr(trimming, "PAUSE", 0)
    clock = HeldClock()
    epochs = Epochs(database, now=clock)
    await epochs.start()
    await _desk(database, clock).start()
    first = [await epochs.claim(f"made-up-{number}") for number in range(8)]
    clock.advance(KEPT)
    await epochs.claim("made-up-3")
    trim = Trimming(database, now=clock, kept=KEPT)
    assert await trim.trim() == 0, "not before their time"
    clock.advance(timedelta(seconds=1))
    assert await trim.trim() == 7
    assert database.fetch("SELECT station_id FROM connections") == [("made-up-3",)]
    assert await epochs.claim("made-up-0") > max(first)


async def test_names_are_bounded_by_number_too(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody can make them up without end."""
    monkeypatch.setattr(trimming, "SLICE", 3)
    monkeypatch.setattr(trimming, "PAUSE", 0)
    monkeypatch.setattr(trimming, "MOST_NAMES", 4)
    clock = HeldClock()
    epochs = Epochs(database, now=clock)
    await epochs.start()
    await _desk(database, clock).start()
    for number in range(10):
        last = await epochs.claim(f"made-up-{9 - number}")
        clock.advance(timedelta(seconds=1))
    trim = Trimming(database, now=clock, kept=KEPT)
    assert await trim.trim() == 6
    kept = database.fetch("SELECT station_id FROM connections ORDER BY station_id")
    assert [name for (name,) in kept] == [f"made-up-{number}" for number in range(4)]
    assert await epochs.claim("made-up-9") > last
    assert await trim.trim() == 1


async def test_commands_that_were_carried_out_are_forgotten_while_it_runs(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trimming, "SLICE", 2)
    monkeypatch.setattr(trimming, "PAUSE", 0)
    clock = HeldClock()
    await Epochs(database, now=clock).start()
    await _desk(database, clock).start()
    claimed = int(clock().timestamp())
    states = ("ACCEPTED", "RUNNING", "EXPIRED", "REJECTED", "TIMEOUT")
    rows = [(f"c{number}", claimed, state, b"") for number, state in enumerate(states)]
    await database.write(partial(_insert_commands, rows))
    trim = Trimming(database, now=clock, kept=KEPT)
    clock.advance(KEPT + timedelta(seconds=1))
    assert await trim.trim() == 4
    assert database.fetch("SELECT state FROM commands") == [("RUNNING",)]


def _insert_commands(rows: list[tuple[object, ...]], connection: sqlite3.Connection) -> None:
    connection.executemany("INSERT INTO commands VALUES (?, ?, ?, ?)", rows)


def _desk(database: Database, clock: HeldClock) -> CommandDesk:
    tokens = TokenCache(database, group="tokens")
    authorizer = TokenAuthorizer(
        tokens, MemoryBus(), network="demo", instance="one", now=clock, operator_of=lambda _: None
    )
    return CommandDesk(database, RecordingFacts(), authorizer, network="demo", instance="one", supported=(), now=clock)
