"""Whether a charge can be true: stations call kWh Wh, their registers fall, their clocks are wrong. Pure.

Changes nothing, and must not know what was agreed: what is doubtful is billed and said in the CDR, so that people can
look at it.
"""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Final

from roaming.modules.sessions.course import Course, timeline_of
from roaming.rating.timeline import Reading

MARGIN: Final = Decimal("1.1")
"""Clocks and meters are not exact."""
FAR_OFF: Final = 20
"""How many times what the register rose by its own power may come to: a thousand where kWh are called Wh."""
LEAST_KWH: Final = Decimal("0.1")
TOLD_LATE: Final = timedelta(hours=24)
"""A station that was offline for longer may as well have a wrong clock, or play an old queue again."""
HOUR: Final = Decimal(3600)


def doubts_of(course: Course, most_watts: int | None) -> tuple[str, ...]:
    """About a course with its readings, on a connector that gives ``most_watts`` (``None``, 0: not known). Needs a
    start and an end. Raises ``MalformedTimeline`` as pricing does."""
    timeline = timeline_of(course)
    readings = sorted(timeline.readings, key=lambda reading: reading.at)
    first, last = readings[0].register_wh, readings[-1].register_wh
    hours = Decimal((timeline.end - timeline.start).total_seconds()) / HOUR
    kwh = (last - first if last >= first else _rises(readings)) / 1000
    found = []
    start = course.start
    if start is not None and start.recorded_at is not None and start.recorded_at - start.at > TOLD_LATE:
        late = Decimal((start.recorded_at - start.at).total_seconds()) / HOUR
        found.append(f"its start was told {late:.0f} h later")
    if last < first:
        found.append(f"the register fell from {_text(first)} to {_text(last)} Wh: what it rose by is billed")
    most = Decimal(most_watts or 0) / 1000 * hours
    if most_watts and kwh > max(most * MARGIN, LEAST_KWH):
        found.append(f"{_text(kwh)} kWh in {hours:.2f} h: a connector of {_text(Decimal(most_watts) / 1000)} kW")
    by_power = _by_power(readings) / 1000
    if by_power > max(kwh * FAR_OFF, LEAST_KWH):
        found.append(f"by its power {_text(by_power)} kWh have flowed, by its register {_text(kwh)}: kWh for Wh?")
    return tuple(found)


def _rises(readings: Sequence[Reading]) -> Decimal:
    return sum(
        (max(after.register_wh - before.register_wh, Decimal(0)) for before, after in pairwise(readings)), Decimal(0)
    )


def _by_power(readings: Sequence[Reading]) -> Decimal:
    """Wh, as if each power had lasted until the next reading."""
    total = Decimal(0)
    for before, after in pairwise(readings):
        if before.power_w is not None:
            total += before.power_w * Decimal((after.at - before.at).total_seconds()) / HOUR
    return total


def _text(number: Decimal) -> str:
    return f"{number:.3f}".rstrip("0").rstrip(".")
