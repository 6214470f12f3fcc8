"""What is doubtful is said, and nothing else."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from roaming.modules.sessions.course import Course, End, Start
from roaming.modules.sessions.doubting import doubts_of

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
Reading = tuple[int, int, int | None]


def charge(start: int, end: int, *readings: Reading) -> Course:
    """Of an hour: Wh at its ends, and (minute, Wh, W)."""
    return Course(
        start=Start(connector_id=1, token_uid="T", at=NOON, register_wh=Decimal(start), authorization="ACCEPTED"),
        end=End(at=NOON + timedelta(hours=1), register_wh=Decimal(end), reason="DRIVER"),
        readings=tuple(
            (NOON + timedelta(minutes=minute), Decimal(wh), None if watts is None else Decimal(watts))
            for minute, wh, watts in readings
        ),
    )


FELL = "the register fell from 900000 to 4000 Wh: what it rose by is billed"


@pytest.mark.parametrize(
    ("course", "doubts"),
    [
        (charge(1000, 12_000), ()),
        (charge(1000, 13_100), ()),  # a tenth above what the connector gives
        (charge(1000, 13_101), ("12.101 kWh in 1.00 h: a connector of 11 kW",)),
        (charge(1000, 11_001_000), ("11000 kWh in 1.00 h: a connector of 11 kW",)),
        (charge(900_000, 911_000, (10, 100, None), (50, 9000, None)), ()),  # its samples count from zero
        (charge(900_000, 4000), (FELL,)),
        (charge(900_000, 4000, (20, 903_000, None), (30, 0, None)), (FELL,)),
        (
            charge(1000, 1011, (5, 1001, 11_000)),
            ("by its power 10.083 kWh have flowed, by its register 0.011: kWh for Wh?",),
        ),
        (charge(1000, 1000), ()),
        (charge(1000, 6000, (5, 1500, 11_000)), ()),
    ],
)
def test_doubts(course: Course, doubts: tuple[str, ...]) -> None:
    assert doubts_of(course, 11_000) == doubts


def test_a_connector_whose_power_nobody_told_gives_any() -> None:
    assert doubts_of(charge(1000, 11_001_000), None) == ()
    assert doubts_of(charge(1000, 11_001_000), 0) == ()


def test_a_start_that_was_told_late_is_said() -> None:
    course = charge(1000, 6000)
    assert course.start is not None
    for hours, doubts in ((24, ()), (25, ("its start was told 25 h later",))):
        start = msgspec.structs.replace(course.start, recorded_at=NOON + timedelta(hours=hours))
        assert doubts_of(msgspec.structs.replace(course, start=start), 11_000) == doubts
