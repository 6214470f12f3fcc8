"""The engine and the unit of work: one request, one message or one timer tick is one transaction.

SQLite has one writer: writes queue on a lock and begin IMMEDIATE, reads go beside them (WAL). PostgreSQL has a pool.
Whoever is told "unavailable" may try again: nothing was committed.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, event, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from roaming.model.time import Clock, SystemClock
from roaming.store.errors import StoreUnavailable
from roaming.store.outbox import Outbox
from roaming.store.reader import PostgresqlReader, Reader, SqliteReader
from roaming.store.wakeups import InProcessWakeups, PostgresqlWakeups, Wakeups

SQLITE_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA busy_timeout=5000",
    "PRAGMA temp_store=MEMORY",
)


class Work:
    """One transaction: its connection, the messages it will publish, what to do once it is committed.

    Handed to services; only the edge that opened it commits.
    """

    def __init__(self, connection: AsyncConnection, *, clock: Clock, source: str) -> None:
        self.connection = connection
        self.now = clock.now()
        self.outbox = Outbox(source=source, now=self.now)
        self._wakes: set[str] = set()

    def wake(self, channel: str) -> None:
        """Lets those who wait on ``channel`` look at the database as soon as this is committed."""
        self._wakes.add(channel)

    async def flush(self) -> frozenset[str]:
        """Writes the outbox; called by the edge just before the commit. Returns the channels to wake."""
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
        self._writer = asyncio.Lock()

    @classmethod
    async def open(
        cls, url: str, *, clock: Clock | None = None, source: str = "service", pool_size: int = 10
    ) -> "Database":
        """Connects lazily: an absent server is noticed at first use. ``url`` is ``sqlite:///path`` or
        ``postgresql://user:password@host/name``."""
        parsed = with_async_driver(url)
        if parsed.get_backend_name() == "sqlite":
            path = sqlite_path(parsed)
            path.parent.mkdir(parents=True, exist_ok=True)
            engine = create_async_engine(parsed, pool_size=1, max_overflow=0, connect_args={"timeout": 5})
            _prepare_sqlite(engine)
            reader: Reader = SqliteReader(path)
            wakeups: Wakeups = InProcessWakeups()
        else:
            engine = create_async_engine(
                parsed,
                pool_size=pool_size,
                max_overflow=0,
                pool_timeout=5,
                pool_pre_ping=False,
                connect_args={"timeout": 5, "command_timeout": 30},
            )
            reader = PostgresqlReader(parsed, pool_size=pool_size)
            wakeups = PostgresqlWakeups(parsed)
        return cls(
            parsed,
            engine=engine,
            reader=reader,
            wakeups=wakeups,
            clock=clock or SystemClock(),
            source=source,
        )

    @asynccontextmanager
    async def work(self) -> AsyncIterator[Work]:
        """A transaction that commits when the block ends and rolls back when it raises.

        Raises ``StoreUnavailable`` when the database went away; whether a commit that broke off took place is then
        unknown, which is why everything done in a work is idempotent.
        """
        async with contextlib.AsyncExitStack() as stack:
            if self.is_sqlite:
                await stack.enter_async_context(self._writer)
            with _translated():
                async with self.engine.begin() as connection:
                    work = Work(connection, clock=self.clock, source=self.source)
                    yield work
                    wakes = await work.flush()
                    await self.wakeups.announce(connection, wakes)
        self.wakeups.committed(wakes)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection to read from; nothing written through it is kept."""
        async with contextlib.AsyncExitStack() as stack:
            if self.is_sqlite:
                await stack.enter_async_context(self._writer)
            with _translated():
                async with self.engine.connect() as connection:
                    yield connection
                    await connection.rollback()

    async def close(self) -> None:
        """Ends all connections."""
        await self.wakeups.close()
        await self.reader.close()
        await self.engine.dispose()


def with_async_driver(url: str) -> URL:
    """``url`` with the driver this house uses. Raises ``ValueError`` naming what is supported."""
    parsed = make_url(url)
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return parsed.set(drivername="sqlite+aiosqlite")
    if backend in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+asyncpg")
    raise ValueError(f"DATABASE_URL: {backend!r} is not supported; use sqlite:///file.db or postgresql://…")


def sqlite_path(url: URL) -> Path:
    """The file behind a SQLite URL. Raises ``ValueError`` for a database in memory, which two readers cannot share."""
    if not url.database or url.database == ":memory:":
        raise ValueError("DATABASE_URL: SQLite needs a file, such as sqlite:///.roaming/hub.db")
    return Path(url.database)


def _prepare_sqlite(engine: AsyncEngine) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in SQLITE_PRAGMAS:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def on_begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextlib.contextmanager
def _translated() -> Any:
    """Turns the drivers' many ways of saying "gone" into ``StoreUnavailable``."""
    try:
        yield
    except DBAPIError as error:
        if is_outage(error):
            raise StoreUnavailable(str(error.orig)) from error
        raise
    except (PoolTimeoutError, OSError) as error:
        if isinstance(error, StoreUnavailable):
            raise
        raise StoreUnavailable(str(error)) from error


def is_outage(error: DBAPIError) -> bool:
    """Whether the database went away, rather than refused what was asked of it."""
    if error.connection_invalidated:
        return True
    if isinstance(error.orig, sqlite3.OperationalError):
        return "locked" in str(error.orig) or "disk I/O" in str(error.orig)
    state = getattr(error.orig, "sqlstate", None) or ""
    if state[:2] in ("08", "57", "53"):  # connection, operator intervention, insufficient resources
        return True
    return isinstance(error, OperationalError | InterfaceError) and not state
