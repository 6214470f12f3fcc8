"""Who is let in, without a socket."""

import base64
from typing import Any

import pytest

from adapters.ocpp.security import Doorkeeper, Rules, Takeovers, identity, password_of
from adapters.ocpp.transport import Admission, Handshake, Refusal
from tests.adapters.ocpp.fake_socket import FakeSocket
from tests.kit.stations import FakeAccounts


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/CS-1", "CS-1"),
        ("/RDAM%7C123", "RDAM|123"),
        ("/CS%201_%2D", "CS 1_-"),
        ("//CS-1", "CS-1"),
        ("/CS-1/", "CS-1"),
        ("/CS-1?token=x", "CS-1"),
        ("/CS%2525", "CS%25"),
        ("/caf%C3%A9", "café"),
        ("/" + "A" * 48, "A" * 48),
        ("/" + "A" * 49, None),
        ("/", None),
        ("", None),
        ("/a/b", None),
        ("/..%2fetc", None),
        ("/..", None),
        ("/a%5Cb", None),
        ("/a%00b", None),
        ("/a%0Ab", None),
        ("/%20", None),
        ("/a%E2%80%AEb", None),
        ("/%FF", None),
        ("/" + "A" * 10_000, None),
    ],
)
def test_identity(target: str, expected: str | None) -> None:
    assert identity(target) == expected


def test_identity_behind_a_path() -> None:
    assert identity("/ocpp/CS-1", path="/ocpp") == "CS-1"
    assert identity("/ocpp/CS-1", path="/ocpp/") == "CS-1"
    assert identity("/CS-1", path="/ocpp") is None
    assert identity("/ocppCS-1", path="/ocpp") is None


def _basic(user: bytes, password: bytes) -> str:
    return "Basic " + base64.b64encode(user + b":" + password).decode()


def test_passwords() -> None:
    assert password_of(_basic(b"CS-1", b"a:b"), station_id="CS-1") == "a:b"
    assert password_of(_basic(b"CS:1", b"x"), station_id="CS:1") == "x", "a colon in the identity"
    assert password_of(_basic(b"CS-1", b"\xff\x00"), station_id="CS-1") == "ÿ\x00", "a key of raw octets"
    assert password_of(_basic(b"CS-2", b"x"), station_id="CS-1") is None
    assert password_of("basic " + base64.b64encode(b"CS-1:x").decode(), station_id="CS-1") == "x"
    for broken in (None, "", "Bearer x", "Basic", "Basic %%%", "Basic " + base64.b64encode(b"CS-1").decode()):
        assert password_of(broken, station_id="CS-1") is None


def _handshake(station: str = "CS-1", password: str | None = "right", **fields: Any) -> Handshake:
    authorization = None if password is None else _basic(station.encode(), password.encode())
    usual: dict[str, Any] = {
        "target": f"/{station}",
        "remote_address": "127.0.0.1",
        "is_encrypted": False,
        "authorization": authorization,
        "subprotocols": ("ocpp1.6",),
    }
    return Handshake(**(usual | fields))


def _door(**rules: Any) -> tuple[Doorkeeper, FakeAccounts]:
    accounts = FakeAccounts()
    accounts.change("CS-1", password="right")
    return Doorkeeper(Rules(**rules), accounts), accounts


def test_the_right_password() -> None:
    door, _ = _door()
    admission = door.decide(_handshake())
    assert isinstance(admission, Admission)
    assert admission.is_admitted
    assert admission.security_profile == 1
    assert admission.subprotocol == "ocpp1.6"
    secure = door.decide(_handshake(remote_address="203.0.113.9", is_encrypted=True))
    assert isinstance(secure, Admission)
    assert secure.security_profile == 2


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"target": "/"}, 404),
        ({"origin": "https://evil.example"}, 403),
        ({"subprotocols": ()}, 400),
        ({"subprotocols": ("ocpp2.0.1", "mqtt")}, 400),
        ({"password": "wrong"}, 401),
        ({"password": None}, 401),
        ({"authorization": _basic(b"CS-2", b"right")}, 401),
        ({"remote_address": "203.0.113.9"}, 403),
        ({"remote_address": None}, 403),
    ],
)
def test_refusals(fields: dict[str, Any], status: int) -> None:
    door, _ = _door()
    refusal = door.decide(_handshake(**fields))
    assert isinstance(refusal, Refusal)
    assert refusal.status == status


def test_a_stranger_and_a_wrong_password_look_the_same_when_strangers_are_refused() -> None:
    door, accounts = _door(strangers="refuse")
    accounts.change("CS-3", password="right", is_admitted=False)
    answers = {door.decide(_handshake(name, "guess")) for name in ("CS-1", "CS-2", "CS-3")}
    assert len(answers) == 1


def test_a_stranger_is_held_with_the_digest_of_its_password() -> None:
    door, accounts = _door()
    admission = door.decide(_handshake("CS-2", "its own"))
    assert isinstance(admission, Admission)
    assert not admission.is_admitted
    assert admission.key_digest == accounts.digest("CS-2", "its own")
    without = door.decide(_handshake("CS-2", None))
    assert isinstance(without, Admission)
    assert without.key_digest is None
    accounts.change("CS-2", password="its own", is_admitted=False)
    again = door.decide(_handshake("CS-2", "its own"))
    assert isinstance(again, Admission)
    assert not again.is_admitted, "shut out: a stranger again"


def test_no_password_is_needed_only_where_the_account_and_the_network_say_so() -> None:
    door, accounts = _door()
    accounts.change("CS-2", password=None)
    local = door.decide(_handshake("CS-2", None))
    assert isinstance(local, Admission)
    assert (local.is_admitted, local.security_profile) == (True, 0)
    remote = door.decide(_handshake("CS-2", None, remote_address="203.0.113.9", is_encrypted=True))
    assert isinstance(remote, Refusal)
    mapped = door.decide(_handshake("CS-2", None, remote_address="::ffff:127.0.0.1"))
    assert isinstance(mapped, Admission)


def test_a_password_that_it_was_given_is_taken_beside_the_one_it_has() -> None:
    door, accounts = _door()
    accounts.change("CS-1", password="old", given=("new", "newer"))
    for password in ("old", "new", "newer"):
        admission = door.decide(_handshake(password=password))
        assert isinstance(admission, Admission)
        assert (admission.is_admitted, admission.security_profile) == (True, 1)
        assert door.objection(admission) is None
    assert isinstance(door.decide(_handshake(password="wrong")), Refusal)
    assert isinstance(door.decide(_handshake(password=None)), Refusal)


def test_a_first_password_proves_a_profile_once_it_is_shown() -> None:
    door, accounts = _door()
    accounts.change("CS-2", password=None, given=("new",))
    shown = {password: door.decide(_handshake("CS-2", password)) for password in (None, "anything", "new")}
    assert [each.security_profile for each in shown.values() if isinstance(each, Admission)] == [0, 0, 1]
    far = {"remote_address": "203.0.113.9", "is_encrypted": True}
    assert isinstance(door.decide(_handshake("CS-2", None, **far)), Refusal)
    admission = door.decide(_handshake("CS-2", "new", **far))
    assert isinstance(admission, Admission)
    assert admission.security_profile == 2


def test_a_password_that_is_not_compared_proves_no_profile() -> None:
    door, accounts = _door()
    accounts.change("CS-2", password=None)
    admission = door.decide(_handshake("CS-2", "anything", is_encrypted=True))
    assert isinstance(admission, Admission)
    assert admission.security_profile == 0
    accounts.change("CS-2", password=None, minimum_profile=1)
    assert door.objection(admission) == "came with security profile 0; its account demands 1 or higher"
    refusal = door.decide(_handshake("CS-2", "anything", is_encrypted=True))
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.station_id) == (403, "CS-2")


def test_a_held_stranger_has_proven_what_its_account_can_compare() -> None:
    door, accounts = _door()
    shown = door.decide(_handshake("CS-9", "anything", is_encrypted=True))
    assert isinstance(shown, Admission)
    assert (shown.is_admitted, door.proven_profile(shown)) == (False, 2)
    accounts.change("CS-9", password="anything")
    assert door.proven_profile(shown) == 2
    accounts.change("CS-9", password=None)
    assert door.proven_profile(shown) == 0


def test_a_certificate_is_one_stations_alone() -> None:
    door, _ = _door(clear_text_from=())
    shown = {"is_encrypted": True, "password": None, "remote_address": "203.0.113.9"}
    admission = door.decide(_handshake(certificate_names=("CS-1",), **shown))
    assert isinstance(admission, Admission)
    assert (admission.is_admitted, admission.security_profile) == (True, 3)
    statuses = [door.decide(_handshake(certificate_names=("CS-2",), **shown)) for _ in range(8)]
    assert [r.status for r in statuses if isinstance(r, Refusal)] == [403] * 6 + [429] * 2


def test_who_goes_through_comes_with_the_profile_that_its_account_demands() -> None:
    door, accounts = _door()
    accounts.change("CS-2", password=None, minimum_profile=3)
    by_password = _handshake("CS-2", "let in there", is_encrypted=True)
    by_certificate = _handshake("CS-2", None, is_encrypted=True, certificate_names=("CS-2",))
    for handshake, is_ours in ((by_password, False), (by_certificate, True)):
        admission = door.passing(handshake, "CS-2", socket=FakeSocket(), subprotocol=None)
        assert admission.is_admitted is is_ours


def test_no_subprotocol_is_1_6_where_the_operator_says_so() -> None:
    door, _ = _door(is_1_6_assumed=True)
    admission = door.decide(_handshake(subprotocols=()))
    assert isinstance(admission, Admission)
    assert admission.subprotocol is None
    assert isinstance(door.decide(_handshake(subprotocols=("ocpp2.0.1",))), Refusal)


def test_guessing_is_slowed_down_and_the_real_station_is_not_locked_out() -> None:
    door, _ = _door(clear_text_from=("0.0.0.0/0",))
    assert isinstance(door.decide(_handshake(remote_address="198.51.100.1")), Admission)
    statuses = []
    for number in range(300):
        address = f"203.0.113.{number % 60}"
        refusal = door.decide(_handshake(password=f"guess {number}", remote_address=address))
        assert isinstance(refusal, Refusal)
        statuses.append(refusal.status)
    assert set(statuses[:100]) == {401}
    assert set(statuses[102:]) == {429}, "from many addresses"
    assert isinstance(door.decide(_handshake(remote_address="198.51.100.1")), Admission), "proven before"
    stranger_place = door.decide(_handshake(remote_address="198.51.100.2"))
    assert isinstance(stranger_place, Refusal)
    assert int(dict(stranger_place.headers)["Retry-After"]) >= 1


def test_guessing_from_one_address_waits_after_five() -> None:
    door, _ = _door()
    statuses = []
    for _number in range(8):
        refusal = door.decide(_handshake(password="wrong"))
        assert isinstance(refusal, Refusal)
        statuses.append(refusal.status)
    assert statuses == [401] * 6 + [429] * 2


def test_a_network_that_is_none() -> None:
    with pytest.raises(ValueError):
        _door(passwordless_from=("everywhere",))


def test_takeovers_freeze_for_a_while() -> None:
    at = [0.0]
    takeovers = Takeovers(clock=lambda: at[0])
    for _ in range(5):
        takeovers.note("CS-1")
    assert takeovers.wait("CS-1") == 0
    takeovers.note("CS-1")
    assert takeovers.wait("CS-1") == 60
    assert takeovers.wait("CS-2") == 0
    at[0] += 60
    assert takeovers.wait("CS-1") == 0
    at[0] += 600
    takeovers.note("CS-1")
    assert takeovers.wait("CS-1") == 0
