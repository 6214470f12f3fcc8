"""Epochs of connections: which one of a station is the current, over restarts and instances."""

import sqlite3
from collections.abc import Callable
from datetime import datetime
from functools import partial

from adapters.kit.database import Database

_TABLE = """CREATE TABLE IF NOT EXISTS connections (
    station_id TEXT PRIMARY KEY, epoch INTEGER NOT NULL) WITHOUT ROWID"""


class Epochs:
    """Implements ``Connections``: milliseconds since 1970, and never less than one above the last.

    Between instances the clocks decide; they must agree to less than the time a station needs to reconnect.
    """

    def __init__(self, database: Database, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def start(self) -> None:
        """Makes the table where it is missing."""
        await self._database.write(_create)

    async def claim(self, station_id: str) -> int:
        """See ``Connections.claim``."""
        milliseconds = int(self._now().timestamp() * 1000)
        return await self._database.write(partial(_claim, station_id, milliseconds))


def _create(connection: sqlite3.Connection) -> None:
    connection.execute(_TABLE)


def _claim(station_id: str, milliseconds: int, connection: sqlite3.Connection) -> int:
    (epoch,) = connection.execute(
        "INSERT INTO connections VALUES (?, ?)"
        " ON CONFLICT DO UPDATE SET epoch = max(excluded.epoch, epoch + 1) RETURNING epoch",
        (station_id, milliseconds),
    ).fetchone()
    return int(epoch)
