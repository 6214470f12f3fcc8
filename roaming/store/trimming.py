"""What need not be kept for ever is removed after some days: a few rows at a time, so that nobody waits for it.

Whoever keeps such rows declares a ``Trimming``. Objects of OCPI, and what explains a CDR, are no such rows.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import ColumnElement, Table, delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.store.database import Database
from roaming.store.errors import StoreUnavailable
from roaming.store.locks import Locks

logger = structlog.get_logger(__name__)

TRIM_EVERY = 3600.0
PAUSE = 0.1
"""Between two batches: others write meanwhile."""
AT_ONCE = 1_000

Remove = Callable[[AsyncConnection, datetime, int], Awaitable[int]]
"""Removes at most so many things that were over before a time and says how many; fewer: nothing older is left. Passes
over what another transaction holds, so that no two wait for each other."""


@dataclass(frozen=True, kw_only=True)
class Trimming:
    """One kind of rows that are removed."""

    kind: str
    """``<kind>_days`` is the setting that says how long they are kept; several may share it."""
    what: str
    """For people who read the log."""
    remove: Remove
    at_once: int = AT_ONCE


def old_rows(kind: str, table: Table, since: str, *only_if: ColumnElement[bool]) -> Trimming:
    """The rows of ``table`` whose time ``since`` is past, which must be indexed together with what ``only_if`` asks."""
    keys = list(table.primary_key)

    async def remove(connection: AsyncConnection, before: datetime, at_once: int) -> int:
        at = table.c[since]
        # Named first: PostgreSQL might look for them more than once otherwise, and find others each time
        old = select(*keys).where(at < before, *only_if).order_by(at).limit(at_once)
        found = old.with_for_update(skip_locked=True).cte("old")
        statement = delete(table).where(tuple_(*keys).in_(select(*found.c))).returning(keys[0])
        # Of a statement that begins with WITH, SQLite does not say how many rows it changed
        return len((await connection.execute(statement)).all())

    return Trimming(kind=kind, what=table.name, remove=remove)


class Trimmer:
    """One works at a time over all processes (lock ``trimming``); two would do no harm.

    ``days``: for how long each kind is kept. One that is not named is kept for ever.
    """

    def __init__(
        self, database: Database, trimmings: Sequence[Trimming], locks: Locks, *, days: Mapping[str, int]
    ) -> None:
        self._database = database
        self._trimmings = [trimming for trimming in trimmings if trimming.kind in days]
        self._locks = locks
        self._days = days

    async def run(self) -> None:
        """Trims once in ``TRIM_EVERY`` seconds until cancelled."""
        while True:
            if await self._locks.try_acquire("trimming"):
                try:
                    await self.trim()
                except StoreUnavailable as error:
                    logger.warning("trimming_waits", reason=str(error))
                finally:
                    await self._locks.release("trimming")
            await asyncio.sleep(TRIM_EVERY)

    async def trim(self) -> dict[str, int]:
        """Removes all that is too old; returns how much of what. Raises ``StoreUnavailable``; what was removed until
        then stays removed."""
        removed: dict[str, int] = {}
        for trimming in self._trimmings:
            before = self._database.clock.now() - timedelta(days=self._days[trimming.kind])
            try:
                count = await self._remove_all(trimming, before)
            except StoreUnavailable:
                raise
            except Exception:
                logger.exception("trimming_failed", what=trimming.what)
                continue
            if count:
                removed[trimming.what] = removed.get(trimming.what, 0) + count
                logger.info("trimmed", what=trimming.what, count=count, older_than=before.isoformat())
        return removed

    async def _remove_all(self, trimming: Trimming, before: datetime) -> int:
        total = 0
        while True:
            async with self._database.work() as work:
                removed = await trimming.remove(work.connection, before, trimming.at_once)
            total += removed
            if removed < trimming.at_once:
                return total
            await asyncio.sleep(PAUSE)
