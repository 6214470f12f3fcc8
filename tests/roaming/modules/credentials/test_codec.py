"""Credentials in their versions: one party, many roles, or a hub with parties behind it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from roaming.model.client_info import ClientInfo
from roaming.model.party import Credentials, CredentialsRole
from roaming.model.place import BusinessDetails
from roaming.modules.credentials.codec import v211, v221, v230
from roaming.modules.hubclientinfo import service as client_info
from roaming.ocpi.codec import Codec, DecodeContext, DecodeError, EncodeError, Finding, FindingCode, Loss


def role(name: str, party_id: str) -> CredentialsRole:
    return CredentialsRole(
        role=name, business_details=BusinessDetails(name=party_id), party_id=party_id, country_code="NL"
    )


def credentials(*roles: CredentialsRole, **changes: Any) -> Credentials:
    return Credentials(token="secret-token", url="https://hub.example/versions", roles=roles, **changes)


def test_2_1_1_has_one_party_whose_role_the_address_tells() -> None:
    encoded = v211.CODEC.encode(credentials(role("CPO", "TNM"), role("EMSP", "MSP")))
    assert encoded.body == {
        "token": "secret-token",
        "url": "https://hub.example/versions",
        "business_details": {"name": "TNM"},
        "party_id": "TNM",
        "country_code": "NL",
    }
    assert encoded.losses == (Loss("roles[1]", "2.1.1 has one party per connection"),)
    assert v211.CODEC.decode(encoded.body, context=DecodeContext(role="CPO")).value == credentials(role("CPO", "TNM"))
    with pytest.raises(DecodeError, match=r"^roles: 2\.1\.1 does not say it, needs context\.role$"):
        v211.CODEC.decode(encoded.body)


@pytest.mark.parametrize("missing", ["business_details", "party_id", "country_code"])
def test_the_party_of_2_1_1_is_required(missing: str) -> None:
    body = v211.CODEC.encode(credentials(role("CPO", "TNM"))).body
    del body[missing]
    with pytest.raises(DecodeError, match=f"^{missing}: required$"):
        v211.CODEC.decode(body, context=DecodeContext(role="CPO"))


def test_a_hub_is_a_role_in_2_2_1_and_a_field_in_2_3_0() -> None:
    hub = credentials(role("HUB", "HUB"))
    assert v221.CODEC.encode(hub).losses == ()
    assert v221.CODEC.decode(v221.CODEC.encode(hub).body).findings == ()
    with pytest.raises(EncodeError, match=r"^roles: no entry can be said: role: HUB does not exist in 2\.3\.0$"):
        v230.CODEC.encode(hub)
    both = credentials(role("HUB", "HUB"), role("CPO", "TNM"), hub_party_id="NLHUB")
    assert v230.CODEC.encode(both).body["roles"] == v230.CODEC.encode(credentials(role("CPO", "TNM"))).body["roles"]
    assert [loss.path for loss in v221.CODEC.encode(both).losses] == ["hub_party_id"]


def test_hub_from_a_partner_of_2_3_0_is_taken_with_a_finding() -> None:
    body = v221.CODEC.encode(credentials(role("HUB", "HUB"))).body
    decoded = v230.CODEC.decode(body)
    assert decoded.value.roles[0].role == "HUB"
    assert decoded.findings == (Finding("roles[0].role", FindingCode.UNKNOWN_VALUE, "'HUB'"),)


@pytest.mark.parametrize("token", ["has space", "x" * 65, "", "tab\t", 5])
def test_a_bad_credentials_token_is_refused_and_not_shown(token: Any) -> None:
    body = v221.CODEC.encode(credentials(role("CPO", "TNM"))).body | {"token": token}
    with pytest.raises(DecodeError) as caught:
        v221.CODEC.decode(body)
    assert str(caught.value) == "token: expected text of 1 to 64 printable ASCII characters without spaces"


def test_credentials_need_a_role() -> None:
    body = v221.CODEC.encode(credentials(role("CPO", "TNM"))).body
    with pytest.raises(DecodeError, match=r"^roles: required$"):
        v221.CODEC.decode({"token": body["token"], "url": body["url"]})
    with pytest.raises(EncodeError, match=r"^roles: one entry at least is required"):
        v221.CODEC.encode(credentials())


@pytest.mark.parametrize("codec", [v221.CODEC, v230.CODEC])
def test_a_ptp_is_told_of_in_the_word_that_there_is(codec: Codec[Credentials]) -> None:
    encoded = codec.encode(credentials(role("PTP", "PAY"), role("CPO", "TNM")))
    assert [entry["role"] for entry in encoded.body["roles"]] == ["OTHER", "CPO"]
    assert [loss.path for loss in encoded.losses] == ["roles[0].role"]
    theirs = {**encoded.body["roles"][0], "role": "PTP"}
    assert codec.decode({**encoded.body, "roles": [theirs]}).value.roles[0].role == "PTP"
    told = client_info.CODECS[codec.version].encode(
        ClientInfo(party_id="PAY", country_code="NL", role="PTP", status="CONNECTED", last_updated=datetime.now(UTC))
    )
    assert told.body["role"] == "OTHER"
