"""When local clocks pass given times of day: the UTC moments, on days of clock changes as well.

Knows no tariff and no session.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def local_moments(minutes: Iterable[int], start: datetime, end: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """Moments around ``start`` to ``end`` at which a local time of day begins or the clock jumps.

    ``minutes`` count from local midnight. A time that comes twice is given twice; one that is skipped gives a
    moment nearby. Some moments lie outside the range: callers filter.
    """
    wanted = sorted(minutes)
    changes = list(clock_changes(start, end, zone))
    yield from changes
    day, last = start.astimezone(zone).date(), end.astimezone(zone).date()
    while day <= last:
        for minute in wanted:
            yield _at(day, minute, zone, fold=0)
            if changes:
                yield _at(day, minute, zone, fold=1)
        day += timedelta(days=1)


def clock_changes(start: datetime, end: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """Moments between ``start`` and ``end`` at which the zone's offset changes, to the second."""
    low = start.astimezone(UTC)
    while low < end:
        high = min(low + timedelta(days=1), end.astimezone(UTC))
        if _offset(low, zone) != _offset(high, zone):
            yield _change_between(low, high, zone)
        low = high


def _at(day: date, minute: int, zone: ZoneInfo, *, fold: int) -> datetime:
    return datetime.combine(day, time(minute // 60, minute % 60, fold=fold), tzinfo=zone).astimezone(UTC)


def _offset(at: datetime, zone: ZoneInfo) -> timedelta | None:
    return at.astimezone(zone).utcoffset()


def _change_between(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    before = _offset(low, zone)
    low = low.replace(microsecond=0)
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) // 2
        middle = middle.replace(microsecond=0)
        if _offset(middle, zone) == before:
            low = middle
        else:
            high = middle
    return high
