"""Who of several processes does a thing that only one may do: relaying the outbox, delivering to one partner.

A lock lives as long as its holder's connection: when the process is killed, PostgreSQL frees it at once and
another takes over. On SQLite there is one process and every lock is granted.
"""

import asyncio
import hashlib
import time
from typing import Any, Protocol

import asyncpg

from roaming.store.database import Database
from roaming.store.engine import COMMAND_SECONDS, CONNECT_SECONDS, DRIVER_ERRORS, plain_dsn


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

    VERIFIED_SECONDS = 0.5
    """How long an answer of the server is believed: a connection may be lost without our noticing."""
    RETRY_SECONDS = 0.5
    """After a failure nobody asks again for so long: those who queue must not wait for one time-out after another."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: asyncpg.Connection[Any] | None = None
        self._held: set[str] = set()
        self._busy = asyncio.Lock()
        self._verified_at = 0.0
        self._failed_at = -self.RETRY_SECONDS

    async def try_acquire(self, name: str) -> bool:
        async with self._busy:
            if time.monotonic() - self._failed_at < self.RETRY_SECONDS:
                return False
            try:
                connection = await self._connect()
                if name in self._held:
                    await self._verify(connection)
                    return True
                granted = await connection.fetchval("SELECT pg_try_advisory_lock($1)", _number(name))
            except DRIVER_ERRORS:
                self._forget()
                self._failed_at = time.monotonic()
                return False
            self._verified_at = time.monotonic()
            if granted:
                self._held.add(name)
            return bool(granted)

    async def release(self, name: str) -> None:
        async with self._busy:
            if name not in self._held or self._connection is None:
                return
            self._held.discard(name)
            try:
                await self._connection.execute("SELECT pg_advisory_unlock($1)", _number(name))
            except DRIVER_ERRORS:
                self._forget()

    async def close(self) -> None:
        self._forget()

    async def _connect(self) -> "asyncpg.Connection[Any]":
        if self._connection is None or self._connection.is_closed():
            self._forget()
            self._connection = await asyncpg.connect(
                self._dsn, timeout=CONNECT_SECONDS, command_timeout=COMMAND_SECONDS
            )
        return self._connection

    async def _verify(self, connection: "asyncpg.Connection[Any]") -> None:
        if time.monotonic() - self._verified_at > self.VERIFIED_SECONDS:
            await connection.execute("SELECT 1")
            self._verified_at = time.monotonic()

    def _forget(self) -> None:
        self._held.clear()
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None


def locks_of(database: Database) -> Locks:
    """The locks that fit ``database``."""
    if database.is_sqlite:
        return ProcessLocks()
    return AdvisoryLocks(plain_dsn(database.url))


def _number(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)
