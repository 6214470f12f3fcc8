"""Writes what comes of deliveries, for all partners together: whatever ends while one transaction is under way
goes into the next."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from sqlalchemy import tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.hub.judging import Pending, Result, outcome
from roaming.ocpi.module import Services
from roaming.ocpi.outgoing import DELIVERIES
from roaming.store.bulk import update_unlocked
from roaming.store.database import Work
from roaming.store.errors import StoreUnavailable
from roaming.store.reader import fetch_of

MARGIN_SECONDS = 5.0
"""A partner may still be at work on a request whose time was over for us."""
CLOSING_SECONDS = 2.0
AGAIN_SECONDS = 0.05
GATHER_SECONDS = 0.01
"""What has ended waits so long for more: a commit costs as much as a push, and nobody waits for most of these."""
_RECORDED = ("state", "attempts", "is_in_doubt", "is_full", "due_at", "done_at", "last_error", "remote_url")
_Waiting = asyncio.Future[None]
_Taken = Callable[[Work, Sequence[str]], Awaitable[None]]


class NotAsRead(Exception):
    """The row of a record is not as it was claimed: somebody else is sending it, or has."""


class Recorder:
    """One for all lanes of a process."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._leaving: list[tuple[Pending, float, _Waiting]] = []
        self._ended: list[tuple[Result, _Waiting]] = []
        self._is_urgent = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None

    async def leaves(self, pending: Pending, seconds: float) -> None:
        """Returns once it stands in the store that a record is about to be sent, which takes ``seconds`` at most: from
        then on it is in doubt, and nobody asks the partner for it before that time is over. Raises ``NotAsRead``, then
        it must not be sent, and ``StoreUnavailable``."""
        written = asyncio.get_running_loop().create_future()
        self._leaving.append((pending, seconds, written))
        self._is_urgent.set()
        self._stir()
        await written

    async def record(self, result: Result) -> None:
        """Returns once ``result`` is stored. Raises ``StoreUnavailable``."""
        written = asyncio.get_running_loop().create_future()
        self._ended.append((result, written))
        self._stir()
        await written

    async def close(self) -> None:
        """Writes what has ended already."""
        if self._writing is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSING_SECONDS):
                    await self._writing

    def _stir(self) -> None:
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(), name="recorder")

    async def _write(self) -> None:
        while self._leaving or self._ended:
            await self._gather()
            leaving, self._leaving = self._leaving, []
            ended, self._ended = self._ended, []
            told = [*(entry[-1] for entry in leaving), *(entry[-1] for entry in ended)]
            try:
                async with self._services.database.work() as work:
                    marked = await self._mark(work.connection, [(pending, seconds) for pending, seconds, _ in leaving])
                    left = await self._store(work, [result for result, _ in ended])
            except Exception as error:
                for waiting in told:
                    if not waiting.done():
                        waiting.set_exception(error)
                continue
            again = await self._still_there(left)
            for result, waiting in ended:
                if result.pending.job.id in again:
                    self._ended.append((result, waiting))
                elif not waiting.done():
                    waiting.set_result(None)
            for pending, _, waiting in leaving:
                if waiting.done():
                    continue
                if pending.job.id in marked:
                    waiting.set_result(None)
                else:
                    waiting.set_exception(NotAsRead(pending.job.id))
            if again:
                await asyncio.sleep(AGAIN_SECONDS)

    async def _gather(self) -> None:
        """Lets more end, unless somebody waits for the store before sending."""
        self._is_urgent.clear()
        if not self._leaving:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GATHER_SECONDS):
                    await self._is_urgent.wait()

    async def _mark(self, connection: AsyncConnection, leaving: Sequence[tuple[Pending, float]]) -> set[int]:
        """In doubt from now on, and not due before the attempt can have ended: whoever takes over after a kill must
        not look for the record while its first sending is still under way. Returns the ids of those that were still as
        claimed: a process that lost its lock without knowing it must not send what its successor is sending."""
        if not leaving:
            return set()
        columns = DELIVERIES.c
        hold = timedelta(seconds=max(seconds for _, seconds in leaving) + MARGIN_SECONDS)
        as_claimed = [(pending.job.id, pending.due_at) for pending, _ in leaving]
        marked = await connection.execute(
            update(DELIVERIES)
            .where(
                columns.id.in_([id for id, _ in as_claimed]),
                tuple_(columns.id, columns.due_at).in_(as_claimed),
                columns.state + "" == "PENDING",  # by an index on it SQLite goes through all that is pending
            )
            .values(is_in_doubt=True, due_at=self._services.clock.now() + hold)
            .returning(columns.id)
        )
        return {row[0] for row in marked}

    async def _store(self, work: Work, results: Sequence[Result]) -> list[Result]:
        """Stores them, with what their modules have to say of those that were taken; returns those whose row was not
        as it had been claimed, or held by somebody."""
        now = self._services.clock.now()
        rows = {result.pending.job.id: outcome(result, now) for result in results}
        written = await update_unlocked(
            work.connection,
            DELIVERIES,
            list(rows.values()),
            key="id",
            only_if="revision",
            update=_RECORDED,
            where="t.state = 'PENDING'",
        )
        taken: dict[_Taken, list[str]] = {}
        for result in results:
            job, tell = result.pending.job, result.pending.rules.taken
            if tell is not None and job.id in written and rows[job.id]["state"] == "DELIVERED":
                taken.setdefault(tell, []).append(job.object_key)
        for tell, keys in taken.items():
            await tell(work, keys)
        return [result for result in results if result.pending.job.id not in written]

    async def _still_there(self, left: Sequence[Result]) -> set[int]:
        """Of results that were not stored, those whose row is still as it was claimed: it was only held. An object that
        changed meanwhile is sent once more."""
        if not left:
            return set()
        sql = "SELECT id, revision FROM deliveries WHERE state = 'PENDING' AND id IN"
        try:
            rows = await fetch_of(self._services.database.reader, sql, [result.pending.job.id for result in left])
        except StoreUnavailable:
            return {result.pending.job.id for result in left}
        claimed = {result.pending.job.id: result.pending.revision for result in left}
        return {row[0] for row in rows if row[1] == claimed[row[0]]}
