"""What the spool promises to stations (``Facts``): on disk before it returns, each once, in order, whatever dies."""

import asyncio
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.kit.database import Database, DatabaseTaken
from adapters.kit.known_ids import key_of
from adapters.kit.manifest import Fact, SpoolFull
from adapters.kit.spool import Spool, SpoolLimits
from contracts.envelope import encode, wrap
from contracts.messages import ConnectorStatusChanged, MeterSample, MeterValuesTaken
from tests.kit.bus import ScriptedBus
from tests.kit.clock import HeldClock
from tests.kit.spool_child import make_fact
from tests.kit.wait import until

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


@asynccontextmanager
async def running(
    directory: Path,
    bus: ScriptedBus,
    *,
    limits: SpoolLimits | None = None,
    now: Callable[[], datetime] = lambda: NOW,
) -> AsyncIterator[Spool]:
    database = Database(directory / "spool.sqlite")
    spool = Spool(database, bus, network="demo", instance="one", now=now, limits=limits)
    await spool.start()
    try:
        yield spool
    finally:
        await spool.stop()
        await database.close()


async def record_one_by_one(spool: Spool, numbers: range, kept: list[int]) -> None:
    """Until the spool refuses; ``kept`` are those it took."""
    for number in numbers:
        await spool.record([make_fact(1, number)])
        kept.append(number)


def on_disk(directory: Path) -> int:
    """Facts that an independent connection finds."""
    connection = sqlite3.connect(directory / "spool.sqlite")
    (count,) = connection.execute("SELECT coalesce(sum(facts), 0) FROM spooled").fetchone()
    connection.close()
    return int(count)


async def test_a_fact_reaches_the_bus_as_it_was_told(tmp_path: Path) -> None:
    bus = ScriptedBus()
    sample = MeterSample(at=NOW)
    message = MeterValuesTaken(network="demo", station_id="CS 1/ü", connector_id=None, samples=(sample,))
    early = NOW - timedelta(days=3)
    async with running(tmp_path, bus) as spool:
        await spool.record([Fact(id="a", message=message, station_id="CS 1/ü", occurred_at=early, cause="why")])
        assert await spool.drain(5)
    ((topic, envelope),) = bus.published
    assert topic == "charging.meter"
    assert envelope.message() == message
    assert (envelope.id, envelope.subject, envelope.source) == ("a", "demo/CS 1/ü", "adapter:one")
    assert (envelope.occurred_at, envelope.recorded_at) == (early, NOW)
    assert (envelope.correlation_id, envelope.cause) == ("a", "why")


async def test_what_was_recorded_is_on_disk_at_once(tmp_path: Path) -> None:
    bus = ScriptedBus()
    bus.is_away = True
    async with running(tmp_path, bus) as spool:
        for number in range(5):
            await spool.record([make_fact(1, number)])
            assert on_disk(tmp_path) == number + 1
        assert spool.backlog() == 5


async def test_concurrent_calls_share_a_commit(tmp_path: Path) -> None:
    bus = ScriptedBus()
    bus.gate.clear()
    async with running(tmp_path, bus) as spool:
        commits = 0
        commit = Database._commit

        def counted(self: Database, group: list[object]) -> None:
            nonlocal commits
            commits += 1
            commit(self, group)  # type: ignore[arg-type]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Database, "_commit", counted)
            await asyncio.gather(*(spool.record([make_fact(station, 0)]) for station in range(300)))
        assert commits <= 2
        assert on_disk(tmp_path) == 300
        bus.gate.set()


async def test_a_crowd_waits_a_little_for_others_unless_they_are_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.kit.spool._BUSY_PAUSE", 600)
    async with running(tmp_path, ScriptedBus()) as spool:

        def record(number: int, stations: int) -> list[asyncio.Task[None]]:
            return [asyncio.create_task(spool.record([make_fact(station, number)])) for station in range(stations)]

        await asyncio.gather(*record(0, 10))
        few = record(1, 39)
        await asyncio.sleep(0.1)  # long enough for a commit that does not wait
        assert not any(task.done() for task in few)
        async with asyncio.timeout(5):
            await asyncio.gather(*few, *record(2, 1))
        async with asyncio.timeout(5):
            await asyncio.gather(*record(3, 40))


async def test_a_repeat_is_ignored_before_and_after_it_left_and_after_a_restart(tmp_path: Path) -> None:
    bus = ScriptedBus()
    first = make_fact(1, 0)
    async with running(tmp_path, bus) as spool:
        await asyncio.gather(*(spool.record([first, first]) for _ in range(10)))
        await spool.record([first, make_fact(1, 1)])
        assert await spool.drain(5)
        await spool.record([first])
        assert spool.backlog() == 0
    async with running(tmp_path, bus) as spool:
        await spool.record([first, make_fact(1, 2)])
        assert await spool.drain(5)
    assert bus.ids() == [first.id, make_fact(1, 1).id, make_fact(1, 2).id]


async def test_ids_are_forgotten_when_they_are_old(tmp_path: Path) -> None:
    bus = ScriptedBus()
    clock = HeldClock(NOW)
    limits = SpoolLimits(sweep=timedelta(milliseconds=200))
    status, meter = make_fact(1, 0), make_fact(1, 1)
    assert isinstance(status.message, ConnectorStatusChanged)
    assert isinstance(meter.message, MeterValuesTaken)

    def remembered() -> int:
        connection = sqlite3.connect(tmp_path / "spool.sqlite")
        (count,) = connection.execute("SELECT count(*) FROM known_ids").fetchone()
        connection.close()
        return int(count)

    async with running(tmp_path, bus, limits=limits, now=clock) as spool:
        await spool.record([status, meter])
        clock.advance(timedelta(days=2, hours=2))
        await until(lambda: remembered() == 1)
        await spool.record([status])
        assert await spool.drain(5)
        assert bus.ids().count(status.id) == 1
        clock.advance(timedelta(days=30))
        await until(lambda: remembered() == 0)


async def test_too_many_ids_make_the_oldest_go_early(tmp_path: Path) -> None:
    limits = SpoolLimits(sweep=timedelta(milliseconds=50), remembered=10, remember=timedelta(days=4))
    clock = HeldClock(NOW)
    async with running(tmp_path, ScriptedBus(), limits=limits, now=clock) as spool:
        for day in range(3):
            await spool.record([make_fact(day, 2 * number) for number in range(10)])
            clock.advance(timedelta(hours=6))

        def remembered() -> int:
            connection = sqlite3.connect(tmp_path / "spool.sqlite")
            (count,) = connection.execute("SELECT count(*) FROM known_ids").fetchone()
            connection.close()
            return int(count)

        await until(lambda: remembered() <= 10, seconds=20)


async def test_the_bound_is_loud_loses_nothing_and_gives_way(tmp_path: Path) -> None:
    bus = ScriptedBus()
    bus.is_away = True
    async with running(tmp_path, bus, limits=SpoolLimits(facts=3)) as spool:
        await spool.record([make_fact(1, 0), make_fact(1, 1)])
        with pytest.raises(SpoolFull, match="bound"):
            await spool.record([make_fact(1, 2), make_fact(1, 3)])
        assert not spool.is_healthy()
        assert on_disk(tmp_path) == 2, "none of the refused call is kept"
        await spool.record([make_fact(1, 2)])
        assert spool.is_healthy()
        with pytest.raises(SpoolFull):
            await spool.record([make_fact(1, 3)])
        bus.is_away = False
        assert await spool.drain(10)
        assert spool.is_healthy(), "without waiting for a station to try"
        await spool.record([make_fact(1, 3)])
        assert await spool.drain(5)
    assert bus.ids() == [make_fact(1, number).id for number in range(4)]


async def test_the_bound_counts_octets_and_repeats_cost_nothing(tmp_path: Path) -> None:
    bus = ScriptedBus()
    bus.is_away = True
    async with running(tmp_path, bus, limits=SpoolLimits(octets=1000)) as spool:
        await spool.record([make_fact(1, 0)])
        for _ in range(20):
            await spool.record([make_fact(1, 0)])
        assert spool.backlog() == 1
        with pytest.raises(SpoolFull):
            await record_one_by_one(spool, range(1, 20), [])


async def test_a_full_disk_is_loud_loses_nothing_and_gives_way(tmp_path: Path) -> None:
    bus = ScriptedBus()
    bus.is_away = True
    database = Database(tmp_path / "spool.sqlite")
    spool = Spool(database, bus, network="demo", instance="one", now=lambda: NOW)
    await spool.start()

    async def limit(pages: int) -> None:
        await database.write(lambda connection: connection.execute(f"PRAGMA max_page_count = {pages}").fetchone())

    await limit(40)
    kept: list[int] = []
    with pytest.raises(SpoolFull, match="full"):
        await record_one_by_one(spool, range(5000), kept)
    assert kept
    assert not spool.is_healthy()
    assert on_disk(tmp_path) == len(kept) == spool.backlog()
    await limit(1_000_000)
    await spool.record([make_fact(1, len(kept))])
    assert spool.is_healthy()
    bus.is_away = False
    assert await spool.drain(10)
    assert bus.ids() == [make_fact(1, number).id for number in range(len(kept) + 1)]
    await spool.stop()
    await database.close()


async def test_one_process_per_data_directory(tmp_path: Path) -> None:
    async with running(tmp_path, ScriptedBus()):
        with pytest.raises(DatabaseTaken, match="own data directory"):
            Database(tmp_path / "spool.sqlite")
    async with running(tmp_path, ScriptedBus()) as spool:
        assert spool.is_healthy()


async def test_sequences_rise_over_restarts_even_when_all_has_left(tmp_path: Path) -> None:
    bus = ScriptedBus()
    for run in range(3):
        async with running(tmp_path, bus) as spool:
            await spool.record([make_fact(1, number, run) for number in range(3)])
            assert await spool.drain(5)
    sequences = [envelope.sequence for _, envelope in bus.published]
    assert sequences == sorted(set(sequences))
    assert len(sequences) == 9


async def test_stopping_answers_whoever_waits(tmp_path: Path) -> None:
    database = Database(tmp_path / "spool.sqlite")
    spool = Spool(database, ScriptedBus(), network="demo", instance="one", now=lambda: NOW)
    await spool.start()
    waiting = [asyncio.create_task(spool.record([make_fact(1, number)])) for number in range(3)]
    await asyncio.sleep(0)
    await spool.stop()
    for outcome in await asyncio.gather(*waiting, return_exceptions=True):
        assert outcome is None or isinstance(outcome, SpoolFull)
    await database.close()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    calls=st.lists(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), min_size=1, max_size=4), max_size=25),
    seed=st.integers(0, 1000),
    is_partial=st.booleans(),
)
def test_each_once_in_order_over_a_bus_that_fails(
    calls: list[list[tuple[int, int]]], seed: int, is_partial: bool
) -> None:
    """First appearances on the bus are, per station and across topics, exactly the first times told."""
    chance = random.Random(seed)
    bus = ScriptedBus(fails=lambda: chance.random() < 0.2)
    bus.is_partial = is_partial
    directory = Path(tempfile.mkdtemp())

    async def scenario() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("adapters.kit.relay._FIRST_PAUSE", 0.001)
            async with running(directory, bus) as spool:
                await asyncio.gather(*(spool.record([make_fact(*told) for told in call]) for call in calls))
                assert await spool.drain(30)
                assert spool.backlog() == 0

    try:
        asyncio.run(scenario())
    finally:
        shutil.rmtree(directory)
    expected: dict[str, list[str]] = defaultdict(list)
    for call in calls:
        for station, number in call:
            fact = make_fact(station, number)
            if fact.id not in expected[f"demo/{fact.station_id}"]:
                expected[f"demo/{fact.station_id}"].append(fact.id)
    seen: dict[str, list[str]] = defaultdict(list)
    for _, envelope in bus.published:
        if envelope.id not in seen[envelope.subject]:
            seen[envelope.subject].append(envelope.id)
    assert seen == expected


def test_nothing_acknowledged_is_lost_by_kill_9(tmp_path: Path) -> None:
    """Records in a child process over a failing bus, kills it at random points, and looks what came out."""
    chance = random.Random(20261123)
    runs = 5
    for run in range(runs):
        before = _lines(tmp_path / "acknowledged")
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.kit.spool_child", str(tmp_path), str(run)],
            cwd=Path(__file__).parents[2],
        )
        try:
            asyncio.run(_more_than(tmp_path / "acknowledged", len(before) + chance.randrange(1, 500)))
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait()
    acknowledged = _lines(tmp_path / "acknowledged")
    assert {line.split("/")[1] for line in acknowledged} == {str(run) for run in range(runs)}

    bus = ScriptedBus()

    async def drain() -> None:
        async with running(tmp_path, bus) as spool:
            await spool.record([make_fact(0, 0, 0)])
            assert await spool.drain(30)

    asyncio.run(drain())
    published = list(dict.fromkeys(_lines(tmp_path / "published") + bus.ids()))
    assert set(acknowledged) <= set(published)
    numbers: dict[tuple[str, str], list[int]] = defaultdict(list)
    for line in published:
        station, run_text, number = line.split("/")
        numbers[station, run_text].append(int(number))
    for told in numbers.values():
        assert told == list(range(len(told))), "in the order of telling, across topics, without a gap"


def _lines(path: Path) -> list[str]:
    if not path.exists():
        return []
    text = path.read_text()
    return text[: text.rfind("\n") + 1].splitlines()


async def _more_than(path: Path, lines: int) -> None:
    await until(lambda: path.exists() and os.path.getsize(path) and len(_lines(path)) > lines, seconds=30)


async def test_what_a_file_of_form_1_holds_goes_out_first(tmp_path: Path) -> None:
    """A row for each fact, as releases before decision 0130 kept them."""
    old = sqlite3.connect(tmp_path / "spool.sqlite")
    old.execute("PRAGMA user_version = 1")
    old.execute("CREATE TABLE spooled (sequence INTEGER PRIMARY KEY, envelope BLOB NOT NULL)")
    for number in range(3):
        fact = make_fact(1, number)
        envelope = wrap(
            fact.message,
            id=fact.id,
            subject=f"demo/{fact.station_id}",
            sequence=number + 7,
            occurred_at=NOW,
            recorded_at=NOW,
            correlation_id="x",
            source="adapter:one",
        )
        old.execute("INSERT INTO spooled VALUES (?, ?)", (number + 7, encode(envelope)))
    old.commit()
    old.close()
    bus = ScriptedBus()
    bus.is_away = True
    async with running(tmp_path, bus) as spool:
        assert spool.backlog() == 3
        await spool.record([make_fact(1, 3), make_fact(1, 4)])
        bus.is_away = False
        assert await spool.drain(5)
        assert spool.backlog() == 0
    assert bus.ids() == [make_fact(1, number).id for number in range(5)]
    assert [envelope.sequence for _, envelope in bus.published] == [7, 8, 9, 10, 11]


async def test_an_id_that_cannot_come_again_is_not_remembered(tmp_path: Path) -> None:
    bus = ScriptedBus()
    facts = [msgspec.structs.replace(make_fact(1, number), is_told_once=number != 1) for number in range(3)]
    async with running(tmp_path, bus) as spool:
        await spool.record(facts)
        assert await spool.drain(5)
    connection = sqlite3.connect(tmp_path / "spool.sqlite")
    found = connection.execute("SELECT key FROM known_lately UNION ALL SELECT key FROM known_ids").fetchall()
    connection.close()
    assert found == [(key_of(facts[1].id),)]
    assert bus.ids() == [fact.id for fact in facts]


async def test_a_row_is_bounded_in_octets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.kit.spool._OCTETS_IN_A_COMMIT", 1)
    bus = ScriptedBus()
    bus.is_away = True
    async with running(tmp_path, bus) as spool:
        await asyncio.gather(*(spool.record([make_fact(1, number)]) for number in range(5)))
        connection = sqlite3.connect(tmp_path / "spool.sqlite")
        assert connection.execute("SELECT sequence, facts FROM spooled").fetchall() == [(n, 1) for n in range(1, 6)]
        connection.close()
        bus.is_away = False
        assert await spool.drain(5)
    assert bus.ids() == [make_fact(1, number).id for number in range(5)]
