"""PATCH: only what is given changes; null clears; some lists are merged; unknown fields are kept."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from roaming.model.session import CdrDimension, ChargingPeriod, Session
from roaming.model.token import CdrToken
from roaming.modules.locations.codec import v211, v221, v230
from roaming.modules.sessions.codec import v211 as sessions_v211
from roaming.modules.sessions.codec import v221 as sessions_v221
from roaming.modules.tariffs.codec import v211 as tariffs_v211
from roaming.modules.tariffs.codec import v221 as tariffs_v221
from roaming.ocpi.codec import DecodeContext, DecodeError, EncodeError, FindingCode, Loss, Patch
from tests.roaming.ocpi.test_codec import NOON, connector_body, evse_body, location, location_body

AT_NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_only_what_is_given_changes() -> None:
    patch = v221.EVSE_CODEC.decode_patch({"status": "CHARGING", "last_updated": NOON})
    assert patch.changes == {"status": "CHARGING", "last_updated": AT_NOON}
    assert patch.last_updated == AT_NOON
    before = location().evses[0]
    assert patch.apply(before) == msgspec.structs.replace(before, status="CHARGING")


def test_without_last_updated_there_is_none() -> None:
    assert v211.EVSE_CODEC.decode_patch({"status": "CHARGING"}).last_updated is None


def test_null_clears_what_is_optional() -> None:
    patch = v221.CODEC.decode_patch({"name": None, "facilities": None, "images": []})
    assert patch.changes == {"name": None, "facilities": (), "images": ()}
    assert patch.apply(location(name="Old", facilities=("HOTEL",))) == location()


@pytest.mark.parametrize(
    ("codec", "body", "path"),
    [
        (v221.CODEC, {"city": None}, "city"),
        (v221.CODEC, {"publish": None}, "publish"),
        (v221.EVSE_CODEC, {"connectors": None}, "connectors"),
        (v211.CODEC, {"postal_code": None}, "postal_code"),
        (v211.CODEC, {"time_zone": None}, "time_zone"),
    ],
)
def test_null_on_what_is_required_is_refused(codec: Any, body: dict[str, Any], path: str) -> None:
    with pytest.raises(DecodeError, match=f"^{path}: required, cannot be cleared$"):
        codec.decode_patch(body)


def test_values_are_checked_as_in_whole_objects() -> None:
    with pytest.raises(DecodeError, match=r"^coordinates\.longitude: required$"):
        v221.CODEC.decode_patch({"coordinates": {"latitude": "51.922500"}})
    patch = v221.EVSE_CODEC.decode_patch({"status": "BROKEN"})
    assert [(finding.path, finding.code) for finding in patch.findings] == [("status", FindingCode.UNKNOWN_VALUE)]


def test_unknown_fields_are_added_to_those_that_are_kept() -> None:
    patch = v221.CODEC.decode_patch({"x_new": 1, "x_old": None})
    changed = patch.apply(location(extra={"x_old": 0, "x_other": 2}))
    assert changed.extra == {"x_old": None, "x_other": 2, "x_new": 1}
    assert location(extra={"x": 1}) == Patch[Any]({}).apply(location(extra={"x": 1}))


def test_evses_in_a_location_are_merged_by_uid() -> None:
    before = v221.CODEC.decode(location_body(evses=[evse_body(), evse_body(uid="E2")])).value
    patch = v221.CODEC.decode_patch(
        {"evses": [{"uid": "e2", "status": "CHARGING"}, evse_body(uid="E3")], "last_updated": NOON}
    )
    after = patch.apply(before)
    assert [(evse.uid, evse.status) for evse in after.evses] == [
        ("E1", "AVAILABLE"),
        ("e2", "CHARGING"),
        ("E3", "AVAILABLE"),
    ]
    assert after.evses[1].connectors == before.evses[1].connectors


def test_an_evse_that_is_new_must_be_whole() -> None:
    patch = v221.CODEC.decode_patch({"evses": [{"uid": "E9", "status": "CHARGING"}]})
    with pytest.raises(DecodeError, match=r"^evses\[0\]: no entry with this uid is known"):
        patch.apply(location())
    with pytest.raises(DecodeError, match=r"^evses\[0\]\.uid: required$"):
        v221.CODEC.decode_patch({"evses": [{"status": "CHARGING"}]})
    with pytest.raises(DecodeError, match=r"^evses\[1\]: expected an object"):
        v221.CODEC.decode_patch({"evses": [evse_body(), 5]})


def test_connectors_in_an_evse_are_replaced() -> None:
    before = v221.EVSE_CODEC.decode(evse_body(connectors=[connector_body(), connector_body(id="2")])).value
    after = v221.EVSE_CODEC.decode_patch({"connectors": [connector_body(id="3")]}).apply(before)
    assert [connector.id for connector in after.connectors] == ["3"]


def period(minute: int, volume: int) -> ChargingPeriod:
    return ChargingPeriod(
        start_date_time=AT_NOON.replace(minute=minute),
        dimensions=(CdrDimension(type="ENERGY", volume=Decimal(volume)),),
    )


def session(*periods: ChargingPeriod) -> Session:
    return Session(
        country_code="NL",
        party_id="TNM",
        id="S1",
        start_date_time=AT_NOON,
        kwh=Decimal(1),
        cdr_token=CdrToken(country_code="NL", party_id="MSP", uid="U1", type="RFID", contract_id="C1"),
        auth_method="WHITELIST",
        location_id="LOC1",
        evse_uid="E1",
        connector_id="1",
        currency="EUR",
        status="ACTIVE",
        charging_periods=periods,
        last_updated=AT_NOON,
    )


def test_charging_periods_are_added_in_order_and_a_repeat_is_harmless() -> None:
    body = sessions_v221.CODEC.encode(session(period(30, 7), period(15, 5))).body["charging_periods"]
    patch = sessions_v221.CODEC.decode_patch({"charging_periods": body, "last_updated": NOON})
    once = patch.apply(session(period(0, 1), period(20, 4), period(30, 6)))
    assert once.charging_periods == (period(0, 1), period(15, 5), period(20, 4), period(30, 7))
    assert patch.apply(once) == once
    nothing = sessions_v221.CODEC.decode_patch({"charging_periods": [], "last_updated": NOON})
    assert nothing.apply(once) == once


def test_a_change_of_an_older_version_is_read_with_its_names() -> None:
    patch = v211.CONNECTOR_CODEC.decode_patch({"voltage": 400, "tariff_id": "T9"})
    assert patch.changes == {"max_voltage": 400, "tariff_ids": ("T9",)}
    token = session().cdr_token
    named = sessions_v211.CODEC.decode_patch(
        {"auth_id": "c1", "total_cost": Decimal("1.50")}, context=DecodeContext(cdr_token=token)
    )
    assert named.changes["cdr_token"] == token
    assert named.changes["total_cost"].before_taxes == Decimal("1.50")


def test_a_patch_goes_out_in_every_version() -> None:
    patch = v230.CONNECTOR_CODEC.decode_patch({"max_voltage": 400, "capabilities": ["X"], "x_new": 1})
    newest = v230.CONNECTOR_CODEC.encode_patch(patch)
    assert newest.body == {"max_voltage": 400, "capabilities": ["X"], "x_new": 1}
    assert newest.losses == ()
    oldest = v211.CONNECTOR_CODEC.encode_patch(patch, extra=False)
    assert oldest.body == {"voltage": 400}
    assert oldest.losses == (Loss("capabilities", "connectors have capabilities since 2.3.0"),)


def test_merged_entries_go_out_as_they_came() -> None:
    body = {"evses": [{"uid": "E1", "status": "CHARGING"}, evse_body(uid="E3")], "last_updated": NOON}
    assert v221.CODEC.encode_patch(v221.CODEC.decode_patch(body)).body == body


@pytest.mark.parametrize(
    ("codec", "changes", "message"),
    [
        (v221.CODEC, {"name": None}, "name: a PATCH cannot take a value away"),
        (v221.CODEC, {"facilities": ()}, "facilities: a PATCH cannot take a value away"),
        (v211.CODEC, {"publish": False}, "publish: 2.1.1 publishes every location"),
        (sessions_v211.CODEC, {"location_id": "L2"}, "location_id: cannot be changed alone"),
        (tariffs_v221.CODEC, {"currency": "EUR"}, "cannot be changed in part in this version"),
    ],
)
def test_what_only_the_whole_object_can_say(codec: Any, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(EncodeError, match=f"^{message}"):
        codec.encode_patch(Patch(changes))


def test_tariffs_of_2_1_1_can_be_patched_on_the_way_in() -> None:
    assert tariffs_v211.CODEC.decode_patch({"currency": "SEK"}).changes == {"currency": "SEK"}
