"""Months in which charges end, in UTC. Pure."""

import re
from datetime import UTC, datetime

_MONTH = re.compile(r"(\d{4})-(\d{2})\Z", re.ASCII)


def month_of(moment: datetime) -> str:
    """``2026-10``."""
    return f"{moment.astimezone(UTC):%Y-%m}"


def bounds_of(month: str) -> tuple[datetime, datetime]:
    """The first moment of a month and the first after it. Raises ``ValueError`` for what is no month.

    >>> [str(each.date()) for each in bounds_of("2026-12")]
    ['2026-12-01', '2027-01-01']
    """
    found = _MONTH.match(month.strip())
    if found is None or not 1 <= int(found[2]) <= 12 or not 1 <= int(found[1]) < 9999:
        raise ValueError(f"{month!r} is no month: write it as 2026-10")
    year, number = int(found[1]), int(found[2])
    return datetime(year, number, 1, tzinfo=UTC), datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC)


def percent_of(month: str, moment: datetime) -> int:
    """How much of a month is over at this moment: 0 to 100.

    >>> percent_of("2026-11", datetime(2026, 11, 16, tzinfo=UTC))
    50
    """
    since, until = bounds_of(month)
    return max(0, min(100, int(100 * (moment - since) / (until - since))))
