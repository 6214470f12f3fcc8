"""What nobody may read of a frame is masked, and the rest stays as it went."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import masking
from contracts.masking import masked

CARD, SECRET = "04A1B2C3D4E5F6", "0123456789abcdef0123"


def call(action: str, payload: Any) -> bytes:
    return json.dumps([2, "41", action, payload]).encode()


def variable(component: str, name: str, **values: Any) -> dict[str, Any]:
    return {"component": {"name": component}, "variable": {"name": name}} | values


FRAMES: list[tuple[bytes, str]] = [
    (call("Authorize", {"idTag": CARD}), "…E5F6"),
    (call("StartTransaction", {"connectorId": 1, "idTag": CARD, "meterStart": 0}), "…E5F6"),
    (call("Authorize", {"idTag": "AB12"}), "•••"),
    (json.dumps([3, "41", {"idTagInfo": {"status": "Accepted", "parentIdTag": CARD}}]).encode(), "…E5F6"),
    (call("SendLocalList", {"localAuthorizationList": [{"idTag": f"{CARD}{n:02}"} for n in range(99)]}), "…"),
    (call("Authorize", {"idToken": {"idToken": CARD, "type": "ISO14443"}}), "…E5F6"),
    (call("Authorize", {"idToken": {"additionalInfo": [{"additionalIdToken": CARD, "type": "x"}]}}), "…E5F6"),
    (call("RequestStartTransaction", {"groupIdToken": {"idToken": CARD}}), "…E5F6"),
    (call("ChangeConfiguration", {"key": "AuthorizationKey", "value": SECRET}), "•••"),
    (json.dumps([3, "1", {"configurationKey": [{"key": "VendorPassword", "value": SECRET}]}]).encode(), "•••"),
    (call("SetVariables", {"x": [variable("SecurityCtrlr", "BasicAuthPassword", attributeValue=SECRET)]}), "•••"),
    (
        call("NotifyReport", [variable("SecurityCtrlr", "BasicAuthPassword", variableAttribute=[{"value": SECRET}])]),
        "•••",
    ),
    (call("SetNetworkProfile", {"apn": {"apnPassword": SECRET}, "vpn": {"server": "x", "key": SECRET}}), "•••"),
    (call("SetNetworkProfile", {"connectionData": {"basicAuthPassword": SECRET, "identity": "CS-1"}}), "•••"),
    (call("SetNetworkProfile", {"apn": {"apn": "x", "simPin": 41424344454647}}), '"simPin": "•••"'),
    (call("SetVariables", {"x": [variable("NetworkConfiguration", "VpnKey", attributeValue=SECRET)]}), "•••"),
    (call("SendLocalList", {"x": [{"idTag": f"{CARD}{n}"} for n in range(99)], "y": {"idTag": 41424344454647}}), "•••"),
    (b'[2,"41","SetNetworkProfile",{"basicAuthPassword":"a\\"' + SECRET.encode() + b'"', "•••"),
    (b'[2,"41","SetNetworkProfile",{"apn":{"apnPassword" : "' + SECRET.encode(), "•••"),
    (
        b'[2,"41","SetNetworkProfile",{"vpn":{"server":"x","key":"' + SECRET.encode() + b'","type"',
        '"server":"x","key":"•••"',
    ),
    (b'[2,"41","SetNetworkProfile",{"vpn":{"Key" : ["a\\"' + SECRET.encode(), "•••"),
    (b'[2,"41","SetNetworkProfile",{"vpn":{"key": 41424344454647, "server":', '"key": "•••"'),
    (
        b'[2,"41","ChangeConfiguration",{"key":"AuthorizationKey","value":"' + SECRET.encode(),
        '"key":"AuthorizationKey"',
    ),
    (call("GetDiagnostics", {"location": f"ftp://user:{SECRET}@files.example/in"}), "ftp://files.example/•••"),
    (call("DataTransfer", {"vendorId": "x", "data": f'{{"idTag": "{CARD}"}}'}), "•••"),
    (b'[2,"41","Authorize",{"idTag":"\\u0030' + CARD[1:].encode() + b'"}]', "…E5F6"),
    (b'[2,"41","Authorize",{"idTag":"' + CARD.encode() + b'"', "•••"),
    (b'[2,"41","Authorize",{"idTag": 41424344454647}]', "•••"),
    (b'[2,"41","Authorize",{"idTag":"' + CARD.encode() + b'\xff"}]', "•••"),
    (call("Authorize", {"idTag": [CARD]}), '"idTag": "•••"'),
    (call("StopTransaction", {"idTag": {"value": CARD}, "x": 1}), '"x": 1'),
    (call("Authorize", {"idToken": [{"idToken": CARD}]}), '"idToken": "•••"'),
    (call("CustomerInformation", {"customerIdentifier": CARD}), "…E5F6"),
    (b'[2,"41","Authorize",{"groupIdToken": "' + CARD.encode() + b'", "vin"', "•••"),
    (b'[2,"41","Authorize",{"idTag": ["' + CARD.encode(), "•••"),
    (b'[2,"41","GetLog",{"remoteLocation":"ftp:\\/\\/u:' + SECRET.encode() + b"@files.example/x", "•••"),
]


@pytest.mark.parametrize(("frame", "shown"), FRAMES)
def test_nobody_reads_it(frame: bytes, shown: str) -> None:
    text = masked(frame)
    assert CARD not in text
    assert SECRET not in text
    assert "41424344454647" not in text
    assert shown in text


def test_the_rest_stays_as_it_went() -> None:
    frame = b'[2, "41","StatusNotification",  {"connectorId":1,"status" :"Available","info":"\\u00fc 1.50"}]'
    assert masked(frame).encode() == frame
    spaced = b'[2,"7","StartTransaction",{ "idTag" : "04A1B2C3D4E5F6", "meterStart":1.0}]'
    assert masked(spaced) == '[2,"7","StartTransaction",{ "idTag" : "…E5F6", "meterStart":1.0}]'
    assert masked(call("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "300"})).count("300") == 1


json_values = st.recursive(
    st.none() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(around=json_values, uid=st.text(st.characters(codec="utf-8"), min_size=12, max_size=36))
def test_wherever_a_token_stands(around: Any, uid: str) -> None:
    uid = f"UID{uid}"
    for frame in ([2, "1", "A", {"x": around, "idTag": uid}], [3, "1", [around, {"idToken": {"idToken": uid}}]]):
        for ascii in (True, False):
            text = masked(json.dumps(frame, ensure_ascii=ascii).encode("utf-8", "surrogatepass"))
            assert uid not in text
            assert json.dumps(uid)[1:-1] not in text


NAMES = [
    *("idTag", "IDTOKEN", "groupIdToken", "eMAID", "contractId", "customerIdentifier", "vin", "Data", "url"),
    *("key", "server", "value", "simPin", "apnPassword", "mySecret", "authorizationKey"),
    *("component", "variable", "name"),
]
words = st.sampled_from([*NAMES, "BasicAuthPassword", CARD, "ftp://me:x@files", "Wh", "\\", "ü", "\u212a", "\n", ""])
told = st.recursive(
    words | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | words, inner, max_size=4),
    max_leaves=8,
)


@given(payload=told, cut=st.none() | st.integers(0, 80), ascii=st.booleans())
def test_what_is_let_pass_at_a_glance_has_nothing_to_hide(payload: Any, cut: int | None, ascii: bool) -> None:
    data = json.dumps([2, "1", "A", payload], ensure_ascii=ascii).encode()[:cut]
    if masking._is_harmless(data):
        assert masking._NUMERIC.sub("?", masking._without_texts(data)) == data.decode()


@pytest.mark.parametrize("value", ["Wh", "SoC"])
def test_what_stations_say_most_is_let_pass_at_a_glance(value: str) -> None:
    assert masking._is_harmless(call("MeterValues", {"meterValue": [{"sampledValue": [{"value": value}]}]}))
    assert masking._is_harmless(json.dumps([3, "41", {"currentTime": "2026-11-23T10:00:00Z"}]).encode())


@given(st.binary(max_size=200))
def test_nothing_breaks_it(data: bytes) -> None:
    masked(data)


@pytest.mark.parametrize("name", sorted((*masking._TOKENS, *masking._SECRETS, "someonesPassword", "apnSimPin")))
def test_a_name_once_said_is_hidden_in_every_kind_of_frame(name: str) -> None:
    number = "41424344454647"
    for value in (f'"{CARD}"', f'"{CARD.lower()}"', number):
        for frame in (f'[2,"41","X",{{"{name}":{value}}}]', f'[2,"41","X",{{"{name}": {value}, "y":'):
            shown = masked(frame.encode())
            assert "•••" in shown or "…" in shown, frame
            assert CARD not in shown.upper(), frame
            assert number not in shown, frame


def test_a_new_name_is_a_sign_by_itself() -> None:
    signs = masking._signs(("newidtag", "idtag", "pan"), ("passkey",))
    assert {"idtag", '"pan"', "passkey", "://"} <= set(signs)
    assert "newidtag" not in signs, "the shorter one is in it"
