"""What the ports of the store promise, held by each of their bodies: Reader, Wakeups, Locks."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from roaming.store.columns import text_to_time, time_to_text
from roaming.store.database import Database
from roaming.store.errors import StoreUnavailable
from roaming.store.inbox import INBOX
from roaming.store.locks import AdvisoryLocks, locks_of
from tests.kit.postgresql import Postgresql
from tests.kit.wait import until

NOON = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
async def other(database_url: str, database: Database) -> AsyncIterator[Database]:
    """The same database as another process sees it; on SQLite there is none, and it is ``database`` itself."""
    if database.is_sqlite:
        yield database
    else:
        opened = await Database.open(database_url)
        yield opened
        await opened.close()


class TestReader:
    async def test_parameters_are_positional_and_may_be_used_twice(self, database: Database) -> None:
        rows = await database.reader.fetch("SELECT $2, $1 WHERE $1 = $1 AND $2 <> 'x'", "a", "b")
        assert [tuple(row) for row in rows] == [("b", "a")]

    async def test_times_go_in_and_come_out(self, database: Database) -> None:
        async with database.work() as work:
            row = {"consumer": "c", "message_id": "m", "handled_at": NOON}
            await work.connection.execute(INBOX.insert().values(row))
        rows = await database.reader.fetch("SELECT handled_at FROM inbox WHERE handled_at >= $1", NOON)
        assert text_to_time(rows[0][0]) == NOON
        assert rows[0][0] == (time_to_text(NOON) if database.is_sqlite else NOON)
        assert await database.reader.fetch("SELECT 1 FROM inbox WHERE handled_at > $1", NOON) == []

    async def test_it_sees_the_last_commit(self, database: Database) -> None:
        for number in range(20):
            async with database.work() as work:
                row = {"consumer": "c", "message_id": str(number), "handled_at": NOON}
                await work.connection.execute(INBOX.insert().values(row))
            assert (await database.reader.fetch("SELECT count(*) FROM inbox"))[0][0] == number + 1

    async def test_it_cannot_be_made_to_write_on_sqlite(self, sqlite_database: Database) -> None:
        with pytest.raises(StoreUnavailable, match="readonly"):
            await sqlite_database.reader.fetch("DELETE FROM inbox")

    async def test_a_wrong_statement_is_an_error_and_not_an_outage(self, database: Database) -> None:
        with pytest.raises(Exception, match="no_such_table") as caught:
            await database.reader.fetch("SELECT * FROM no_such_table")
        assert not isinstance(caught.value, StoreUnavailable)
        assert (await database.reader.fetch("SELECT 1"))[0][0] == 1

    async def test_many_at_once(self, database: Database) -> None:
        async def look(number: int) -> int:
            rows = await database.reader.fetch("SELECT CAST($1 AS INTEGER)", number)
            found: int = rows[0][0]
            return found

        assert await asyncio.gather(*(look(number) for number in range(200))) == list(range(200))

    async def test_a_cancelled_read_harms_nobody(self, database: Database) -> None:
        async def read() -> None:
            while True:
                await database.reader.fetch("SELECT 1")
                await asyncio.sleep(0)

        for _ in range(30):
            task = asyncio.create_task(read())
            await asyncio.sleep(0.002)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        async with asyncio.timeout(5):
            assert (await database.reader.fetch("SELECT 1"))[0][0] == 1

    async def test_whoever_waits_too_long_for_a_connection_is_told(
        self, migrated_postgresql_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("roaming.store.reader.POOL_SECONDS", 0.1)
        small = await Database.open(migrated_postgresql_url, pool_size=1)
        try:
            slow = asyncio.create_task(small.reader.fetch("SELECT pg_sleep(1)"))
            await asyncio.sleep(0.1)
            with pytest.raises(StoreUnavailable, match="reading connections were busy"):
                await small.reader.fetch("SELECT 1")
            await slow
            assert (await small.reader.fetch("SELECT 1"))[0][0] == 1
        finally:
            await small.close()


async def listen(database: Database, *channels: str) -> None:
    """PostgreSQL wakes a channel once by itself, when it begins to listen: however long that takes, it is over then."""
    for channel in channels:
        await database.wakeups.wait(channel, 0.01 if database.is_sqlite else 30)


class TestWakeups:
    async def test_it_returns_after_the_timeout(self, database: Database) -> None:
        started = time.monotonic()
        await database.wakeups.wait("stations", 0.1)
        first = time.monotonic() - started
        await database.wakeups.wait("stations", 0.1)  # PostgreSQL: listening may have woken the first one
        assert first < 1
        assert time.monotonic() - started >= 0.09

    async def test_a_wake_before_the_wait_is_not_lost(self, database: Database) -> None:
        await listen(database, "stations")
        database.wakeups.committed(["stations"])
        async with asyncio.timeout(1):
            await database.wakeups.wait("stations", 60)

    async def test_every_waiter_is_woken_each_time_and_only_by_its_channel(self, database: Database) -> None:
        seen = {"a1": 0, "a2": 0, "b": 0}

        async def wait(name: str) -> None:
            while True:
                await database.wakeups.wait(name[0], 60)
                seen[name] += 1
                if name == "a2":
                    await asyncio.sleep(0.05)  # busy while the next one comes: must not miss it

        await listen(database, "a", "b")
        tasks = [asyncio.create_task(wait(name)) for name in seen]
        await asyncio.sleep(0.1)
        before = dict(seen)
        try:
            for times in (1, 2):
                database.wakeups.committed(["a"])
                await until(lambda times=times: seen["a1"] == before["a1"] + times)
            await until(lambda: seen["a2"] == before["a2"] + 2)
            assert seen["b"] == before["b"]
        finally:
            for task in tasks:
                task.cancel()

    async def test_waiting_in_short_lived_tasks_does_not_spin(self, database: Database) -> None:
        """As server-sent events do: a task for every wait."""
        await listen(database, "stations")
        database.wakeups.committed(["stations"])
        await asyncio.create_task(database.wakeups.wait("stations", 60))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await asyncio.create_task(database.wakeups.wait("stations", 60))

    async def test_other_processes_are_woken(self, database: Database, other: Database) -> None:
        await listen(other, "outbox")
        waiting = asyncio.create_task(other.wakeups.wait("outbox", 60))
        await asyncio.sleep(0.05)
        started = time.monotonic()
        database.wakeups.committed(["outbox"])
        async with asyncio.timeout(2):
            await waiting
        assert time.monotonic() - started < 1

    async def test_a_lost_listener_comes_back(self, migrated_postgresql_url: str) -> None:
        one, two = [await Database.open(migrated_postgresql_url) for _ in range(2)]
        try:
            await two.wakeups.wait("outbox", 1)
            await one.reader.fetch(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

            async def is_woken() -> bool:
                one.wakeups.committed(["outbox"])
                started = time.monotonic()
                await two.wakeups.wait("outbox", 0.3)
                return time.monotonic() - started < 0.25

            await until(is_woken)
        finally:
            await one.close()
            await two.close()

    async def test_an_absent_server_slows_nobody_down(self) -> None:
        absent = await Database.open("postgresql://nobody@127.0.0.1:1/none")
        started = time.monotonic()
        absent.wakeups.committed(["outbox"])
        for _ in range(3):
            await absent.wakeups.wait("deliveries", 0.05)
        assert time.monotonic() - started < 1
        await absent.close()


class TestLocks:
    async def test_one_process_holds_a_name_until_it_gives_it_back(self, database: Database, other: Database) -> None:
        mine = locks_of(database)
        theirs = mine if database.is_sqlite else locks_of(other)
        try:
            assert await mine.try_acquire("outbox")
            assert await mine.try_acquire("outbox"), "asking again for a held one says yes"
            assert await theirs.try_acquire("partner:x")
            if not database.is_sqlite:
                assert not await theirs.try_acquire("outbox")
            await mine.release("outbox")
            assert await theirs.try_acquire("outbox")
        finally:
            await mine.close()
            await theirs.close()

    async def test_another_takes_over_when_the_holder_is_gone(self, migrated_postgresql_url: str) -> None:
        one, two = [await Database.open(migrated_postgresql_url) for _ in range(2)]
        mine, theirs = locks_of(one), locks_of(two)
        assert await mine.try_acquire("outbox")
        assert not await theirs.try_acquire("outbox")
        await mine.close()  # the socket ends, as by kill -9
        await until(lambda: theirs.try_acquire("outbox"))
        assert not await mine.try_acquire("outbox")
        for open_ in (mine, theirs, one, two):
            await open_.close()

    async def test_a_holder_learns_that_the_server_cut_it_off(
        self, postgresql_server: Postgresql, migrated_postgresql_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(AdvisoryLocks, "VERIFIED_SECONDS", 0.0)
        monkeypatch.setattr(AdvisoryLocks, "RETRY_SECONDS", 0.0)
        one, two = [await Database.open(migrated_postgresql_url) for _ in range(2)]
        mine, theirs = locks_of(one), locks_of(two)
        assert await mine.try_acquire("outbox")
        postgresql_server.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        await until(lambda: theirs.try_acquire("outbox"))
        assert not await mine.try_acquire("outbox")
        for open_ in (mine, theirs, one, two):
            await open_.close()

    async def test_an_absent_server_grants_nothing(self) -> None:
        absent = await Database.open("postgresql://nobody@127.0.0.1:1/none")
        locks = locks_of(absent)
        assert not await locks.try_acquire("outbox")
        await locks.release("outbox")
        await locks.close()
        await absent.close()
