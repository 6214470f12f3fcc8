"""The adapter's own SQLite file: one writer thread that commits in groups, and reads beside it.

Knows nothing of what is stored; each part of the kit brings its own tables.
"""

import asyncio
import fcntl
import os
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import structlog

from adapters.kit.manifest import KitError

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], T]
"""Runs in the writer thread inside a transaction. May be run again when the group it was in failed."""

_FORM = 2
_GROUP = 256
_LATER_SECONDS = 0.05

logger = structlog.get_logger(__name__)


class DatabaseTaken(KitError):
    """Another process works on the same data directory."""


class DatabaseTooNew(KitError):
    """The file was written by a later release."""


class DatabaseClosed(KitError):
    """The kit has stopped."""


class Database:
    """One file, one writer. Jobs that wait at the same moment share one transaction and one fsync.

    ``synchronous=FULL``: what ``write`` returned for survives the loss of power (SQLite documentation, PRAGMA
    synchronous), as far as the disk keeps its word.
    """

    def __init__(self, path: Path) -> None:
        """Opens or creates the file, for this process alone. Raises ``DatabaseTaken``, ``DatabaseTooNew``."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._lock = _lock(path)
        try:
            self._writer = _connect(path)
            _check_form(self._writer, path)
            self._reader = _connect(path)
        except BaseException:
            os.close(self._lock)
            raise
        self._jobs: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._later: deque[Job[object]] = deque()
        self._later_timer: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name=f"writer {path.name}", daemon=True)
        self._thread.start()

    async def write(self, job: Job[T]) -> T:
        """Runs ``job`` and returns its result after the commit is on disk.

        Raises what the job raised, or ``sqlite3.Error`` of the commit; then nothing of the job was kept.
        """
        if self._is_closed:
            raise DatabaseClosed(f"{self.path.name} is closed")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._jobs.put(_Waiting(job, future, loop))
        return cast(T, await future)

    def write_later(self, job: Job[object]) -> None:
        """Adds ``job`` to the next group, or to one of its own after 50 ms. For what may be lost in a crash."""
        self._later.append(job)
        if self._later_timer is None and not self._is_closed:
            self._later_timer = asyncio.get_running_loop().call_later(_LATER_SECONDS, self._flush_later)

    def fetch(self, statement: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Reads what is committed, in the calling thread: for the event loop's thread, and for small answers."""
        return self._reader.execute(statement, parameters).fetchall()

    async def scan(
        self, statement: str, parameters: Sequence[object] = (), *, size: int
    ) -> AsyncGenerator[list[tuple[Any, ...]], None]:
        """Reads much, ``size`` rows at a time, as it was committed at the beginning. Sorting happens in a thread; for
        statements that have to sort."""
        connection = _connect(self.path)
        executing = asyncio.get_running_loop().run_in_executor(None, connection.execute, statement, parameters)
        try:
            cursor = await asyncio.shield(executing)
            while rows := cursor.fetchmany(size):
                yield rows
        finally:
            # A connection that is closed while its thread still works takes the whole process with it
            await asyncio.wait([executing])
            connection.close()

    def is_healthy(self) -> bool:
        """False once the writer has gone."""
        return self._thread.is_alive()

    async def close(self) -> None:
        """Commits what was asked for and closes the file."""
        if self._is_closed:
            return
        if self._later_timer is not None:
            self._later_timer.cancel()
        self._is_closed = True
        self._jobs.put(None)
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join)
        self._reader.close()
        os.close(self._lock)

    def _flush_later(self) -> None:
        self._later_timer = None
        if self._later and not self._is_closed:
            self._jobs.put(_Waiting(_nothing, None, None))

    def _run(self) -> None:
        is_open = True
        while is_open:
            waiting = self._jobs.get()
            group: list[_Waiting] = []
            while waiting is not None:
                group.append(waiting)
                if len(group) == _GROUP:
                    break
                try:
                    waiting = self._jobs.get_nowait()
                except queue.Empty:
                    break
            is_open = waiting is not None
            group.extend(_Waiting(self._later.popleft(), None, None) for _ in range(len(self._later)))
            self._commit(group)
        self._writer.close()

    def _commit(self, group: "list[_Waiting]") -> None:
        """One transaction for all; when it fails, one for each, so that a failing job takes nobody along."""
        try:
            results = self._transaction(group)
        except BaseException as error:
            if len(group) > 1:
                for waiting in group:
                    self._commit([waiting])
            elif group[0].future is None:
                logger.error("postponed write failed", path=self.path.name, error=str(error))
            else:
                group[0].settle(None, error)
        else:
            by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Waiting, object]]] = {}
            for waiting, result in zip(group, results, strict=True):
                if waiting.loop is not None:
                    by_loop.setdefault(waiting.loop, []).append((waiting, result))
            for loop, settled in by_loop.items():
                _call_soon(loop, _settle_all, settled)

    def _transaction(self, group: "list[_Waiting]") -> list[object]:
        connection = self._writer
        connection.execute("BEGIN IMMEDIATE")
        try:
            results = [waiting.job(connection) for waiting in group]
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return results


class _Waiting:
    """One job and who waits for it."""

    __slots__ = ("future", "job", "loop")

    def __init__(
        self, job: Job[Any], future: asyncio.Future[Any] | None, loop: asyncio.AbstractEventLoop | None
    ) -> None:
        self.job = job
        self.future = future
        self.loop = loop

    def settle(self, result: object, error: BaseException | None) -> None:
        if self.loop is not None:
            _call_soon(self.loop, self._settle, result, error)

    def _settle(self, result: object, error: BaseException | None) -> None:
        if self.future is None or self.future.done():
            return
        if error is not None:
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


def _settle_all(settled: list[tuple[_Waiting, object]]) -> None:
    for waiting, result in settled:
        waiting._settle(result, None)


def _call_soon(loop: asyncio.AbstractEventLoop, callback: Callable[..., object], *arguments: object) -> None:
    try:
        loop.call_soon_threadsafe(callback, *arguments)
    except RuntimeError:
        logger.warning("nobody waits for a write any more: the event loop is closed")


def _nothing(_: sqlite3.Connection) -> None:
    return None


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "temp_store = MEMORY",
        "journal_size_limit = 67108864",
    ):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _check_form(connection: sqlite3.Connection, path: Path) -> None:
    (form,) = connection.execute("PRAGMA user_version").fetchone()
    if form > _FORM:
        raise DatabaseTooNew(f"{path} has form {form}, this release knows {_FORM}: start the later release again")
    connection.execute(f"PRAGMA user_version = {_FORM}")


def _lock(path: Path) -> int:
    """Holds an advisory lock for the life of the process: two writers would give the same sequence twice."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    handle = os.open(path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise DatabaseTaken(
            f"{path.parent} is used by another adapter process: give each instance its own data directory"
        ) from None
    return handle
