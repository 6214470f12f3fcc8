"""The explanation says which element priced a line, why, and what step_size and limits did."""

from decimal import Decimal

from roaming.rating import Part, explain, rate
from tests.roaming.rating.building import at, element, limit, part, period, tariff


def test_rows_of_a_session() -> None:
    prices = tariff(
        element(part("ENERGY", "0.5", "21"), start_time="17:00", end_time="20:00"),
        element(part("ENERGY", "0.25", "10"), part("PARKING_TIME", "2", "20", 900)),
        max_price=limit("6", "7"),
    )
    periods = (period(at(9), ENERGY="20", TIME="1"), period(at(10), PARKING_TIME="0.6667"))
    rows = explain(rate(prices, periods, start=at(9), end=at(10, 40), time_zone="UTC"))
    energy, time, parking, cut = rows
    assert (energy.part, energy.quantity, energy.unit, energy.price, energy.price_unit) == (
        Part.ENERGY,
        20,
        "kWh",
        Decimal("0.25"),
        "per kWh",
    )
    assert (energy.element, energy.component, energy.vat) == (1, 0, 10)
    assert energy.reason == "element 1 holds (no restrictions); element 0 does not: start_time, end_time 17:00-20:00"
    assert time.reason == "no element with TIME holds: it costs nothing"
    assert (parking.quantity, parking.step_added, parking.unit) == (2400, 300, "s")
    assert parking.reason == "element 1 holds (no restrictions); step_size 900 adds 300"
    assert (cut.part, cut.before_taxes, cut.after_taxes) == (Part.LIMIT, Decimal("-0.5"), Decimal("-0.3"))
    assert cut.reason == "cut down to max_price"
    assert [row.running_after_taxes for row in rows] == [Decimal(text) for text in ("5.5", "5.5", "7.3", "7")]


def test_shown_amounts_add_up_although_thirds_do_not() -> None:
    prices = tariff(element(part("TIME", "1", step=0)))
    periods = [period(at(9, minute), TIME="0.3333") for minute in (0, 20, 40)]
    rows = explain(rate(prices, periods, start=at(9), end=at(10), time_zone="UTC"))
    assert [row.before_taxes for row in rows] == [Decimal("0.3333"), Decimal("0.3334"), Decimal("0.3333")]
    assert rows[-1].running_before_taxes == 1


def test_a_minimum_price_is_a_row() -> None:
    prices = tariff(element(part("TIME", "1", "20")), min_price=limit("5"))
    rows = explain(rate(prices, (period(at(9), TIME="1"),), start=at(9), end=at(10), time_zone="UTC"))
    assert rows[-1].reason == "raised to min_price"
    assert (rows[-1].before_taxes, rows[-1].after_taxes) == (4, Decimal("4.8"))


def test_reservation_rows_name_the_elements_of_the_reservation() -> None:
    prices = tariff(
        element(part("TIME", "6"), reservation="RESERVATION", max_duration=600),
        element(part("TIME", "3"), reservation="RESERVATION"),
        element(part("TIME", "1")),
    )
    periods = (period(at(9), RESERVATION_TIME="0.25"), period(at(9, 15), RESERVATION_TIME="0.25"))
    rows = explain(rate(prices, periods, start=at(9), end=at(9, 30), time_zone="UTC"))
    assert [row.element for row in rows] == [0, 1]
    assert rows[1].reason == "element 1 holds (no restrictions); element 0 does not: max_duration 600"
