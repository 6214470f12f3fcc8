"""The totals of a CDR against its tariff and periods."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from roaming.model.cdr import CDR, CdrLocation
from roaming.model.money import Price, TaxAmount
from roaming.model.place import GeoLocation
from roaming.model.token import CdrToken
from roaming.rating import ChargingState, Readings, check_totals, price_session
from roaming.rating.readings import Credit
from tests.roaming.rating.building import at, element, part, tariff, timeline

PRICES = tariff(element(part("FLAT", "0.5", "20"), part("ENERGY", "0.25", "10"), part("PARKING_TIME", "2", "20", 900)))


def price(before: str, tax: str | None = None) -> Price:
    taxes = None if tax is None else (TaxAmount(name="VAT", amount=Decimal(tax)),)
    return Price(before_taxes=Decimal(before), taxes=taxes)


def a_cdr(**changes: Any) -> CDR:
    story = timeline(
        at(9),
        at(11),
        {at(9): "0", at(10): "20000", at(11): "20000"},
        {at(9): ChargingState.CHARGING, at(10): ChargingState.SUSPENDED_EVSE, at(10, 20): ChargingState.SUSPENDED_EV},
    )
    session = price_session(story, PRICES, "UTC")
    assert session.total_cost is not None
    cdr = CDR(
        country_code="NL",
        party_id="TST",
        id="C1",
        start_date_time=session.start_date_time,
        end_date_time=session.end_date_time,
        cdr_token=CdrToken(country_code="NL", party_id="EMS", uid="U", type="RFID", contract_id="C"),
        auth_method="WHITELIST",
        cdr_location=CdrLocation(
            id="L",
            address="Street 1",
            city="Town",
            country="NLD",
            coordinates=GeoLocation(latitude="52.0", longitude="5.0"),
            evse_uid="E",
            evse_id="NL*TST*E",
            connector_id="1",
            connector_standard="IEC_62196_T2",
            connector_format="SOCKET",
            connector_power_type="AC_3_PHASE",
        ),
        currency="EUR",
        charging_periods=session.periods,
        total_cost=session.total_cost,
        total_fixed_cost=session.total_fixed_cost,
        total_energy=session.total_energy,
        total_energy_cost=session.total_energy_cost,
        total_time=session.total_time,
        total_time_cost=session.total_time_cost,
        total_parking_time=session.total_parking_time,
        total_parking_cost=session.total_parking_cost,
        last_updated=session.end_date_time,
    )
    return msgspec.structs.replace(cdr, **changes)


def test_a_cdr_of_our_own_is_right() -> None:
    assert a_cdr().total_cost == Price(
        before_taxes=Decimal(7),
        taxes=(
            TaxAmount(name="VAT", amount=Decimal("0.5"), percentage=Decimal(10)),
            TaxAmount(name="VAT", amount=Decimal("0.4"), percentage=Decimal(20)),
        ),
    )
    assert check_totals(a_cdr(), PRICES, "UTC") == ()


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("total_cost", price("7.02", "0.9"), "7"),
        ("total_cost", price("7", "0.92"), "7.9"),
        ("total_fixed_cost", price("0"), "0.5"),
        ("total_energy_cost", price("5", "0"), "5.5"),
        ("total_time_cost", price("1"), "0"),
        ("total_parking_cost", price("1.4", "0.28"), "1.5"),
        ("total_reservation_cost", price("1"), "0"),
        ("total_energy", Decimal("20.5"), "20"),
        ("total_time", Decimal("2.1"), "2"),
        ("total_parking_time", Decimal("0.9"), "0.6667"),
    ],
)
def test_a_wrong_total_is_named(field: str, value: object, expected: str) -> None:
    (found,) = check_totals(a_cdr(**{field: value}), PRICES, "UTC")
    assert (found.field, found.expected) == (field, Decimal(expected))


def test_what_is_not_stated_is_not_compared() -> None:
    changes = {"total_cost": price("7"), "total_energy_cost": None, "total_parking_time": None}
    assert check_totals(a_cdr(**changes), PRICES, "UTC") == ()


def test_parking_time_may_leave_out_or_include_withheld_time() -> None:
    assert check_totals(a_cdr(total_parking_time=Decimal("0.6667")), PRICES, "UTC") == ()
    assert check_totals(a_cdr(total_parking_time=Decimal("1")), PRICES, "UTC") == ()


def test_in_a_credit_cdr_the_total_alone_is_negative() -> None:
    credit = a_cdr(credit=True, credit_reference_id="C0", total_cost=price("-7", "-0.9"))
    assert check_totals(credit, PRICES, "UTC") == ()
    assert [found.field for found in check_totals(a_cdr(credit=True), PRICES, "UTC")] == ["total_cost"]
    everything = Readings(credit=Credit.ALL_COSTS)
    assert [found.field for found in check_totals(credit, PRICES, "UTC", everything)] == [
        "total_fixed_cost",
        "total_energy_cost",
        "total_parking_cost",
    ]
