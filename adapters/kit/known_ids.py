"""Which facts were recorded before: millions of ids on disk, at the cost of a few.

Ids are digests and would each dirty another page of one large index. So the latest are appended to a table and held
in memory, and now and then they go into the index in its own order, many to a page.
"""

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import aclosing
from functools import lru_cache, partial
from hashlib import blake2b
from typing import Any, TypeVar

from adapters.kit.database import Database

T = TypeVar("T")

_TABLES = (
    "CREATE TABLE IF NOT EXISTS known_ids (key INTEGER PRIMARY KEY, forget_after INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS known_lately (place INTEGER PRIMARY KEY, key INTEGER NOT NULL, forget_after INTEGER)",
)
_LONGEST_SHARE = 128
_STEP = 16
_KEYS = 2**63
_SLICE = 512
CHUNKS = 256
"""Parts in which old ids are dropped."""


def key_of(id: str) -> int:
    """63 bits of the id's digest. Among five million remembered ids the chance that a new fact is taken for a repeat
    is below one in a million million."""
    return int.from_bytes(blake2b(id.encode(), digest_size=8).digest(), "big") >> 1


def shares(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cuts for statements of many rows: one per share costs a tenth of one per row, since each lets go of the
    interpreter's lock several times. Two dozen lengths, so that each is compiled once, and mostly two shares."""
    start = 0
    while (left := len(items) - start) > 0:
        length = min(left - left % _STEP, _LONGEST_SHARE) or left
        yield items[start : start + length]
        start += length


Statement = tuple[str, Sequence[Any]]
"""And its values."""


@lru_cache(maxsize=256)
def _insertion(length: int) -> str:
    return f"INSERT INTO known_lately (key, forget_after) VALUES {','.join(['(?,?)'] * length)}"  # noqa: S608


class KnownIds:
    """``on_disk`` runs in the writer thread inside the spool's transaction, the rest in the event loop: in that thread
    every step may have to wait for the interpreter's lock."""

    def __init__(self, database: Database, *, merge_at: int = 100_000) -> None:
        """``merge_at``: how many are held in memory before they go into the index."""
        self._database = database
        self._merge_at = merge_at
        self._lately: set[int] = set()
        self._merging: set[int] = set()

    async def start(self) -> None:
        """Makes the tables where they are missing and loads the latest ids."""
        await self._database.write(_create)
        self._lately = {key for (key,) in self._database.fetch("SELECT key FROM known_lately")}

    def known_lately(self, keys: Sequence[int]) -> set[int]:
        """Those that were kept before, and are not in the index for certain: ask ``on_disk`` for the others."""
        lately, merging = self._lately, self._merging
        return {key for key in keys if key in lately or key in merging}

    def on_disk(self, keys: Sequence[int], connection: sqlite3.Connection) -> set[int]:
        """Those that are in the index."""
        found: set[int] = set()
        sought = list(keys)
        sought += sought[-1:] * (-len(sought) % _STEP)  # the same key twice does no harm, and makes one share of two
        for share in shares(sought):
            marks = ",".join("?" * len(share))
            rows = connection.execute(f"SELECT key FROM known_ids WHERE key IN ({marks})", share)  # noqa: S608
            found.update(key for (key,) in rows)
        return found

    def keep(self, rows: Sequence[tuple[int, int]]) -> Iterator[Statement]:
        """What remembers keys, each until the hour beside it. Call ``kept`` after the commit."""
        for share in shares(rows):
            yield _insertion(len(share)), [value for row in share for value in row]

    def kept(self, keys: Collection[int]) -> bool:
        """The transaction with these keys was committed. Returns whether a merge is due."""
        self._lately.update(keys)
        return len(self._lately) >= self._merge_at

    async def merge(self) -> None:
        """Moves the latest ids into the index, in slices, between other writes. Raises ``sqlite3.Error``; then
        nothing is forgotten and the next merge does it."""
        ((last,),) = self._database.fetch("SELECT coalesce(max(place), 0) FROM known_lately")
        self._merging = self._lately
        self._lately = set()
        try:
            statement = "SELECT key, forget_after FROM known_lately WHERE place <= ? ORDER BY key"
            async with aclosing(self._database.scan(statement, (last,), size=_SLICE)) as slices:
                async for rows in slices:
                    await self._database.write(partial(_merge_slice, rows))
            await self._database.write(partial(_drop_merged, last))
        except BaseException:
            self._lately |= self._merging
            raise
        finally:
            self._merging = set()

    async def forget(self, chunk: int, hour: int) -> int:
        """Drops ids of the part ``chunk`` that are past ``hour``. Returns how many of the part remain."""
        size = _KEYS // CHUNKS
        return await self._database.write(partial(_forget, chunk * size, (chunk + 1) * size - 1, hour))


def _create(connection: sqlite3.Connection) -> None:
    for table in _TABLES:
        connection.execute(table)


def _merge_slice(rows: list[tuple[int, int]], connection: sqlite3.Connection) -> None:
    for share in shares(rows):
        marks = ",".join(["(?,?)"] * len(share))
        values = [value for row in share for value in row]
        connection.execute(f"INSERT OR REPLACE INTO known_ids VALUES {marks}", values)  # noqa: S608


def _drop_merged(last: int, connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM known_lately WHERE place <= ?", (last,))


def _forget(low: int, high: int, hour: int, connection: sqlite3.Connection) -> int:
    connection.execute("DELETE FROM known_ids WHERE key BETWEEN ? AND ? AND forget_after < ?", (low, high, hour))
    (remaining,) = connection.execute(
        "SELECT count(*) FROM known_ids WHERE key BETWEEN ? AND ?", (low, high)
    ).fetchone()
    return int(remaining)
