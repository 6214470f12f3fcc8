"""Forgets what the kit keeps and nobody needs any more: hourly, in slices so small that no station waits for them.
What anybody may make it keep is bounded by number as well.

Facts leave the spool when the bus has them (``relay.py``), and their ids go by rules of their own (``known_ids.py``).
"""

import asyncio
import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import structlog

from adapters.kit.database import Database, DatabaseClosed

KEPT = timedelta(days=30)
MOST_NAMES = 100_000
"""Epochs of stations: those that have not come for longest go first. Several times what one instance holds."""
SLICE = 500
PAUSE = 0.05
EVERY = 3600.0

logger = structlog.get_logger(__name__)


class Trimming:
    """Commands that were carried out, and epochs of stations that did not come back: strangers make up names."""

    def __init__(self, database: Database, *, now: Callable[[], datetime], kept: timedelta = KEPT) -> None:
        """``kept`` must be longer than the bus keeps commands, and than a clock may be set back."""
        self._database = database
        self._now = now
        self._kept = kept
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Call it when the tables are there."""
        await self._database.write(_create)
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Ends the task."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def trim(self) -> int:
        """Once through; returns how many rows went. Raises ``sqlite3.Error``."""
        before = int((self._now() - self._kept).timestamp())
        gone = 0
        while number := await self._database.write(partial(_trim_commands, before)):
            gone += number
            await asyncio.sleep(PAUSE)
        place: str | None = ""
        oldest = max(before * 1000, await self._database.write(partial(_first_kept, MOST_NAMES)))
        while place is not None:
            place, number = await self._database.write(partial(_trim_epochs, place, oldest))
            gone += number
            await asyncio.sleep(PAUSE)
        return gone

    async def _run(self) -> None:
        while True:
            try:
                gone = await self.trim()
            except DatabaseClosed:
                return
            except sqlite3.Error as error:
                logger.warning("what is past its use could not be dropped", error=str(error))
            else:
                if gone:
                    logger.info("what is past its use was dropped", rows=gone)
            await asyncio.sleep(EVERY)


def _create(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE INDEX IF NOT EXISTS commands_by_age ON commands (claimed_at)")


def _trim_commands(before: int, connection: sqlite3.Connection) -> int:
    """One that runs is answered at the next start, whatever its age."""
    return connection.execute(
        "DELETE FROM commands WHERE command_id IN (SELECT command_id FROM commands"
        " WHERE claimed_at < ? AND state <> 'RUNNING' ORDER BY claimed_at LIMIT ?)",
        (before, SLICE),
    ).rowcount


def _first_kept(most: int, connection: sqlite3.Connection) -> int:
    """Above how low an epoch there are at most so many."""
    ordered = "SELECT epoch FROM connections ORDER BY epoch DESC LIMIT 1 OFFSET ?"
    row = connection.execute(ordered, (most,)).fetchone()
    return 0 if row is None else int(row[0]) + 1


def _trim_epochs(after: str, before: int, connection: sqlite3.Connection) -> tuple[str | None, int]:
    """An epoch is the time of its connection in milliseconds, so a new one is higher than one that was forgotten."""
    rows = connection.execute(
        "SELECT station_id, epoch < ? FROM connections WHERE station_id > ? ORDER BY station_id LIMIT ?",
        (before, after, SLICE),
    ).fetchall()
    old = [(station_id,) for station_id, is_old in rows if is_old]
    connection.executemany("DELETE FROM connections WHERE station_id = ?", old)
    return (rows[-1][0] if len(rows) == SLICE else None), len(old)
