"""Times that stations write."""

from datetime import UTC, datetime, timedelta

import pytest

from adapters.ocpp.moments import StationClock, moment, parse

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-23T10:00:00Z", datetime(2026, 11, 23, 10, tzinfo=UTC)),
        ("2026-11-23T10:00:00.123Z", datetime(2026, 11, 23, 10, 0, 0, 123000, tzinfo=UTC)),
        ("2026-11-23T10:00:00.1234567Z", datetime(2026, 11, 23, 10, 0, 0, 123456, tzinfo=UTC)),
        ("2026-11-23T10:00:00", datetime(2026, 11, 23, 10, tzinfo=UTC)),
        ("2026-11-23 10:00:00", datetime(2026, 11, 23, 10, tzinfo=UTC)),
        ("2026/11/23 10:00:00", datetime(2026, 11, 23, 10, tzinfo=UTC)),
        ("2026-11-23T10:00:00+03", datetime(2026, 11, 23, 7, tzinfo=UTC)),
        ("2026-11-23T10:00:00+01:00", datetime(2026, 11, 23, 9, tzinfo=UTC)),
        ("2026-11-23t10:00:00z", datetime(2026, 11, 23, 10, tzinfo=UTC)),
        (" 2026-11-23T10:00:00 Z", datetime(2026, 11, 23, 10, tzinfo=UTC)),
        ("9999-12-31T23:59:59-12:00", None),
        ("222222017-01-01T00:00:00Z", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_parse(text: str | None, expected: datetime | None) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize("text", ["1970-01-01T00:00:12Z", "9998-01-01T00:00:00Z", "garbage", "2026-11-25T12:00:00Z"])
def test_a_clock_that_is_not_set(text: str) -> None:
    found = moment(text, received_at=NOW)
    assert found.at == NOW
    assert not found.is_clock_set


def test_no_time_is_no_lie() -> None:
    assert moment(None, received_at=NOW).is_clock_set
    assert moment("", received_at=NOW).at == NOW


def test_nothing_happens_in_the_future() -> None:
    assert moment("2026-11-23T12:00:05Z", received_at=NOW).at == NOW
    assert moment("2026-11-22T12:00:05Z", received_at=NOW).at == datetime(2026, 11, 22, 12, 0, 5, tzinfo=UTC)


def _observe(clock: StationClock, *offsets: float, every: float = 60) -> timedelta:
    for number, hours in enumerate(offsets):
        at = NOW + timedelta(seconds=number * every)
        clock.observe((at + timedelta(hours=hours)).isoformat(), received_at=at)
    return clock.offset


def test_local_time_called_utc_is_found() -> None:
    assert _observe(StationClock(), 2, 2) == timedelta(0), "not on second sight"
    assert _observe(StationClock(), 2, 2, 2) == timedelta(hours=2)
    assert _observe(StationClock(), 5.75, 5.75, 5.75) == timedelta(hours=5.75)
    assert _observe(StationClock(), -5, -5, -5, -5, -5) == timedelta(hours=-5)


def test_a_late_burst_is_not_taken_for_a_slow_clock() -> None:
    assert _observe(StationClock(), -1, -1, -1, -1, -1, every=1) == timedelta(0)
    assert _observe(StationClock(), -1, -0.9, -0.7, -0.6, -0.3, -0.1) == timedelta(0)
    assert _observe(StationClock(), 0.01, 0.02, 0.01, 0.02, 0.01) == timedelta(0)


def test_a_clock_that_was_put_right_is_found_too() -> None:
    clock = StationClock()
    _observe(clock, 1, 1, 1)
    assert _observe(clock, 0, 0, 0) == timedelta(0)


def test_the_offset_is_taken_off() -> None:
    found = moment("2026-11-23T12:30:00Z", received_at=NOW, offset=timedelta(hours=1))
    assert found.at == datetime(2026, 11, 23, 11, 30, tzinfo=UTC)
