"""The unit of work: what is kept, what is not, and that nobody waits for ever."""

import asyncio
import contextlib
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from contracts.messages import ConnectorStatusChanged
from contracts.vocabulary import ConnectorStatus
from roaming.store import database as database_module
from roaming.store.database import Database
from roaming.store.errors import StoreUnavailable
from tests.kit.wait import until

STATUS = ConnectorStatusChanged(network="demo", station_id="CS-1", connector_id=1, status=ConnectorStatus.AVAILABLE)


@pytest.fixture
async def counter(database: Database) -> Database:
    """``database`` with a table of one number per name."""
    async with database.work() as work:
        await work.connection.execute(text("CREATE TABLE counter (name VARCHAR PRIMARY KEY, value INTEGER NOT NULL)"))
        await work.connection.execute(text("INSERT INTO counter VALUES ('a', 0)"))
    return database


async def add_one(database: Database, name: str = "a") -> None:
    async with database.work() as work:
        await work.connection.execute(text("UPDATE counter SET value = value + 1 WHERE name = :name"), {"name": name})


async def value(database: Database, name: str = "a") -> int:
    rows = await database.reader.fetch("SELECT value FROM counter WHERE name = $1", name)
    number: int = rows[0][0]
    return number


async def test_a_work_commits_at_its_end_and_its_messages_with_it(counter: Database) -> None:
    async with counter.work() as work:
        await work.connection.execute(text("UPDATE counter SET value = 5"))
        work.outbox.add(STATUS, subject="demo/CS-1")
        assert await value(counter) == 0, "readers see committed data only"
    assert await value(counter) == 5
    assert len(await counter.reader.fetch("SELECT id FROM outbox")) == 1


async def test_a_work_that_raises_leaves_nothing(counter: Database) -> None:
    async def fail() -> None:
        async with counter.work() as work:
            await work.connection.execute(text("UPDATE counter SET value = 5"))
            work.outbox.add(STATUS, subject="demo/CS-1")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await value(counter) == 0
    assert await counter.reader.fetch("SELECT id FROM outbox") == []
    await add_one(counter)
    assert await value(counter) == 1


async def test_what_the_caller_raises_is_not_taken_for_an_outage(counter: Database) -> None:
    with pytest.raises(TimeoutError, match="a partner was slow"):
        async with counter.work():
            raise TimeoutError("a partner was slow")


async def test_a_refused_statement_is_not_an_outage(counter: Database) -> None:
    with pytest.raises(IntegrityError):
        async with counter.work() as work:
            await work.connection.execute(text("INSERT INTO counter VALUES ('a', 1)"))
    await add_one(counter)


async def test_an_error_tells_no_values_that_a_log_must_not_hold(counter: Database) -> None:
    insert = text("INSERT INTO counter VALUES (:name, NULL)")
    async with counter.work() as work:
        with pytest.raises(IntegrityError) as refused:
            await work.connection.execute(insert, {"name": "04A1B2C3D4E5F6"})
    assert "04A1B2C3D4E5F6" not in str(refused.value).partition("DETAIL")[0]


async def test_a_wrong_parameter_is_not_an_outage(counter: Database) -> None:
    if counter.is_sqlite:
        pytest.skip("SQLite takes any type anywhere")
    with pytest.raises(Exception, match="invalid input") as caught:
        async with counter.work() as work:
            await work.connection.execute(text("UPDATE counter SET value = :value"), {"value": "many"})
    assert not isinstance(caught.value, StoreUnavailable)


async def test_sixteen_writers_and_readers_beside_them(counter: Database) -> None:
    writing = True
    seen: list[int] = []

    async def read() -> None:
        while writing:
            seen.append(await value(counter))
            async with counter.reading() as connection:
                seen.append((await connection.execute(text("SELECT value FROM counter"))).scalar_one())
            await asyncio.sleep(0)

    async def write() -> None:
        for _ in range(25):
            await add_one(counter)

    readers = [asyncio.create_task(read()) for _ in range(4)]
    await asyncio.gather(*(write() for _ in range(16)))
    writing = False
    await asyncio.gather(*readers)
    assert await value(counter) == 400
    assert len(seen) > 8


async def test_a_second_process_may_write_to_the_same_database(counter: Database, database_url: str) -> None:
    """On SQLite a command of the CLI beside the running hub."""
    other = await Database.open(database_url)
    try:
        await asyncio.gather(*(add_one(d) for d in (counter, other) for _ in range(50)))
    finally:
        await other.close()
    assert await value(counter) == 100


async def test_reading_beside_an_open_work_does_not_wait_and_keeps_nothing(counter: Database) -> None:
    async with counter.work() as work, asyncio.timeout(2):
        await work.connection.execute(text("UPDATE counter SET value = 5"))
        async with counter.reading() as connection:
            assert (await connection.execute(text("SELECT value FROM counter"))).scalar_one() == 0


async def test_what_is_written_while_reading_is_not_kept(counter: Database) -> None:
    async with counter.reading() as connection:
        with contextlib.suppress(StoreUnavailable):  # SQLite says at once that it is read only
            await connection.execute(text("UPDATE counter SET value = 5"))
    assert await value(counter) == 0


async def test_a_work_inside_a_work_is_refused_instead_of_waiting_for_itself(counter: Database) -> None:
    with pytest.raises(RuntimeError, match="work inside a work"):
        async with counter.work():
            await add_one(counter)
    await add_one(counter)
    assert await value(counter) == 1


async def test_whoever_waits_too_long_for_the_sqlite_writer_is_told(
    counter: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not counter.is_sqlite:
        pytest.skip("PostgreSQL has many writers")
    monkeypatch.setattr(database_module, "WRITER_SECONDS", 0.05)
    async with counter.work():
        with pytest.raises(StoreUnavailable, match="kept the SQLite writer busy"):
            await asyncio.create_task(add_one(counter))
    await add_one(counter)


@pytest.mark.parametrize("point", ["before", "while", "after"])
async def test_a_cancelled_work_is_rolled_back_and_blocks_nobody(counter: Database, point: str) -> None:
    entered = asyncio.Event()

    async def work_for_long() -> None:
        async with counter.work() as work:
            if point == "before":
                entered.set()
                await asyncio.sleep(60)
            await work.connection.execute(text("UPDATE counter SET value = 99"))
            entered.set()
            if point == "while":
                await work.connection.execute(text(SLOW_SQLITE if counter.is_sqlite else "SELECT pg_sleep(30)"))
            await asyncio.sleep(60)

    task = asyncio.create_task(work_for_long())
    await entered.wait()
    await asyncio.sleep(0.05)  # into the statement
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(5):
        await add_one(counter)
    assert await value(counter) == 1


SLOW_SQLITE = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) SELECT MAX(i) FROM n"


async def test_works_that_wait_for_each_other_end_as_unavailable(counter: Database) -> None:
    if counter.is_sqlite:
        pytest.skip("SQLite has one writer")
    async with counter.work() as work:
        await work.connection.execute(text("INSERT INTO counter VALUES ('b', 0)"))
    both_hold = asyncio.Barrier(2)

    async def cross(first: str, second: str) -> None:
        async with counter.work() as work:
            update = text("UPDATE counter SET value = value + 1 WHERE name = :name")
            await work.connection.execute(update, {"name": first})
            await both_hold.wait()
            await work.connection.execute(update, {"name": second})

    outcomes = await asyncio.gather(cross("a", "b"), cross("b", "a"), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes if outcome is not None] == [StoreUnavailable]
    assert (await value(counter, "a"), await value(counter, "b")) == (1, 1)


async def test_a_work_wakes_its_own_process_and_others_after_the_commit(counter: Database, database_url: str) -> None:
    other = await Database.open(database_url)
    woken: list[str] = []

    async def wait(name: str, database: Database) -> None:
        while True:
            await database.wakeups.wait("deliveries", 60)
            woken.append(name)

    tasks = [asyncio.create_task(wait("own", counter))]
    if not counter.is_sqlite:
        tasks.append(asyncio.create_task(wait("other", other)))
        await until(lambda: "other" in woken)  # told once when it begins to listen
        woken.clear()
    try:
        async with counter.work() as work:
            work.wake("deliveries")
            await asyncio.sleep(0.05)
            assert woken == [], "not before the commit"
        await until(lambda: len(woken) == len(tasks))
        await asyncio.sleep(0.05)
        assert sorted(woken) == ["own"] if counter.is_sqlite else ["other", "own"], "each once"
    finally:
        for task in tasks:
            task.cancel()
        await other.close()


async def test_an_outbox_row_wakes_the_relay(counter: Database) -> None:
    async with counter.work() as work:
        work.outbox.add(STATUS, subject="demo/CS-1")
    async with asyncio.timeout(2):
        await counter.wakeups.wait("outbox", 60)


async def test_what_is_committed_is_seen_by_processes_that_come_and_go(tmp_path: Path) -> None:
    """Each is the last to close the file, were it not for the locks of this process."""
    file = tmp_path / "hub.db"
    database = await Database.open(f"sqlite:///{file}")
    async with database.work() as work:
        await work.connection.execute(text("CREATE TABLE seen (number INTEGER)"))
    for number in range(1, 4):
        async with database.reading() as connection:
            await connection.execute(text("SELECT * FROM seen"))
        async with database.work() as work:
            await work.connection.execute(text(f"INSERT INTO seen VALUES ({number})"))
        assert await asyncio.to_thread(seen_by_another_process, file) == number
    await database.close()


def seen_by_another_process(file: Path) -> int:
    counted = "print(*c.execute('SELECT COUNT(*) FROM seen').fetchone())"
    script = f"import sqlite3; c = sqlite3.connect({str(file)!r}); {counted}; c.close()"
    return int(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout)


async def test_a_database_that_is_not_there_is_unavailable(tmp_path: object) -> None:
    absent = await Database.open("postgresql://nobody@127.0.0.1:1/none")
    for attempt in (absent.work, absent.reading):
        with pytest.raises(StoreUnavailable):
            async with attempt():
                pass
    with pytest.raises(StoreUnavailable):
        await absent.reader.fetch("SELECT 1")
    await absent.close()
    missing = await Database.open(f"sqlite:///{tmp_path}/folder/is/made/hub.db")
    with pytest.raises(StoreUnavailable):
        await missing.reader.fetch("SELECT 1")
    async with missing.work():
        pass
    assert (await missing.reader.fetch("SELECT 1"))[0][0] == 1
    await missing.close()


@pytest.mark.parametrize("url", ["mysql://localhost/x", "sqlite://", "sqlite:///:memory:"])
async def test_other_addresses_are_refused_by_name(url: str) -> None:
    with pytest.raises(ValueError, match="DATABASE_URL"):
        await Database.open(url)


async def test_the_outbox_numbers_messages_and_repeats_ids(counter: Database) -> None:
    async with counter.work() as work:
        first = work.outbox.add(STATUS, subject="demo/CS-1", cause="m1")
        again = work.outbox.add(STATUS, subject="demo/CS-1", cause="m1")
        other = work.outbox.add(STATUS, subject="demo/CS-1", cause="m2")
    assert first == again != other
    rows = await counter.reader.fetch("SELECT subject, topic FROM outbox ORDER BY id")
    assert [tuple(row) for row in rows] == [("demo/CS-1", "charging.events")] * 3
