"""Periods that outlast their price are named, with what is at stake; well cut ones are not."""

from decimal import Decimal, localcontext

import msgspec
import pytest
from hypothesis import given, settings

from roaming.model.session import ChargingPeriod
from roaming.model.tariff import Tariff
from roaming.rating import Part, Readings, Timeline, explain, price_list, price_session, rate
from roaming.rating.engine import rate_before_taxes
from roaming.rating.exact import EXACT
from roaming.rating.net import NetPricer, Period
from roaming.rating.readings import SpannedPeriod
from roaming.rating.spanning import Span, spans_of
from tests.roaming.rating.building import at, element, part, period, tariff
from tests.roaming.rating.strategies import tariffs, timelines

DEARER_AT_TEN = tariff(
    element(part("ENERGY", "0.2"), end_time="10:00"), element(part("ENERGY", "0.5"), part("TIME", "1"))
)


def spans(prices: Tariff, *periods: ChargingPeriod, hours: float = 2) -> tuple[Span, ...]:
    end = at(9 + hours)
    rated = rate(prices, periods, start=at(9), end=end, time_zone="UTC")
    return spans_of(rated, periods, end=end, time_zone="UTC")


def test_a_change_of_price_by_the_clock() -> None:
    (found,) = spans(DEARER_AT_TEN, period(at(9), ENERGY="20", TIME="2"))
    assert (found.dimension, found.at, found.element, found.later_element) == ("ENERGY", at(10), 0, 1)
    assert found.at_stake == 3
    assert found.text == (
        "charging_periods[0] outlasts its price of ENERGY: from 2026-01-12 10:00:00Z element 1 would price it, not"
        " element 0; about +3.0000 is at stake"
    )


def test_a_change_by_duration_and_by_energy() -> None:
    grace = tariff(element(part("PARKING_TIME", "0"), max_duration=3600), element(part("PARKING_TIME", "6")))
    (found,) = spans(grace, period(at(9), PARKING_TIME="2"))
    assert (found.at, found.at_stake) == (at(10), 6)
    first = tariff(element(part("ENERGY", "0.5"), max_kwh="5"))
    (found,) = spans(first, period(at(9), ENERGY="20", TIME="2"))
    assert (found.element, found.later_element, found.at_stake) == (0, None, Decimal("-7.5"))
    assert at(9, 30) <= found.at <= at(9, 30, 1)


DIVIDED = Readings(spanned_period=SpannedPeriod.DIVIDED)
DEARER_AT_TWENTY_TO = tariff(element(part("ENERGY", "0.3"), end_time="09:40"), element(part("ENERGY", "0.6")))
GRACE = tariff(element(part("PARKING_TIME", "0"), max_duration=3600), element(part("PARKING_TIME", "6")))


@pytest.mark.parametrize(
    ("prices", "volumes", "whole", "divided"),
    [
        (DEARER_AT_TEN, {"ENERGY": "20", "TIME": "2"}, "6", "9"),
        (GRACE, {"PARKING_TIME": "2"}, "0", "6"),
        (tariff(element(part("ENERGY", "0.5"), max_kwh="5")), {"ENERGY": "20", "TIME": "2"}, "10", "2.5"),
        (DEARER_AT_TWENTY_TO, {"ENERGY": "10"}, "3", "5"),
        (tariff(element(part("FLAT", "1"), start_time="10:30")), {"ENERGY": "1"}, "0", "1"),
        (tariff(element(part("ENERGY", "0.5"))), {"ENERGY": "20", "TIME": "2"}, "10", "10"),
    ],
)
def test_a_reading_divides_what_was_not_cut(prices: Tariff, volumes: dict[str, str], whole: str, divided: str) -> None:
    """By hand, of two hours from nine. Nothing of a volume is lost, and the short way says the same."""
    periods, times = (period(at(9), **volumes),), {"start": at(9), "end": at(11), "time_zone": "UTC"}
    for readings, total in ((Readings(), whole), (DIVIDED, divided)):
        rated = rate(prices, periods, readings=readings, **times)  # type: ignore[arg-type]
        assert rated.total.before_taxes == Decimal(total)
        energy = [line.quantity for line in rated.lines if line.part is Part.ENERGY]
        assert sum(energy) == Decimal(volumes.get("ENERGY", 0))
        assert sum(row.before_taxes or 0 for row in explain(rated)) == rated.total.before_taxes
        compiled = price_list(prices, readings)
        assert rate_before_taxes(compiled, periods, **times) == Decimal(total)  # type: ignore[arg-type]
        with localcontext(EXACT):
            stored = msgspec.json.decode(msgspec.json.encode(periods), type=list[Period])
            assert NetPricer([compiled]).rate(stored, **times) == Decimal(total)  # type: ignore[arg-type]
    assert spans_of(rated, periods, end=at(11), time_zone="UTC") == ()


def test_what_is_cut_where_prices_change_spans_nothing() -> None:
    cut = (period(at(9), ENERGY="10", TIME="1"), period(at(10), ENERGY="10", TIME="1"))
    assert spans(DEARER_AT_TEN, *cut) == ()


@settings(max_examples=60, deadline=None)
@given(timelines(), tariffs())
def test_our_own_periods_never_span_a_change_by_clock_or_duration(story: Timeline, prices: Tariff) -> None:
    """Energy that does not flow evenly passes its thresholds at other times than an even flow would."""
    session = price_session(story, prices, "Europe/Berlin")
    assert session.rated is not None
    if session.rated.price_list.thresholds.kwh:
        return
    found = spans_of(session.rated, session.periods, end=session.end_date_time, time_zone="Europe/Berlin")
    assert [each for each in found if each.dimension != "ENERGY"] == []
