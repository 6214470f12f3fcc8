"""Who of several processes does a thing that only one may do: relaying the outbox, delivering to one partner.

A lock lives as long as its holder's connection: when the process is killed, PostgreSQL frees it at once and
another takes over. On SQLite there is one process and every lock is granted.
"""

import asyncio
import hashlib
from typing import Any, Protocol

import asyncpg

from roaming.store.database import Database


class Locks(Protocol):
    """Named locks of this process."""

    async def try_acquire(self, name: str) -> bool:
        """True when this process holds ``name`` now; asking again for a held one checks that it still is."""

    async def release(self, name: str) -> None:
        """Gives ``name`` back."""

    async def close(self) -> None:
        """Gives everything back."""


class ProcessLocks:
    """For SQLite: this process is alone."""

    async def try_acquire(self, name: str) -> bool:
        return True

    async def release(self, name: str) -> None:
        """Nothing is held."""

    async def close(self) -> None:
        """Nothing is held."""


class AdvisoryLocks:
    """PostgreSQL session locks on one connection of their own."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: asyncpg.Connection[Any] | None = None
        self._held: set[str] = set()
        self._busy = asyncio.Lock()

    async def try_acquire(self, name: str) -> bool:
        async with self._busy:
            try:
                if self._connection is None or self._connection.is_closed():
                    self._held.clear()
                    self._connection = await asyncpg.connect(self._dsn, timeout=3, command_timeout=5)
                if name in self._held:
                    return True
                granted = await self._connection.fetchval("SELECT pg_try_advisory_lock($1)", _number(name))
                if granted:
                    self._held.add(name)
                return bool(granted)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
                self._held.clear()
                self._connection = None
                return False

    async def release(self, name: str) -> None:
        async with self._busy:
            if name in self._held and self._connection is not None and not self._connection.is_closed():
                self._held.discard(name)
                try:
                    await self._connection.execute("SELECT pg_advisory_unlock($1)", _number(name))
                except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
                    self._connection = None

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None


def locks_of(database: Database) -> Locks:
    """The locks that fit ``database``."""
    if database.is_sqlite:
        return ProcessLocks()
    return AdvisoryLocks(database.url.set(drivername="postgresql").render_as_string(hide_password=False))


def _number(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)
