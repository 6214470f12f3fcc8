"""A tariff of OCPI as stations take it, and what they cannot be told."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from contracts.messages.station_tariff import TariffCondition, TariffPrice, TariffTax
from contracts.vocabulary import TariffPriceKind
from roaming.operations.station_tariffs import NotSayable, to_station_tariff, told_lost
from roaming.rating.documents import tariff_of

BODY: dict[str, Any] = json.loads((Path(__file__).parent / "tariff.json").read_text())


def test_what_can_be_said_and_what_cannot() -> None:
    """Per minute, Wh; a fixed price that would hold where it should not is left out, with the rest that is lost."""
    told, lost = to_station_tariff(tariff_of(BODY))
    night = TariffCondition(
        start_time_of_day="22:00", end_time_of_day="06:00", days_of_week=("MONDAY",), max_energy=Decimal(20500)
    )
    assert told.prices == (
        TariffPrice(kind=TariffPriceKind.ENERGY, price=Decimal("0.25"), condition=night),
        TariffPrice(kind=TariffPriceKind.ENERGY, price=Decimal("0.35")),
        TariffPrice(kind=TariffPriceKind.IDLE_TIME, price=Decimal("0.016667")),
        TariffPrice(kind=TariffPriceKind.FIXED_FEE, price=Decimal("0.5")),
        TariffPrice(kind=TariffPriceKind.RESERVATION_TIME, price=Decimal("0.05")),
    )
    assert told.taxes == (TariffTax(kind=TariffPriceKind.ENERGY, name="VAT", percent=Decimal(21)),)
    assert (told.tariff_id, told.currency, told.max_cost) == ("NL-HUB-T1", "EUR", Decimal(40))
    assert told.description == "35 ct/kWh, at night 25"
    assert lost == [
        "elements.1: step_size 1000 of ENERGY",
        "elements.1: step_size 60 of PARKING_TIME",
        "elements.2: a fixed price that depends on more than the time of the start",
        "elements.4: a price of FLAT RESERVATION_EXPIRES",
    ]
    assert told_lost(lost).startswith("the station is not told: elements.1: step_size 1000 of ENERGY; ")
    assert told_lost([]) == ""


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"tax_included": "YES"}, "tax_included"),
        ({"elements": BODY["elements"][4:]}, "elements"),
        (
            {
                "elements": [
                    {"price_components": [{"type": "ENERGY", "price": 1, "vat": vat, "step_size": 1}]}
                    for vat in (9, 21)
                ]
            },
            "one tax rate",
        ),
    ],
)
def test_what_no_station_can_reckon_by(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(NotSayable, match=named):
        to_station_tariff(tariff_of(BODY | changes))
