"""Waking those who wait for work as soon as it is committed, in this process or another.

A wake-up is a hint, never the truth: whoever waits also looks on its own now and then.
"""

import asyncio
import contextlib
import time
import uuid
import weakref
from collections.abc import Iterable
from typing import Any, Protocol

import asyncpg
from sqlalchemy import URL

from roaming.store.engine import COMMAND_SECONDS, CONNECT_SECONDS, DRIVER_ERRORS, plain_dsn


class Wakeups(Protocol):
    """Named channels; see the module docstring."""

    def committed(self, channels: Iterable[str]) -> None:
        """Wakes, after a commit. Returns at once."""

    async def wait(self, channel: str, timeout: float) -> None:
        """Returns when ``channel`` was woken since this task last waited for it, or after ``timeout`` seconds."""

    async def close(self) -> None:
        """Stops listening."""


class _Channel:
    """How often a channel was woken, and up to which time each waiting task has seen it."""

    def __init__(self) -> None:
        self.generation = 0
        self._pulse = asyncio.Event()
        self._seen_by_anyone = 0
        self._seen: weakref.WeakKeyDictionary[asyncio.Task[Any], int] = weakref.WeakKeyDictionary()

    def wake(self) -> None:
        self.generation += 1
        pulse, self._pulse = self._pulse, asyncio.Event()
        pulse.set()

    async def wait(self, timeout: float) -> None:
        task = asyncio.current_task()
        assert task is not None
        if self._seen.get(task, self._seen_by_anyone) >= self.generation:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._pulse.wait()
        self._seen[task] = self._seen_by_anyone = self.generation


class InProcessWakeups:
    """For SQLite: everybody is in this process."""

    def __init__(self) -> None:
        self._channels: dict[str, _Channel] = {}

    def _channel(self, name: str) -> _Channel:
        return self._channels.setdefault(name, _Channel())

    def committed(self, channels: Iterable[str]) -> None:
        for name in channels:
            self._channel(name).wake()

    async def wait(self, channel: str, timeout: float) -> None:
        await self._channel(channel).wait(timeout)

    async def close(self) -> None:
        """Nothing is held."""


class PostgresqlWakeups(InProcessWakeups):
    """LISTEN and NOTIFY on one connection of its own.

    Notifying after the commit and beside it keeps NOTIFY's lock, which lets only one transaction commit at a time,
    off the way of the work. When the connection is gone, waiting goes on by looking.
    """

    PREFIX = "roaming_"
    RETRY_SECONDS = 1.0

    def __init__(self, url: URL) -> None:
        super().__init__()
        self._dsn = plain_dsn(url)
        self._me = uuid.uuid4().hex
        self._connection: asyncpg.Connection[Any] | None = None
        self._listening: set[str] = set()
        self._wanted: set[str] = set()
        self._unsaid: set[str] = set()
        self._work = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def committed(self, channels: Iterable[str]) -> None:
        channels = list(channels)
        super().committed(channels)
        if channels:
            self._unsaid.update(channels)
            self._stir()

    async def wait(self, channel: str, timeout: float) -> None:
        if channel not in self._wanted or self._is_gone():
            self._wanted.add(channel)
            self._stir()
        await super().wait(channel, timeout)

    def _is_gone(self) -> bool:
        return self._connection is None or self._connection.is_closed()

    def _stir(self) -> None:
        self._work.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="wakeups")

    async def _run(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            started = time.monotonic()
            try:
                await self._listen()
                await self._notify()
            except DRIVER_ERRORS:
                if self._connection is not None:
                    self._connection.terminate()
                self._connection = None
                self._unsaid.clear()
                await asyncio.sleep(max(0.0, self.RETRY_SECONDS - (time.monotonic() - started)))

    async def _listen(self) -> None:
        if self._is_gone():
            self._listening.clear()
            self._connection = await asyncpg.connect(
                self._dsn, timeout=CONNECT_SECONDS, command_timeout=COMMAND_SECONDS
            )
        assert self._connection is not None
        for channel in sorted(self._wanted - self._listening):
            await self._connection.add_listener(f"{self.PREFIX}{channel}", self._on_notify)
            self._listening.add(channel)
            super().committed([channel])  # what was said before we listened was not heard

    async def _notify(self) -> None:
        channels, self._unsaid = self._unsaid, set()
        if channels and self._connection is not None:
            names = [f"{self.PREFIX}{channel}" for channel in sorted(channels)]
            await self._connection.execute("SELECT pg_notify(name, $2) FROM unnest($1::text[]) name", names, self._me)

    def _on_notify(self, _connection: Any, _pid: int, channel: str, payload: object) -> None:
        if payload != self._me:
            super().committed([channel.removeprefix(self.PREFIX)])

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
