"""Hot reads, around the ORM: one statement, positional parameters, plain tuples.

SQL is written with ``$1`` placeholders in the dialect both databases share. Measured: an ORM session costs more
than twice the processor time of a whole authorisation request, so lists and look-ups come through here.
"""

import asyncio
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import asyncpg
from sqlalchemy import URL

from roaming.store.columns import time_to_text
from roaming.store.errors import StoreUnavailable

Row = Sequence[Any]


class Reader(Protocol):
    """Reads committed data only. Times come back as ``datetime`` (PostgreSQL) or sortable text (SQLite)."""

    async def fetch(self, sql: str, *parameters: Any) -> Sequence[Row]:
        """All rows. Raises ``StoreUnavailable``."""

    async def close(self) -> None:
        """Ends the connections."""


class SqliteReader:
    """Reads in the event loop: an indexed look-up takes tens of microseconds, a thread hop costs more."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    async def fetch(self, sql: str, *parameters: Any) -> Sequence[Row]:
        try:
            if self._connection is None:
                self._connection = sqlite3.connect(
                    f"file:{self._path}?mode=rw", uri=True, isolation_level=None, check_same_thread=False
                )
                self._connection.execute("PRAGMA query_only=ON")
                self._connection.execute("PRAGMA busy_timeout=2000")
            values = [time_to_text(value) if isinstance(value, datetime) else value for value in parameters]
            return self._connection.execute(_for_sqlite(sql), values).fetchall()
        except sqlite3.OperationalError as error:
            if "syntax" in str(error) or "no such" in str(error):
                raise
            raise StoreUnavailable(str(error)) from error

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class PostgresqlReader:
    """A pool of its own, so that reads do not queue behind writers."""

    def __init__(self, url: URL, *, pool_size: int) -> None:
        self._dsn = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._size = pool_size
        self._pool: asyncpg.Pool[Any] | None = None
        self._opening = asyncio.Lock()

    async def _open(self) -> "asyncpg.Pool[Any]":
        async with self._opening:  # several first requests would each make a pool
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._dsn, min_size=1, max_size=self._size, timeout=5, command_timeout=10
                )
            return self._pool

    async def fetch(self, sql: str, *parameters: Any) -> Sequence[Row]:
        try:
            pool = self._pool or await self._open()
            rows: Sequence[Row] = await pool.fetch(sql, *parameters, timeout=10)
            return rows
        except (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError, TimeoutError) as error:
            raise StoreUnavailable(str(error) or type(error).__name__) from error
        except (
            asyncpg.CannotConnectNowError,
            asyncpg.AdminShutdownError,
            asyncpg.TooManyConnectionsError,
        ) as error:
            raise StoreUnavailable(str(error)) from error

    async def close(self) -> None:
        if self._pool is not None:
            self._pool.terminate()
            self._pool = None


@lru_cache(maxsize=512)
def _for_sqlite(sql: str) -> str:
    return sql.replace("$", "?")
