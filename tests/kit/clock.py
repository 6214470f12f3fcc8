"""A clock that stands still until it is told to go on."""

from datetime import UTC, datetime, timedelta


class HeldClock:
    """Call it for the time: ``clock()``, or ``clock.now()`` where a ``Clock`` is wanted."""

    def __init__(self, at: datetime | None = None) -> None:
        self.at = at or datetime(2026, 11, 23, 10, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def now(self) -> datetime:
        return self.at

    def advance(self, step: timedelta) -> None:
        self.at += step
