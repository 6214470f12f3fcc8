"""Tokens in their versions, and what an eMSP says of one."""

from datetime import UTC, datetime
from typing import Any

import pytest

from roaming.model.location import LocationReferences
from roaming.model.token import AuthorizationInfo, Token, TokenType
from roaming.modules.tokens.codec import v211, v221, v230
from roaming.ocpi.codec import DecodeContext, DecodeError, Finding, FindingCode, Loss


def token(**changes: Any) -> Token:
    values: dict[str, Any] = {
        "country_code": "NL",
        "party_id": "MSP",
        "uid": "04AABBCC",
        "type": "RFID",
        "contract_id": "NL-MSP-C1",
        "issuer": "MSP",
        "valid": True,
        "whitelist": "ALLOWED",
        "last_updated": datetime(2026, 1, 31, tzinfo=UTC),
    }
    return Token(**values | changes)


def test_the_contract_is_the_auth_id_of_2_1_1_and_the_owner_is_in_the_address() -> None:
    body = v211.CODEC.encode(token()).body
    assert body["auth_id"] == "NL-MSP-C1"
    assert body.keys().isdisjoint({"contract_id", "country_code", "party_id"})
    assert v211.CODEC.decode(body, context=DecodeContext(country_code="NL", party_id="MSP")).value == token()
    with pytest.raises(DecodeError, match=r"needs context\.country_code"):
        v211.CODEC.decode(body)


@pytest.mark.parametrize(
    ("codec", "unknown"),
    [(v230.CODEC, set()), (v221.CODEC, {"EMAID"}), (v211.CODEC, {"EMAID", "APP_USER", "AD_HOC_USER"})],
)
def test_types_that_a_version_lacks_are_other(codec: Any, unknown: set[str]) -> None:
    for kind in TokenType:
        encoded = codec.encode(token(type=kind.value))
        assert encoded.body["type"] == ("OTHER" if kind.value in unknown else kind.value)
        assert [loss.path for loss in encoded.losses] == (["type"] if kind.value in unknown else [])


def test_an_answer_of_2_1_1_does_not_repeat_the_token() -> None:
    info = AuthorizationInfo(allowed="ALLOWED", token=token(), authorization_reference="R1")
    encoded = v211.AUTHORIZATION_INFO_CODEC.encode(info)
    assert encoded.body == {"allowed": "ALLOWED"}
    assert encoded.losses == (Loss("authorization_reference", "2.1.1 does not have it"),)
    decoded = v211.AUTHORIZATION_INFO_CODEC.decode(encoded.body, context=DecodeContext(token=token()))
    assert decoded.value == AuthorizationInfo(allowed="ALLOWED", token=token())
    with pytest.raises(DecodeError, match=r"^token: 2\.1\.1 does not say it, needs context\.token$"):
        v211.AUTHORIZATION_INFO_CODEC.decode(encoded.body)


def test_an_unknown_answer_is_kept_and_noted() -> None:
    body = v221.AUTHORIZATION_INFO_CODEC.encode(AuthorizationInfo(allowed="ALLOWED", token=token())).body
    decoded = v221.AUTHORIZATION_INFO_CODEC.decode(body | {"allowed": "MAYBE"})
    assert decoded.value.allowed == "MAYBE"
    assert decoded.findings == (Finding("allowed", FindingCode.UNKNOWN_VALUE, "'MAYBE'"),)


def test_connectors_in_a_reference_are_not_carried() -> None:
    decoded = v211.LOCATION_REFERENCES_CODEC.decode(
        {"location_id": "LOC1", "evse_uids": ["E1"], "connector_ids": ["1"]}
    )
    assert decoded.value == LocationReferences(location_id="LOC1", evse_uids=("E1",))
    assert [(finding.path, finding.code) for finding in decoded.findings] == [
        ("connector_ids", FindingCode.NOT_CARRIED)
    ]
