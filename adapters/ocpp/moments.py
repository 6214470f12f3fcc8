"""What time a station means. Pure, save that ``StationClock`` remembers how far one station's clock is off."""

from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

EARLIEST: Final = datetime(2015, 1, 1, tzinfo=UTC)
"""OCPP 1.6 is of 2015: what is older was written by a clock that had not been set."""
LATEST_AHEAD: Final = timedelta(hours=26)
"""Further in the future no time zone can explain it."""
QUARTER: Final = timedelta(minutes=15)
SLACK: Final = timedelta(seconds=90)
LONGEST_BURST: Final = timedelta(minutes=2)


class Moment(msgspec.Struct, frozen=True):
    """A point in time in UTC. ``is_clock_set`` is false when the station's word was unusable and the time of
    arrival stands in for it."""

    at: datetime
    is_clock_set: bool = True


def parse(text: str | None) -> datetime | None:
    """The time in ``text``: ISO 8601 and its near relatives, without zone taken as UTC; ``None`` for anything
    else."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        try:
            found = datetime.fromisoformat(text.strip().upper().replace("/", "-").replace(" Z", "Z"))
        except ValueError:
            return None
    try:
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except OverflowError:
        return None


def has_zone(text: str) -> bool:
    """Whether a time says where it is from.

    >>> has_zone("2026-11-23T10:00:00Z"), has_zone("2026-11-23T10:00:00+03"), has_zone("2026-11-23T10:00:00.5")
    (True, True, False)
    """
    clock = text.upper().partition("T")[2] or text
    return any(mark in clock for mark in "Z+-")


def moment(text: str | None, *, received_at: datetime, offset: timedelta = timedelta(0)) -> Moment:
    """What ``text`` means on a station whose clock is ``offset`` ahead of ours. Nothing has happened later than
    ``received_at``.

    >>> moment("1970-01-01T00:00:12Z", received_at=datetime(2026, 11, 23, tzinfo=UTC)).is_clock_set
    False
    """
    found = parse(text)
    if found is None or found < EARLIEST or found > received_at + LATEST_AHEAD:
        return Moment(received_at, is_clock_set=found is None and not text)
    return Moment(min(found - offset, received_at))


def from_time(at: datetime) -> str:
    """UTC with ``Z`` and milliseconds: what stations of all makes can read."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


class StationClock:
    """Finds a clock that shows local time and calls it UTC: a constant offset of whole quarter hours on messages
    that come as things happen. Never corrects less than that, and nothing on a first sight."""

    __slots__ = ("_seen", "offset")

    def __init__(self) -> None:
        self.offset = timedelta(0)
        self._seen: list[tuple[timedelta, datetime]] = []

    def observe(self, text: str | None, *, received_at: datetime) -> None:
        """Looks at the timestamp of a message that stations do not queue, such as a status."""
        found = parse(text)
        if found is None or found < EARLIEST or abs(found - received_at) > LATEST_AHEAD:
            return
        difference = found - received_at
        quarters = QUARTER * round(difference / QUARTER)
        if abs(difference - quarters) > SLACK:
            self._seen.clear()
            return
        self._seen = [*self._seen[-4:], (quarters, received_at)]
        if self._is_certain(quarters):
            self.offset = quarters

    def _is_certain(self, quarters: timedelta) -> bool:
        """A burst of late messages looks like a slow clock, so that takes more of them, and over some time; nothing
        but a fast clock looks like a fast clock."""
        is_fast = quarters >= timedelta(0)
        seen = self._seen[-3 if is_fast else -5 :]
        if len(seen) < (3 if is_fast else 5) or any(other != quarters for other, _ in seen):
            return False
        return is_fast or seen[-1][1] - seen[0][1] > LONGEST_BURST
