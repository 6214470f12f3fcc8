"""SQLite in the event loop: statements take tens of microseconds, a hop to a thread and back costs more than that.

Only what waits for the disk (opening, committing) goes to the thread of aiosqlite, and waiting for another process's
write lock is a sleep instead of a blocked loop. A transaction then hops once instead of eight times.
"""

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

T = TypeVar("T")

LOOK_AGAIN_SECONDS = 0.005


class InLoopConnection(aiosqlite.Connection):
    """What ``create_async_engine`` is given as ``async_creator``; see ``connect``."""

    def __init__(self, path: Path, *, busy_seconds: float) -> None:
        connector = partial(sqlite3.connect, path, timeout=0, isolation_level=None, check_same_thread=False)
        super().__init__(connector, iter_chunk_size=64)
        self._thread.daemon = True
        self._busy_seconds = busy_seconds

    async def _execute(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """aiosqlite sends every call through here, to its thread."""
        if getattr(fn, "__name__", "") == "commit":
            result: T = await super()._execute(fn, *args, **kwargs)  # type: ignore[no-untyped-call]
            return result
        give_up = time.monotonic() + self._busy_seconds
        while True:
            try:
                return fn(*args, **kwargs)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                    raise
            await asyncio.sleep(LOOK_AGAIN_SECONDS)


async def connect(path: Path, *, busy_seconds: float) -> InLoopConnection:
    """An open connection without implicit transactions. A file that it makes is its owner's only, and SQLite makes
    those beside it alike. Raises ``sqlite3.Error``."""
    # Only where there is none: closing a file ends all locks that this process holds on it, those of SQLite too.
    # What is wrong with the path is SQLite's to say.
    with suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    connection = InLoopConnection(path, busy_seconds=busy_seconds)
    await connection
    return connection
