"""CDRs in their versions: what must not appear, what 2.1.1 makes up, what it refuses."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from roaming.model.cdr import CDR, CdrLocation
from roaming.model.location import GeoLocation
from roaming.model.money import Price
from roaming.model.session import CdrDimension, ChargingPeriod
from roaming.model.token import CdrToken
from roaming.modules.cdrs.codec import v211, v221, v230
from roaming.ocpi.codec import DecodeContext, DecodeError, EncodeContext, EncodeError, FindingCode, Loss
from tests.roaming.ocpi.test_codec import location

replace = msgspec.structs.replace
START = datetime(2026, 1, 31, 12, tzinfo=UTC)
TOKEN = CdrToken(country_code="NL", party_id="MSP", uid="U1", type="RFID", contract_id="C1")
STORED = location(postal_code="3011")


def period(**volumes: str) -> ChargingPeriod:
    dimensions = tuple(CdrDimension(type=name, volume=Decimal(volume)) for name, volume in volumes.items())
    return ChargingPeriod(start_date_time=START, dimensions=dimensions)


CHARGED = CDR(
    country_code="NL",
    party_id="TNM",
    id="C1",
    start_date_time=START,
    end_date_time=START.replace(hour=13),
    cdr_token=TOKEN,
    auth_method="WHITELIST",
    cdr_location=CdrLocation(
        id="LOC1",
        address="Coolsingel 40",
        city="Rotterdam",
        postal_code="3011",
        country="NLD",
        coordinates=GeoLocation(latitude="51.922500", longitude="4.479170"),
        evse_uid="E1",
        evse_id="NL*TNM*E1",
        connector_id="1",
        connector_standard="IEC_62196_T2",
        connector_format="SOCKET",
        connector_power_type="AC_3_PHASE",
    ),
    currency="EUR",
    charging_periods=(period(ENERGY="5.5", TIME="1"),),
    total_cost=Price(before_taxes=Decimal("4.00"), taxes=()),
    total_energy=Decimal("5.5"),
    total_time=Decimal(1),
    last_updated=START.replace(hour=14),
)


def reading(**changes: Any) -> DecodeContext:
    return DecodeContext(country_code="NL", party_id="TNM", cdr_token=TOKEN, **changes)


@pytest.mark.parametrize("codec", [v221.CODEC, v230.CODEC])
@pytest.mark.parametrize("dimension", ["CURRENT", "ENERGY_EXPORT", "ENERGY_IMPORT", "POWER", "STATE_OF_CHARGE"])
def test_dimensions_of_sessions_do_not_get_into_a_cdr(codec: Any, dimension: str) -> None:
    encoded = codec.encode(replace(CHARGED, charging_periods=(period(**{"ENERGY": "5.5", dimension: "1"}),)))
    assert [entry["type"] for entry in encoded.body["charging_periods"][0]["dimensions"]] == ["ENERGY"]
    assert encoded.losses == (Loss("charging_periods[0].dimensions[1]", f"{dimension} belongs in sessions only"),)


def test_a_cdr_of_which_nothing_can_be_said_is_held() -> None:
    with pytest.raises(EncodeError, match=r"^charging_periods: no entry can be said: dimensions: no entry can be said"):
        v211.CODEC.encode(replace(CHARGED, charging_periods=(period(RESERVATION_TIME="1"),)))


def test_flat_was_a_dimension_in_2_1_1_only() -> None:
    body = v211.CODEC.encode(CHARGED).body
    body["charging_periods"][0]["dimensions"].append({"type": "FLAT", "volume": 1})
    decoded = v211.CODEC.decode(body, context=reading())
    assert decoded.findings == ()
    assert v211.CODEC.encode(decoded.value).body["charging_periods"] == body["charging_periods"]
    assert [loss.path for loss in v221.CODEC.encode(decoded.value).losses] == ["charging_periods[0].dimensions[2]"]


def test_a_credit_goes_out_with_its_sign_and_not_at_all_in_2_1_1() -> None:
    credit = replace(
        CHARGED,
        id="C1-C",
        credit=True,
        credit_reference_id="C1",
        total_cost=Price(before_taxes=Decimal("-4.00"), taxes=()),
    )
    body = v221.CODEC.encode(credit).body
    assert body["total_cost"] == {"excl_vat": Decimal("-4.00"), "incl_vat": Decimal("-4.00")}
    assert v221.CODEC.decode(body).value == credit
    with pytest.raises(EncodeError, match=r"^credit: 2\.1\.1 has no credit CDRs"):
        v211.CODEC.encode(credit)


def test_a_credit_may_have_an_id_of_39_characters() -> None:
    assert v221.CODEC.encode(replace(CHARGED, id="x" * 39)).body["id"] == "x" * 39
    with pytest.raises(EncodeError, match=r"^id: longer than the 39"):
        v221.CODEC.encode(replace(CHARGED, id="x" * 40))


def test_2_1_1_makes_up_what_the_cdr_does_not_know() -> None:
    encoded = v211.CODEC.encode(CHARGED)
    connector = encoded.body["location"]["evses"][0]["connectors"][0]
    assert (connector["voltage"], connector["amperage"]) == (0, 0)
    assert encoded.body["location"]["type"] == "UNKNOWN"
    assert "time_zone" not in encoded.body["location"]
    made_up = {loss.path for loss in encoded.losses if loss.path.startswith("location.")}
    assert made_up == {
        "location.type",
        "location.last_updated",
        "location.evses[0].status",
        "location.evses[0].last_updated",
        "location.evses[0].connectors[0].voltage",
        "location.evses[0].connectors[0].amperage",
        "location.evses[0].connectors[0].last_updated",
    }
    assert v211.CODEC.decode(encoded.body, context=reading()).value == replace(
        CHARGED, total_cost=Price(before_taxes=Decimal("4.00"))
    )


def test_2_1_1_makes_up_nothing_when_the_location_is_stored() -> None:
    encoded = v211.CODEC.encode(CHARGED, context=EncodeContext(location=STORED))
    connector = encoded.body["location"]["evses"][0]["connectors"][0]
    assert (connector["voltage"], connector["amperage"]) == (230, 32)
    assert encoded.body["location"]["time_zone"] == "Europe/Amsterdam"
    assert {loss.path for loss in encoded.losses} == {"cdr_token", "total_cost.taxes"}
    other = v211.CODEC.encode(CHARGED, context=EncodeContext(location=replace(STORED, id="LOC2")))
    assert other.body == v211.CODEC.encode(CHARGED).body


def test_an_unused_reservation_names_no_evse_in_2_1_1() -> None:
    unused = replace(
        CHARGED.cdr_location, evse_uid="#NA", evse_id="#NA", connector_id="#NA", connector_standard="IEC_62196_T2"
    )
    encoded = v211.CODEC.encode(replace(CHARGED, cdr_location=unused))
    assert "evses" not in encoded.body["location"]
    assert "cdr_location.evse_uid" in {loss.path for loss in encoded.losses}


def test_a_connector_that_2_1_1_does_not_know_leaves_the_place() -> None:
    chaoji = replace(CHARGED.cdr_location, connector_standard="CHAOJI")
    encoded = v211.CODEC.encode(replace(CHARGED, cdr_location=chaoji))
    assert "evses" not in encoded.body["location"]
    assert Loss(
        "cdr_location.evse_uid", "connectors: no entry can be said: standard: CHAOJI does not exist in 2.1.1"
    ) in (encoded.losses)


def test_a_place_without_postal_code_is_held_in_2_1_1() -> None:
    unknown = replace(CHARGED, cdr_location=replace(CHARGED.cdr_location, postal_code=None))
    with pytest.raises(EncodeError, match=r"^cdr_location\.postal_code: required in 2\.1\.1"):
        v211.CODEC.encode(unknown)
    body = v211.CODEC.encode(unknown, context=EncodeContext(accepts_blank_postal_code=True)).body
    assert v211.CODEC.decode(body, context=reading()).value.cdr_location == unknown.cdr_location


def test_an_evse_without_evse_id_is_na_in_later_versions() -> None:
    body = v211.CODEC.encode(CHARGED).body
    del body["location"]["evses"][0]["evse_id"]
    decoded = v211.CODEC.decode(body, context=reading())
    assert decoded.value.cdr_location.evse_id == "#NA"
    assert [(finding.path, finding.code) for finding in decoded.findings] == [
        ("location.evses[0].evse_id", FindingCode.MISSING)
    ]
    assert v211.CODEC.encode(decoded.value).body["location"]["evses"] == body["location"]["evses"]


def test_a_body_without_evse_needs_the_session_and_the_location() -> None:
    body = v211.CODEC.encode(CHARGED).body
    del body["location"]["evses"]
    with pytest.raises(DecodeError, match=r"^location\.evses: names no EVSE, or several: needs context\.evse_uid$"):
        v211.CODEC.decode(body, context=reading())
    with pytest.raises(DecodeError, match=r"needs context\.location with EVSE E1$"):
        v211.CODEC.decode(body, context=reading(evse_uid="E1", connector_id="1"))
    known = v211.CODEC.decode(body, context=reading(evse_uid="E1", connector_id="1", location=STORED)).value
    assert known.cdr_location == replace(CHARGED.cdr_location, evse_id="#NA")


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"address": None}, r"location\.address: required"),
        ({"coordinates": {"latitude": "51.922500"}}, r"location\.coordinates\.longitude: required"),
        ({"evses": 5}, r"location\.evses: expected a list, got int"),
        (
            {"evses": [{"uid": "E1", "connectors": [{"id": "1", "standard": "X", "format": "SOCKET"}]}]},
            r"location\.evses\[0\]\.connectors\[0\]\.power_type: required",
        ),
    ],
)
def test_the_place_must_be_whole(part: dict[str, Any], message: str) -> None:
    body = v211.CODEC.encode(CHARGED).body
    body["location"] |= part
    with pytest.raises(DecodeError, match=f"^{message}$"):
        v211.CODEC.decode(body, context=reading())


def test_signed_data_passes_untouched() -> None:
    signed = {
        "encoding_method": "OCMF",
        "encoding_method_version": 1,
        "signed_values": [
            {"nature": "Start", "plain_data": 'OCMF|{"FV":"1.0","RD":[{"RV":0.10}]}', "signed_data": "3046=="}
        ],
    }
    body = v221.CODEC.encode(CHARGED).body | {"signed_data": signed}
    assert v221.CODEC.encode(v221.CODEC.decode(body).value).body["signed_data"] == signed
