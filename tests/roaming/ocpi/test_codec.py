"""The engine under the tables: absence, unknown fields, paths, losses, and what may be left out of a list."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from roaming.model.location import EVSE, Connector, Location
from roaming.model.version import Version
from roaming.modules.locations.codec import v211, v221, v230
from roaming.ocpi.codec import DecodeContext, DecodeError, EncodeError, Finding, FindingCode, Loss, dump_json

NOON = "2026-01-31T12:00:00Z"


def connector_body(**changes: Any) -> dict[str, Any]:
    body = {
        "id": "1",
        "standard": "IEC_62196_T2",
        "format": "SOCKET",
        "power_type": "AC_3_PHASE",
        "max_voltage": 230,
        "max_amperage": 32,
        "last_updated": NOON,
    }
    return body | changes


def evse_body(**changes: Any) -> dict[str, Any]:
    return {"uid": "E1", "status": "AVAILABLE", "connectors": [connector_body()], "last_updated": NOON} | changes


def location_body(**changes: Any) -> dict[str, Any]:
    body = {
        "country_code": "NL",
        "party_id": "TNM",
        "id": "LOC1",
        "publish": True,
        "address": "Coolsingel 40",
        "city": "Rotterdam",
        "country": "NLD",
        "coordinates": {"latitude": "51.922500", "longitude": "4.479170"},
        "evses": [evse_body()],
        "time_zone": "Europe/Amsterdam",
        "last_updated": NOON,
    }
    return body | changes


def location(**changes: Any) -> Location:
    return msgspec.structs.replace(v230.CODEC.decode(location_body()).value, **changes)


def test_a_body_comes_back_as_it_came() -> None:
    decoded = v221.CODEC.decode(location_body())
    assert decoded.findings == ()
    encoded = v221.CODEC.encode(decoded.value)
    assert encoded.body == location_body()
    assert encoded.losses == ()
    assert dump_json(encoded.body) == dump_json(location_body())


@pytest.mark.parametrize("body", [None, [], "text", 5, True])
def test_a_body_that_is_no_object_is_refused(body: object) -> None:
    with pytest.raises(DecodeError, match="expected an object"):
        v221.CODEC.decode(body)
    with pytest.raises(DecodeError, match="expected an object"):
        v221.CODEC.decode_patch(body)


def test_an_error_names_the_place() -> None:
    wrong = location_body(evses=[evse_body(connectors=[connector_body(), connector_body(max_voltage="abc")])])
    with pytest.raises(DecodeError, match=r"^evses\[0\]\.connectors\[1\]\.max_voltage: expected int, got 'abc'$"):
        v221.CODEC.decode(wrong)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": None}, "id: required"),
        ({"address": None}, "address: required"),
        ({"coordinates": {"latitude": "51.922500"}}, "coordinates.longitude: required"),
        ({"evses": {}}, "evses: expected a list, got dict"),
        ({"evses": [None]}, r"evses\[0\]: is null"),
        ({"evses": ["E1"]}, r"evses\[0\]: expected an object, got str"),
        ({"facilities": ["HOTEL", 5]}, r"facilities\[1\]: expected text, got a number"),
        ({"publish": "true"}, "publish: expected true or false, got text"),
        ({"last_updated": None}, r"last_updated: required, or needs context\.received_at"),
    ],
)
def test_what_cannot_be_mended_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DecodeError, match=f"^{message}$"):
        v221.CODEC.decode(location_body(**changes))


def test_null_and_empty_mean_absent() -> None:
    body = location_body(name=None, images=[], parking_type="", operator=None)
    decoded = v221.CODEC.decode(body)
    assert decoded.value == v221.CODEC.decode(location_body()).value
    assert set(decoded.findings) == {
        Finding("name", FindingCode.NULL),
        Finding("operator", FindingCode.NULL),
        Finding("parking_type", FindingCode.EMPTY, "taken as absent"),
    }
    assert v221.CODEC.encode(decoded.value).body == location_body()


def test_a_list_that_needs_an_entry_may_come_empty_and_does_not_go_out() -> None:
    decoded = v221.CODEC.decode(location_body(evses=[evse_body(connectors=[])]))
    assert decoded.findings == (Finding("evses[0].connectors", FindingCode.EMPTY, "one entry at least is due"),)
    with pytest.raises(EncodeError, match=r"connectors: one entry at least is required in 2\.2\.1"):
        v221.EVSE_CODEC.encode(decoded.value.evses[0])


def test_a_missing_time_is_that_of_receipt() -> None:
    body = location_body()
    del body["last_updated"]
    received = datetime(2026, 2, 1, tzinfo=UTC)
    decoded = v221.CODEC.decode(body, context=DecodeContext(received_at=received))
    assert decoded.value.last_updated == received
    assert decoded.findings == (Finding("last_updated", FindingCode.MISSING),)


def with_unknown_fields() -> dict[str, Any]:
    return location_body(
        x_height=Decimal("2.10"),
        x_nothing=None,
        evses=[evse_body(x_list=[{"deep": True}], connectors=[connector_body(x_plug="gold")])],
    )


def test_unknown_fields_are_kept_at_every_level() -> None:
    decoded = v221.CODEC.decode(with_unknown_fields())
    assert decoded.findings == ()
    assert decoded.value.extra == {"x_height": Decimal("2.10"), "x_nothing": None}
    assert decoded.value.evses[0].connectors[0].extra == {"x_plug": "gold"}
    for codec in (v221.CODEC, v230.CODEC):
        encoded = codec.encode(decoded.value)
        assert encoded.body == with_unknown_fields()
        assert encoded.losses == ()
        assert codec.encode(decoded.value, extra=False).body == location_body()


def test_an_unknown_field_never_passes_for_one_that_the_newer_version_knows() -> None:
    decoded = v221.CODEC.decode(location_body(help_phone=["not", "checked"]))
    assert decoded.value.help_phone is None
    encoded = v230.CODEC.encode(decoded.value)
    assert encoded.body == location_body()
    assert encoded.losses == (Loss("extra", "help_phone means something in 2.3.0, and came unchecked"),)


def test_what_a_version_lacks_is_declared() -> None:
    newer = v230.CODEC.decode(
        location_body(
            help_phone="+31 10 123",
            evses=[
                evse_body(
                    parking=[{"parking_id": "P1"}],
                    connectors=[connector_body(capabilities=["ISO_15118_2_PLUG_AND_CHARGE"])],
                )
            ],
        )
    ).value
    encoded = v221.CODEC.encode(newer)
    assert encoded.body == location_body()
    assert [loss.path for loss in encoded.losses] == [
        "evses[0].connectors[0].capabilities",
        "evses[0].parking",
        "help_phone",
    ]


def test_an_entry_that_cannot_be_said_is_left_out_and_declared() -> None:
    megawatt = connector_body(id="2", standard="MCS", tariff_ids=["T1"])
    newer = v230.CODEC.decode(
        location_body(evses=[evse_body(connectors=[connector_body(), megawatt]), evse_body(connectors=[megawatt])])
    ).value
    encoded = v221.CODEC.encode(newer)
    assert encoded.body == location_body()
    assert encoded.losses == (
        Loss("evses[0].connectors[1]", "standard: MCS does not exist in 2.2.1"),
        Loss("evses[1]", "connectors: no entry can be said: standard: MCS does not exist in 2.2.1"),
    )


def test_losses_inside_an_entry_that_is_left_out_are_not_counted_twice() -> None:
    plug = Connector(
        id="x" * 37,
        standard="IEC_62196_T2",
        format="SOCKET",
        power_type="AC_3_PHASE",
        max_voltage=230,
        max_amperage=32,
        capabilities=("ISO_15118_2_PLUG_AND_CHARGE",),
        last_updated=datetime(2026, 1, 31, tzinfo=UTC),
    )
    evse = EVSE(uid="E1", status="AVAILABLE", connectors=(plug,), last_updated=plug.last_updated)
    encoded = v221.CODEC.encode(location(evses=(evse,)))
    assert [loss.path for loss in encoded.losses] == ["evses[0]"]
    assert "evses" not in encoded.body


def test_a_required_value_that_cannot_be_said_holds_the_object() -> None:
    with pytest.raises(EncodeError, match=r"^id: longer than the 36 characters of this version$"):
        v221.CODEC.encode(location(id="x" * 39))
    with pytest.raises(EncodeError, match=r"^postal_code: required in 2\.1\.1"):
        v211.CODEC.encode(location())


def test_what_a_version_says_elsewhere_comes_from_the_context() -> None:
    body = v211.CODEC.encode(location(postal_code="3011")).body
    assert "country_code" not in body
    decoded = v211.CODEC.decode(body, context=DecodeContext(country_code="NL", party_id="TNM"))
    assert decoded.value == location(postal_code="3011")
    with pytest.raises(DecodeError, match=r"^party_id: 2\.1\.1 does not say it, needs context\.party_id$"):
        v211.CODEC.decode(body, context=DecodeContext(country_code="NL"))


def test_a_codec_knows_its_version() -> None:
    assert [codec.version for codec in (v211.CODEC, v221.CODEC, v230.CODEC)] == list(Version)
