"""Tokens towards stations and back."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.kit.manifest import Authorization
from adapters.ocpp.state import open_state
from adapters.ocpp.tokens import RemoteStart, Tokens, clean
from adapters.ocpp.trimming import trim
from contracts.vocabulary import AuthorizationBasis, AuthorizationStatus

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LONG = "550e8400-e29b-41d4-a716-446655440000"


@pytest.mark.parametrize(
    ("dirty", "expected"),
    [
        ("04A2B3C4", "04A2B3C4"),
        ("04:a2:b3:c4", "04a2b3c4"),
        ("04-A2-B3-C4", "04A2B3C4"),
        ("04 A2 B3 C4", "04A2B3C4"),
        ("TAG\x00\x00", "TAG"),
        (" TAG ", "TAG"),
        ("T\x01AG", "TAG"),
        ("NL-TNM-C00000001-X", "NL-TNM-C00000001-X"),
        ("NL-TNM-000001-", "NL-TNM-000001"),
        ("\x00", ""),
        ("", ""),
    ],
)
def test_clean(dirty: str, expected: str) -> None:
    assert clean(dirty) == expected


def test_a_long_token_has_an_alias_both_ways(tmp_path: Path) -> None:
    tokens = Tokens(open_state(tmp_path / "state"), secret=b"s")
    alias = tokens.to_id_tag(LONG)
    assert len(alias) == 20
    assert alias.isalnum()
    assert tokens.to_id_tag(LONG.upper()) == alias, "tokens are compared without case"
    again = Tokens(open_state(tmp_path / "state"), secret=b"s")
    assert again.to_uid(alias.lower()) == LONG, "after a restart, as the owner spells it"
    assert again.to_uid("04A2B3C4") == "04A2B3C4"
    assert again.to_id_tag("04a2b3c4") == "04a2b3c4"
    assert again.to_id_tag("Ümlaut") != "Ümlaut", "stations read ASCII"
    assert Tokens(open_state(None), secret=b"other").to_id_tag(LONG) != alias


def test_groups() -> None:
    tokens = Tokens(open_state(None), secret=b"s")
    assert tokens.to_parent_id_tag(None) is None
    assert tokens.to_parent_id_tag("") is None
    assert tokens.to_parent_id_tag("FLEET") == "FLEET"
    parent = tokens.to_parent_id_tag(LONG)
    assert parent is not None
    assert len(parent) == 20
    assert parent != tokens.to_id_tag(LONG), "a group is no token"


def test_reservations_are_a_station_s_own() -> None:
    tokens = Tokens(open_state(None), secret=b"s")
    number = tokens.to_reservation_number("CS-1", "R-1")
    assert 1 <= number < 2**31
    assert tokens.to_reservation_number("CS-1", "R-1") == number
    assert tokens.to_reservation_number("CS-2", "R-1") != number
    assert tokens.to_reservation_id("CS-1", number) == "R-1"
    assert [tokens.to_reservation_id("CS-2", other) for other in (number, None, 0, -1, 2**40)] == [None] * 5


def _remote(command_id: str, connector: int | None, *, seconds: int = 120) -> RemoteStart:
    return RemoteStart(
        command_id=command_id,
        station_id="CS-1",
        connector_id=connector,
        id_tag="Tag",
        token_uid="Tag",
        reference="R",
        group_id=None,
        expires_at=NOW + timedelta(seconds=seconds),
    )


async def test_a_remote_start_is_expected_once_and_for_a_while() -> None:
    state = open_state(None)
    tokens = Tokens(state, secret=b"s")
    tokens.expect(_remote("one", 1))
    tokens.expect(_remote("two", None, seconds=121))

    def expected(connector: int | None, *, after: int = 0, station: str = "CS-1", tag: str = "TAG") -> str | None:
        found = tokens.expected(station, connector_id=connector, id_tag=tag, now=NOW + timedelta(seconds=after))
        return found.command_id if found else None

    assert expected(None) == "one"
    assert expected(1) == "one"
    assert expected(2) == "two"
    assert expected(1, after=120) == "two"
    assert expected(1, after=121) is None
    assert expected(1, station="CS-2") is None
    assert expected(1, tag="OTHER") is None
    tokens.withdraw("one")
    assert expected(1) == "two"
    await trim(state, now=NOW + timedelta(seconds=200), kept=timedelta(days=1))
    assert expected(1) is None


def test_an_authorisation_is_remembered_for_the_start() -> None:
    tokens = Tokens(open_state(None), secret=b"s")
    decided = Authorization(
        status=AuthorizationStatus.ACCEPTED,
        basis=AuthorizationBasis.REAL_TIME,
        token_uid="Tag",
        authorization_reference="REF",
        group_id="G",
    )
    tokens.remember("CS-1", "tag", decided, until=NOW + timedelta(minutes=10))
    assert tokens.remembered("CS-1", "TAG", now=NOW) == decided
    assert tokens.remembered("CS-2", "TAG", now=NOW) is None
    assert tokens.remembered("CS-1", "TAG", now=NOW + timedelta(minutes=10)) is None
    tokens.forget("CS-1", "Tag")
    assert tokens.remembered("CS-1", "TAG", now=NOW) is None
