"""One writer, shared commits, and what happens when a job or the disk fails."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.kit.database import Database, DatabaseClosed, DatabaseTooNew
from tests.kit.wait import until


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(tmp_path / "deep" / "kit.sqlite")
    await database.write(lambda connection: connection.execute("CREATE TABLE words (word TEXT UNIQUE)"))
    yield database
    await database.close()


def insert(connection: sqlite3.Connection, word: str) -> int:
    return connection.execute("INSERT INTO words VALUES (?)", (word,)).rowcount


async def test_it_survives_the_loss_of_power(database: Database) -> None:
    """FULL is what makes SQLite call fsync with each commit; no test here can pull the plug."""
    settings = await database.write(
        lambda connection: [
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "journal_mode")
        ]
    )
    assert settings == [2, "wal"]


async def test_others_may_not_read_the_file(database: Database) -> None:
    assert database.path.stat().st_mode & 0o077 == 0


async def test_a_failing_job_takes_nobody_along(database: Database) -> None:
    outcomes = await asyncio.gather(
        *(database.write(lambda connection, word=word: insert(connection, word)) for word in "abcab"),
        return_exceptions=True,
    )
    assert [outcome for outcome in outcomes if outcome == 1] == [1, 1, 1]
    assert [type(outcome) for outcome in outcomes[3:]] == [sqlite3.IntegrityError] * 2
    assert database.fetch("SELECT word FROM words ORDER BY word") == [("a",), ("b",), ("c",)]


async def test_nothing_of_a_failing_job_is_kept(database: Database) -> None:
    def half(connection: sqlite3.Connection) -> None:
        insert(connection, "half")
        raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        await database.write(half)
    assert database.fetch("SELECT * FROM words") == []


async def test_postponed_jobs_are_committed_soon_and_in_order(database: Database) -> None:
    database.write_later(lambda connection: insert(connection, "a"))
    database.write_later(lambda connection: connection.execute("UPDATE words SET word = 'b'"))
    assert database.fetch("SELECT * FROM words") == []
    await until(lambda: database.fetch("SELECT * FROM words") == [("b",)])


async def test_a_postponed_job_that_fails_does_not_stop_the_writer(database: Database) -> None:
    database.write_later(lambda connection: connection.execute("INSERT INTO nowhere VALUES (1)"))
    await database.write(lambda connection: insert(connection, "a"))
    assert database.fetch("SELECT * FROM words") == [("a",)]
    assert database.is_healthy()


async def test_closing_commits_what_was_postponed(tmp_path: Path) -> None:
    database = Database(tmp_path / "kit.sqlite")
    await database.write(lambda connection: connection.execute("CREATE TABLE words (word TEXT)"))
    database.write_later(lambda connection: insert(connection, "late"))
    await database.close()
    await database.close()
    assert not database.is_healthy()
    with pytest.raises(DatabaseClosed):
        await database.write(lambda connection: insert(connection, "too late"))
    with sqlite3.connect(tmp_path / "kit.sqlite") as connection:
        assert connection.execute("SELECT * FROM words").fetchall() == [("late",)]
    connection.close()


async def test_a_caller_that_went_away_does_not_matter(database: Database) -> None:
    waiting = asyncio.create_task(database.write(lambda connection: insert(connection, "a")))
    await asyncio.sleep(0)
    waiting.cancel()
    await database.write(lambda connection: insert(connection, "b"))
    assert ("b",) in database.fetch("SELECT * FROM words")


def test_a_file_of_a_later_release_is_left_alone(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "kit.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(DatabaseTooNew, match="form 99"):
        Database(tmp_path / "kit.sqlite")


async def test_a_scan_reads_in_order_what_was_there(database: Database) -> None:
    words = [f"{number:05}" for number in range(1000)]
    await database.write(
        lambda connection: connection.executemany("INSERT INTO words VALUES (?)", [(word,) for word in words])
    )
    found: list[str] = []
    async for rows in database.scan("SELECT word FROM words ORDER BY word DESC", size=300):
        if not found:
            await database.write(lambda connection: insert(connection, "later"))
        found.extend(word for (word,) in rows)
    assert found == words[::-1]


async def test_a_scan_that_is_cancelled_while_its_thread_works(database: Database) -> None:
    """SQLite crashes the process when a connection is closed under a running statement."""
    endless = (
        "WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < 400000) SELECT x FROM n ORDER BY -x"
    )

    async def scan() -> None:
        async for _ in database.scan(endless, size=10):
            raise AssertionError("not before it was sorted")

    for _ in range(5):
        scanning = asyncio.create_task(scan())
        await asyncio.sleep(0.02)
        scanning.cancel()
        with pytest.raises(asyncio.CancelledError):
            await scanning
    assert await database.write(lambda connection: insert(connection, "alive")) == 1
