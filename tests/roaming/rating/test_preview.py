"""What an assumed charge would cost, as figures and as a driver reads it."""

from decimal import Decimal

import pytest

from roaming.rating import RatingError
from roaming.rating.preview import Assumed, as_text, preview
from tests.roaming.rating.building import at, element, limit, part, tariff

PRICES = tariff(
    element(part("ENERGY", "0.5", "20"), start_time="20:00"),
    element(part("FLAT", "1"), part("ENERGY", "0.3", "20"), part("PARKING_TIME", "2", "20", 900)),
)


def assumed(**changes: object) -> Assumed:
    values: dict[str, object] = {"start": at(18), "kwh": Decimal(20), "power_kw": Decimal(10), "minutes": Decimal(150)}
    return Assumed(**{**values, "time_zone": "Europe/Berlin", **changes})  # type: ignore[arg-type]


def test_lines_add_up_to_the_total() -> None:
    found = preview(PRICES, assumed())
    assert found.total_with_taxes == sum(line.amount or 0 for line in found.lines) == Decimal("11.8")
    assert found.total_before_taxes == 10
    assert [(line.what, line.quantity, line.amount) for line in found.lines] == [
        ("Start fee", "", 1),
        ("Energy", "10 kWh", Decimal("3.6")),
        ("Energy", "10 kWh", 6),
        ("Connected after charging", "30 min", Decimal("1.2")),
    ]


def test_as_a_driver_reads_it() -> None:
    text = as_text(preview(PRICES, assumed(minutes=Decimal(160))), "Europe/Berlin")
    assert text.splitlines()[0] == "20 kWh, Mon 12 January 2026 19:00 to 21:40 (Europe/Berlin)"
    assert "from 21:00  40 min, billed as 45 min  2 per h + 20 % VAT" in text
    assert text.splitlines()[-2].split() == ["Total", "with", "taxes", "12.40", "EUR"]


def test_until_the_energy_is_in() -> None:
    found = preview(PRICES, assumed(minutes=None))
    assert found.end == at(20)
    assert found.energy_kwh == 20
    thirds = preview(PRICES, assumed(minutes=None, kwh=Decimal(10), power_kw=Decimal(11)))
    assert thirds.energy_kwh == 10, "although no number of microseconds is 10/11 h"


def test_less_than_asked_for_where_the_time_is_too_short() -> None:
    assert preview(PRICES, assumed(minutes=Decimal(30))).energy_kwh == 5


def test_limits_and_unknown_taxes_are_lines_and_words() -> None:
    prices = tariff(element(part("TIME", "1")), min_price=limit("5"), tax_included="YES")
    found = preview(prices, assumed())
    assert found.total_before_taxes is None
    assert found.notes
    capped = preview(tariff(element(part("ENERGY", "1")), max_price=limit("5")), assumed())
    assert [line.what for line in capped.lines][-1] == "Cut down to max_price"
    assert "Total with taxes" in as_text(capped, "UTC")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kwh": Decimal(-1)}, "kwh: -1 is negative"),
        ({"minutes": Decimal("NaN")}, "minutes: NaN"),
        ({"minutes": None, "power_kw": Decimal(0)}, "power_kw is 0"),
        ({"minutes": Decimal(10_000_000)}, "more than 366 days"),
        ({"time_zone": "Mars/Base"}, "no IANA time zone"),
    ],
)
def test_what_cannot_be_assumed_is_named(changes: dict[str, object], said: str) -> None:
    with pytest.raises(RatingError, match=said):
        preview(PRICES, assumed(**changes))


def test_what_a_terminal_reserves_first() -> None:
    prices = tariff(*PRICES.elements, preauthorize_amount=Decimal(10))
    found = preview(prices, assumed())
    assert found.preauthorized == 10
    assert found.notes == ("a payment terminal reserves 10.00 EUR first; this charge costs more",)
    assert preview(prices, assumed(minutes=Decimal(30))).notes == ("a payment terminal reserves 10.00 EUR first",)
