"""Moments as people write them: how long ago, or a time. Pure."""

import re
from datetime import UTC, datetime, timedelta

_AGO = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def moment_of(text: str, now: datetime) -> datetime:
    """The time in ``text``. Raises ``ValueError``, saying how it is written.

    >>> moment_of("90m", datetime(2026, 11, 29, 12, tzinfo=UTC)).isoformat()
    '2026-11-29T10:30:00+00:00'
    """
    ago = _AGO.fullmatch(text)
    try:
        if ago is not None:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        at = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise ValueError(f"{text}: write such as 10m, 2h, 3d, or 2026-11-29T12:00Z") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
