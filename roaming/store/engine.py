"""How we connect: drivers, pragmas, time limits, and which errors mean that the database is away.

Knows SQLAlchemy's engine and both drivers; knows nothing of transactions (``database``) or tables.
"""

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import URL, event, make_url
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from roaming.store import sqlite_in_loop
from roaming.store.errors import StoreUnavailable

CONNECT_SECONDS = 3.0
COMMAND_SECONDS = 4.0
"""What one statement may take; a database that swallows packets is given up after it."""
POOL_SECONDS = 4.0
SQLITE_READERS = 4

SQLITE_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA temp_store=MEMORY",
)
SERVER_SETTINGS = {
    "jit": "off",  # planning it costs more than our short statements
    "lock_timeout": "3000",
    "idle_in_transaction_session_timeout": "15000",  # a frozen process must not hold rows for ever
}

DRIVER_ERRORS = (OSError, sqlite3.Error, asyncpg.PostgresError, asyncpg.InterfaceError)
"""What either driver raises on its own; ``OSError`` holds a broken socket and the time limits."""

_SQLITE_OUTAGES = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    }
)
_POSTGRESQL_OUTAGES = ("08", "53", "57", "58", "40")
"""SQLSTATE classes: connection, resources, operator, system; and transactions that lost to another one."""
_POSTGRESQL_OUTAGE_STATES = frozenset({"55P03", "25P03", "25006"})
"""Waited too long for a lock; idle too long; connected to a server that has become a standby."""


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


def plain_dsn(url: URL) -> str:
    """What asyncpg itself is given."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def writing_engine(url: URL, *, pool_size: int, patience: float = COMMAND_SECONDS) -> AsyncEngine:
    """For transactions; no statement takes longer than ``patience`` seconds. SQLite: one connection whose transactions
    take the write lock at once."""
    if url.get_backend_name() == "sqlite":
        sqlite_path(url).parent.mkdir(parents=True, exist_ok=True)
        return _sqlite_engine(url, pool_size=1, begin="BEGIN IMMEDIATE", pragmas=SQLITE_PRAGMAS, patience=patience)
    return _postgresql_engine(url, pool_size=pool_size, patience=patience)


def reading_engine(url: URL) -> AsyncEngine:
    """SQLite only: connections that see the last commit and cannot write."""
    pragmas = (*SQLITE_PRAGMAS, "PRAGMA query_only=ON")
    return _sqlite_engine(url, pool_size=SQLITE_READERS, begin="BEGIN", pragmas=pragmas, patience=COMMAND_SECONDS)


def _sqlite_engine(url: URL, *, pool_size: int, begin: str, pragmas: tuple[str, ...], patience: float) -> AsyncEngine:
    path = sqlite_path(url)
    engine = create_async_engine(
        url,
        async_creator=lambda: sqlite_in_loop.connect(path, busy_seconds=patience),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_SECONDS,
        hide_parameters=True,  # in errors, which are logged: among them are whose token a driver's is
    )

    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def on_begin(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    @event.listens_for(engine.sync_engine, "invalidate")
    def on_invalidate(connection: Any, _record: Any, _error: BaseException | None) -> None:
        # A cancelled task leaves a statement that still has rows to give: closing would keep the write lock with it
        with contextlib.suppress(Exception):
            connection.rollback()

    event.listen(engine.sync_engine, "handle_error", _on_error, retval=True)
    return engine


def _postgresql_engine(url: URL, *, pool_size: int, patience: float) -> AsyncEngine:
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_SECONDS,
        hide_parameters=True,  # in errors, which are logged: among them are whose token a driver's is
        connect_args={
            "timeout": CONNECT_SECONDS,
            "command_timeout": patience,
            "server_settings": SERVER_SETTINGS,
        },
    )

    @event.listens_for(engine.sync_engine, "checkout")
    def on_checkout(connection: Any, _record: Any, _proxy: Any) -> None:
        if connection.driver_connection.is_closed():  # the pool then makes a new one; costs no round trip
            raise DisconnectionError

    event.listen(engine.sync_engine, "handle_error", _on_error, retval=True)
    return engine


@asynccontextmanager
async def connected(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection out of the pool. Raises ``StoreUnavailable`` when there is none to be had in time."""
    async with contextlib.AsyncExitStack() as stack:
        try:
            connection = await stack.enter_async_context(engine.connect())
        except (DBAPIError, PoolTimeoutError, *DRIVER_ERRORS) as error:
            raise StoreUnavailable(_reason(error)) from error
        yield connection


def is_outage(error: BaseException) -> bool:
    """Whether the database went away or asks to be tried again, rather than refused what was asked of it."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or (error.orig is not None and is_outage(error.orig))
    if isinstance(error, sqlite3.Error):
        return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _SQLITE_OUTAGES
    state = getattr(error, "sqlstate", None) or ""
    if state:
        return state[:2] in _POSTGRESQL_OUTAGES or state in _POSTGRESQL_OUTAGE_STATES
    return isinstance(error, OSError | asyncpg.InterfaceError) and not isinstance(error, ValueError)


def _on_error(context: ExceptionContext) -> StoreUnavailable | None:
    """Turns the drivers' many ways of saying "gone" into one, whatever statement met it."""
    error = context.original_exception
    if isinstance(error, OSError):  # asyncpg: the socket broke, or no answer came in time
        context.is_disconnect = True
        context.invalidate_pool_on_disconnect = False
        if context.connection is not None:
            _abort(context.connection)
        return StoreUnavailable(_reason(error))
    if context.sqlalchemy_exception is not None and (context.is_disconnect or is_outage(error)):
        return StoreUnavailable(_reason(error))
    return None


def _abort(connection: Any) -> None:
    """Ends the socket at once: closing it politely would wait for the server that does not answer."""
    driver = connection.connection.driver_connection
    if driver is not None:
        driver.terminate()


def _reason(error: BaseException) -> str:
    return str(getattr(error, "orig", None) or error) or type(error).__name__
