"""What lint finds in a tariff, and that it finds nothing in a good one."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest

from roaming.model.tariff import Tariff
from roaming.rating.lint import LintCode, lint
from roaming.rating.readings import Readings
from tests.roaming.rating.building import WEEKDAYS, element, limit, part, tariff
from tests.roaming.rating.test_worked_examples import by_current, by_duration, by_power, free, steps

DAY = element(part("ENERGY", "0.5"), start_time="08:00", end_time="20:00")
NIGHT = element(part("ENERGY", "0.3"), start_time="20:00", end_time="08:00")
ALWAYS = element(part("ENERGY", "0.4"))


def found(prices: Tariff, time_zone: str = "") -> list[tuple[str, str]]:
    return [(each.code.value, each.where) for each in lint(prices, time_zone=time_zone)]


def said(prices: Tariff, code: LintCode, time_zone: str = "") -> str:
    return "; ".join(each.text for each in lint(prices, time_zone=time_zone) if each.code is code)


@pytest.mark.parametrize("good", [tariff(DAY, NIGHT), tariff(DAY, ALWAYS), by_duration, by_power, free])
def test_nothing_is_found_in_a_good_one(good: Tariff) -> None:
    assert found(good, "Europe/Berlin") == []


def test_an_element_that_is_never_reached() -> None:
    assert found(tariff(ALWAYS, DAY)) == [("UNREACHABLE", "elements[1].price_components[0]")]
    assert said(tariff(DAY, NIGHT, ALWAYS), LintCode.UNREACHABLE) == (
        "ENERGY is always priced by elements 0, 1 before it"
    )
    assert found(tariff(ALWAYS, element(part("TIME", "1")))) == []
    oldest = lint(tariff(ALWAYS, element(part("TIME", "1"))), readings=Readings.of_version("2.1.1"))
    assert [each.code for each in oldest] == [LintCode.UNREACHABLE]


def test_a_gap_is_named_by_what_decides_it() -> None:
    assert said(tariff(DAY), LintCode.GAP).startswith(
        "ENERGY costs nothing where time of day is 00:00 to 08:00 or 20:00 to 24:00; an element without restrictions"
    )
    weekend = tariff(element(part("TIME", "1"), day_of_week=WEEKDAYS))
    assert "where day is SATURDAY or SUNDAY" in said(weekend, LintCode.GAP)
    dated = tariff(element(part("TIME", "1"), start_date="2026-03-01"))
    assert "where day is before 2026-03-01" in said(dated, LintCode.GAP)
    amounts = tariff(element(part("TIME", "1"), max_kwh="10"), element(part("TIME", "1"), min_kwh="20"))
    assert "where energy is 10 to 20 kWh" in said(amounts, LintCode.GAP)
    corner = tariff(element(part("TIME", "1"), max_kwh="10"), element(part("TIME", "1"), max_duration=60))
    assert "in places, such as energy 10 kWh and more, duration 60 s and more" in said(corner, LintCode.GAP)


def test_gaps_of_the_specifications_own_examples() -> None:
    assert "PARKING_TIME costs nothing" in said(by_current, LintCode.GAP)
    assert "PARKING_TIME costs nothing where time of day is 20:00 to 24:00" in said(steps, LintCode.GAP)


def test_elements_that_compete() -> None:
    late = element(part("ENERGY", "0.2"), start_time="18:00", end_time="22:00")
    assert ("OVERLAP", "elements[1]") in found(tariff(DAY, late, ALWAYS))
    inside = element(part("ENERGY", "0.2"), start_time="12:00", end_time="14:00")
    assert found(tariff(inside, DAY, ALWAYS)) == []


@pytest.mark.parametrize(
    "restrictions",
    [
        {"min_kwh": "20", "max_kwh": "20"},
        {"min_power": "20", "max_power": "10"},
        {"min_duration": 60, "max_duration": 60},
        {"start_date": "2026-02-01", "end_date": "2026-01-01"},
        {"max_kwh": "0"},
        {"day_of_week": ("EVERYDAY",)},
        {"start_date": "2026-01-12", "end_date": "2026-01-13", "day_of_week": ("FRIDAY",)},
    ],
)
def test_restrictions_that_never_hold(restrictions: dict[str, object]) -> None:
    codes = [code for code, _ in found(tariff(element(part("ENERGY", "9"), **restrictions), ALWAYS))]
    assert codes == ["IMPOSSIBLE"]


@pytest.mark.parametrize(
    ("prices", "code", "where"),
    [
        (msgspec.structs.replace(tariff(ALWAYS), currency="EURO"), "CURRENCY", "currency"),
        (msgspec.structs.replace(tariff(ALWAYS), currency="DEM"), "CURRENCY", "currency"),
        (tariff(element(part("ENERGY", "1"), start_time="25:00")), "MALFORMED", "elements"),
        (tariff(), "MALFORMED", "elements"),
        (tariff(ALWAYS, min_price=limit("5"), max_price=limit("4")), "LIMITS", "min_price"),
        (tariff(ALWAYS, max_price=limit("5", "4")), "LIMITS", "max_price"),
        (
            tariff(
                ALWAYS,
                start_date_time=datetime(2026, 2, 1, tzinfo=UTC),
                end_date_time=datetime(2026, 1, 1, tzinfo=UTC),
            ),
            "VALIDITY",
            "end_date_time",
        ),
    ],
)
def test_what_is_wrong_is_an_error(prices: Tariff, code: str, where: str) -> None:
    first = lint(prices)[0]
    assert (first.code, first.where, first.is_error) == (code, where, True)


@pytest.mark.parametrize(
    ("prices", "code"),
    [
        (tariff(element(part("ENERGY", "-1"))), "PRICE"),
        (tariff(element(part("ENERGY", "1", "210"))), "TAX"),
        (tariff(ALWAYS, preauthorize_amount=Decimal(0)), "PRICE"),
        (tariff(ALWAYS, preauthorize_amount=Decimal(5), min_price=limit("5", "6")), "PRICE"),
        (tariff(ALWAYS, preauthorize_amount=Decimal(9), max_price=limit("5", "6")), "PRICE"),
        (tariff(ALWAYS, tax_included="YES"), "TAX"),
        (tariff(element(part("ENERGY", "1", "21")), tax_included="N/A"), "TAX"),
        (tariff(element(part("ENERGY", "1", step=5000))), "STEP_SIZE"),
        (tariff(element(part("ENERGY", "1"), part("ENERGY", "2"))), "REPEATED"),
        (tariff(element(part("SUNSHINE", "1"), part("ENERGY", "2"))), "UNREAD"),
    ],
)
def test_what_is_most_likely_not_meant_is_a_warning(prices: Tariff, code: str) -> None:
    (only,) = lint(prices)
    assert (only.code, only.is_error) == (code, False)


def test_zones_and_clock_changes() -> None:
    small = tariff(element(part("ENERGY", "9"), start_time="02:00", end_time="03:00"), ALWAYS)
    text = said(small, LintCode.CLOCK_CHANGE, "Europe/Berlin")
    assert "02:00 to 03:00 does not come on 2026-03-29" in text
    assert "02:00 to 03:00 comes twice on 2026-10-25" in text
    assert said(small, LintCode.CLOCK_CHANGE, "Asia/Kolkata") == ""
    assert "no IANA time zone" in said(small, LintCode.TIME_ZONE, "Europe/Atlantis")


def test_more_combinations_than_can_be_looked_at_are_said() -> None:
    many = [
        element(
            part("ENERGY", "1"),
            min_kwh=str(each),
            min_power=str(each),
            min_current=str(each),
            min_duration=each,
            start_time=f"{each:02}:30",
        )
        for each in range(1, 15)
    ]
    assert [code for code, _ in found(tariff(*many))] == ["TOO_MANY"]
