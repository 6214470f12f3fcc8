"""Which stations were connected when the process died, so that their absence can be told."""

import sqlite3


class Presence:
    """For the event loop's thread; no call waits for the disk."""

    def __init__(self, state: sqlite3.Connection) -> None:
        self._state = state

    def came(self, station_id: str, epoch: int) -> None:
        """Its connection is the current one."""
        self._state.execute("INSERT OR REPLACE INTO connected VALUES (?, ?)", (station_id, epoch))

    def went(self, station_id: str, epoch: int) -> None:
        """That connection is over, and it was told."""
        self._state.execute("DELETE FROM connected WHERE station_id = ? AND epoch = ?", (station_id, epoch))

    def left_over(self) -> list[tuple[str, int]]:
        """Station and epoch of connections whose end nobody has told."""
        return list(self._state.execute("SELECT station_id, epoch FROM connected"))
