"""Hot reads, around the ORM: one statement, positional parameters, plain tuples.

SQL is written with ``$1`` placeholders in the dialect both databases share, and holds no other dollar sign.
Measured: an ORM session costs more than twice the processor time of a whole authorisation request, so lists and
look-ups come through here.
"""

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import asyncpg
from sqlalchemy import URL

from roaming.store.columns import time_to_text
from roaming.store.engine import (
    COMMAND_SECONDS,
    CONNECT_SECONDS,
    DRIVER_ERRORS,
    POOL_SECONDS,
    SERVER_SETTINGS,
    is_outage,
    plain_dsn,
)
from roaming.store.errors import StoreUnavailable

Row = Sequence[Any]
_MOST_KEYS = 512
_LOST = (ConnectionResetError, asyncpg.ConnectionDoesNotExistError)


class Reader(Protocol):
    """Reads committed data only. Times come back as ``datetime`` (PostgreSQL) or sortable text (SQLite):
    ``columns.text_to_time`` takes both. Exact numbers come as ``Decimal`` or millionths."""

    @property
    def members(self) -> str:
        """SQL of a column of the texts in a JSON list (``{}``): one parameter, however many they are."""

    async def fetch(self, sql: str, *parameters: Any) -> Sequence[Row]:
        """All rows. Raises ``StoreUnavailable``."""

    async def close(self) -> None:
        """Ends the connections."""


class SqliteReader:
    """Reads in the event loop: an indexed look-up takes tens of microseconds, a thread hop costs more."""

    members = "SELECT value FROM json_each({})"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"file:{self._path}?mode=rw", uri=True, isolation_level=None, check_same_thread=False, timeout=0.2
        )
        connection.execute("PRAGMA query_only=ON")
        return connection

    async def fetch(self, sql: str, *parameters: Any) -> Sequence[Row]:
        try:
            if self._connection is None:
                self._connection = self._open()
            values = [time_to_text(value) if isinstance(value, datetime) else value for value in parameters]
            return self._connection.execute(_for_sqlite(sql), values).fetchall()
        except sqlite3.Error as error:
            if is_outage(error):
                raise StoreUnavailable(str(error)) from error
            raise

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class PostgresqlReader:
    """A pool of its own, so that reads do not queue behind writers.

    asyncpg's own pool asks the server to reset a connection after every use, which doubles the round trips; ours
    are used for single reads only and carry nothing over.
    """

    members = "SELECT json_array_elements_text({}::text::json)"

    def __init__(self, url: URL, *, pool_size: int) -> None:
        self._dsn = plain_dsn(url)
        self._size = pool_size
        self._open = 0
        self._free: list[asyncpg.Connection[Any]] = []
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_closed = False

    async def fetch(self, sql: str, *parameters: Any) -> Sequence[Row]:
        try:
            return await self._fetch(sql, parameters)
        except _LOST:  # while it lay in the pool, most likely; reading twice does no harm
            try:
                return await self._fetch(sql, parameters)
            except _LOST as error:
                raise StoreUnavailable(str(error)) from error

    async def _fetch(self, sql: str, parameters: Sequence[Any]) -> Sequence[Row]:
        connection = await self._take()
        try:
            rows: Sequence[Row] = await connection.fetch(sql, *parameters)
        except _LOST:
            connection.terminate()
            raise
        except DRIVER_ERRORS as error:
            if not is_outage(error):
                raise
            connection.terminate()
            raise StoreUnavailable(str(error) or f"no answer within {COMMAND_SECONDS:g} s") from error
        except asyncio.CancelledError:
            connection.terminate()
            raise
        finally:
            self._give_back(connection)
        return rows

    async def _take(self) -> "asyncpg.Connection[Any]":
        end = time.monotonic() + POOL_SECONDS
        while True:
            while self._free:
                connection = self._free.pop()
                if not connection.is_closed():
                    return connection
                self._open -= 1
            if self._open < self._size:
                return await self._connect()
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                async with asyncio.timeout(end - time.monotonic()):
                    await turn
            except (TimeoutError, asyncio.CancelledError) as error:
                if turn.done() and not turn.cancelled():
                    self._let_next_in()
                if isinstance(error, TimeoutError):
                    reason = f"all {self._size} reading connections were busy for {POOL_SECONDS:g} s"
                    raise StoreUnavailable(reason) from None
                raise

    async def _connect(self) -> "asyncpg.Connection[Any]":
        self._open += 1
        try:
            connection: asyncpg.Connection[Any] = await asyncpg.connect(
                self._dsn, timeout=CONNECT_SECONDS, command_timeout=COMMAND_SECONDS, server_settings=SERVER_SETTINGS
            )
        except BaseException as error:
            self._open -= 1
            self._let_next_in()
            if isinstance(error, DRIVER_ERRORS):
                raise StoreUnavailable(str(error) or f"no connection within {CONNECT_SECONDS:g} s") from error
            raise
        return connection

    def _give_back(self, connection: "asyncpg.Connection[Any]") -> None:
        if self._is_closed and not connection.is_closed():
            connection.terminate()
        if connection.is_closed():
            self._open -= 1
        else:
            self._free.append(connection)
        self._let_next_in()

    def _let_next_in(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    async def close(self) -> None:
        self._is_closed = True
        while self._free:
            self._free.pop().terminate()
            self._open -= 1


async def fetch_of(reader: Reader, sql: str, keys: Iterable[Any], *given: Any) -> list[Row]:
    """All rows of ``sql``, which ends in ``... IN``, for these keys; in statements of few sizes, so that drivers can
    keep them prepared. ``given``: what ``$1`` and so on stand for in ``sql``. Raises ``StoreUnavailable``."""
    wanted = list(dict.fromkeys(keys))
    found: list[Row] = []
    for start in range(0, len(wanted), _MOST_KEYS):
        some = wanted[start : start + _MOST_KEYS]
        size = 1 << (len(some) - 1).bit_length()
        some += some[-1:] * (size - len(some))
        found.extend(await reader.fetch(f"{sql} {_marks(size, len(given))}", *given, *some))
    return found


@lru_cache(maxsize=32)
def _marks(size: int, behind: int) -> str:
    return "(" + ", ".join(f"${number}" for number in range(behind + 1, behind + size + 1)) + ")"


@lru_cache(maxsize=512)
def _for_sqlite(sql: str) -> str:
    return sql.replace("$", "?")
