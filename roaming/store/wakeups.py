"""Waking those who wait for work as soon as it is committed, in this process or another.

A wake-up is a hint, never the truth: whoever waits also looks on its own now and then.
"""

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any, Protocol

import asyncpg
from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import AsyncConnection


class Wakeups(Protocol):
    """Named channels; see the module docstring."""

    async def announce(self, connection: AsyncConnection, channels: Iterable[str]) -> None:
        """Inside the transaction, before its commit."""

    def committed(self, channels: Iterable[str]) -> None:
        """After the commit."""

    async def wait(self, channel: str, timeout: float) -> None:
        """Returns when ``channel`` was woken since the last call, or after ``timeout`` seconds."""

    async def close(self) -> None:
        """Stops listening."""


class InProcessWakeups:
    """For SQLite: everybody is in this process."""

    def __init__(self) -> None:
        self._events: dict[str, asyncio.Event] = {}

    def _event(self, channel: str) -> asyncio.Event:
        return self._events.setdefault(channel, asyncio.Event())

    async def announce(self, connection: AsyncConnection, channels: Iterable[str]) -> None:
        """Nothing to do before the commit."""

    def committed(self, channels: Iterable[str]) -> None:
        for channel in channels:
            self._event(channel).set()

    async def wait(self, channel: str, timeout: float) -> None:
        event = self._event(channel)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), timeout)
        event.clear()

    async def close(self) -> None:
        """Nothing is held."""


class PostgresqlWakeups(InProcessWakeups):
    """NOTIFY in the transaction, LISTEN on one connection; falls back to looking when that connection is gone."""

    PREFIX = "roaming_"

    def __init__(self, url: URL) -> None:
        super().__init__()
        self._dsn = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._connection: asyncpg.Connection[Any] | None = None
        self._listening: set[str] = set()
        self._opening = asyncio.Lock()

    async def announce(self, connection: AsyncConnection, channels: Iterable[str]) -> None:
        for channel in sorted(channels):
            await connection.execute(text(f"NOTIFY {self.PREFIX}{channel}"))

    async def wait(self, channel: str, timeout: float) -> None:
        await self._listen(channel)
        await super().wait(channel, timeout)

    async def _listen(self, channel: str) -> None:
        async with self._opening:
            try:
                if self._connection is None or self._connection.is_closed():
                    self._listening.clear()
                    self._connection = await asyncpg.connect(self._dsn, timeout=3)
                if channel not in self._listening:
                    await self._connection.add_listener(f"{self.PREFIX}{channel}", self._on_notify)
                    self._listening.add(channel)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
                self._connection = None

    def _on_notify(self, _connection: Any, _pid: int, channel: str, _payload: object) -> None:
        self._event(channel.removeprefix(self.PREFIX)).set()

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
