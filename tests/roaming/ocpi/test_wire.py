"""What a body leaves to its surroundings, and what is noted for the journal."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from roaming.model.identifiers import PartyId
from roaming.model.token import AuthorizationInfo
from roaming.model.version import Version
from roaming.modules.tokens.service import CODECS, INFO_CODECS
from roaming.ocpi.codec import DecodeError
from roaming.ocpi.errors import InvalidParameters
from roaming.ocpi.wire import Wire

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
AAA = PartyId("DE", "AAA")
BODY = {
    "uid": "TOKEN1",
    "type": "RFID",
    "auth_id": "DE-AAA-C1",
    "issuer": "Issuer",
    "valid": True,
    "whitelist": "ALLOWED",
}


def wire(version: Version = Version.V2_1_1, owner: PartyId | None = AAA) -> Wire:
    return Wire(version=version, received_at=NOW, owner=owner)


def test_2_1_1_leaves_the_owner_to_the_address_and_last_updated_to_the_time_of_receipt() -> None:
    used = wire()
    token = used.decode(CODECS, BODY)
    assert (token.country_code, token.party_id, token.last_updated) == ("DE", "AAA", NOW)
    assert [str(note).split(" ")[:3] for note in used.notes] == [["tolerated", "last_updated:", "MISSING"]]
    with pytest.raises(DecodeError, match="country_code"):
        wire(owner=None).decode(CODECS, BODY)


@pytest.mark.parametrize("version", [Version.V2_2_1, Version.V2_3_0])
def test_since_2_2_last_updated_is_required(version: Version) -> None:
    body: dict[str, Any] = BODY | {"country_code": "DE", "party_id": "AAA", "contract_id": "DE-AAA-C1"}
    with pytest.raises(DecodeError, match="last_updated"):
        wire(version).decode(CODECS, body)
    with pytest.raises(InvalidParameters, match="last_updated"):
        wire(version).decode_patch(CODECS, {"valid": False})


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(minutes=5)])
def test_a_patch_without_a_time_is_never_before_what_it_changes(ahead: timedelta) -> None:
    """A partner's clock may be ahead of ours: its change must not count as old."""
    used = wire()
    token = used.decode(CODECS, BODY | {"last_updated": (NOW + ahead).isoformat()})
    changed = used.apply(used.decode_patch(CODECS, {"valid": False}), token, last_updated=token.last_updated)
    assert (changed.valid, changed.last_updated) == (False, NOW + ahead)
    assert any(str(note).startswith("tolerated last_updated: MISSING") for note in used.notes)


def test_what_is_tolerated_and_what_is_lost_is_noted() -> None:
    used = wire()
    token = used.decode(CODECS, BODY | {"whitelist": "SOMETIMES", "last_updated": "2026-11-23T10:00:00Z"})
    assert used.notes == ["tolerated whitelist: UNKNOWN_VALUE 'SOMETIMES'"]
    used = wire()
    used.encode(INFO_CODECS, AuthorizationInfo(allowed="ALLOWED", token=token, authorization_reference="R1"))
    assert [*map(str, used.notes)] == ["lost authorization_reference: 2.1.1 does not have it"]
