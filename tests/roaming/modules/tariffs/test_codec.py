"""Tariffs in their versions: tax in prices, limits, and restrictions that must not get lost."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from roaming.model.money import PriceLimit
from roaming.model.tariff import PriceComponent, Tariff, TariffElement, TariffRestrictions
from roaming.modules.tariffs.codec import v211, v221, v230
from roaming.ocpi.codec import DecodeContext, EncodeError, Finding, FindingCode, Loss

OWNER = DecodeContext(country_code="NL", party_id="TNM")


def element(price: str = "0.25", vat: str | None = "21", **restrictions: Any) -> TariffElement:
    component = PriceComponent(type="ENERGY", price=Decimal(price), vat=Decimal(vat) if vat else None, step_size=1)
    return TariffElement(
        price_components=(component,), restrictions=TariffRestrictions(**restrictions) if restrictions else None
    )


def tariff(*elements: TariffElement, **changes: Any) -> Tariff:
    values: dict[str, Any] = {
        "country_code": "NL",
        "party_id": "TNM",
        "id": "T1",
        "currency": "EUR",
        "elements": elements or (element(),),
        "tax_included": "NO",
        "last_updated": datetime(2026, 1, 31, tzinfo=UTC),
    }
    return Tariff(**values | changes)


def price_of(body: dict[str, Any]) -> Any:
    return body["elements"][0]["price_components"][0]["price"]


@pytest.mark.parametrize(
    ("price", "vat", "net"),
    [
        ("0.3025", "21", "0.25"),
        ("0.30", "21", "0.247934"),
        ("1.10", "10.0", "1"),
        ("0.00", None, "0.00"),
        ("5", "0", "5"),
    ],
)
@pytest.mark.parametrize("codec", [v211.CODEC, v221.CODEC])
def test_tax_is_taken_out_of_prices_before_2_3_0(codec: Any, price: str, vat: str | None, net: str) -> None:
    encoded = codec.encode(tariff(element(price, vat), tax_included="YES"))
    assert price_of(encoded.body) == Decimal(net)
    assert "tax_included" not in encoded.body
    assert "tax_included" in [loss.path for loss in encoded.losses]
    assert codec.decode(encoded.body, context=OWNER).value.tax_included == "NO"


@pytest.mark.parametrize("codec", [v211.CODEC, v221.CODEC])
def test_tax_of_an_unknown_rate_holds_the_tariff(codec: Any) -> None:
    with pytest.raises(EncodeError, match=r"^elements\[0\]\.price_components\[0\]\.vat: the price contains tax"):
        codec.encode(tariff(element("2", None), tax_included="YES"))


def test_prices_without_tax_stay_as_they_are() -> None:
    assert v221.CODEC.encode(tariff()).losses == ()
    assert price_of(v221.CODEC.encode(tariff(element("0.2500"))).body) == Decimal("0.2500")
    assert v221.CODEC.encode(tariff(tax_included="N/A")).losses == (
        Loss("tax_included", "prices are without tax before 2.3.0"),
    )
    assert v230.CODEC.encode(tariff(tax_included="YES")).body["tax_included"] == "YES"


def test_a_tariff_written_for_2_2_1_counts_as_without_tax_in_2_3_0() -> None:
    body = v221.CODEC.encode(tariff()).body
    decoded = v230.CODEC.decode(body)
    assert decoded.value == tariff()
    assert decoded.findings == (Finding("tax_included", FindingCode.MISSING),)


def test_limits_are_prices_in_2_2_1() -> None:
    limited = tariff(
        min_price=PriceLimit(before_taxes=Decimal("1.00"), after_taxes=Decimal("1.21")),
        max_price=PriceLimit(before_taxes=Decimal(40)),
    )
    body = v221.CODEC.encode(limited).body
    assert body["min_price"] == {"excl_vat": Decimal("1.00"), "incl_vat": Decimal("1.21")}
    assert body["max_price"] == {"excl_vat": Decimal(40)}
    assert v221.CODEC.decode(body).value == limited


def test_2_1_1_does_without_prices_of_reservations() -> None:
    reserved = tariff(element(reservation="RESERVATION"), element("0.40"))
    encoded = v211.CODEC.encode(reserved)
    assert [price_of(encoded.body), len(encoded.body["elements"])] == [Decimal("0.40"), 1]
    assert encoded.losses[0] == Loss("elements[0]", "2.1.1 has no prices for reservations")
    with pytest.raises(EncodeError, match=r"^elements: no entry can be said: 2\.1\.1 has no prices for reservations$"):
        v211.CODEC.encode(tariff(element(reservation="RESERVATION_EXPIRES")))


@pytest.mark.parametrize("restriction", ["min_current", "max_current"])
def test_2_1_1_does_not_get_a_price_without_its_restriction(restriction: str) -> None:
    with pytest.raises(EncodeError, match=rf"^elements\[1\]\.restrictions\.{restriction}: 2\.1\.1 lacks it"):
        v211.CODEC.encode(tariff(element(), element(**{restriction: Decimal(16)})))


def test_limits_and_validity_are_lost_in_2_1_1_and_declared() -> None:
    encoded = v211.CODEC.encode(
        tariff(element(vat=None), type="REGULAR", max_price=PriceLimit(before_taxes=Decimal(1)))
    )
    assert [loss.path for loss in encoded.losses] == ["type", "max_price"]


def test_restrictions_keep_their_times() -> None:
    body = v221.CODEC.encode(tariff(element(start_time="22:00", end_time="06:00"))).body
    body["elements"][0]["restrictions"] |= {"start_time": "7:00", "end_time": "24:00"}
    restrictions = v221.CODEC.decode(body).value.elements[0].restrictions
    assert restrictions == TariffRestrictions(start_time="07:00", end_time="00:00")
