"""A partner's habits: what is in force, by whom, and what it changes in what we send."""

from dataclasses import fields
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from roaming.model.identifiers import PartyId
from roaming.ocpi.dialect import Dialect, departures, in_force, is_by_hand, is_known, settings_of
from roaming.ocpi.headers import RoutingHeaders
from roaming.ocpi.switches import TABLE, UnknownSwitch, switch_of

AT = "2026-11-23T10:00:00Z"


def hand(value: str) -> dict[str, Any]:
    return {"hand": {"value": value, "at": AT}}


def seen(value: str) -> dict[str, Any]:
    return {"seen": {"value": value, "at": AT, "why": "GET locations"}}


@pytest.mark.parametrize(
    ("version", "header"), [("2.1.1", "Token t"), ("2.2.1", "Token dA=="), ("2.3.0", "Token dA==")]
)
def test_tokens_are_sent_as_the_version_says(version: str, header: str) -> None:
    assert Dialect.of_version(version).token_header("t") == header


def test_a_partner_that_wants_a_slash_gets_it() -> None:
    endpoint = "https://cpo.example/ocpi/tokens?tenant=1"
    assert Dialect().address(endpoint, "DE", "EMS", "A B") == "https://cpo.example/ocpi/tokens/DE/EMS/A%20B?tenant=1"
    slashed = Dialect(trailing_slash="yes")
    assert slashed.address(endpoint, "DE", "EMS", "A") == "https://cpo.example/ocpi/tokens/DE/EMS/A/?tenant=1"
    assert slashed.address(endpoint) == "https://cpo.example/ocpi/tokens/?tenant=1"


def test_a_partner_that_compares_lower_cased_ids_gets_them() -> None:
    lower = Dialect(id_case="lower")
    assert lower.address("https://cpo.example/Cmd", "NL", "TNM", "LOC1") == "https://cpo.example/Cmd/nl/tnm/loc1"
    assert lower.address("https://cpo.example/Cmd", "START_SESSION").endswith("/START_SESSION"), "no id, a word"
    routing = RoutingHeaders(PartyId("NL", "HUB"), None)
    assert lower.routing(routing) == RoutingHeaders(PartyId("nl", "hub"), None)
    assert Dialect().routing(routing) == routing
    assert lower.routing(None) is None


def test_the_table_and_the_dialect_have_the_same_switches() -> None:
    assert [switch.name for switch in TABLE] == [field.name for field in fields(Dialect)]
    plain = Dialect()
    for switch in TABLE:
        assert switch.check(getattr(plain, switch.name)) == getattr(plain, switch.name)
        assert switch.default.startswith(getattr(plain, switch.name))
        assert switch.changes


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("token_encoding", "raw", "hex"),
        ("time_zone", "Europe/Paris", "Europe/Atlantis"),
        ("time_zone", "UTC", "../../etc/passwd"),
        ("page_links", "follow:pages.example:8443", "follow:http://pages.example"),
        ("at_once", "64", "65"),
        ("at_once", "1", "0"),
        ("per_second", "1000", "1001"),
        ("per_second", "unlimited", "0"),
        ("patch", "no", "perhaps"),
    ],
)
def test_only_values_that_mean_something_are_taken(name: str, right: str, wrong: str) -> None:
    assert switch_of(name).check(right) == right
    with pytest.raises(UnknownSwitch, match=name):
        switch_of(name).check(wrong)


def test_an_unknown_switch_names_those_there_are() -> None:
    with pytest.raises(UnknownSwitch, match="token_encoding, trailing_slash"):
        switch_of("colour")


@pytest.mark.parametrize(
    ("stored", "value"),
    [
        ({}, None),
        (seen("no"), "no"),
        (hand("yes") | seen("no"), "yes"),
        (hand("no"), "no"),
        ("no", "no"),
        (hand("perhaps"), None),
    ],
    ids=["nothing", "seen", "hand rules", "hand", "as stored before", "nonsense"],
)
def test_a_hand_is_never_overruled(stored: Any, value: str | None) -> None:
    kept = {"patch": stored} if stored else {}
    assert in_force(kept, "patch") == value
    assert Dialect.of_version("2.2.1").with_habits(kept).patch == (value or "yes")


def test_what_might_do_harm_is_seen_but_not_in_force() -> None:
    kept = {"status_codes": seen("http"), "time_zone": seen("UTC")}
    assert Dialect().with_habits(kept) == Dialect()
    assert is_known(kept, "status_codes", "http")
    assert not is_by_hand(kept, "status_codes")
    assert departures(kept) == ["status_codes=http?", "time_zone=UTC?"]


def test_every_switch_is_shown_with_who_set_it() -> None:
    kept = {"token_encoding": hand("raw") | seen("base64"), "patch": seen("no")}
    shown = {setting.name: setting for setting in settings_of(kept, "2.2.1")}
    assert list(shown) == [switch.name for switch in TABLE]
    token, patch, slash = shown["token_encoding"], shown["patch"], shown["trailing_slash"]
    assert (token.value, token.source, token.seen, token.why) == ("raw", "hand", "base64", "GET locations")
    assert (patch.value, patch.source, patch.at) == ("no", "traffic", AT)
    assert (slash.value, slash.source, slash.at) == ("no", "default", "")
    assert departures(kept) == ["token_encoding=raw", "patch=no"]
    old = {setting.name: setting.value for setting in settings_of({}, "2.1.1")}
    assert old["token_encoding"] == "raw"


def test_a_zone_is_one_that_times_can_be_read_in() -> None:
    assert Dialect().zone is None
    assert Dialect(time_zone="Europe/Paris").zone == ZoneInfo("Europe/Paris")
