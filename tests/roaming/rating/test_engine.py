"""Choice of components, restrictions, taxes, limits, steps and errors of the engine."""

from datetime import datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from roaming.model.tariff import Tariff
from roaming.rating import (
    FindingCode,
    MalformedPeriods,
    MalformedTariff,
    Part,
    Rated,
    RatingError,
    Readings,
    UnsupportedNumber,
    price_list,
    rate,
)
from roaming.rating.readings import (
    AbsentVat,
    Clock,
    ElementChoice,
    ExpiredStartFee,
    FlatFee,
    FlowRange,
    HoursReading,
    Limits,
    LimitTax,
    RoundedAt,
    Rounding,
    StepScope,
    StepTime,
    StepVolume,
    UnknownCurrent,
    UnknownPower,
)
from tests.roaming.rating.building import at, element, gross, limit, part, period, tariff


def price_at(prices: Tariff, when: datetime, zone: str = "UTC", **volumes: str) -> Rated:
    """One hour from ``when``."""
    volumes = volumes or {"TIME": "1"}
    return rate(prices, (period(when, **volumes),), start=when, end=when + timedelta(hours=1), time_zone=zone)


def is_charged(when: datetime, zone: str = "UTC", **restrictions: object) -> bool:
    return price_at(tariff(element(part("TIME", "1"), **restrictions)), when, zone).total.before_taxes == 1


@pytest.mark.parametrize(
    ("hour", "expected"), [(21.99, False), (22, True), (23.99, True), (0, True), (5.99, True), (6, False)]
)
def test_window_over_midnight(hour: float, expected: bool) -> None:
    assert is_charged(at(hour), start_time="22:00", end_time="06:00") is expected


@pytest.mark.parametrize(("hour", "expected"), [(16.99, False), (17, True), (23.99, True), (0, False)])
def test_midnight_as_the_end_is_the_end_of_the_day(hour: float, expected: bool) -> None:
    assert is_charged(at(hour), start_time="17:00", end_time="00:00") is expected


def test_equal_start_and_end_are_the_whole_day() -> None:
    assert all(is_charged(at(hour), start_time="08:00", end_time="08:00") for hour in (0, 7, 8, 23))


def test_times_are_local_to_the_location() -> None:
    assert is_charged(at(23.5), "Europe/Amsterdam", end_time="01:00")
    assert not is_charged(at(23.5), "Europe/Amsterdam", start_time="23:00")


def test_weekdays_are_local_and_of_the_moment() -> None:
    assert is_charged(at(23.5), "Europe/Amsterdam", day_of_week=("TUESDAY",))
    assert is_charged(at(24 + 1), day_of_week=("TUESDAY",), start_time="22:00", end_time="06:00")
    assert not is_charged(at(1), day_of_week=("TUESDAY",), start_time="22:00", end_time="06:00")


def test_an_unknown_weekday_never_comes() -> None:
    assert not is_charged(at(1), day_of_week=("EVERYDAY",))


@pytest.mark.parametrize(
    ("restriction", "day", "expected"),
    [("start_date", -1, False), ("start_date", 0, True), ("end_date", -1, True), ("end_date", 0, False)],
)
def test_dates_begin_inclusive_and_end_exclusive(restriction: str, day: int, expected: bool) -> None:
    assert is_charged(at(24 * day + 5), **{restriction: "2026-01-12"}) is expected


@pytest.mark.parametrize(
    ("restrictions", "expected"),
    [
        ({"min_kwh": "10"}, True),
        ({"min_kwh": "10.0001"}, False),
        ({"max_kwh": "10"}, False),
        ({"max_kwh": "10.0001"}, True),
        ({"min_duration": 3600}, True),
        ({"min_duration": 3601}, False),
        ({"max_duration": 3600}, False),
        ({"max_duration": 3601}, True),
        ({"min_power": "11"}, True),
        ({"min_power": "11.1"}, False),
        ({"max_power": "22"}, False),
        ({"max_power": "22.1"}, True),
        ({"min_current": "16"}, True),
        ({"max_current": "32"}, False),
        ({"min_kwh": "10", "max_duration": 3600}, False),
    ],
)
def test_thresholds_are_inclusive_below_and_exclusive_above(restrictions: dict[str, object], expected: bool) -> None:
    flow = {"MIN_POWER": "11", "MAX_POWER": "22", "MIN_CURRENT": "16", "MAX_CURRENT": "32"}
    periods = (period(at(9), TIME="1", ENERGY="10", **flow), period(at(10), TIME="1", ENERGY="1", **flow))
    prices = tariff(element(part("TIME", "1"), **restrictions))
    readings = Readings(flow_range=FlowRange.THROUGHOUT)
    rated = rate(prices, periods, start=at(9), end=at(11), time_zone="UTC", readings=readings)
    assert any(line.period == 1 and line.component is not None for line in rated.lines) is expected


def test_each_dimension_has_its_own_first_element() -> None:
    prices = tariff(
        element(part("ENERGY", "1"), start_time="10:00"),
        element(part("TIME", "2")),
        element(part("ENERGY", "3"), part("TIME", "4")),
    )
    rated = price_at(prices, at(9), ENERGY="1", TIME="1")
    assert {
        line.part: (line.component.element, line.component.component) for line in rated.lines if line.component
    } == {
        Part.ENERGY: (2, 0),
        Part.TIME: (1, 0),
    }


def test_ocpi_2_1_1_takes_one_element_for_all_dimensions() -> None:
    prices = tariff(element(part("TIME", "2")), element(part("ENERGY", "3"), part("TIME", "4")))
    readings = Readings.of_version("2.1.1")
    assert readings.element_choice is ElementChoice.FIRST_ELEMENT
    rated = rate(
        prices, (period(at(9), ENERGY="1", TIME="1"),), start=at(9), end=at(10), time_zone="UTC", readings=readings
    )
    assert rated.total.before_taxes == 2
    assert rated.total.taxes is None


def test_flat_is_charged_once_when_it_first_holds() -> None:
    prices = tariff(
        element(part("FLAT", "1"), min_duration=3600, max_duration=7200), element(part("FLAT", "5"), min_duration=3600)
    )
    periods = tuple(period(at(hour), TIME="1") for hour in range(9, 13))
    rated = rate(prices, periods, start=at(9), end=at(13), time_zone="UTC")
    assert rated.total.before_taxes == 1
    assert [line.period for line in rated.lines if line.part is Part.FLAT] == [1]


def test_a_reservation_has_its_own_fee_and_its_own_clock() -> None:
    prices = tariff(
        element(part("FLAT", "2"), part("TIME", "6", step=600), reservation="RESERVATION"),
        element(part("FLAT", "1"), part("TIME", "10"), max_duration=1800),
    )
    periods = (period(at(9), RESERVATION_TIME="0.25"), period(at(9, 15), TIME="0.5"))
    rated = rate(prices, periods, start=at(9), end=at(9, 45), time_zone="UTC")
    assert rated.reservation.before_taxes == 4
    assert rated.fixed.before_taxes == 1
    assert rated.time.before_taxes == 5
    assert rated.billed_reservation_seconds == 1200


def test_reservation_elements_do_not_price_a_session() -> None:
    prices = tariff(
        element(part("FLAT", "2"), part("TIME", "6"), reservation="RESERVATION"), element(part("TIME", "1"))
    )
    assert price_at(prices, at(9)).total.before_taxes == 1


@pytest.mark.parametrize("booking", ["BOOKING", "BOOKING_OVERTIME", "BOOKING_OF_TOMORROW"])
def test_elements_for_bookings_price_no_charge_and_are_named(booking: str) -> None:
    prices = tariff(element(part("FLAT", "2"), part("TIME", "6"), booking=booking), element(part("TIME", "1")))
    rated = price_at(prices, at(9))
    assert rated.total.before_taxes == 1
    assert [(found.code, booking in found.text) for found in rated.findings] == [(FindingCode.UNREAD_TARIFF_PART, True)]


def test_vat_absent_is_none_due_and_zero_is_a_rate() -> None:
    absent = price_at(tariff(element(part("TIME", "2"))), at(9)).total
    zero = price_at(tariff(element(part("TIME", "2", "0"))), at(9)).total
    assert absent.taxes == ()
    assert zero.taxes is not None
    assert [(tax.amount, tax.percentage) for tax in zero.taxes] == [(0, 0)]


def test_vat_absent_is_unknown_where_the_agreement_reads_it_so() -> None:
    readings = Readings(absent_vat=AbsentVat.UNKNOWN)
    prices = tariff(element(part("TIME", "2"), part("ENERGY", "1", "10")))
    periods = (period(at(9), TIME="1", ENERGY="1"),)
    rated = rate(prices, periods, start=at(9), end=at(10), time_zone="UTC", readings=readings)
    assert rated.total.taxes is None
    assert gross(rated.energy) == Decimal("1.1")
    assert FindingCode.TAX_UNKNOWN in {finding.code for finding in rated.findings}


def test_taxes_are_listed_by_rate_and_add_up_to_the_difference() -> None:
    prices = tariff(element(part("TIME", "0.00125", "19"), part("ENERGY", "0.00333", "7"), part("FLAT", "1")))
    total = price_at(prices, at(9), TIME="1", ENERGY="1").total
    assert total.taxes is not None
    assert [tax.percentage for tax in total.taxes] == [7, 19]
    assert total.before_taxes == Decimal("1.0046")
    assert gross(total) == Decimal("1.0051")


def test_taxes_are_taken_out_of_prices_that_contain_them() -> None:
    prices = tariff(element(part("TIME", "10.6", "21"), part("ENERGY", "1.052", "5.2")), tax_included="YES")
    total = price_at(prices, at(9), TIME="1", ENERGY="1").total
    assert total.before_taxes == Decimal("9.7603")
    assert gross(total) == Decimal("11.652")


def test_no_taxes_where_the_tariff_says_so() -> None:
    prices = tariff(element(part("TIME", "10", "21")), tax_included="N/A")
    assert price_at(prices, at(9)).total.taxes == ()


def test_limits_bind_each_sum_on_its_own() -> None:
    prices = tariff(element(part("TIME", "10", "20"), part("ENERGY", "1", "0")), max_price=limit("10.5", "12.5"))
    total = price_at(prices, at(9), TIME="1", ENERGY="1").total
    assert total.before_taxes == Decimal("10.5")
    assert gross(total) == Decimal("12.5")


def test_a_limit_without_tax_takes_the_one_rate_of_the_session() -> None:
    one = tariff(element(part("TIME", "1", "20")), min_price=limit("5"))
    two = tariff(element(part("TIME", "1", "20"), part("FLAT", "1", "10")), min_price=limit("5"))
    assert gross(price_at(one, at(9)).total) == 6
    assert price_at(two, at(9)).total.taxes is None
    both = tariff(*one.elements, min_price=limit("5"), max_price=limit("10", "5.5"))
    assert gross(price_at(both, at(9)).total) == Decimal("5.5")
    unknown = Readings(limit_tax=LimitTax.UNKNOWN)
    rated = rate(one, (period(at(9), TIME="1"),), start=at(9), end=at(10), time_zone="UTC", readings=unknown)
    assert rated.total.taxes is None


def test_limits_leave_alone_what_is_not_known() -> None:
    prices = tariff(element(part("TIME", "9")), max_price=limit("5", "6"), tax_included="YES")
    rated = price_at(prices, at(9))
    assert not rated.is_net_known
    assert rated.total.before_taxes == 6


def test_the_first_of_two_components_of_one_dimension_counts() -> None:
    assert price_at(tariff(element(part("TIME", "1"), part("TIME", "2"))), at(9)).total.before_taxes == 1


def test_the_maximum_wins_over_a_minimum_above_it() -> None:
    prices = tariff(element(part("TIME", "1")), min_price=limit("5", "5"), max_price=limit("3", "3"))
    assert price_at(prices, at(9)).total.before_taxes == 3


def test_an_hour_rounded_to_four_decimals_is_the_length_of_its_period() -> None:
    prices = tariff(element(part("TIME", "36", step=0)))
    periods = (period(at(9), TIME="0.6667"),)
    exact = rate(prices, periods, start=at(9), end=at(9, 40), time_zone="UTC")
    stated = rate(
        prices, periods, start=at(9), end=at(9, 40), time_zone="UTC", readings=Readings(hours=HoursReading.AS_STATED)
    )
    assert exact.total.before_taxes == 24
    assert stated.total.before_taxes == Decimal("24.0012")


def test_step_readings() -> None:
    prices = tariff(
        element(part("TIME", "60", step=600), part("PARKING_TIME", "60", step=600), end_time="10:00"),
        element(part("TIME", "60", step=600), start_time="10:00"),
    )
    periods = (
        period(at(9, 45), PARKING_TIME="0.25"),
        period(at(10), PARKING_TIME="0.15"),
        period(at(10, 9), TIME="0.35"),
    )

    def billed(readings: Readings) -> tuple[Decimal, Decimal]:
        rated = rate(prices, periods, start=at(9, 45), end=at(10, 30), time_zone="UTC", readings=readings)
        return rated.time.before_taxes, rated.parking.before_taxes

    assert billed(Readings()) == (21, 20)
    assert billed(Readings(step_time=StepTime.LAST_ACTIVE)) == (30, 15)
    assert billed(Readings(step_volume=StepVolume.ALL)) == (21, 21)


def test_power_is_the_average_where_a_period_states_none() -> None:
    prices = tariff(element(part("ENERGY", "1"), max_power="16"), element(part("ENERGY", "2")))
    assert price_at(prices, at(9), ENERGY="15.9", TIME="1").total.before_taxes == Decimal("15.9")
    assert price_at(prices, at(9), ENERGY="16", TIME="1").total.before_taxes == 32
    readings = Readings(unknown_power=UnknownPower.NO_MATCH)
    periods = (period(at(9), ENERGY="1"),)
    rated = rate(prices, periods, start=at(9), end=at(10), time_zone="UTC", readings=readings)
    assert rated.total.before_taxes == 2
    assert [finding.code for finding in rated.findings] == [FindingCode.POWER_UNKNOWN]


def test_an_unknown_current_matches_nothing_and_is_said() -> None:
    prices = tariff(element(part("TIME", "1"), max_current="32"))
    rated = price_at(prices, at(9))
    assert rated.total.before_taxes == 0
    assert [finding.code for finding in rated.findings] == [FindingCode.CURRENT_UNKNOWN]
    readings = Readings(unknown_current=UnknownCurrent.MATCH)
    matched = rate(prices, (period(at(9), TIME="1"),), start=at(9), end=at(10), time_zone="UTC", readings=readings)
    assert matched.total.before_taxes == 1


@pytest.mark.parametrize(("rounding", "expected"), [(Rounding.HALF_UP, "0.13"), (Rounding.HALF_EVEN, "0.12")])
def test_rounding_happens_once_at_the_end(rounding: Rounding, expected: str) -> None:
    prices = tariff(element(part("TIME", "0.25"), part("ENERGY", "0.001")))
    readings = Readings(rounding=rounding, decimals=2)
    periods = tuple(period(at(9, minute), TIME="0.1667", ENERGY="0") for minute in (0, 10, 20))
    rated = rate(prices, periods, start=at(9), end=at(9, 30), time_zone="UTC", readings=readings)
    assert rated.total.before_taxes == Decimal(expected)


def test_remarks_on_the_tariff() -> None:
    prices = tariff(element(part("TIME", "1"), part("SUNSHINE", "1")), start_date_time=at(10), id="Other")
    named = msgspec.structs.replace(period(at(9), TIME="1"), tariff_id="T9")
    rated = rate(prices, (named,), start=at(9), end=at(10), time_zone="UTC")
    assert [finding.code for finding in rated.findings] == [
        FindingCode.TARIFF_NOT_VALID,
        FindingCode.UNREAD_TARIFF_PART,
        FindingCode.OTHER_TARIFF,
    ]


@pytest.mark.parametrize(
    ("prices", "field"),
    [
        (tariff(element(part("TIME", "1"), start_time="25:00")), r"elements\[0\].restrictions.start_time"),
        (tariff(element(part("TIME", "1"), end_time="9:00")), r"elements\[0\].restrictions.end_time"),
        (tariff(element(part("TIME", "1"), start_date="2026-13-01")), r"elements\[0\].restrictions.start_date"),
        (tariff(element(part("TIME", "NaN"))), r"elements\[0\].price_components\[0\].price"),
        (tariff(element(part("TIME", "1", "-100"))), r"elements\[0\].price_components\[0\].vat"),
        (tariff(element(part("TIME", "1", step=-1))), r"elements\[0\].price_components\[0\].step_size"),
        (tariff(), "elements"),
    ],
)
def test_a_malformed_tariff_names_the_field(prices: Tariff, field: str) -> None:
    with pytest.raises(MalformedTariff, match=field):
        price_list(prices)


def test_malformed_periods_name_the_field() -> None:
    prices = tariff(element(part("TIME", "1")))
    unsorted = (period(at(10), TIME="1"), period(at(9), TIME="1"))
    with pytest.raises(MalformedPeriods, match=r"charging_periods\[0\]"):
        rate(prices, unsorted, start=at(9), end=at(11), time_zone="UTC")
    with pytest.raises(MalformedPeriods, match=r"charging_periods\[0\].TIME: -1 hours"):
        price_at(prices, at(9), TIME="-1")
    with pytest.raises(MalformedPeriods, match=r"charging_periods\[0\].ENERGY"):
        price_at(prices, at(9), ENERGY="Infinity")


def test_numbers_that_cannot_be_kept_exact_are_refused() -> None:
    prices = tariff(element(part("ENERGY", "1"), part("TIME", "1")))
    assert price_at(prices, at(9), ENERGY="0." + "1" * 60).total.before_taxes == Decimal("0.112")
    with pytest.raises(UnsupportedNumber, match="charging_periods"):
        price_at(prices, at(9), ENERGY="1e500")


def test_an_unknown_time_zone_is_named() -> None:
    with pytest.raises(RatingError, match="time_zone: 'Mars/Base'"):
        price_at(tariff(element(part("TIME", "1"))), at(9), "Mars/Base")


def test_a_price_list_serves_many_sessions() -> None:
    prices = price_list(tariff(element(part("TIME", "1"))), Readings(decimals=2))
    rated = rate(prices, (period(at(9), TIME="1"),), start=at(9), end=at(10), time_zone="UTC")
    assert str(rated.total.before_taxes) == "1.00"


def test_a_range_of_power_that_passes_a_threshold() -> None:
    prices = tariff(element(part("ENERGY", "2"), min_power="20"), element(part("ENERGY", "1"), max_power="20"))
    periods = (period(at(9), ENERGY="10", TIME="1", MIN_POWER="3", MAX_POWER="35"),)

    def paid(readings: Readings) -> Decimal:
        rated = rate(prices, periods, start=at(9), end=at(10), time_zone="UTC", readings=readings)
        return rated.total.before_taxes

    assert paid(Readings()) == 20
    assert paid(Readings(flow_range=FlowRange.THROUGHOUT)) == 0


def test_an_unknown_power_keeps_nothing_out_where_the_agreement_reads_it_so() -> None:
    prices = tariff(element(part("ENERGY", "2"), min_power="20"), element(part("ENERGY", "1")))
    periods = (period(at(9), ENERGY="10", TIME="1"),)
    readings = Readings(unknown_power=UnknownPower.MATCH)
    rated = rate(prices, periods, start=at(9), end=at(10), time_zone="UTC", readings=readings)
    assert rated.total.before_taxes == 20
    assert price_at(prices, at(9), ENERGY="10", TIME="1").total.before_taxes == 10


def test_steps_of_each_period() -> None:
    prices = tariff(element(part("ENERGY", "1", step=1000), part("TIME", "60", step=600)))
    periods = (period(at(9), ENERGY="1.2", TIME="0.15"), period(at(9, 9), ENERGY="1.2", TIME="0.15"))

    def paid(readings: Readings) -> Decimal:
        rated = rate(prices, periods, start=at(9), end=at(9, 18), time_zone="UTC", readings=readings)
        return rated.total.before_taxes

    assert paid(Readings()) == 3 + 20
    assert paid(Readings(step_scope=StepScope.PERIOD)) == 4 + 20
    assert paid(Readings(step_scope=StepScope.PERIOD, step_volume=StepVolume.ALL)) == 24


def test_every_flat_component_once() -> None:
    prices = tariff(element(part("FLAT", "2"), end_time="10:00"), element(part("FLAT", "5")))
    periods = tuple(period(at(hour), TIME="1") for hour in (8, 9, 10, 11))

    def paid(readings: Readings) -> Decimal:
        rated = rate(prices, periods, start=at(8), end=at(12), time_zone="UTC", readings=readings)
        return rated.fixed.before_taxes

    assert paid(Readings()) == 2
    assert paid(Readings(flat_fee=FlatFee.EACH_COMPONENT)) == 7


def test_the_start_fee_of_an_expired_reservation() -> None:
    prices = tariff(
        element(part("FLAT", "4"), reservation="RESERVATION_EXPIRES"), element(part("FLAT", "1"), part("TIME", "1"))
    )
    periods = (period(at(9), RESERVATION_TIME="0.5"),)

    def paid(readings: Readings) -> tuple[Decimal, Decimal]:
        rated = rate(
            prices,
            periods,
            start=at(9),
            end=at(9, 30),
            time_zone="UTC",
            readings=readings,
            is_reservation_expired=True,
        )
        return rated.fixed.before_taxes, rated.reservation.before_taxes

    assert paid(Readings()) == (0, 4)
    assert paid(Readings(expired_start_fee=ExpiredStartFee.CHARGED)) == (1, 4)


def test_taxes_that_change_with_a_limit() -> None:
    prices = tariff(element(part("TIME", "10", "20"), part("ENERGY", "1", "0")), max_price=limit("5.5", "99"))
    periods = (period(at(9), TIME="1", ENERGY="1"),)

    def paid(readings: Readings, of: Tariff = prices) -> Decimal | None:
        return gross(rate(of, periods, start=at(9), end=at(10), time_zone="UTC", readings=readings).total)

    scaled = Readings(limits=Limits.SCALED_TAX)
    assert paid(Readings()) == 13
    assert paid(scaled) == Decimal("6.5")
    free = tariff(element(part("TIME", "0", "20")), min_price=limit("5"))
    assert paid(scaled, free) == 6
    thirds = tariff(element(part("TIME", "7", "10"), part("ENERGY", "2", "0")), max_price=limit("3.1", "99"))
    assert paid(scaled, thirds) == Decimal("3.3411")


def test_the_clock_of_utc() -> None:
    prices = tariff(element(part("TIME", "1"), start_time="10:00"))
    periods = (period(at(9), TIME="1"),)

    def paid(readings: Readings) -> Decimal:
        rated = rate(prices, periods, start=at(9), end=at(10), time_zone="Europe/Berlin", readings=readings)
        return rated.total.before_taxes

    assert paid(Readings()) == 1
    assert paid(Readings(clock=Clock.UTC)) == 0


def test_rounding_of_every_line() -> None:
    prices = tariff(element(part("TIME", "0.03", step=0)))
    periods = tuple(period(at(9, minute), TIME="0.1667") for minute in (0, 10, 20))
    readings = Readings(rounded_at=RoundedAt.LINE, decimals=2)
    rated = rate(prices, periods, start=at(9), end=at(9, 30), time_zone="UTC", readings=readings)
    assert rated.total.before_taxes == Decimal("0.03")
    at_the_end = rate(prices, periods, start=at(9), end=at(9, 30), time_zone="UTC", readings=Readings(decimals=2))
    assert at_the_end.total.before_taxes == Decimal("0.02")


def test_readings_are_chosen_by_name() -> None:
    chosen = Readings().choosing({"step_scope": "PERIOD", "decimals": "2"})
    assert chosen == Readings(step_scope=StepScope.PERIOD, decimals=2)
    assert chosen.chosen() == {"step_scope": "PERIOD", "decimals": 2}
    assert Readings().choosing(chosen.chosen()) == chosen
    for wrong, said in (
        ({"steps": "PERIOD"}, "steps: no reading has this name"),
        ({"step_scope": "WEEK"}, "step_scope: WEEK is none of SESSION, PERIOD"),
        ({"decimals": "-1"}, "decimals: -1 is no number of decimals"),
        ({"decimals": 99}, "decimals: 99 is no number of decimals"),
    ):
        with pytest.raises(RatingError, match=said):
            Readings().choosing(wrong)


def test_a_million_periods_are_refused_by_name() -> None:
    with pytest.raises(MalformedPeriods, match=r"charging_periods: 1,000,000 are more than 100,000"):
        rate(
            tariff(element(part("TIME", "1"))),
            (period(at(9), TIME="1"),) * 1_000_000,
            start=at(9),
            end=at(10),
            time_zone="UTC",
        )
