"""A session whose driver came to prefer another profile: which tariff prices what of it."""

from datetime import datetime
from decimal import Decimal
from itertools import pairwise

import msgspec
import pytest

from roaming.model.tariff import Tariff
from roaming.rating import Part, Timeline, price_session, rate
from roaming.rating.readings import DEFAULT_READINGS, ProfileChange
from roaming.rating.switching import Preferred, Since, tariffs_over_time
from roaming.rating.timeline import Reading
from tests.roaming.rating.building import at, element, part, tariff

REGULAR = tariff(element(part("FLAT", "1"), part("ENERGY", "0.50")), id="REGULAR")
FAST = tariff(element(part("ENERGY", "0.80"), max_kwh="6"), element(part("ENERGY", "0.90")), id="FAST")
CHEAP = tariff(element(part("ENERGY", "0.30"), start_time="20:00", end_time="06:00"), element(part("ENERGY", "0.40")))
CHEAP = msgspec.structs.replace(CHEAP, id="CHEAP")
KRONOR = msgspec.structs.replace(FAST, id="KRONOR", currency="SEK")
OF = {"REGULAR": REGULAR, "FAST": FAST, "CHEAP": CHEAP, "GREEN": KRONOR}
FROM_THEN, WHOLE, NEVER = ProfileChange


def after(*entries: tuple[float, str]) -> list[Preferred]:
    return [Preferred(at(hour), profile) for hour, profile in entries]


@pytest.mark.parametrize(
    ("first", "preferred", "reading", "start", "later"),
    [
        (REGULAR, (), FROM_THEN, "REGULAR", []),
        (REGULAR, ((19, "FAST"),), FROM_THEN, "REGULAR", [(19, "FAST")]),
        (REGULAR, ((19, "FAST"),), WHOLE, "FAST", []),
        (REGULAR, ((19, "FAST"),), NEVER, "REGULAR", []),
        (FAST, ((19, "CHEAP"), (20, "REGULAR")), FROM_THEN, "FAST", [(19, "CHEAP"), (20, "REGULAR")]),
        (FAST, ((19, "CHEAP"), (20, "REGULAR")), WHOLE, "REGULAR", []),
        (REGULAR, ((19, "FAST"), (20, "FAST"), (21, "REGULAR")), FROM_THEN, "REGULAR", [(19, "FAST"), (21, "REGULAR")]),
        (REGULAR, ((19, "SOLAR"), (20, "GREEN")), FROM_THEN, "REGULAR", []),
        (REGULAR, ((19, "FAST"), (22, "CHEAP"), (23, "CHEAP")), FROM_THEN, "REGULAR", [(19, "FAST")]),
        (REGULAR, ((22, "FAST"),), WHOLE, "REGULAR", []),
        (None, ((19, "FAST"), (20, "CHEAP")), FROM_THEN, "FAST", [(20, "CHEAP")]),
        (None, ((19, "FAST"),), NEVER, None, []),
        (None, (), FROM_THEN, None, []),
    ],
)
def test_which_tariff_from_when_on(
    first: Tariff | None,
    preferred: tuple[tuple[float, str], ...],
    reading: ProfileChange,
    start: str | None,
    later: list[tuple[float, str]],
) -> None:
    found, since = tariffs_over_time(first, OF, after(*preferred), reading, until=at(22))
    assert (found.id if found is not None else None) == start
    assert [(each.at, each.tariff.id) for each in since] == [(at(hour), id) for hour, id in later]


def story(*readings: tuple[float, int]) -> Timeline:
    taken = tuple(Reading(at=at(hour), register_wh=Decimal(wh)) for hour, wh in readings)
    return Timeline(start=taken[0].at, end=taken[-1].at, readings=taken)


def shown(timeline: Timeline, *later: Since) -> tuple[list[tuple[datetime, str | None, Decimal]], Decimal]:
    session = price_session(timeline, REGULAR, "UTC", DEFAULT_READINGS, later)
    assert session.total_cost is not None
    rows = [
        (
            each.start_date_time,
            each.tariff_id,
            sum((d.volume for d in each.dimensions if d.type == "ENERGY"), Decimal(0)),
        )
        for each in session.periods
    ]
    return rows, session.total_cost.before_taxes


def test_a_period_begins_with_the_change_and_names_its_tariff() -> None:
    """4 kWh at 0.50 and the fee; from 4 kWh of the session on 2 at 0.80 and 2 at 0.90; from 20:00 on 4 at 0.30."""
    timeline = story((18, 0), (19, 4000), (20, 8000), (21, 12000))
    rows, cost = shown(timeline, Since(at(19), FAST), Since(at(20), CHEAP))
    assert rows == [
        (at(18), "REGULAR", 4),
        (at(19), "FAST", 2),
        (at(19.5), "FAST", 2),
        (at(20), "CHEAP", 4),
    ]
    assert cost == 1 + Decimal("2.00") + Decimal("1.60") + Decimal("1.80") + Decimal("1.20")


def test_there_and_back_again_pays_one_fee_of_a_tariff() -> None:
    timeline = story((18, 0), (19, 4000), (20, 8000), (21, 12000))
    rows, cost = shown(timeline, Since(at(19), CHEAP), Since(at(20), REGULAR))
    assert [(id, kwh) for _, id, kwh in rows] == [("REGULAR", 4), ("CHEAP", 4), ("REGULAR", 4)]
    assert cost == 1 + Decimal("2.00") + Decimal("1.60") + Decimal("2.00")


def test_a_change_before_the_start_or_between_readings() -> None:
    timeline = story((18, 0), (20, 8000))
    assert shown(timeline, Since(at(17), FAST))[0] == [(at(18), "FAST", 6), (at(19.5), "FAST", 2)]
    assert shown(timeline, Since(at(18.5), CHEAP))[0] == [(at(18), "REGULAR", 2), (at(18.5), "CHEAP", 6)]
    assert shown(timeline, Since(at(20), CHEAP))[0] == [(at(18), "REGULAR", 8)]


def test_periods_rated_again_cost_the_same() -> None:
    timeline = story((18, 0), (18.7, 3111), (20.1, 9007), (21, 12345))
    changes = (Since(at(18.31), FAST), Since(at(19.77), CHEAP), Since(at(20.4), FAST))
    session = price_session(timeline, REGULAR, "Europe/Amsterdam", DEFAULT_READINGS, changes)
    again = rate((REGULAR, FAST, CHEAP), session.periods, start=at(18), end=at(21), time_zone="Europe/Amsterdam")
    assert again.total == session.total_cost
    assert sum(line.quantity for line in again.lines if line.part is Part.ENERGY) == Decimal("12.345")
    assert all(one.start_date_time < two.start_date_time for one, two in pairwise(session.periods))
