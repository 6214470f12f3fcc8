"""Locations in their versions: what 2.1.1 says otherwise, and the words that older versions lack."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from roaming.model.location import Capability, ConnectorType, Facility, Location, ParkingRestriction, PowerType
from roaming.modules.locations.codec import v211, v221, v230
from roaming.ocpi.codec import DecodeContext, DecodeError, EncodeContext, EncodeError, Finding, FindingCode, Loss
from roaming.ocpi.forms.time_zones import TIME_ZONE_OF_COUNTRY
from tests.roaming.ocpi.test_codec import connector_body, evse_body, location, location_body

OWNER = DecodeContext(country_code="NL", party_id="TNM")


def body_211(**changes: Any) -> dict[str, Any]:
    return v211.CODEC.encode(location(postal_code="3011")).body | changes


def read_211(context: DecodeContext = OWNER, **changes: Any) -> Location:
    return v211.CODEC.decode(body_211(**changes), context=context).value


@pytest.mark.parametrize(
    ("parking_type", "wire"),
    [
        (None, "UNKNOWN"),
        ("ON_STREET", "ON_STREET"),
        ("PARKING_GARAGE", "PARKING_GARAGE"),
        ("ALONG_MOTORWAY", "OTHER"),
        ("ON_DRIVEWAY", "OTHER"),
    ],
)
def test_parking_type_is_the_type_of_2_1_1(parking_type: str | None, wire: str) -> None:
    encoded = v211.CODEC.encode(location(postal_code="3011", parking_type=parking_type))
    assert encoded.body["type"] == wire
    assert [loss.path for loss in encoded.losses] == (["parking_type"] if wire == "OTHER" else [])
    assert read_211(type=wire).parking_type == (None if wire in ("OTHER", "UNKNOWN") else parking_type)


def test_other_is_noted_since_it_is_not_kept() -> None:
    findings = v211.CODEC.decode(body_211(type="OTHER"), context=OWNER).findings
    assert findings == (Finding("type", FindingCode.NOT_CARRIED, "OTHER gives no parking_type"),)


def test_2_1_1_is_not_told_of_what_is_not_published() -> None:
    with pytest.raises(EncodeError, match=r"^publish: 2\.1\.1 publishes every location it sends$"):
        v211.CODEC.encode(location(postal_code="3011", publish=False))
    assert read_211().publish is True


def test_a_place_without_postal_code_goes_to_partners_that_take_it() -> None:
    blank = EncodeContext(accepts_blank_postal_code=True)
    body = v211.CODEC.encode(location(), context=blank).body
    assert body["postal_code"] == ""
    decoded = v211.CODEC.decode(body, context=OWNER)
    assert decoded.value == location()
    assert decoded.findings == (Finding("postal_code", FindingCode.EMPTY, "taken as absent"),)


@pytest.mark.parametrize(
    ("country", "zone", "expected"),
    [
        ("BEL", None, "Europe/Brussels"),
        ("be", None, "Europe/Brussels"),
        ("ESP", "Atlantic/Canary", "Atlantic/Canary"),
        ("NLD", "Europe/Brussels", "Europe/Brussels"),
    ],
)
def test_a_missing_time_zone_is_given_or_that_of_the_country(country: str, zone: str | None, expected: str) -> None:
    given = DecodeContext(country_code="NL", party_id="TNM", time_zone=zone)
    assert read_211(given, country=country, time_zone=None).time_zone == expected


def test_a_time_zone_is_not_guessed_where_the_country_has_several() -> None:
    with pytest.raises(DecodeError, match=r"^time_zone: required, or needs context\.time_zone$"):
        read_211(country="ESP", time_zone=None)


def test_the_time_zones_of_countries_exist() -> None:
    for zone in set(TIME_ZONE_OF_COUNTRY.values()):
        assert ZoneInfo(zone).key == zone


def test_an_id_of_39_characters_is_kept_and_does_not_go_upwards() -> None:
    long_id = "L" * 39
    decoded = read_211(id=long_id)
    assert v211.CODEC.encode(decoded).body["id"] == long_id
    with pytest.raises(EncodeError, match=r"^id: longer than the 36 characters"):
        v221.CODEC.encode(decoded)


def test_a_long_address_goes_out_whole() -> None:
    encoded = v211.CODEC.encode(location(postal_code="3011", address="A" * 60))
    assert encoded.body["address"] == "A" * 60
    assert encoded.losses == (Loss("address", "longer than the 45 characters of this version, sent whole"),)
    assert v221.CODEC.encode(location(address="A" * 60)).losses == ()


@pytest.mark.parametrize(
    ("codec", "standards"),
    [
        (v221, {"MCS", "SAE_J3400"}),
        (
            v211,
            {"MCS", "SAE_J3400", "CHAOJI", "DOMESTIC_M", "DOMESTIC_N", "DOMESTIC_O", "GBT_AC", "GBT_DC"}
            | {word.value for word in ConnectorType if word.value.startswith(("NEMA", "PANTOGRAPH"))},
        ),
    ],
)
def test_connectors_that_a_version_does_not_know(codec: Any, standards: set[str]) -> None:
    unsaid = set()
    for standard in ConnectorType:
        connector = v230.CONNECTOR_CODEC.decode(connector_body(standard=standard.value)).value
        try:
            assert codec.CONNECTOR_CODEC.encode(connector).body["standard"] == standard
        except EncodeError:
            unsaid.add(standard.value)
    assert unsaid == standards


@pytest.mark.parametrize("power_type", list(PowerType))
def test_power_types_of_two_phases_become_one_in_2_1_1(power_type: PowerType) -> None:
    connector = v230.CONNECTOR_CODEC.decode(connector_body(power_type=power_type.value)).value
    encoded = v211.CONNECTOR_CODEC.encode(connector)
    expected = "AC_1_PHASE" if power_type.value.startswith("AC_2") else power_type.value
    assert encoded.body["power_type"] == expected
    assert bool(encoded.losses) == power_type.value.startswith("AC_2")


def test_words_that_2_1_1_lacks_are_dropped_one_by_one() -> None:
    evse = v230.EVSE_CODEC.decode(
        evse_body(
            capabilities=[word.value for word in Capability],
            parking_restrictions=[word.value for word in ParkingRestriction],
        )
    ).value
    encoded = v211.EVSE_CODEC.encode(evse)
    assert len(encoded.body["capabilities"]) == 6
    assert len(encoded.body["parking_restrictions"]) == 5
    assert len(encoded.losses) == 7 + 3
    place = v211.CODEC.encode(location(postal_code="3011", facilities=tuple(word.value for word in Facility)))
    assert len(place.body["facilities"]) == 16
    assert len(place.losses) == 4


def test_only_the_first_tariff_reaches_2_1_1() -> None:
    connector = v230.CONNECTOR_CODEC.decode(connector_body(tariff_ids=["A", "B", "C"])).value
    encoded = v211.CONNECTOR_CODEC.encode(connector)
    assert encoded.body["tariff_id"] == "A"
    assert [loss.path for loss in encoded.losses] == ["tariff_ids[1]", "tariff_ids[2]"]


def test_the_impact_of_energy_has_another_name_in_2_1_1() -> None:
    mix = {"is_green_energy": True, "environ_impact": [{"category": "NUCLEAR_WASTE", "amount": 0}]}
    newer = v230.CODEC.decode(location_body(energy_mix=mix, postal_code="3011")).value
    older = v211.CODEC.encode(newer).body
    assert older["energy_mix"]["environ_impact"] == [{"source": "NUCLEAR_WASTE", "amount": 0}]
    assert v211.CODEC.decode(older, context=OWNER).value == newer
