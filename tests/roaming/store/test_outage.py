"""PostgreSQL killed, stopped or frozen in mid-work: unavailable within seconds, back without a restart of ours."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
from sqlalchemy import text

from roaming.store.database import Database
from roaming.store.errors import StoreUnavailable
from roaming.store.locks import AdvisoryLocks, locks_of
from tests.kit import postgresql
from tests.kit.postgresql import Postgresql
from tests.kit.tools import is_missing
from tests.kit.wait import until

pytestmark = pytest.mark.postgresql

PATIENCE = 5.5
"""Five seconds are promised; half a second for a busy machine."""


@pytest.fixture(scope="module")
def server() -> Iterator[Postgresql]:
    """A server of this file's own, to be killed."""
    if reason := postgresql.missing():
        is_missing(reason)
    with Postgresql() as started:
        started.execute("CREATE TABLE counter (name VARCHAR PRIMARY KEY, value INTEGER NOT NULL)")
        yield started


@pytest.fixture
async def database(server: Postgresql) -> AsyncIterator[Database]:
    server.resume()
    if not server.is_running:
        server.start()
    server.execute("DELETE FROM counter; ")
    server.execute("INSERT INTO counter VALUES ('a', 0)")
    opened = await Database.open(server.url(), pool_size=4)
    yield opened
    server.resume()
    await opened.close()


async def add_one(database: Database) -> None:
    async with database.work() as work:
        await work.connection.execute(text("UPDATE counter SET value = value + 1"))


async def look(database: Database) -> None:
    await database.reader.fetch("SELECT value FROM counter")


async def read(database: Database) -> None:
    async with database.reading() as connection:
        await connection.execute(text("SELECT value FROM counter"))


EVERY_WAY: tuple[Callable[[Database], Awaitable[None]], ...] = (add_one, look, read)


async def fill_pools(database: Database) -> None:
    """Opens as many connections as there may be, so that dead ones are met afterwards."""
    await asyncio.gather(*(way(database) for way in EVERY_WAY for _ in range(8)))


@pytest.mark.parametrize("way", EVERY_WAY)
async def test_killed_is_unavailable_and_comes_back(
    server: Postgresql, database: Database, way: Callable[[Database], Awaitable[None]]
) -> None:
    await fill_pools(database)
    server.kill()
    started = time.monotonic()
    outcomes = await asyncio.gather(*(way(database) for _ in range(8)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {StoreUnavailable}
    assert time.monotonic() - started < PATIENCE
    server.start()
    started = time.monotonic()
    await asyncio.gather(*(way(database) for _ in range(8)))
    assert time.monotonic() - started < PATIENCE, "at the first attempt: dead connections are passed over"


async def test_killed_between_two_uses_nobody_notices(server: Postgresql, database: Database) -> None:
    await fill_pools(database)
    server.kill()
    server.start()
    await asyncio.gather(*(look(database) for _ in range(8)))  # the loop has not even seen the sockets end
    await asyncio.gather(*(way(database) for way in EVERY_WAY for _ in range(8)))


async def test_killed_in_the_middle_of_a_work(server: Postgresql, database: Database) -> None:
    async def interrupted() -> None:
        async with database.work() as work:
            await work.connection.execute(text("UPDATE counter SET value = value + 1"))
            server.kill()
            await work.connection.execute(text("UPDATE counter SET value = value + 1"))

    with pytest.raises(StoreUnavailable):
        await interrupted()
    server.start()
    assert (await database.reader.fetch("SELECT value FROM counter"))[0][0] == 0
    await add_one(database)


async def test_killed_before_the_commit(server: Postgresql, database: Database) -> None:
    async def interrupted() -> None:
        async with database.work() as work:
            await work.connection.execute(text("UPDATE counter SET value = value + 1"))
            server.kill()

    with pytest.raises(StoreUnavailable):
        await interrupted()
    server.start()
    assert (await database.reader.fetch("SELECT value FROM counter"))[0][0] == 0


async def test_stopped_in_the_ordinary_way(server: Postgresql, database: Database) -> None:
    await fill_pools(database)
    server.stop()
    for way in EVERY_WAY:
        with pytest.raises(StoreUnavailable):
            await way(database)
    server.start()
    await asyncio.gather(*(way(database) for way in EVERY_WAY))


@pytest.mark.slow
@pytest.mark.parametrize("way", EVERY_WAY)
async def test_frozen_is_given_up_in_five_seconds(
    server: Postgresql, database: Database, way: Callable[[Database], Awaitable[None]]
) -> None:
    """As a network that swallows packets: connections stand, nothing answers."""
    await fill_pools(database)
    server.pause()
    try:
        for _ in range(2):  # on a connection from the pool, then on one that must be opened
            started = time.monotonic()
            outcomes = await asyncio.gather(*(way(database) for _ in range(3)), return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} == {StoreUnavailable}
            assert time.monotonic() - started < PATIENCE
    finally:
        server.resume()
    started = time.monotonic()
    await asyncio.gather(*(way(database) for _ in range(8)))
    assert time.monotonic() - started < PATIENCE


@pytest.mark.slow
async def test_frozen_before_the_commit(server: Postgresql, database: Database) -> None:
    async def interrupted() -> float:
        try:
            async with database.work() as work:
                await work.connection.execute(text("UPDATE counter SET value = value + 1"))
                server.pause()
                started = time.monotonic()
        except StoreUnavailable:
            return time.monotonic() - started
        raise AssertionError("nobody noticed")

    try:
        assert await interrupted() < PATIENCE
    finally:
        server.resume()
    # Perhaps committed, perhaps not: the row must be free again either way
    await add_one(database)


@pytest.mark.slow
async def test_frozen_locks_and_wakeups_do_not_hang(server: Postgresql, database: Database) -> None:
    locks = locks_of(database)
    assert await locks.try_acquire("outbox")
    await database.wakeups.wait("outbox", 0.5)
    server.pause()
    try:
        await asyncio.sleep(AdvisoryLocks.VERIFIED_SECONDS)
        started = time.monotonic()
        answers = await asyncio.gather(*(locks.try_acquire("outbox") for _ in range(5)))
        assert answers == [False] * 5, "who cannot ask does not hold"
        assert time.monotonic() - started < PATIENCE
        database.wakeups.committed(["outbox"])
        started = time.monotonic()
        await database.wakeups.wait("deliveries", 0.2)
        assert time.monotonic() - started < 1
    finally:
        server.resume()
    await until(lambda: locks.try_acquire("outbox"), seconds=PATIENCE)
    await locks.close()


async def test_listeners_come_back_after_a_kill(server: Postgresql, database: Database) -> None:
    other = await Database.open(server.url())
    await database.wakeups.wait("outbox", 1)
    server.kill()
    await database.wakeups.wait("outbox", 0.05)
    server.start()

    async def is_woken() -> bool:
        other.wakeups.committed(["outbox"])
        started = time.monotonic()
        await database.wakeups.wait("outbox", 0.3)
        return time.monotonic() - started < 0.25

    try:
        await until(is_woken, seconds=PATIENCE)
    finally:
        await other.close()
