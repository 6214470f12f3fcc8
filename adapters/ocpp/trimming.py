"""Forgets what the state file holds and nobody needs any more: in small slices, since the event loop waits for each."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

SLICE: Final = 200
"""Rows looked at without a pause: a fraction of a millisecond."""
PAUSE: Final = 0.05
EVERY: Final = 3600.0

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What of a table is past its use. ``before``: changed or used for the last time before the time kept."""

    table: str
    key: tuple[str, ...]
    is_over: str


RULES: Final = (
    Rule(
        table="transactions",
        key=("station_id", "transaction_id"),
        is_over="state <> 'open' AND changed_at < :before",
    ),
    Rule(table="courses", key=("station_id", "transaction_id"), is_over="is_over AND changed_at < :before"),
    Rule(table="aliases", key=("alias",), is_over="used_at < :before"),
    Rule(table="reservations", key=("station_id", "number"), is_over="used_at < :before"),
    Rule(table="dynamic_limits", key=("station_id", "profile_id"), is_over="used_at < :before"),
    Rule(table="remote_starts", key=("command_id",), is_over="expires_at < :now"),
    Rule(table="authorizations", key=("station_id", "id_tag"), is_over="expires_at < :now"),
)


async def trim(state: sqlite3.Connection, *, now: datetime, kept: timedelta, pause: float = PAUSE) -> Counter[str]:
    """Goes through all tables once; returns how many rows went, by table. Raises ``sqlite3.Error``."""
    times = {"now": now.isoformat(), "before": (now - kept).isoformat()}
    gone: Counter[str] = Counter()
    for rule in RULES:
        place: tuple[Any, ...] | None = None
        while True:
            place, number = _trim_slice(state, rule, times, after=place)
            gone[rule.table] += number
            if place is None:
                break
            await asyncio.sleep(pause)
    return +gone


async def run(state: sqlite3.Connection, *, now: Callable[[], datetime], kept: timedelta) -> None:
    """Trims now and every hour, until cancelled."""
    while True:
        try:
            gone = await trim(state, now=now(), kept=kept)
        except sqlite3.Error as error:
            logger.warning("old state could not be dropped", error=str(error))
        else:
            if gone:
                logger.info("old state dropped", **gone)
        await asyncio.sleep(EVERY)


def _trim_slice(
    state: sqlite3.Connection, rule: Rule, times: dict[str, str], *, after: tuple[Any, ...] | None
) -> tuple[tuple[Any, ...] | None, int]:
    """The last key looked at (``None``: there are no more) and how many rows went."""
    # Table, columns and condition are constants of this file; values go in as parameters
    columns = ", ".join(rule.key)
    marks = ", ".join(f":key{number}" for number in range(len(rule.key)))
    start = "" if after is None else f"WHERE ({columns}) > ({marks})"
    place = {} if after is None else {f"key{number}": value for number, value in enumerate(after)}
    rows = state.execute(
        f"SELECT {columns}, {rule.is_over} FROM {rule.table} {start} ORDER BY {columns} LIMIT {SLICE}",  # noqa: S608
        times | place,
    ).fetchall()
    over = [row[:-1] for row in rows if row[-1]]
    equal = " AND ".join(f"{column} = ?" for column in rule.key)
    state.executemany(f"DELETE FROM {rule.table} WHERE {equal}", over)  # noqa: S608
    return (rows[-1][:-1] if len(rows) == SLICE else None), len(over)
