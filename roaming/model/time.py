"""Time: aware UTC inside, RFC 3339 outside, and a clock that tests can hold."""

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from; handed down from the top so that tests can hold it."""

    def now(self) -> datetime:
        """The present, aware, UTC."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


def parse_timestamp(text: str) -> datetime:
    """A time as partners write it: any RFC 3339 offset, or none (which is UTC), any fraction.

    Raises ``ValueError`` when ``text`` is no time. (OCPI 2.2.1 types section 16.6; ambiguity: zone left out.)
    """
    value = datetime.fromisoformat(text.strip())
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def format_timestamp(value: datetime, *, is_fraction_allowed: bool = True) -> str:
    """``2026-11-23T10:00:00Z``, with three digits of fraction when there is one. Raises for naive times."""
    if value.tzinfo is None:
        raise ValueError("a time without zone cannot be sent")
    value = value.astimezone(UTC)
    milliseconds = value.microsecond // 1000
    text = value.strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{milliseconds:03d}Z" if milliseconds and is_fraction_allowed else f"{text}Z"


def next_update(previous: datetime | None, now: datetime) -> datetime:
    """A ``last_updated`` that is later than the one before, in whole milliseconds as the wire has them."""
    moment = now.replace(microsecond=now.microsecond // 1000 * 1000)
    return moment if previous is None or moment > previous else previous + timedelta(milliseconds=1)
