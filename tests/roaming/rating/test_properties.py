"""What holds for any tariff and any session."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roaming.model.money import Price
from roaming.model.session import CdrDimension, ChargingPeriod
from roaming.model.tariff import Tariff
from roaming.model.time import format_timestamp, parse_timestamp
from roaming.rating import (
    DEFAULT_READINGS,
    Part,
    PricedSession,
    Rated,
    RatingError,
    Readings,
    Timeline,
    explain,
    price_list,
    price_session,
    rate,
)
from roaming.rating.boundaries import local_moments
from roaming.rating.constant_power import of_phases
from roaming.rating.curve import MILLISECOND, EnergyCurve
from roaming.rating.documents import cdr_of, tariff_of
from roaming.rating.engine import rate_before_taxes, zone_of
from roaming.rating.exact import EXACT, rounded
from roaming.rating.net import NetPricer, Period
from roaming.rating.price_list import PriceList
from roaming.rating.readings import PowerBetweenReadings, Rounding
from roaming.rating.restrictions import Moment, local_day_and_minute
from tests.judges.random_charges import random_cases
from tests.roaming.rating.building import MONDAY, element, gross, part, tariff, volumes
from tests.roaming.rating.strategies import ZONES, tariffs, timelines

zones = st.sampled_from(ZONES)
examples = settings(max_examples=150, deadline=None)
few = settings(max_examples=60, deadline=None)


def priced(story: Timeline, prices: Tariff, zone: str) -> tuple[PricedSession, Rated]:
    session = price_session(story, prices, zone)
    assert session.rated is not None
    return session, session.rated


@examples
@given(timelines(), tariffs(), zones)
def test_energy_of_the_periods_is_last_register_minus_first(story: Timeline, prices: Tariff, zone: str) -> None:
    session, _ = priced(story, prices, zone)
    total = sum(volumes(each).get("ENERGY", Decimal(0)) for each in session.periods)
    assert total == session.total_energy == (story.readings[-1].register_wh - story.readings[0].register_wh) / 1000
    assert all(volumes(each).get("ENERGY", 0) >= 0 for each in session.periods)


@examples
@given(timelines(), tariffs(), zones)
def test_charging_and_parking_fit_into_the_session(story: Timeline, prices: Tariff, zone: str) -> None:
    session, rated = priced(story, prices, zone)
    seconds = sum(line.quantity for line in rated.lines if line.part in (Part.TIME, Part.PARKING_TIME))
    assert seconds <= Decimal((story.end - story.start).total_seconds())
    assert 0 <= session.total_parking_time <= session.total_time
    moments = [each.start_date_time for each in session.periods]
    assert moments[0] == story.start
    assert all(one < other for one, other in pairwise(moments))


@examples
@given(timelines(), tariffs(), zones)
def test_lines_add_up_to_the_totals(story: Timeline, prices: Tariff, zone: str) -> None:
    _, rated = priced(story, prices, zone)
    rows = explain(rated)

    def check(lines: list[Fraction | None], shown: Decimal | None) -> None:
        if shown is not None and None not in lines:
            exact = sum((line for line in lines if line is not None), Fraction(0))
            with localcontext(EXACT):
                once = rounded(Decimal(exact.numerator), Decimal(exact.denominator), 4, Rounding.HALF_UP)
            assert once == shown

    net = rated.total.before_taxes if rated.is_net_known else None
    check([line.before_taxes for line in rated.lines], net)
    check([line.after_taxes for line in rated.lines], gross(rated.total))
    parts: dict[Part, Price] = {Part.ENERGY: rated.energy, Part.TIME: rated.time, Part.PARKING_TIME: rated.parking}
    for of, price in parts.items():
        of_part = [line for line in rated.lines if line.part is of]
        if all(line.before_taxes is not None for line in of_part):
            check([line.before_taxes for line in of_part], price.before_taxes)
    if net is not None and all(row.before_taxes is not None for row in rows):
        assert sum(row.before_taxes for row in rows if row.before_taxes is not None) == net
    if rows and rows[-1].running_after_taxes is not None:
        assert rows[-1].running_after_taxes == gross(rated.total) or not rated.is_net_known


@examples
@given(timelines(), tariffs(), zones)
def test_limits_are_never_passed(story: Timeline, prices: Tariff, zone: str) -> None:
    _, rated = priced(story, prices, zone)
    least, most = prices.min_price, prices.max_price
    net, whole = (rated.total.before_taxes if rated.is_net_known else None), gross(rated.total)
    if most is not None:
        assert net is None or net <= most.before_taxes
        assert whole is None or most.after_taxes is None or whole <= most.after_taxes
    elif least is not None:
        assert net is None or net >= least.before_taxes
        assert whole is None or least.after_taxes is None or whole >= least.after_taxes


@examples
@given(timelines(), tariffs(), zones)
def test_the_periods_cost_the_same_after_a_way_over_the_wire(story: Timeline, prices: Tariff, zone: str) -> None:
    session, rated = priced(story, prices, zone)

    def over_the_wire(one: ChargingPeriod) -> ChargingPeriod:
        text = msgspec.json.Encoder(decimal_format="number").encode(one.dimensions)
        dimensions = msgspec.json.decode(text, type=tuple[CdrDimension, ...])
        start = parse_timestamp(format_timestamp(one.start_date_time))
        return ChargingPeriod(start_date_time=start, dimensions=dimensions, tariff_id=one.tariff_id)

    again = rate(
        prices,
        [over_the_wire(one) for one in session.periods],
        start=session.start_date_time,
        end=session.end_date_time,
        time_zone=zone,
    )
    assert again.total == rated.total
    assert [line.net for line in again.lines] == [line.net for line in rated.lines]


@examples
@given(timelines(), tariffs(), zones, st.data())
def test_splitting_a_period_where_no_price_changes_leaves_the_total(
    story: Timeline, prices: Tariff, zone: str, data: st.DataObject
) -> None:
    session, rated = priced(story, prices, zone)
    index = data.draw(st.integers(0, len(session.periods) - 1))
    ends = [each.start_date_time for each in session.periods[1:]] + [session.end_date_time]
    one, end = session.periods[index], ends[index]
    length = (end - one.start_date_time) // MILLISECOND
    first = data.draw(st.integers(0, length))
    held = volumes(one)
    energy = held.get("ENERGY", Decimal(0))
    before = data.draw(st.sampled_from((Decimal(0), energy / 2, energy)))

    def piece(start: int, width: int, kwh: Decimal) -> ChargingPeriod:
        hours = round(Decimal(width) / 3600000, 4)
        changed = {kind: hours if kind.endswith("TIME") else volume for kind, volume in held.items()}
        changed["ENERGY"] = kwh
        return ChargingPeriod(
            start_date_time=one.start_date_time + start * MILLISECOND,
            dimensions=tuple(CdrDimension(type=kind, volume=volume) for kind, volume in changed.items()),
        )

    pieces = (piece(0, first, before), piece(first, length - first, energy - before))
    split = (*session.periods[:index], *pieces, *session.periods[index + 1 :])
    again = rate(prices, split, start=session.start_date_time, end=session.end_date_time, time_zone=zone)

    def places(result: Rated, periods: tuple[int, ...]) -> set[tuple[Part, int, int]]:
        return {
            (line.part, line.component.element, line.component.component) if line.component else (line.part, -1, -1)
            for line in result.lines
            if line.period in periods
        }

    if places(again, (index, index + 1)) == places(rated, (index,)):
        assert again.total == rated.total


@examples
@given(timelines(), tariffs(), zones, st.data())
def test_a_period_has_one_price_of_time_from_its_start_to_its_end(
    story: Timeline, prices: Tariff, zone: str, data: st.DataObject
) -> None:
    session, rated = priced(story, prices, zone)
    length = (story.end - story.start) // MILLISECOND
    elapsed = data.draw(st.integers(0, length - 1))
    now = story.start + elapsed * MILLISECOND
    index = max(i for i, each in enumerate(session.periods) if each.start_date_time <= now)
    line = next((each for each in rated.lines if each.period == index and each.part in ("TIME", "PARKING_TIME")), None)
    if line is None:
        return
    with localcontext(EXACT):
        curve = EnergyCurve(story.readings, story.start, length, PowerBetweenReadings.AVERAGE)
        reached = sum((volumes(each).get("ENERGY", Decimal(0)) for each in session.periods[:index]), Decimal(0))
        kwh = max(curve.kwh_at(elapsed), reached)
        power, _ = curve.power(elapsed, elapsed)
    day, minute = local_day_and_minute(now, zone_of(zone))
    moment = Moment(elapsed * 1000, kwh, minute, day, power, power)
    assert rated.price_list.choose(line.dimension, moment) == line.component


@given(timelines(), tariffs(), st.integers(-3, 3))
def test_whole_weeks_away_from_clock_changes_change_nothing(story: Timeline, prices: Tariff, weeks: int) -> None:
    restricted = [each.restrictions for each in prices.elements if each.restrictions is not None]
    if any(each.start_date or each.end_date for each in restricted):
        return
    shift = timedelta(weeks=weeks)
    moved = Timeline(
        start=story.start + shift,
        end=story.end + shift,
        readings=tuple(msgspec.structs.replace(each, at=each.at + shift) for each in story.readings),
        states=tuple(msgspec.structs.replace(each, at=each.at + shift) for each in story.states),
    )
    assert (
        price_session(moved, prices, "Asia/Kolkata").total_cost
        == price_session(story, prices, "Asia/Kolkata").total_cost
    )


@given(timelines(), st.sampled_from(ZONES))
def test_local_moments_hold_every_change_of_the_local_window(story: Timeline, zone: str) -> None:
    found = set(local_moments({150, 180}, story.start, story.end, zone_of(zone)))
    minute = timedelta(minutes=1)
    now = story.start.replace(second=0, microsecond=0)

    def is_inside(moment: object) -> bool:
        return 150 <= local_day_and_minute(moment, zone_of(zone))[1] < 180  # type: ignore[arg-type]

    while now + minute < story.end:
        if is_inside(now) != is_inside(now + minute):
            assert any(now < moment <= now + minute for moment in found)
        now += minute


readings = st.builds(
    Readings,
    **{
        name: st.sampled_from(list(type(getattr(DEFAULT_READINGS, name))))
        for name in Readings.__struct_fields__
        if name != "decimals"
    },
    decimals=st.integers(0, 6),
)


def as_stored(periods: Sequence[ChargingPeriod]) -> list[Period]:
    return msgspec.json.decode(msgspec.json.encode(periods), type=list[Period])


def short_way(prices: PriceList, periods: list[Period], **where: Any) -> Decimal:
    return NetPricer([prices]).rate(periods, **where)


def test_the_short_way_comes_to_what_the_engine_does() -> None:
    """Of random charges, reservations among them, and of what is no charge, where both say the same is wrong."""
    seen = set()
    cases = (each for each in random_cases(300, 7) if each["version"] == "2.2.1")
    for number, case in enumerate(cases):
        readings = Readings.of_version("2.1.1" if number % 3 == 0 else "2.2.1")
        cdr, prices = cdr_of(case["cdr"]), price_list(tariff_of(case["tariff"]), readings)
        where: dict[str, Any] = {"start": cdr.start_date_time, "time_zone": case["time_zone"]}
        for end, volume in ((cdr.end_date_time, None), (cdr.start_date_time - DAY, None), (cdr.end_date_time, "-1")):
            periods = as_stored(cdr.charging_periods)
            if volume is not None:
                periods[-1].dimensions[-1].volume = Decimal(volume)
            told: list[Any] = []
            for price in (rate_before_taxes, short_way):
                try:
                    with localcontext(EXACT):
                        told.append(price(prices, periods, **where, end=end))  # type: ignore[arg-type]
                except RatingError as error:
                    told.append(str(error))
            assert told[0] == told[1], case
            seen.add(type(told[0]))
    assert seen == {Decimal, str}


DAY = timedelta(days=1)


@few
@given(timelines(), tariffs(), zones, readings)
def test_shown_lines_add_up_under_any_reading(story: Timeline, prices: Tariff, zone: str, chosen: Readings) -> None:
    rated = price_session(story, prices, zone, chosen).rated
    assert rated is not None
    compiled, periods = price_list(prices, chosen), price_session(story, prices, zone, chosen).periods
    where: dict[str, Any] = {"start": story.start, "end": story.end, "time_zone": zone}
    assert rate_before_taxes(compiled, periods, **where) == rated.total.before_taxes
    with localcontext(EXACT):
        assert NetPricer([compiled]).rate(as_stored(periods), **where) == rated.total.before_taxes
    rows = explain(rated)
    net = [row.before_taxes for row in rows]
    if rated.is_net_known and None not in net:
        assert sum(each for each in net if each is not None) == rated.total.before_taxes
    whole = [row.after_taxes for row in rows]
    if rated.total.taxes is not None and rated.is_net_known and None not in whole:
        assert sum(each for each in whole if each is not None) == gross(rated.total)
    assert all(row.before_taxes is None or row.before_taxes.as_tuple().exponent >= -chosen.decimals for row in rows)


@few
@given(tariffs(is_restricted=False), st.integers(0, 50_000), st.integers(1, 50_000), st.booleans())
def test_a_longer_charge_is_never_cheaper(prices: Tariff, seconds: int, more: int, is_parked: bool) -> None:
    """At prices that are not negative and without restrictions, where it goes on as it was."""

    def cost(length: int) -> tuple[Decimal, Decimal | None]:
        phases = [(600, Decimal(7)), (length, Decimal(0 if is_parked else 7))]
        story = of_phases(MONDAY, [(1_000_000 * each, power) for each, power in phases if each])
        _, rated = priced(story, prices, "UTC")
        return rated.total.before_taxes, gross(rated.total)

    (net, whole), (longer, longer_whole) = cost(max(seconds, 1)), cost(max(seconds, 1) + more)
    assert longer >= net
    assert whole is None or longer_whole is None or longer_whole >= whole


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        ("2026-01-12", [*range(18, 24), *range(6)]),
        ("2026-03-28", [*range(18, 24), 0, 1, 3, 4, 5, 6]),
        ("2026-10-24", [*range(18, 24), 0, 1, 2, 2, 3, 4]),
    ],
)
def test_price_signals_of_a_day_are_elements_each_with_its_own_time(day: str, hours: list[int]) -> None:
    """A price for each quarter of an hour of two days, by date and local time: twelve hours at 10 kW over midnight. The
    quarter hours of a skipped hour are not charged, those of a repeated one twice: local time cannot tell these."""
    zone, first = zone_of("Europe/Berlin"), datetime.fromisoformat(day)

    def price(of_day: int, quarter: int) -> Decimal:
        return Decimal(100 * of_day + quarter) / 1000

    def clock(quarter: int) -> str:
        return f"{quarter // 4 % 24:02d}:{quarter % 4 * 15:02d}"

    elements = [
        element(
            part("ENERGY", str(price(of_day, quarter))),
            start_date=(first + timedelta(days=of_day)).date().isoformat(),
            end_date=(first + timedelta(days=of_day + 1)).date().isoformat(),
            start_time=clock(quarter),
            end_time=clock(quarter + 1),
        )
        for of_day in (0, 1)
        for quarter in range(96)
    ]
    start = (first + timedelta(hours=18)).replace(tzinfo=zone).astimezone(UTC)
    story = of_phases(start, [(12 * 3_600_000_000, Decimal(10))])
    session, rated = priced(story, tariff(*elements), "Europe/Berlin")
    assert len(session.periods) == 48, "each begins where a price does"
    quarters = [(int(hour < 18), 4 * hour + quarter) for hour in hours for quarter in range(4)]
    assert rated.total.before_taxes == sum(price(*each) for each in quarters) * Decimal("2.5")
    assert [line.component.price for line in rated.lines if line.component] == [price(*each) for each in quarters]


@pytest.mark.parametrize(
    ("day", "night_hours"), [("2026-03-28", 6), ("2026-03-29", 5), ("2026-10-25", 7), ("2026-10-26", 6)]
)
def test_a_day_of_a_clock_change_has_the_hours_that_it_has(day: str, night_hours: int) -> None:
    zone = zone_of("Europe/Berlin")
    start = datetime.fromisoformat(day).replace(tzinfo=zone)
    end = (start + timedelta(days=1)).astimezone(UTC)
    start = start.astimezone(UTC)
    prices = tariff(
        element(part("TIME", "1", step=0), start_time="00:00", end_time="06:00"), element(part("TIME", "10", step=0))
    )
    length = (end - start) // timedelta(hours=1)
    story = of_phases(start, [(length * 3_600_000_000, Decimal(1))])
    _, rated = priced(story, prices, "Europe/Berlin")
    assert rated.total.before_taxes == night_hours + 10 * (length - night_hours)
    assert length == {5: 23, 6: 24, 7: 25}[night_hours]
