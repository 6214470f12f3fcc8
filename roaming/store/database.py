"""The unit of work: one request, one message or one timer tick is one transaction.

SQLite has one writer: writes queue and begin IMMEDIATE, reads go beside them (WAL). PostgreSQL has a pool.
Whoever is told "unavailable" may try again.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from roaming.model.time import Clock, SystemClock
from roaming.store import counts
from roaming.store.engine import connected, reading_engine, sqlite_path, with_async_driver, writing_engine
from roaming.store.errors import StoreUnavailable
from roaming.store.outbox import Outbox
from roaming.store.reader import PostgresqlReader, Reader, SqliteReader
from roaming.store.wakeups import InProcessWakeups, PostgresqlWakeups, Wakeups

WRITER_SECONDS = 5.0
"""How long a transaction waits for its turn on SQLite."""


class Work:
    """One transaction: its connection, the messages it will publish, whom to wake once it is committed.

    Handed to services; only the edge that opened it commits.
    """

    def __init__(self, connection: AsyncConnection, *, clock: Clock, source: str, correlation_id: str = "") -> None:
        self.connection = connection
        self.correlation_id = correlation_id
        """The chain that this belongs to, where a partner's request began or continued one."""
        self.now = clock.now()
        self.outbox = Outbox(source=source, now=self.now)
        self._wakes: set[str] = set()

    def wake(self, channel: str) -> None:
        """Lets those who wait on ``channel`` look at the database as soon as this is committed."""
        self._wakes.add(channel)

    async def flush(self) -> frozenset[str]:
        """Writes what was collected; called by the edge just before the commit. Returns the channels to wake."""
        await counts.flush(self.connection)
        if await self.outbox.flush(self.connection):
            self._wakes.add("outbox")
        return frozenset(self._wakes)


class Database:
    """SQLite or PostgreSQL behind one face. Open with ``Database.open``; close when done."""

    def __init__(
        self, url: URL, *, engine: AsyncEngine, reader: Reader, wakeups: Wakeups, clock: Clock, source: str
    ) -> None:
        self.url = url
        self.engine = engine
        self.reader = reader
        self.wakeups = wakeups
        self.clock = clock
        self.source = source
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self._reading_engine = reading_engine(url) if self.is_sqlite else engine
        self._writer = asyncio.Lock()
        self._working: set[asyncio.Task[Any] | None] = set()

    @classmethod
    async def open(
        cls, url: str, *, clock: Clock | None = None, source: str = "service", pool_size: int = 10
    ) -> "Database":
        """Connects lazily: an absent server is noticed at first use. ``url`` is ``sqlite:///path`` or
        ``postgresql://user:password@host/name``."""
        parsed = with_async_driver(url)
        reader: Reader
        wakeups: Wakeups
        if parsed.get_backend_name() == "sqlite":
            reader, wakeups = SqliteReader(sqlite_path(parsed)), InProcessWakeups()
        else:
            reader, wakeups = PostgresqlReader(parsed, pool_size=pool_size), PostgresqlWakeups(parsed)
        return cls(
            parsed,
            engine=writing_engine(parsed, pool_size=pool_size),
            reader=reader,
            wakeups=wakeups,
            clock=clock or SystemClock(),
            source=source,
        )

    @asynccontextmanager
    async def work(self, *, correlation_id: str = "") -> AsyncIterator[Work]:
        """A transaction that commits when the block ends and rolls back when it raises. ``correlation_id``: what is
        told because of it continues this chain.

        Raises ``StoreUnavailable`` when the database went away; whether a commit that broke off took place is then
        unknown, which is why everything done in a work is idempotent. One task has one work at a time.
        """
        async with self._turn(), connected(self.engine) as connection, connection.begin():
            counts.begin(connection)
            work = Work(connection, clock=self.clock, source=self.source, correlation_id=correlation_id)
            yield work
            wakes = await work.flush()
        self.wakeups.committed(wakes)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection to read what is committed; nothing written through it is kept. Raises ``StoreUnavailable``."""
        async with connected(self._reading_engine) as connection:
            yield connection
            await connection.rollback()

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        task = asyncio.current_task()
        if task in self._working:
            raise RuntimeError("a work inside a work would wait for itself; hand the outer one down")
        self._working.add(task)
        try:
            if not self.is_sqlite:
                yield
                return
            try:
                async with asyncio.timeout(WRITER_SECONDS):
                    await self._writer.acquire()
            except TimeoutError:
                reason = f"other transactions kept the SQLite writer busy for {WRITER_SECONDS:g} s"
                raise StoreUnavailable(reason) from None
            try:
                yield
            finally:
                self._writer.release()
        finally:
            self._working.discard(task)

    async def close(self) -> None:
        """Ends all connections."""
        await self.wakeups.close()
        await self.reader.close()
        await self._reading_engine.dispose()
        await self.engine.dispose()
