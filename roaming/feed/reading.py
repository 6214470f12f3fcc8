"""Following the list of events by number: whoever has read up to one has missed nothing below it."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any

from roaming.feed.kinds import fits
from roaming.feed.telling import written
from roaming.store.database import Database
from roaming.store.reader import Reader

PAGE = 200
STRIDE = 20_000
"""Numbers that one statement goes through: of a reader with few events among many, who was away for long, it would
take longer than any may."""
LOOK_EVERY = 10.0
"""Seconds until somebody who waits is told that nothing has happened."""
_READ = (
    "SELECT number, id, kind, at, parties, body FROM events"
    " WHERE number > $1 AND number <= $2 AND ($3 = '' OR parties LIKE $4) ORDER BY number LIMIT $5"
)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """Which events somebody follows."""

    party: str = ""
    """Only events of this one; empty: all."""
    patterns: tuple[str, ...] = ()
    """See ``kinds.fits``."""


Numbered = tuple[int, dict[str, Any]]
"""An event as ``telling.written`` writes it, and its number."""


async def newest(reader: Reader) -> int:
    """The number of the last event; 0 when there is none. Raises ``StoreUnavailable``, as the others do."""
    rows = await reader.fetch("SELECT MAX(number) FROM events")
    return int(rows[0][0] or 0)


async def is_kept(reader: Reader, number: int) -> bool:
    """Whether all that came after ``number`` is still there; of what was removed nobody can say."""
    rows = await reader.fetch("SELECT MIN(number) FROM events WHERE number IS NOT NULL")
    return rows[0][0] is None or int(rows[0][0]) <= number


async def read_after(reader: Reader, number: int, wish: Wish, limit: int = PAGE) -> tuple[list[Numbered], int, bool]:
    """Events after ``number`` in order, up to which number was looked, and whether there may be more."""
    # Asked first: what gets its number meanwhile is left for the next time
    last = await newest(reader)
    found: list[Numbered] = []
    looked = 0
    while number < last and looked < limit:
        upto = min(last, number + STRIDE)
        rows = await reader.fetch(_READ, number, upto, wish.party, f"% {wish.party} %", limit - looked)
        found += [(int(row[0]), written(*row[1:])) for row in rows if fits(wish.patterns, row[2])]
        looked += len(rows)
        # Whoever has few events of their own does not go through those of all others again each time
        number = int(rows[-1][0]) if looked == limit else upto
    return found, number, looked == limit


async def follow(database: Database, number: int, wish: Wish) -> AsyncGenerator[Sequence[Numbered], None]:
    """Events after ``number`` as they come, some at a time; none where there was nothing for ``LOOK_EVERY``. Raises
    ``StoreUnavailable``."""
    while True:
        found, number, has_more = await read_after(database.reader, number, wish)
        if found:
            yield found
        if not has_more:
            await database.wakeups.wait("numbered_events", LOOK_EVERY)
            if not found:
                yield []
