"""Several tariffs in one CDR: each prices the periods that name it, and the lines say which."""

from collections.abc import Sequence
from decimal import Decimal, localcontext
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roaming.model.session import ChargingPeriod
from roaming.model.tariff import Tariff
from roaming.rating import (
    MalformedPeriods,
    Part,
    RatingError,
    Timeline,
    explain,
    net,
    price_session,
    rate,
    relevant_tariffs,
)
from roaming.rating.engine import rate_before_taxes
from roaming.rating.errors import CurrencyMismatch
from roaming.rating.exact import EXACT
from roaming.rating.net import NetPricer, Period
from roaming.rating.price_list import price_lists
from roaming.rating.rated import FindingCode
from roaming.rating.readings import DEFAULT_READINGS, ElementChoice, Readings, StepScope, StepTime, StepVolume
from roaming.rating.spanning import spans_of
from tests.roaming.rating.building import MONDAY, at, element, gross, limit, part, period, tariff
from tests.roaming.rating.strategies import ZONES, tariffs, timelines

DAY = tariff(
    element(part("FLAT", "1.00", "10"), part("ENERGY", "0.50", "20", step=1000), max_kwh="10"),
    element(part("ENERGY", "0.40", "20", step=1000)),
    id="Day",
)
NIGHT = tariff(element(part("FLAT", "0.30", "10"), part("ENERGY", "0.20", "7", step=500)), id="NIGHT")
PERIODS = (
    (period(at(18), ENERGY="4.2", TIME="1"), "day"),
    (period(at(19), ENERGY="6.3", TIME="1"), "NIGHT"),
    (period(at(20), ENERGY="3.1", TIME="1"), "DAY"),
    (period(at(21), ENERGY="2.0", TIME="1"), None),
)


def named(*entries: tuple[ChargingPeriod, str | None]) -> list[ChargingPeriod]:
    return [msgspec.structs.replace(each, tariff_id=id) for each, id in entries]


def test_each_period_is_priced_by_its_own_tariff() -> None:
    """By hand. Day: fee 1.00; 4.2 kWh at 0.50; from 10.5 kWh of the session on 3.1 at 0.40. Night: fee 0.30; 6.3 kWh at
    0.20. All 13.6 kWh become 14 at the last price, 0.40. The last period names none: it costs nothing."""
    rated = rate((DAY, NIGHT), named(*PERIODS), start=MONDAY + (at(18) - MONDAY), end=at(22), time_zone="UTC")
    assert rated.total.before_taxes == Decimal("1.00") + Decimal("2.10") + Decimal("1.40") + Decimal("0.30") + Decimal(
        "1.26"
    )
    assert gross(rated.total) == Decimal("1.10") + Decimal("4.20") + Decimal("0.33") + Decimal("1.3482")
    assert {tax.percentage for tax in rated.total.taxes or ()} == {7, 10, 20}
    assert rated.fixed.before_taxes == Decimal("1.30")
    assert rated.billed_energy == Decimal(14) + 2
    assert [line.tariff_id for line in rated.lines if line.part is Part.ENERGY] == ["Day", "NIGHT", "Day", "Day"]
    assert [finding.code for finding in rated.findings] == [FindingCode.NO_TARIFF]
    rows = explain(rated)
    assert sum(row.before_taxes or 0 for row in rows) == rated.total.before_taxes
    assert {(row.tariff, row.reason.partition(":")[0]) for row in rows} == {
        ("Day", "tariff Day"),
        ("NIGHT", "tariff NIGHT"),
    }
    assert "names no tariff" in rows[-1].reason
    assert "max_kwh 10" in next(row.reason for row in rows if row.period == 2), "of the session, not of the tariff"


def test_a_step_is_none_of_a_tariff_that_another_took_the_place_of() -> None:
    """OCPI 2.2.1 mod_cdrs, step_size: not taken into account when a driver selects another profile. By hand: 21 min are
    paid as they are; 7 min of parking become 10; 4.3 and 1.1 kWh become 5.5 at the last price."""
    one = tariff(element(part("ENERGY", "1", step=3000), part("TIME", "60", step=900)), id="ONE")
    two = tariff(element(part("ENERGY", "2", step=500), part("PARKING_TIME", "6", step=300)), id="TWO")
    periods = named(
        (period(at(0), ENERGY="4.3", TIME="0.35"), "ONE"),
        (period(at(0, 21), ENERGY="1.1", PARKING_TIME="0.1167"), "TWO"),
    )
    rated = rate((one, two), periods, start=at(0), end=at(0, 28), time_zone="UTC")
    assert rated.total.before_taxes == Decimal("4.3") + 21 + Decimal("2.4") + 1
    added = [(line.tariff_id, line.dimension, line.step_added) for line in rated.lines if line.step_added]
    assert added == [("TWO", "ENERGY", Decimal("0.1")), ("TWO", "PARKING_TIME", 180)]
    by_each = price_lists((one, two), Readings(step_scope=StepScope.TARIFF))
    assert rate_before_taxes(by_each, periods, start=at(0), end=at(0, 28), time_zone="UTC") == 6 + 30 + 3 + 1


def test_limits_bind_what_their_own_tariff_prices() -> None:
    capped = msgspec.structs.replace(DAY, max_price=limit("3.00"))
    raised = msgspec.structs.replace(NIGHT, min_price=limit("5.00", "6.00"))
    rated = rate((capped, raised), named(*PERIODS), start=at(18), end=at(22), time_zone="UTC")
    assert rated.total.before_taxes == 8
    limits = [line for line in rated.lines if line.part is Part.LIMIT]
    assert [line.tariff_id for line in limits] == ["Day", "NIGHT"]
    assert [explain(rated)[index].reason for index in (-2, -1)] == [
        "tariff Day: cut down to max_price",
        "tariff NIGHT: raised to min_price",
    ]


@pytest.mark.parametrize(
    ("tariffs_", "names", "error", "text"),
    [
        ((DAY, NIGHT), ("DAY", "NIGHT", "WEEKEND", None), MalformedPeriods, "tariff WEEKEND is none of"),
        ((DAY, msgspec.structs.replace(NIGHT, currency="SEK")), ("DAY", "NIGHT"), CurrencyMismatch, "in SEK"),
        ((), ("DAY",), RatingError, "tariffs: none"),
    ],
)
def test_what_cannot_be_priced_is_named(tariffs_: Any, names: Any, error: type[Exception], text: str) -> None:
    periods = named(*zip((each for each, _ in PERIODS), names, strict=False))
    with pytest.raises(error, match=text):
        rate(tariffs_, periods, start=at(18), end=at(22), time_zone="UTC")


@pytest.mark.parametrize(
    ("names", "relevant"),
    [
        ((None, None), ["Day"]),
        (("night", None), ["NIGHT"]),
        (("night", "day"), ["NIGHT", "Day"]),
        (("else", None), ["Day"]),
        (("else", "night"), ["NIGHT"]),
    ],
)
def test_which_tariffs_of_a_cdr_price_it(names: tuple[str | None, ...], relevant: list[str]) -> None:
    periods = named(*zip((each for each, _ in PERIODS), names, strict=False))
    found = relevant_tariffs((DAY, NIGHT), periods)
    assert [each.id for each in found] == relevant
    if len(relevant) == 1:
        one, all_ = (rate(each, periods, start=at(18), end=at(22), time_zone="UTC") for each in (found[0], found))
        assert (one.total, explain(one)) == (all_.total, explain(all_))


def test_a_period_that_outlasts_its_price_is_named_under_its_own_tariff() -> None:
    switching = tariff(element(part("ENERGY", "1"), end_time="19:30"), element(part("ENERGY", "2")), id="NIGHT")
    rated = rate((DAY, switching), named(*PERIODS), start=at(18), end=at(22), time_zone="UTC")
    found = spans_of(rated, named(*PERIODS), end=at(22), time_zone="UTC")
    assert [(span.period, span.at) for span in found if span.at == at(19.5)] == [(1, at(19.5))]


@settings(max_examples=60, deadline=None)
@given(timelines(), tariffs(), tariffs(), st.sampled_from(ZONES), st.data())
def test_lines_of_several_tariffs_add_up(
    story: Timeline, one: Tariff, two: Tariff, zone: str, data: st.DataObject
) -> None:
    """To the last digit, before and with taxes; and the short ways say the same, under any reading of steps."""
    session = price_session(story, one, zone)
    both = (msgspec.structs.replace(one, id="A"), msgspec.structs.replace(two, id="B"))
    names = [data.draw(st.sampled_from(("a", "B", None))) for _ in session.periods]
    periods = [msgspec.structs.replace(p, tariff_id=name) for p, name in zip(session.periods, names, strict=True)]
    times = {"start": story.start, "end": story.end, "time_zone": zone}
    rated = rate(both, periods, **times)  # type: ignore[arg-type]
    rows = explain(rated)
    net, whole = [row.before_taxes for row in rows], [row.after_taxes for row in rows]
    if rated.is_net_known and None not in net:
        assert sum(each for each in net if each is not None) == rated.total.before_taxes
        if rated.total.taxes is not None and None not in whole:
            assert sum(each for each in whole if each is not None) == gross(rated.total)
    chosen = data.draw(
        st.builds(Readings, step_volume=st.sampled_from(StepVolume), step_time=st.sampled_from(StepTime))
    )
    lists = price_lists(both, chosen)
    total = rate(lists, periods, **times).total.before_taxes  # type: ignore[arg-type]
    assert rate_before_taxes(lists, periods, **times) == total  # type: ignore[arg-type]
    with localcontext(EXACT):
        assert NetPricer(lists).rate(as_stored(periods), **times) == total  # type: ignore[arg-type]


def as_stored(periods: Sequence[ChargingPeriod]) -> list[Period]:
    return msgspec.json.decode(msgspec.json.encode(periods), type=list[Period])


def test_the_short_way_takes_several_tariffs_and_the_oldest_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the engine, which makes lines of everything first; but it is the engine that says what is wrong."""
    asked = []
    monkeypatch.setattr(net, "rate_before_taxes", lambda *_, **__: asked.append(1))
    periods, times = named(*PERIODS), {"start": at(18), "end": at(22), "time_zone": "UTC"}
    oldest = Readings(element_choice=ElementChoice.FIRST_ELEMENT)
    capped = msgspec.structs.replace(DAY, max_price=limit("3.00"))
    for tariffs_, readings in (
        ((DAY, NIGHT), DEFAULT_READINGS),
        ((NIGHT, capped), DEFAULT_READINGS),
        ((NIGHT, DAY), oldest),
        ((DAY,), oldest),
    ):
        expected = rate(tariffs_, periods, readings=readings, **times).total.before_taxes  # type: ignore[arg-type]
        with localcontext(EXACT):
            found = NetPricer(price_lists(tariffs_, readings)).rate(as_stored(periods), **times)  # type: ignore[arg-type]
        assert (found, asked) == (expected, [])
    with localcontext(EXACT):
        unknown = as_stored(named((PERIODS[0][0], "DAY"), (PERIODS[1][0], "WEEKEND")))
        NetPricer(price_lists((DAY, NIGHT))).rate(unknown, **times)  # type: ignore[arg-type]
    assert asked == [1]


@settings(max_examples=40, deadline=None)
@given(timelines(), tariffs(is_restricted=False), st.sampled_from(ZONES), st.data())
def test_one_tariff_under_two_ids_costs_the_same_without_fees_steps_and_limits(
    story: Timeline, plain: Tariff, zone: str, data: st.DataObject
) -> None:
    elements = [
        msgspec.structs.replace(
            each,
            price_components=tuple(
                msgspec.structs.replace(component, step_size=0, price=component.price * (component.type != "FLAT"))
                for component in each.price_components
            ),
        )
        for each in plain.elements
    ]
    plain = msgspec.structs.replace(plain, elements=tuple(elements), min_price=None, max_price=None)
    session = price_session(story, plain, zone)
    both = tuple(msgspec.structs.replace(plain, id=id) for id in "AB")
    periods = [
        msgspec.structs.replace(each, tariff_id=data.draw(st.sampled_from(("A", "B")))) for each in session.periods
    ]
    rated = rate(both, periods, start=story.start, end=story.end, time_zone=zone)
    assert rated.total == session.total_cost
