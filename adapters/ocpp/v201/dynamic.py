"""The limits of dynamic charging profiles (OCPP 2.1 part 2, K28): the last that a station took, so that it is told it
when it asks by itself. On the adapter's own disk (``state``)."""

import sqlite3
from collections.abc import Callable
from datetime import datetime


class DynamicLimits:
    """For the event loop's thread. Raises ``sqlite3.Error`` when the file refuses."""

    def __init__(self, state: sqlite3.Connection, *, now: Callable[[], datetime]) -> None:
        self._state = state
        self._now = now

    def put(self, station_id: str, profile_id: int, limit: float) -> None:
        """The limit as the station was told it."""
        row = (station_id, profile_id, limit, self._now().isoformat())
        self._state.execute("INSERT OR REPLACE INTO dynamic_limits VALUES (?, ?, ?, ?)", row)

    def find(self, station_id: str, profile_id: int) -> float | None:
        """``None`` for a profile that nobody has set, or one that is not dynamic. Asking keeps it."""
        key = (station_id, profile_id)
        found = self._state.execute(
            "UPDATE dynamic_limits SET used_at = ? WHERE station_id = ? AND profile_id = ? RETURNING lim",
            (self._now().isoformat(), *key),
        ).fetchone()
        return None if found is None else float(found[0])

    def forget(self, station_id: str, profile_id: int | None) -> None:
        """It was cleared, or replaced by one that is not dynamic; ``None``: all of the station."""
        where, key = "station_id = ?", [station_id, *([] if profile_id is None else [profile_id])]
        if profile_id is not None:
            where += " AND profile_id = ?"
        self._state.execute(f"DELETE FROM dynamic_limits WHERE {where}", key)  # noqa: S608
