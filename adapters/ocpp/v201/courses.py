"""The courses of transactions on the adapter's own disk (``state``)."""

import sqlite3
from datetime import datetime
from typing import Final

import msgspec

from adapters.ocpp.v201.course import MARK, Course

MOST_OPEN: Final = 64
"""At one station: of more, those heard of longest ago have lost their end."""


class Courses:
    """For the event loop's thread; no call waits for the disk. Raises ``sqlite3.Error`` when the file refuses."""

    def __init__(self, state: sqlite3.Connection) -> None:
        self._state = state
        self._open: dict[str, dict[str, Course]] = {}

    def find(self, station_id: str, transaction_id: str) -> Course | None:
        """A transaction of this station. Other stations' ids mean nothing here."""
        known = self._open_at(station_id).get(transaction_id)
        if known is not None:
            return known
        row = self._state.execute(
            "SELECT course FROM courses WHERE station_id = ? AND transaction_id = ?", (station_id, transaction_id)
        ).fetchone()
        return None if row is None else _course(row[0])

    def find_told(self, station_id: str, told_id: str) -> Course | None:
        """The same by the id that the service knows."""
        found = self.find(station_id, told_id) or self.find(station_id, told_id.rpartition(MARK)[0])
        return found if found is not None and found.told_id == told_id else None

    def save(self, station_id: str, course: Course, *, now: datetime) -> None:
        """As it is now."""
        self._state.execute(
            "INSERT OR REPLACE INTO courses VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                station_id,
                course.transaction_id,
                course.place,
                course.command_id,
                course.ended_at is not None,
                course.is_told,
                now.isoformat(),
                msgspec.json.encode(course).decode(),
            ),
        )
        opened = self._open_at(station_id)
        if course.ended_at is None:
            opened[course.transaction_id] = course
            if len(opened) > MOST_OPEN:
                self._give_up(station_id, min(opened.values(), key=lambda known: known.heard_at))
        else:
            opened.pop(course.transaction_id, None)

    def running_at(self, station_id: str, place: int) -> Course | None:
        """The transaction that was heard of last on a connector, if it has not ended."""
        there = [course for course in self._open_at(station_id).values() if course.place == place]
        return max(there, key=lambda course: course.heard_at, default=None)

    def has_led(self, station_id: str, command_id: str) -> bool:
        """Whether a remote start has led to a transaction."""
        statement = "SELECT 1 FROM courses WHERE station_id = ? AND command_id = ?"
        return self._state.execute(statement, (station_id, command_id)).fetchone() is not None

    def _give_up(self, station_id: str, course: Course) -> None:
        """Not open any more for what is asked about a connector; its end may still come."""
        self._open_at(station_id).pop(course.transaction_id, None)
        self._state.execute(
            "UPDATE courses SET is_over = 1, is_told = 1 WHERE station_id = ? AND transaction_id = ?",
            (station_id, course.transaction_id),
        )

    def forget_station(self, station_id: str) -> None:
        """It is not connected here any more; its rows stay."""
        self._open.pop(station_id, None)

    def _open_at(self, station_id: str) -> dict[str, Course]:
        """What is open at the station. Read once per connection."""
        found = self._open.get(station_id)
        if found is None:
            rows = self._state.execute("SELECT course FROM courses WHERE station_id = ? AND NOT is_over", (station_id,))
            read = map(_course, (row[0] for row in rows))
            found = self._open[station_id] = {course.transaction_id: course for course in read}
        return found

    def untold(self, *, before: datetime) -> list[tuple[str, Course]]:
        """Stations and transactions that ended before ``before`` and whose start the service has not heard of."""
        rows = self._state.execute(
            "SELECT station_id, course FROM courses WHERE is_over AND NOT is_told AND changed_at < ? LIMIT 100",
            (before.isoformat(),),
        )
        return [(row[0], _course(row[1])) for row in rows]


def _course(text: str) -> Course:
    return msgspec.json.decode(text, type=Course)
