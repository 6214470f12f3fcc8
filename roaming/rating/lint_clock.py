"""Windows of local time that do not come, or come twice, on the days when a zone changes its clocks."""

from collections.abc import Iterator
from datetime import UTC, date, timedelta
from typing import Final

from roaming.model.tariff import DayOfWeek, Tariff, TariffRestrictions
from roaming.rating.boundaries import clock_changes
from roaming.rating.engine import zone_of

_LOOK_AHEAD: Final = timedelta(days=370)


def lost_windows(tariff: Tariff, time_zone: str) -> Iterator[tuple[int, str]]:
    """The element's index, and what happens to its window, in the year after the tariff was last updated.

    Raises ``RatingError`` for an unknown zone.
    """
    zone = zone_of(time_zone)
    since = tariff.last_updated.astimezone(UTC)
    for change in clock_changes(since, since + _LOOK_AHEAD, zone):
        before = (change - timedelta(seconds=1)).astimezone(zone)
        after = change.astimezone(zone)
        # What the clock shows just before the change, and what it shows then.
        shown, then = before.hour * 60 + before.minute + 1, after.hour * 60 + after.minute
        day = f"{after:%Y-%m-%d}"
        for index, element in enumerate(tariff.elements):
            r = element.restrictions
            if r is None or r.start_time is None or r.end_time is None or not _may_hold_on(after.date(), r):
                continue
            start, end = _minute(r.start_time), _minute(r.end_time)
            window = f"{r.start_time} to {r.end_time}"
            if shown <= start < end <= then:
                yield index, f"{window} does not come on {day}, when clocks go from {_text(shown)} to {_text(then)}"
            elif then < shown and then <= start < end <= shown:
                yield index, f"{window} comes twice on {day}, when clocks go back to {_text(then)}"


def _may_hold_on(day: date, r: TariffRestrictions) -> bool:
    return (r.start_date or "") <= day.isoformat() < (r.end_date or "9999") and (
        not r.day_of_week or list(DayOfWeek)[day.weekday()] in r.day_of_week
    )


def _minute(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


def _text(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
