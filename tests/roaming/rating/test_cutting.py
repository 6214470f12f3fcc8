"""Charging periods from timelines: where they are cut, what each holds, what the whole costs."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from contracts.vocabulary import ConnectorStatus
from roaming.model.session import ChargingPeriod
from roaming.model.tariff import Tariff
from roaming.rating import (
    DEFAULT_READINGS,
    ChargingState,
    FindingCode,
    MalformedTimeline,
    PricedSession,
    Reading,
    Readings,
    StateChange,
    Timeline,
    UnsupportedNumber,
    charging_periods,
    charging_state,
    price_session,
)
from roaming.rating.readings import PowerBetweenReadings, UnknownCurrent, WithheldPower
from tests.roaming.rating.building import at, element, part, tariff, timeline, volumes

BERLIN = "Europe/Berlin"
free = tariff(element(part("FLAT", "0")))


def steady(start: datetime, end: datetime, wh: str, *, parked_from: datetime | None = None) -> Timeline:
    """``wh`` evenly until ``parked_from`` or the end."""
    states = {start: ChargingState.CHARGING}
    registers = {start: "1000", parked_from or end: str(1000 + Decimal(wh))}
    if parked_from is not None:
        states[parked_from] = ChargingState.SUSPENDED_EV
        registers[end] = registers[parked_from]
    return timeline(start, end, registers, states)


def starts(periods: tuple[ChargingPeriod, ...]) -> list[datetime]:
    return [each.start_date_time for each in periods]


def energy(periods: tuple[ChargingPeriod, ...]) -> list[Decimal]:
    return [volumes(each).get("ENERGY", Decimal(0)) for each in periods]


def is_one_price(session: PricedSession) -> bool:
    return len(session.periods) == 1


def test_one_price_is_one_period() -> None:
    (only,) = charging_periods(steady(at(9), at(11), "20000"), free, BERLIN)
    assert only.start_date_time == at(9)
    assert only.tariff_id == "T1"
    assert volumes(only) == {"ENERGY": Decimal(20), "TIME": Decimal(2)}


def test_time_of_day_cuts_and_splits_energy_in_proportion() -> None:
    prices = tariff(element(part("ENERGY", "1"), start_time="10:00", end_time="11:00"), element(part("ENERGY", "2")))
    periods = charging_periods(steady(at(8, 30), at(10, 30), "8000"), prices, BERLIN)
    assert starts(periods) == [at(8, 30), at(9), at(10)]
    assert energy(periods) == [2, 4, 2]


def test_energy_is_split_on_the_line_between_the_readings_around_the_cut() -> None:
    prices = tariff(element(part("ENERGY", "1"), start_time="10:00"), element(part("ENERGY", "2")))
    story = timeline(at(9, 40), at(10, 20), {at(9, 40): "0", at(9, 55): "300", at(10, 10): "1000", at(10, 20): "1001"})
    assert energy(charging_periods(story, prices, "UTC")) == [Decimal("0.5333"), Decimal("0.4677")]


def test_energy_reached_cuts_at_that_energy_exactly() -> None:
    prices = tariff(element(part("ENERGY", "0"), max_kwh="7"), element(part("ENERGY", "1")))
    session = price_session(steady(at(9), at(10), "11000"), prices, BERLIN)
    assert energy(session.periods) == [7, 4]
    assert session.periods[1].start_date_time == at(9) + timedelta(milliseconds=2290910)
    assert session.total_cost is not None
    assert session.total_cost.before_taxes == 4


def test_a_threshold_that_is_reached_at_the_end_cuts_nothing() -> None:
    prices = tariff(element(part("ENERGY", "0"), max_kwh="11"), element(part("ENERGY", "1")))
    assert is_one_price(price_session(steady(at(9), at(10), "11000"), prices, BERLIN))


def test_a_threshold_on_a_reading_counts_from_there() -> None:
    prices = tariff(element(part("PARKING_TIME", "1"), min_kwh="10"))
    session = price_session(steady(at(9), at(11), "10000", parked_from=at(10)), prices, BERLIN)
    assert session.total_parking_cost is not None
    assert session.total_parking_cost.before_taxes == 1


def test_duration_and_weekday_cut() -> None:
    prices = tariff(
        element(part("TIME", "0"), max_duration=1800),
        element(part("TIME", "1"), day_of_week=("MONDAY",)),
        element(part("TIME", "2")),
    )
    periods = charging_periods(steady(at(22), at(24), "2000"), prices, BERLIN)
    assert starts(periods) == [at(22), at(22, 30), at(23)]


def test_power_cuts_where_the_average_between_readings_passes_the_threshold() -> None:
    prices = tariff(element(part("ENERGY", "1"), min_power="10"), element(part("ENERGY", "2")))
    story = timeline(at(9), at(10), {at(9): "0", at(9, 20): "4000", at(9, 40): "7000", at(10): "9000"})
    periods = charging_periods(story, prices, BERLIN)
    assert starts(periods) == [at(9), at(9, 20)]
    assert [(each["MIN_POWER"], each["MAX_POWER"]) for each in map(volumes, periods)] == [(12, 12), (6, 9)]


def test_reported_power_decides_where_the_agreement_reads_it_so() -> None:
    prices = tariff(element(part("ENERGY", "1"), min_power="10"), element(part("ENERGY", "2")))
    story = Timeline(
        start=at(9),
        end=at(10),
        readings=(
            Reading(at(9), Decimal(0), Decimal(9000)),
            Reading(at(9, 30), Decimal(6000), Decimal(11000)),
            Reading(at(10), Decimal(10000)),
        ),
    )
    reported = Readings(power_between_readings=PowerBetweenReadings.REPORTED)
    assert cost(story, prices, reported) == 16
    assert cost(story, prices) == 14


def test_current_holds_until_the_next_reading() -> None:
    prices = tariff(element(part("TIME", "1"), max_current="32"), element(part("TIME", "2"), min_current="32"))
    story = Timeline(
        start=at(9),
        end=at(10),
        readings=(
            Reading(at(9), Decimal(0), None, Decimal(16)),
            Reading(at(9, 30), Decimal(6000), None, Decimal(32)),
            Reading(at(10), Decimal(9000)),
        ),
        states=(StateChange(at(9), ChargingState.CHARGING),),
    )
    session = price_session(story, prices, BERLIN)
    assert starts(session.periods) == [at(9), at(9, 30)]
    assert session.total_cost is not None
    assert session.total_cost.before_taxes == Decimal("1.5")


def test_parking_begins_when_the_vehicle_asks_for_no_power() -> None:
    session = price_session(steady(at(9), at(12), "20000", parked_from=at(10)), free, BERLIN)
    assert [set(volumes(each)) for each in session.periods] == [{"ENERGY", "TIME"}, {"PARKING_TIME"}]
    assert (session.total_time, session.total_parking_time) == (3, 2)


def test_withheld_power_is_neither_charging_nor_parking() -> None:
    prices = tariff(element(part("TIME", "1"), part("PARKING_TIME", "2")))
    story = timeline(
        at(9),
        at(12),
        {at(9): "0", at(10): "5000", at(12): "5000"},
        {at(9): ChargingState.CHARGING, at(10): ChargingState.SUSPENDED_EVSE, at(11): ChargingState.SUSPENDED_EV},
    )

    session = price_session(story, prices, BERLIN)
    assert [volumes(each) for each in session.periods] == [
        {"ENERGY": 5, "TIME": 1},
        {"ENERGY": 0},
        {"PARKING_TIME": 1},
    ]
    assert (session.total_time, session.total_parking_time) == (3, 2)
    assert [cost(story, prices, Readings(withheld_power=each)) for each in WithheldPower] == [3, 5, 4]


def test_without_states_time_in_which_the_register_stands_is_parking() -> None:
    story = timeline(at(9), at(11), {at(9): "0", at(10): "5000", at(10, 30): "5000", at(11): "5000"})
    periods = charging_periods(story, free, BERLIN)
    assert [set(volumes(each)) for each in periods] == [{"ENERGY", "TIME"}, {"PARKING_TIME"}]
    assert starts(periods) == [at(9), at(10)]


def test_a_running_session_with_one_reading_is_charging() -> None:
    story = timeline(at(9), at(9, 5), {at(9): "123456"})
    (only,) = charging_periods(story, free, BERLIN)
    assert volumes(only) == {"TIME": Decimal("0.0833")}


def test_a_session_of_no_length_still_has_a_period() -> None:
    (only,) = charging_periods(timeline(at(9), at(9), {at(9): "5"}), free, BERLIN)
    assert volumes(only) == {"TIME": 0}
    session = price_session(timeline(at(9), at(9), {}), tariff(element(part("FLAT", "1"))), BERLIN)
    assert session.total_cost is not None
    assert session.total_cost.before_taxes == 1


def test_without_a_tariff_the_price_is_unknown() -> None:
    session = price_session(steady(at(9), at(12), "20000", parked_from=at(10)), None, BERLIN)
    assert [each.tariff_id for each in session.periods] == [None, None]
    assert session.total_cost is None
    assert session.total_energy == 20


@pytest.mark.parametrize(
    ("registers", "expected", "code"),
    [
        ({at(9): "5000", at(9, 30): "4000", at(10): "9000"}, "4", FindingCode.READING_IGNORED),
        ({at(9): "5000", at(9, 30): "99999", at(10): "9000"}, "4", FindingCode.READING_IGNORED),
        ({at(9): "5000", at(9, 30): "7000", at(9, 40): "0", at(10): "500"}, "2.5", FindingCode.REGISTER_FELL),
        ({at(9): "5000", at(10): "0"}, "0", FindingCode.REGISTER_FELL),
        ({at(8, 59): "5000", at(10): "9000"}, "4", FindingCode.READING_OUTSIDE_SESSION),
    ],
)
def test_registers_that_cannot_be_right_are_flagged(
    registers: dict[datetime, str], expected: str, code: FindingCode
) -> None:
    session = price_session(timeline(at(9), at(10), registers), free, BERLIN)
    assert session.total_energy == Decimal(expected)
    assert sum(energy(session.periods)) == Decimal(expected)
    assert [finding.code for finding in session.findings] == [code]


def test_two_readings_at_one_time_lose_no_energy() -> None:
    story = Timeline(
        start=at(9),
        end=at(10),
        readings=tuple(Reading(at(9, minute), Decimal(wh)) for minute, wh in ((0, 0), (0, 10), (30, 500), (30, 600))),
    )
    assert sum(energy(charging_periods(story, free, BERLIN))) == Decimal("0.6")


def test_times_are_cut_to_milliseconds() -> None:
    start = at(9).replace(microsecond=123999)
    session = price_session(steady(start, at(10).replace(microsecond=999), "1000"), free, BERLIN)
    assert session.start_date_time == session.periods[0].start_date_time == at(9).replace(microsecond=123000)
    assert session.end_date_time == at(10)


@pytest.mark.parametrize(
    ("start", "window", "zone", "hours"),
    [
        (datetime(2026, 10, 24, 22, tzinfo=UTC), ("02:00", "03:00"), BERLIN, "2"),
        (datetime(2026, 10, 24, 22, tzinfo=UTC), ("02:30", "04:00"), BERLIN, "2"),
        (datetime(2026, 3, 28, 22, tzinfo=UTC), ("02:00", "03:00"), BERLIN, "0"),
        (datetime(2026, 3, 28, 22, tzinfo=UTC), ("02:30", "04:00"), BERLIN, "1"),
        (datetime(2026, 4, 4, 12, tzinfo=UTC), ("01:00", "02:00"), "Australia/Lord_Howe", "1.5"),
        (datetime(2026, 10, 3, 12, tzinfo=UTC), ("01:00", "02:15"), "Australia/Lord_Howe", "1"),
        (datetime(2026, 1, 12, 12, tzinfo=UTC), ("00:00", "06:00"), "Asia/Kolkata", "5.5"),
    ],
)
def test_windows_on_days_of_clock_changes(start: datetime, window: tuple[str, str], zone: str, hours: str) -> None:
    prices = tariff(element(part("TIME", "1"), start_time=window[0], end_time=window[1]))
    session = price_session(steady(start, start + timedelta(hours=12), "12000"), prices, zone)
    assert session.total_cost is not None
    assert session.total_cost.before_taxes == Decimal(hours)


def test_both_passes_of_a_repeated_hour_are_cut() -> None:
    start = datetime(2026, 10, 24, 22, tzinfo=UTC)
    prices = tariff(element(part("TIME", "1"), start_time="02:30", end_time="04:00"), element(part("TIME", "2")))
    periods = charging_periods(steady(start, start + timedelta(hours=6), "6000"), prices, BERLIN)
    assert [each - start for each in starts(periods)] == [timedelta(hours=hours) for hours in (0, 2.5, 3, 3.5, 5)]


def test_a_station_clock_gone_astray_is_named() -> None:
    with pytest.raises(MalformedTimeline, match="366 days"):
        charging_periods(timeline(datetime(1970, 1, 1, tzinfo=UTC), at(9), {}), free, BERLIN)
    with pytest.raises(MalformedTimeline, match="end"):
        charging_periods(timeline(at(9), at(8), {}), free, BERLIN)


def test_a_register_that_is_no_number_is_named() -> None:
    with pytest.raises(UnsupportedNumber, match="register"):
        charging_periods(timeline(at(9), at(10), {at(9): "NaN", at(10): "1"}), free, BERLIN)


def test_a_period_shorter_than_the_last_decimal_is_still_billed() -> None:
    prices = tariff(element(part("TIME", "3600", step=0)))
    story = timeline(at(9), at(9) + timedelta(milliseconds=100), {at(9): "0"})
    session = price_session(story, prices, BERLIN)
    assert session.total_cost is not None
    assert session.total_cost.before_taxes == Decimal("0.1")


def test_states_of_a_connector() -> None:
    told = {status: charging_state(status) for status in ConnectorStatus}
    assert {status for status, state in told.items() if state is None} == {
        ConnectorStatus.AVAILABLE,
        ConnectorStatus.RESERVED,
        ConnectorStatus.UNAVAILABLE,
        ConnectorStatus.FAULTED,
        ConnectorStatus.UNKNOWN,
    }
    assert told[ConnectorStatus.FINISHING] is ChargingState.SUSPENDED_EV
    assert told[ConnectorStatus.SUSPENDED_EVSE] is ChargingState.SUSPENDED_EVSE


def test_a_price_of_energy_does_not_cut_while_none_flows() -> None:
    prices = tariff(element(part("ENERGY", "1"), start_time="11:00"), element(part("ENERGY", "2")))
    session = price_session(steady(at(9), at(13), "5000", parked_from=at(9, 30)), prices, "UTC")
    assert starts(session.periods) == [at(9), at(9, 30)]


def cost(story: Timeline, prices: Tariff, readings: Readings = DEFAULT_READINGS) -> Decimal:
    session = price_session(story, prices, "UTC", readings)
    assert session.total_cost is not None
    return session.total_cost.before_taxes


def test_a_pause_is_kept_apart_where_power_decides() -> None:
    prices = tariff(element(part("ENERGY", "1"), min_power="10"), element(part("ENERGY", "2")))
    charging = {at(9): ChargingState.CHARGING}
    story = timeline(at(9), at(11), {at(9): "0", at(10): "12000", at(11): "12000"}, charging)
    assert cost(story, prices) == 12


def test_a_period_without_current_is_kept_apart_where_current_decides() -> None:
    prices = tariff(element(part("TIME", "1"), min_current="32", end_time="10:00"), element(part("TIME", "2")))
    story = Timeline(
        start=at(9),
        end=at(11),
        readings=(
            Reading(at(9), Decimal(0), None, Decimal(16)),
            Reading(at(10), Decimal(9)),
            Reading(at(11), Decimal(18)),
        ),
        states=(StateChange(at(9), ChargingState.CHARGING),),
    )
    assert cost(story, prices, Readings(unknown_current=UnknownCurrent.MATCH)) == 4


def test_energy_at_a_threshold_is_exact_although_time_is_not() -> None:
    prices = tariff(element(part("ENERGY", "0"), max_kwh="7"), element(part("ENERGY", "1")))
    assert energy(charging_periods(steady(at(9), at(10), "999000"), prices, BERLIN)) == [7, 992]


def test_a_threshold_finer_than_the_meter_grid_never_makes_energy_negative() -> None:
    prices = tariff(
        element(part("ENERGY", "0"), max_kwh="7.00005"),
        element(part("ENERGY", "1"), end_time="10:00"),
        element(part("ENERGY", "2")),
    )
    story = timeline(at(9), at(10, 30), {at(9): "0", at(9, 30): "7000.06", at(10, 30): "7000.09"})
    parts = energy(charging_periods(story, prices, "UTC"))
    assert parts == [Decimal("7.00005"), Decimal("0.00004")]


def test_a_reading_from_outside_counts_at_the_nearer_end() -> None:
    prices = tariff(element(part("ENERGY", "1"), end_time="09:30"), element(part("ENERGY", "2")))
    story = timeline(at(9), at(10), {at(8): "0", at(11): "4000"})
    assert energy(charging_periods(story, prices, "UTC")) == [2, 2]
