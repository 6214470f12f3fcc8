"""Sessions in their versions: money, and the Location that 2.1.1 quotes."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from roaming.model.money import Price, TaxAmount
from roaming.modules.sessions.codec import v211, v221, v230
from roaming.ocpi.codec import DecodeContext, DecodeError, EncodeContext, EncodeError, FindingCode, Loss
from tests.roaming.ocpi.test_codec import location
from tests.roaming.ocpi.test_codec_patch import session

replace = msgspec.structs.replace
SESSION = session()
STORED = EncodeContext(location=location(postal_code="3011", publish=False))


def reading(**changes: Any) -> DecodeContext:
    return DecodeContext(country_code="NL", party_id="TNM", cdr_token=SESSION.cdr_token, **changes)


def price(before: str, *taxes: tuple[str, str]) -> Price:
    return Price(
        before_taxes=Decimal(before),
        taxes=tuple(TaxAmount(name=name, amount=Decimal(amount)) for name, amount in taxes),
    )


UNKNOWN_TAXES = Price(before_taxes=Decimal("2.00"))


@pytest.mark.parametrize(
    ("cost", "wire", "lost"),
    [
        (UNKNOWN_TAXES, {"excl_vat": "2.00"}, []),
        (price("2.00"), {"excl_vat": "2.00", "incl_vat": "2.00"}, []),
        (price("2.00", ("VAT", "0.42")), {"excl_vat": "2.00", "incl_vat": "2.42"}, []),
        (price("-2.00", ("VAT", "-0.42")), {"excl_vat": "-2.00", "incl_vat": "-2.42"}, []),
        (price("2.00", ("VAT", "0.00")), {"excl_vat": "2.00", "incl_vat": "2.00"}, ["total_cost.taxes"]),
        (price("2.00", ("QST", "0.20")), {"excl_vat": "2.00", "incl_vat": "2.20"}, ["total_cost.taxes"]),
        (
            price("2.00", ("VAT", "0.40"), ("city", "0.02")),
            {"excl_vat": "2.00", "incl_vat": "2.42"},
            ["total_cost.taxes"],
        ),
    ],
)
def test_taxes_are_vat_in_2_2_1(cost: Price, wire: dict[str, str], lost: list[str]) -> None:
    encoded = v221.CODEC.encode(replace(SESSION, total_cost=cost))
    assert encoded.body["total_cost"] == {name: Decimal(amount) for name, amount in wire.items()}
    assert [loss.path for loss in encoded.losses] == lost
    back = v221.CODEC.decode(encoded.body).value.total_cost
    assert lost or back == cost


def test_taxes_that_are_not_known_cannot_be_said_in_2_3_0() -> None:
    encoded = v230.CODEC.encode(replace(SESSION, total_cost=UNKNOWN_TAXES))
    assert encoded.body["total_cost"] == {"before_taxes": Decimal("2.00")}
    assert [loss.path for loss in encoded.losses] == ["total_cost.taxes"]
    assert v230.CODEC.decode(encoded.body).value.total_cost == price("2.00")


def test_a_price_needs_its_amount() -> None:
    body = v221.CODEC.encode(SESSION).body | {"total_cost": {"incl_vat": 1}}
    with pytest.raises(DecodeError, match=r"^total_cost\.excl_vat: required$"):
        v221.CODEC.decode(body)


def test_2_1_1_quotes_the_location_with_the_evse_in_use() -> None:
    body = v211.CODEC.encode(SESSION, context=STORED).body
    assert body["location"]["id"] == "LOC1"
    assert [evse["uid"] for evse in body["location"]["evses"]] == ["E1"]
    assert body["start_datetime"] == "2026-01-31T12:00:00Z"
    assert v211.CODEC.decode(body, context=reading()).value == SESSION
    with pytest.raises(EncodeError, match=r"^location_id: 2\.1\.1 quotes the whole location, needs context\.location$"):
        v211.CODEC.encode(SESSION)


def test_an_evse_that_the_location_does_not_have_is_declared() -> None:
    encoded = v211.CODEC.encode(replace(SESSION, evse_uid="#NA"), context=STORED)
    assert "evses" not in encoded.body["location"]
    assert encoded.losses[-2:] == (
        Loss("evse_uid", "the location does not have it"),
        Loss("connector_id", "the location does not have it"),
    )


def quoted(*evses: dict[str, Any]) -> dict[str, Any]:
    body = v211.CODEC.encode(SESSION, context=STORED).body
    return body | {"location": body["location"] | {"evses": list(evses)}}


E1 = {"uid": "E1", "connectors": [{"id": "1"}]}
E2 = {"uid": "E2", "connectors": [{"id": "1"}, {"id": "2"}]}


def test_one_of_several_evses_is_that_of_the_open_session() -> None:
    context = reading(evse_uid="e2", connector_id="2")
    decoded = v211.CODEC.decode(quoted(E1, E2), context=context).value
    assert (decoded.evse_uid, decoded.connector_id) == ("E2", "2")


def test_no_evse_at_all_is_that_of_the_open_session() -> None:
    decoded = v211.CODEC.decode(quoted(), context=reading(evse_uid="E7", connector_id="3")).value
    assert (decoded.evse_uid, decoded.connector_id) == ("E7", "3")


@pytest.mark.parametrize(
    ("evses", "message"),
    [
        ([], r"location\.evses: names no EVSE, or several: needs context\.evse_uid"),
        ([E1, E2], r"location\.evses: names no EVSE, or several: needs context\.evse_uid"),
        ([E2], r"location\.evses\[0\]\.connectors: names no connector, or several: needs context\.connector_id"),
        ([{"uid": 5, "connectors": [{"id": "1"}]}], r"location\.evses\[0\]\.uid: expected text, got a number"),
    ],
)
def test_without_an_open_session_it_must_be_clear(evses: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(DecodeError, match=f"^{message}$"):
        v211.CODEC.decode(quoted(*evses), context=reading())


def test_what_else_the_quoted_location_holds_is_no_matter() -> None:
    body = quoted(E1)
    body["location"] = {"id": "LOC1", "evses": [E1], "images": "broken"}
    assert v211.CODEC.decode(body, context=reading()).value == SESSION


def test_the_token_of_an_auth_id_must_be_known() -> None:
    body = v211.CODEC.encode(SESSION, context=STORED).body
    message = r"^auth_id: does not say which token, needs context\.cdr_token with this contract$"
    with pytest.raises(DecodeError, match=message):
        v211.CODEC.decode(body, context=DecodeContext(country_code="NL", party_id="TNM"))
    with pytest.raises(DecodeError, match=message):
        v211.CODEC.decode(body | {"auth_id": "someone else's"}, context=reading())


def test_both_spellings_of_a_reservation_are_understood() -> None:
    body = v221.CODEC.encode(SESSION).body | {"status": "RESERVED"}
    decoded = v221.CODEC.decode(body)
    assert decoded.value.status == "RESERVATION"
    assert [(finding.path, finding.code) for finding in decoded.findings] == [("status", FindingCode.REPLACED_VALUE)]
    assert v221.CODEC.encode(decoded.value).body["status"] == "RESERVATION"
