"""From the outbox to the bus: in order, at least once, one relay at a time."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import text

from contracts.bus.port import BusUnavailable, Subscription
from contracts.envelope import Envelope
from contracts.messages import SessionEnded
from contracts.topics import Topic
from roaming.store.database import Database
from roaming.store.dead_letters import list_dead
from roaming.store.errors import StoreUnavailable
from roaming.store.locks import locks_of
from roaming.store.relay import BATCH, Relay
from tests.kit.envelopes import NOON, a_status
from tests.kit.wait import until

ROOT = Path(__file__).resolve().parents[3]


class RecordingBus:
    """Takes everything, or fails as told."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, Envelope]] = []
        self.fails_after: int | None = None
        self.never: set[str] = set()
        """Infos of messages that no broker would take."""

    async def publish(self, topic: Topic, envelopes: Sequence[Envelope]) -> None:
        for envelope in envelopes:
            if any(info.encode() in bytes(envelope.body) for info in self.never):
                raise ValueError(f"{envelope.type} {envelope.id} is too large")
        for envelope in envelopes:
            if self.fails_after is not None and len(self.taken) >= self.fails_after:
                raise BusUnavailable("the broker is away")
            self.taken.append((topic.name, envelope))

    def ids(self) -> list[str]:
        return [envelope.id for _, envelope in self.taken]

    async def start(self) -> None: ...

    def subscribe(self, subscription: Subscription) -> None: ...

    async def lag(self) -> dict[str, int | None]:
        return {}

    def is_healthy(self) -> bool:
        return True

    async def close(self) -> None: ...


@pytest.fixture
def bus() -> RecordingBus:
    return RecordingBus()


@pytest.fixture
async def relay(database: Database, bus: RecordingBus) -> AsyncIterator[Relay]:
    locks = locks_of(database)
    yield Relay(database, bus, locks)
    await locks.close()


async def say(database: Database, *infos: str, station: str = "CS-1") -> list[str]:
    """One message each in one transaction; their ids."""
    async with database.work() as work:
        return [work.outbox.add(a_status(station, info=info), subject=f"demo/{station}") for info in infos]


async def waiting(database: Database) -> int:
    count: int = (await database.reader.fetch("SELECT count(*) FROM outbox"))[0][0]
    return count


async def test_what_was_committed_goes_out_in_order_and_is_deleted(
    database: Database, bus: RecordingBus, relay: Relay
) -> None:
    ids = await say(database, "1", "2") + await say(database, "3") + await say(database, "x", station="CS-2")
    assert await relay.relay_once() == 4
    assert bus.ids() == ids
    assert {topic for topic, _ in bus.taken} == {"charging.events"}
    assert bus.taken[0][1].message() == a_status("CS-1", info="1")
    assert await waiting(database) == 0
    assert await relay.relay_once() == 0


async def test_more_than_a_batch(database: Database, bus: RecordingBus, relay: Relay) -> None:
    ids = await say(database, *(str(number) for number in range(BATCH + 20)))
    assert await relay.relay_once() == BATCH
    assert await relay.relay_once() == 20
    assert bus.ids() == ids


async def test_order_per_subject_under_concurrent_writers(database: Database, bus: RecordingBus, relay: Relay) -> None:
    """Writers of one subject take turns by a row they hold, as services do by the object they change."""
    async with database.work() as work:
        await work.connection.execute(text("CREATE TABLE turns (name VARCHAR PRIMARY KEY, n INTEGER)"))
        await work.connection.execute(text("INSERT INTO turns VALUES ('CS-0', 0), ('CS-1', 0), ('CS-2', 0)"))
    relaying = True

    async def write(station: str) -> None:
        for _ in range(15):
            async with database.work() as work:
                await work.connection.execute(text("UPDATE turns SET n = n + 1 WHERE name = :s"), {"s": station})
                query = text("SELECT n FROM turns WHERE name = :s")
                number = (await work.connection.execute(query, {"s": station})).scalar_one()
                work.outbox.add(a_status(station, info=str(number)), subject=f"demo/{station}")

    async def keep_relaying() -> None:
        while relaying or await waiting(database):
            await relay.relay_once()
            await asyncio.sleep(0)

    runner = asyncio.create_task(keep_relaying())
    await asyncio.gather(*(write(f"CS-{number % 3}") for number in range(9)))
    relaying = False
    await runner
    for station in ("CS-0", "CS-1", "CS-2"):
        said = [e.message().info for _, e in bus.taken if e.subject == f"demo/{station}"]  # type: ignore[attr-defined]
        assert said == [str(number) for number in range(1, 46)]


async def test_a_crash_between_publish_and_delete_says_the_same_again(
    database: Database, bus: RecordingBus, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await say(database, "1", "2")

    def killed(*_: object) -> None:
        raise StoreUnavailable("killed here")

    with monkeypatch.context() as context:
        context.setattr("roaming.store.relay.delete_keys", killed)
        with pytest.raises(StoreUnavailable):
            await relay.relay_once()
    later = await say(database, "3")
    assert await relay.relay_once() == 3
    assert bus.ids() == ids + ids + later
    assert bus.taken[:2] == bus.taken[2:4], "the same to the last byte"


async def test_a_bus_that_fails_halfway_gets_everything_afterwards_in_order(
    database: Database, bus: RecordingBus, relay: Relay
) -> None:
    ids = await say(database, *(str(number) for number in range(10)))
    bus.fails_after = 4
    with pytest.raises(BusUnavailable):
        await relay.relay_once()
    bus.fails_after = None
    await relay.relay_once()
    assert bus.ids() == ids[:4] + ids


async def test_topics_go_out_beside_each_other(database: Database, bus: RecordingBus, relay: Relay) -> None:
    ended = SessionEnded(country_code="NL", party_id="TNM", session_id="S1", ended_at=NOON)
    async with database.work() as work:
        for number in range(3):
            work.outbox.add(a_status(info=str(number)), subject="demo/CS-1")
            work.outbox.add(ended, subject="s1", cause=str(number))
    await relay.relay_once()
    assert [topic for topic, _ in bus.taken] == ["charging.events"] * 3 + ["roaming.changes"] * 3


async def test_a_row_that_cannot_be_sent_holds_up_nobody(database: Database, bus: RecordingBus, relay: Relay) -> None:
    await say(database, "1")
    async with database.work() as work:
        await work.connection.execute(text("UPDATE outbox SET topic = 'of.another.release'"))
    await say(database, "2")
    async with database.work() as work:
        await work.connection.execute(text("UPDATE outbox SET envelope = '{' WHERE topic = 'charging.events'"))
    (good,) = await say(database, "3")
    assert await relay.relay_once() == 3
    assert bus.ids() == [good]
    letters = await list_dead(database.reader, consumer="relay")
    assert len(letters) == 2
    assert "of.another.release" in letters[-1].error


async def test_running_it_is_woken_by_a_commit_and_survives_a_bus_outage(
    database: Database, bus: RecordingBus, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roaming.store.relay.IDLE_SECONDS", 30)
    running = asyncio.create_task(relay.run())
    try:
        await asyncio.sleep(0.1)
        (first,) = await say(database, "1")
        await until(lambda: bus.ids() == [first])
        bus.fails_after = 1
        (second,) = await say(database, "2")
        await asyncio.sleep(0.1)
        bus.fails_after = None
        await until(lambda: bus.ids() == [first, second])
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


RELAY_PROCESS = """
import asyncio, sys
from roaming.store.database import Database
from roaming.store.locks import locks_of
from roaming.store.relay import Relay

class PrintingBus:
    async def publish(self, topic, envelopes):
        for envelope in envelopes:
            print(sys.argv[2], envelope.message().info, flush=True)

async def main():
    database = await Database.open(sys.argv[1])
    await Relay(database, PrintingBus(), locks_of(database)).run()

asyncio.run(main())
"""


async def test_of_two_processes_one_relays_and_the_other_takes_over_when_it_is_killed(
    migrated_postgresql_url: str, tmp_path: Path
) -> None:
    database = await Database.open(migrated_postgresql_url)
    said = {name: tmp_path / name for name in ("a", "b")}

    def start(name: str) -> subprocess.Popen[bytes]:
        with said[name].open("wb") as output:
            command = [sys.executable, "-c", RELAY_PROCESS, migrated_postgresql_url, name]
            return subprocess.Popen(command, stdout=output, cwd=ROOT)

    async def is_empty() -> bool:
        return await waiting(database) == 0

    def heard(name: str) -> list[str]:
        return [line.split()[1] for line in said[name].read_text().splitlines() if " " in line]

    first = start("a")
    processes = [first]
    try:
        await say(database, "1")
        await until(lambda: heard("a") == ["1"], seconds=20)
        processes.append(start("b"))
        for number in range(2, 12):
            await say(database, str(number))
        await until(lambda: len(heard("a")) == 11)
        os.kill(first.pid, signal.SIGKILL)
        await say(database, "12", "13")
        await until(lambda: heard("b")[-2:] == ["12", "13"], seconds=20)
        again = heard("b")[:-2]
        assert again == heard("a")[len(heard("a")) - len(again) :], "said again is what was under way, in its order"
        assert "1" not in again, "what was said long before is not said again"
        await until(is_empty)
    finally:
        for process in processes:
            process.kill()
            process.wait()
        await database.close()


async def test_a_message_that_no_broker_takes_holds_nothing_up(
    database: Database, bus: RecordingBus, relay: Relay
) -> None:
    ids = await say(database, "one", "far too large", "three")
    bus.never = {"far too large"}
    assert await relay.relay_once() == 3
    assert bus.ids() == [ids[0], ids[2]]
    (letter,) = await list_dead(database.reader)
    assert letter.error.endswith("is too large")
    assert await relay.relay_once() == 0
