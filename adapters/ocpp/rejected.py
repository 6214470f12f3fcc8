"""Frames about transactions that could not be understood, as they came, so that a person can. Bounded."""

import sqlite3
from datetime import datetime
from typing import Final

KEPT: Final = 1000
LONGEST: Final = 64 * 1024


class RejectedFrames:
    """The newest thousand, cut to 64 KiB each. Holds personal data: not for logs."""

    def __init__(self, state: sqlite3.Connection) -> None:
        self._state = state
        self.count = 0
        """Since the start of this process."""

    def keep(self, station_id: str, raw: bytes, *, reason: str, at: datetime) -> None:
        """Raises ``sqlite3.Error`` when the file refuses."""
        self.count += 1
        cursor = self._state.execute(
            "INSERT INTO rejected_frames (station_id, received_at, reason, frame) VALUES (?, ?, ?, ?)",
            (station_id, at.isoformat(), reason[:500], raw[:LONGEST]),
        )
        self._state.execute("DELETE FROM rejected_frames WHERE number <= ?", ((cursor.lastrowid or 0) - KEPT,))

    def of(self, station_id: str) -> list[tuple[str, bytes]]:
        """Reason and frame, oldest first."""
        return list(
            self._state.execute(
                "SELECT reason, frame FROM rejected_frames WHERE station_id = ? ORDER BY number", (station_id,)
            )
        )
