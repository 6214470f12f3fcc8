"""From the spool to the bus: waves keep the order, and nothing holds up what is behind it."""

import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.kit import relay
from adapters.kit.database import Database
from adapters.kit.relay import waves
from adapters.kit.spool import Spool
from contracts.envelope import Envelope, wrap
from tests.kit.bus import ScriptedBus
from tests.kit.spool_child import make_fact
from tests.kit.wait import until

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


@pytest.fixture
def bus() -> ScriptedBus:
    return ScriptedBus()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(tmp_path / "spool.sqlite")
    yield database
    await database.close()


@pytest.fixture
async def spool(database: Database, bus: ScriptedBus) -> AsyncIterator[Spool]:
    spool = Spool(database, bus, network="demo", instance="one", now=lambda: NOW)
    await spool.start()
    yield spool
    await spool.stop()


def envelope(station: int, number: int) -> Envelope:
    fact = make_fact(station, number)
    return wrap(
        fact.message,
        id=fact.id,
        subject=f"demo/{fact.station_id}",
        sequence=number,
        occurred_at=NOW,
        recorded_at=NOW,
        correlation_id="x",
        source="adapter:one",
    )


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=40))
def test_waves_keep_the_order_of_each_station(told: list[tuple[int, int]]) -> None:
    batch = [envelope(*one) for one in told]
    cut = waves(batch)
    assert sum(len(share) for wave in cut for share in wave.values()) == len(batch)
    for subject in {one.subject for one in batch}:
        path = []
        for wave in cut:
            topics = [name for name, share in wave.items() if any(one.subject == subject for one in share)]
            assert len(topics) <= 1, "one topic of a subject in a wave: they are published side by side"
            path.extend(one for name in topics for one in wave[name] if one.subject == subject)
        assert path == [one for one in batch if one.subject == subject]


def test_stations_that_alternate_do_not_multiply_the_waves() -> None:
    batch = [envelope(station, number) for number in range(4) for station in range(50)]
    assert len(waves(batch)) == 4


async def test_a_message_too_large_for_the_bus_is_set_aside(bus: ScriptedBus, spool: Spool, database: Database) -> None:
    bus.gate.clear()
    bus.refuses = lambda one: one.id == make_fact(1, 4).id
    await spool.record([make_fact(1, number) for number in range(10)])
    bus.gate.set()
    assert await spool.drain(5)
    assert bus.ids() == [make_fact(1, number).id for number in range(10) if number != 4]
    ((kept, reason),) = database.fetch("SELECT envelope, reason FROM set_aside")
    assert make_fact(1, 4).id.encode() in kept
    assert reason == "too large"
    assert spool.backlog() == 0


async def test_what_was_set_aside_is_bounded(
    bus: ScriptedBus, spool: Spool, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "_SET_ASIDE_KEPT", 3)
    bus.refuses = lambda one: True
    await spool.record([make_fact(1, number) for number in range(8)])
    assert await spool.drain(5)
    assert database.fetch("SELECT sequence FROM set_aside") == [(6,), (7,), (8,)]


async def test_a_damaged_row_does_not_hold_up_the_others(
    bus: ScriptedBus, spool: Spool, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "_MOST_AT_HAND", 0)
    bus.is_away = True
    await spool.record([make_fact(1, 0)])
    await until(lambda: bus.calls)
    await spool.record([make_fact(1, number) for number in (1, 2, 3)])
    await spool.record([make_fact(1, 4)])
    await spool.record([make_fact(1, 5), make_fact(1, 6)])

    def damage(connection: sqlite3.Connection) -> None:
        ((row,),) = connection.execute("SELECT envelopes FROM spooled WHERE sequence = 4")
        first, second, third = row.split(b"\n")
        row = b"\n".join([first, second[:9], third.replace(b"MeterValuesTaken", b"FromTheFuture")])
        connection.execute("UPDATE spooled SET envelopes = ? WHERE sequence = 4", (row,))
        connection.execute("UPDATE spooled SET envelopes = x'0a00' WHERE sequence = 5")

    await database.write(damage)
    bus.is_away = False
    assert await spool.drain(10)
    assert bus.ids() == [make_fact(1, number).id for number in (0, 1, 5, 6)]
    assert database.fetch("SELECT sequence FROM set_aside WHERE sequence < 5") == [(3,), (4,)]
    assert spool.backlog() == 0


async def test_an_error_that_is_none_of_the_bus_is_survived(bus: ScriptedBus, spool: Spool) -> None:
    failures = iter([True, True])

    def fail() -> bool:
        if next(failures, False):
            raise RuntimeError("a bug in a handler")
        return False

    bus._fails = fail
    await spool.record([make_fact(1, 0)])
    assert await spool.drain(5)
    assert spool.is_healthy()
    assert bus.ids() == [make_fact(1, 0).id]


async def test_facts_that_left_are_gone_from_disk(bus: ScriptedBus, spool: Spool, database: Database) -> None:
    await spool.record([make_fact(1, number) for number in range(600)])
    assert await spool.drain(5)
    await until(lambda: database.fetch("SELECT count(*) FROM spooled") == [(0,)])
    assert len(bus.published) == 600


async def test_what_has_left_does_not_go_again_after_a_stop(
    bus: ScriptedBus, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "_DELETE_AFTER", 3600)
    spool = Spool(database, bus, network="demo", instance="one", now=lambda: NOW)
    await spool.start()
    await spool.record([make_fact(1, number) for number in range(5)])
    assert await spool.drain(5)
    assert database.fetch("SELECT sum(facts) FROM spooled") == [(5,)], "nobody has come to it yet"
    await spool.stop()
    path = database.path
    await database.close()
    left = sqlite3.connect(path)
    assert left.execute("SELECT count(*), (SELECT sequence FROM relayed) FROM spooled").fetchall() == [(0, 5)]
    left.close()


async def test_what_does_not_fit_in_memory_comes_from_disk_in_its_place(
    bus: ScriptedBus, spool: Spool, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "_MOST_AT_HAND", 3)
    monkeypatch.setattr(relay, "_BATCH", 2)
    number = 0
    for more in (1, 2, 3, 4, 1, 9, 2, 1, 1):
        bus.gate.clear()
        for _ in range(more):
            await spool.record([make_fact(1, number)])
            number += 1
        bus.gate.set()
        if more % 2:
            assert await spool.drain(5)
    assert await spool.drain(5)
    assert bus.ids() == [make_fact(1, each).id for each in range(number)]
    assert spool.backlog() == 0


async def test_a_disk_that_fails_in_between_loses_nothing_at_hand(
    bus: ScriptedBus, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "_LONGEST_PAUSE", 0.01)
    failures = iter([True])
    keep_aside = relay._keep_aside

    def fail(*arguments: Any) -> None:
        if next(failures, False):
            raise sqlite3.OperationalError("disk I/O error")
        keep_aside(*arguments)

    monkeypatch.setattr(relay, "_keep_aside", fail)
    bus.refuses = lambda one: one.id == make_fact(1, 2).id
    await spool.record([make_fact(1, 0)])
    assert await spool.drain(5)
    await spool.record([make_fact(1, number) for number in range(1, 5)])
    assert await spool.drain(5)
    await spool.record([make_fact(1, 5)])
    assert await spool.drain(5)
    assert set(bus.ids()) == {make_fact(1, number).id for number in (0, 1, 3, 4, 5)}
    assert not next(failures, False)
