"""What an operator writes becomes an order or a named mistake, and what is kept of it holds no secret."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from contracts.masking import MASK
from contracts.messages import operation as op
from contracts.vocabulary import LogKind
from roaming.operations import orders
from roaming.operations.orders import KINDS, AnyOrder, Unreadable, masked, masked_json, read

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECRET = "0123456789abcdef"


def written(**fields: Any) -> AnyOrder:
    return read(fields, request_id=7, now=NOW)


def test_each_kind_is_told_by_its_word() -> None:
    assert len(KINDS) == 50
    assert written(kind="RESET") == op.Reset()
    assert written(kind="CHANGE_AVAILABILITY", is_operative=False, connector_id=2) == op.ChangeAvailability(
        is_operative=False, connector_id=2
    )
    assert written(kind="STOP_CHARGING") == orders.StopCharging()


def test_what_nobody_need_think_of_is_filled_in() -> None:
    update = written(kind="UPDATE_FIRMWARE", url="https://hub.example/1")
    assert update == op.UpdateFirmware(request_id=7, url="https://hub.example/1", retrieve_at=NOW)
    log = written(kind="UPLOAD_LOG", url="ftp://hub.example/1", log="SECURITY", request_id=9)
    assert log == op.UploadLog(request_id=9, log=LogKind.SECURITY, url="ftp://hub.example/1")


def test_limits_stay_exact() -> None:
    schedule = {"unit": "A", "limits": [{"starts_after": 0, "limit": Decimal("10.1")}]}
    order = written(kind="SET_CHARGING_PROFILE", profile_id=1, purpose="STATION_MAX", schedule=schedule)
    assert isinstance(order, op.SetChargingProfile)
    assert order.schedule.limits[0].limit == Decimal("10.1")


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({}, "kind: one of RESET"),
        ({"kind": "EXPLODE"}, "kind: one of RESET"),
        ({"kind": ["RESET"]}, "kind: one of RESET"),
        ({"kind": "RESET", "is_imediate": True}, "is_imediate: RESET has no such field; it has is_immediate"),
        ({"kind": "CLEAR_CACHE", "all": True}, "it has none"),
        ({"kind": "RESET", "is_immediate": "yes"}, "is_immediate: Expected `bool`"),
        ({"kind": "CHANGE_AVAILABILITY"}, "missing required field `is_operative`"),
        ({"kind": "TRIGGER", "what": "DANCE"}, "what: Invalid enum value 'DANCE'"),
        ({"kind": "SET_CONFIGURATION", "entries": [{"key": "A"}]}, "entries[0]: "),
        (
            {"kind": "SET_CONFIGURATION", "entries": [{"key": "authorizationkey", "value": "short"}]},
            "authorizationkey: at least 16 characters",
        ),
        ({"kind": "UPDATE_FIRMWARE", "url": "file:///etc/passwd"}, "url: an address"),
        ({"kind": "UPLOAD_LOG", "log": "SECURITY", "url": "gopher://x"}, "url: an address"),
        ({"kind": "CALL_RAW", "action": "Reset", "payload": "[]"}, "payload: a JSON object"),
        ({"kind": "CALL_RAW", "action": "Reset", "payload": "[" * 100_000}, "payload: a JSON object"),
        (
            {"kind": "RESERVE", "token_uid": "T", "reservation_id": "1", "expires_at": "2026-11-23T10:00:00"},
            "times: say the offset",
        ),
    ],
)
def test_a_mistake_is_named(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(Unreadable) as raised:
        written(**fields)
    assert complaint in str(raised.value)


@pytest.mark.parametrize(
    ("action", "payload", "is_refused"),
    [
        ("ChangeConfiguration", {"key": "authorizationKEY", "value": SECRET}, True),
        ("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "300"}, False),
        ("SetVariables", {"setVariableData": [{"component": {"name": "SecurityCtrlr"}}, "x"]}, False),
        (
            "SetVariables",
            {
                "setVariableData": [
                    {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}},
                    {"component": {"name": "securityCtrlr"}, "variable": {"name": "basicAuthPassword"}},
                ]
            },
            True,
        ),
        ("SetVariables", {"setVariableData": 7}, False),
        ("GetConfiguration", {"key": ["AuthorizationKey"]}, False),
        ("GetVariables", {"getVariableData": [{"component": {"name": "SecurityCtrlr"}}]}, False),
    ],
)
def test_the_password_of_a_line_is_not_set_by_a_raw_call(action: str, payload: Any, is_refused: bool) -> None:
    order = {"kind": "CALL_RAW", "action": action, "payload": json.dumps(payload)}
    if not is_refused:
        assert isinstance(written(**order), op.CallRaw)
        return
    with pytest.raises(Unreadable, match=r"payload: .*CHANGE_PASSWORD.*SET_CONFIGURATION"):
        written(**order)


VARIABLE = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}, "attributeValue": SECRET}
RAW: list[dict[str, Any]] = [
    {"key": "AuthorizationKey", "value": SECRET},
    {"configurationKey": [{"key": "AuthorizationKey", "readonly": False, "value": SECRET}]},
    {"setVariableData": [VARIABLE]},
    {"location": f"https://hub.example/files/{SECRET}"},
]


@pytest.mark.parametrize(
    "order",
    [
        op.SetConfiguration(entries=(op.ConfigurationEntry(key="authorizationkey", value=SECRET),)),
        op.UpdateFirmware(request_id=1, url=f"https://u:{SECRET}@hub.example/{SECRET}?t={SECRET}", retrieve_at=NOW),
        op.UploadLog(request_id=1, log=LogKind.SECURITY, url=f"ftp://hub.example/{SECRET}"),
        op.TransferData(vendor_id="x", data=f"idTag={SECRET}"),
        *(op.CallRaw(action="X", payload=json.dumps(payload)) for payload in RAW),
    ],
)
def test_the_record_holds_no_secret(order: AnyOrder) -> None:
    kept = masked(order)
    assert SECRET not in kept
    assert MASK in kept or MASK in json.loads(kept)["payload"]


def test_what_is_no_secret_stays() -> None:
    entries = (op.ConfigurationEntry(key="HeartbeatInterval", value="300"),)
    assert '"value":"300"' in masked(op.SetConfiguration(entries=entries))
    assert masked_json('{"key": "HeartbeatInterval", "value": "300"}') == '{"key": "HeartbeatInterval", "value": "300"}'


def test_passwords_of_a_network_profile_are_masked() -> None:
    said = {
        "basicAuthPassword": SECRET,
        "apn": {"apnPassword": SECRET, "apn": "net", "simPin": 41424344},
        "vpn": {"server": "vpn.example", "user": "u", "password": SECRET, "key": SECRET, "type": "PPTP"},
    }
    shown = masked(written(kind="CALL_RAW", action="SetNetworkProfile", payload=json.dumps({"connectionData": said})))
    assert SECRET not in shown
    assert "41424344" not in shown
    assert all(word in shown for word in ("net", "vpn.example", "PPTP"))


def test_what_was_cut_is_left_out() -> None:
    assert masked_json('{"key": "AuthorizationKey", "value": "012') == MASK
