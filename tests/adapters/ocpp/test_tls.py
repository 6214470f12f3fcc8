"""Security profiles 2 (TLS and password) and 3 (client certificate), and the least that an account demands."""

import asyncio
import contextlib
import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from websockets.exceptions import InvalidStatus, WebSocketException

from adapters.ocpp.adapter import OcppSettings
from contracts.messages import SecurityEventReported, StationConnected
from tests.adapters.ocpp.conftest import PASSWORD, Hub
from tests.kit.certificates import Authority, make_certificate
from tests.kit.wait import until

FOREIGN = "the client certificate is another station's"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.make(tmp_path)


@pytest.fixture
async def secure(hub: Hub, authority: Authority) -> Hub:
    """Serves profiles 2 and 3."""
    certificate, key = authority.issue("hub", file="hub", is_server=True)
    await hub.start(tls_certificate=certificate, tls_key=key, tls_client_authorities=authority.path, clear_text_from=())
    return hub


def trusting(authority: Authority, shown: tuple[Path, Path] | None = None, **versions: Any) -> ssl.SSLContext:
    """What a station is set up with: whom it trusts, and the certificate that it shows."""
    context = ssl.create_default_context(cafile=str(authority.path))
    if shown is not None:
        context.load_cert_chain(*shown)
    for name, version in versions.items():
        setattr(context, name, version)
    return context


async def refusal_of(hub: Hub, trust: ssl.SSLContext, station_id: str = "CS-1", **options: Any) -> tuple[int, str]:
    with pytest.raises(InvalidStatus) as refused:
        await hub.dial(station_id, ssl=trust, **options)
    response = refused.value.response
    return response.status_code, response.body.decode()


async def test_profile_2(hub: Hub, tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path, "hub")
    await hub.start(tls_certificate=certificate[0], tls_key=certificate[1], clear_text_from=())
    assert hub.url.startswith("wss://")
    hub.fakes.accounts.change("CS-1", password=PASSWORD)
    trust = ssl.create_default_context(cafile=str(certificate[0]))
    station = await hub.dial(password=PASSWORD, ssl=trust)
    assert (await station.boot())["status"] == "Accepted"
    assert hub.facts.of(StationConnected)[0].security_profile == 2


async def test_a_station_that_knows_no_forward_secrecy_is_served(hub: Hub, tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path, "hub", is_rsa=True)
    await hub.start(tls_certificate=certificate, tls_key=key)
    hub.fakes.accounts.change("CS-1", password=PASSWORD)
    for suite in ("AES128-GCM-SHA256", "AES256-GCM-SHA384"):
        trust = ssl.create_default_context(cafile=str(certificate))
        trust.maximum_version = ssl.TLSVersion.TLSv1_2
        trust.set_ciphers(suite)
        station = await hub.dial(password=PASSWORD, ssl=trust)
        assert (await station.boot())["status"] == "Accepted"


async def test_changed_files_are_read_without_a_restart(secure: Hub, authority: Authority, tmp_path: Path) -> None:
    secure.fakes.accounts.change("CS-1", password=PASSWORD)
    before, old = trusting(authority), trusting(authority, authority.issue("CS-1"))
    (server,) = secure.running.servers.values()
    assert not server.look_at_files(), "nothing has changed"
    (tmp_path / "hub.key").write_text("no key")
    assert not server.look_at_files()
    station = await secure.dial(password=PASSWORD, ssl=before)
    other = Authority.make(tmp_path, "other")
    other.issue("hub", file="hub", is_server=True)
    authority.path.write_bytes(other.path.read_bytes())
    assert server.look_at_files()
    assert (await station.boot())["status"] == "Accepted", "open connections stay"
    with pytest.raises(ssl.SSLCertVerificationError):
        await secure.dial(password=PASSWORD, ssl=before)
    old.load_verify_locations(cafile=other.path)
    with pytest.raises((OSError, WebSocketException)):
        await secure.dial("CS-1", ssl=old)
    again = await secure.dial("CS-1", ssl=trusting(other, other.issue("CS-1")))
    assert (await again.boot())["status"] == "Accepted"


def say_hello(url: str, trust: ssl.SSLContext, session: ssl.SSLSession | None = None) -> tuple[int, ssl.SSLSocket]:
    """HTTP status of a handshake as CS-1, and the connection, which stays open: a client that takes up sessions."""
    host, port = url.removeprefix("wss://").split("/")[0].split(":")
    with contextlib.ExitStack() as left_over:
        raw = left_over.enter_context(socket.create_connection((host, int(port)), timeout=10))
        encrypted = left_over.enter_context(trust.wrap_socket(raw, server_hostname=host, session=session))
        lines = ("GET /CS-1 HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade")
        lines += ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==")
        lines += ("Sec-WebSocket-Protocol: ocpp1.6", "", "")
        encrypted.sendall("\r\n".join(lines).encode())
        answer = encrypted.recv(4096)
        if not answer:
            raise ConnectionError("closed in the handshake")
        left_over.pop_all()
        return int(answer.split()[1]), encrypted


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_no_session_of_tls_outlives_what_its_certificate_was_taken_for(
    secure: Hub, authority: Authority, tmp_path: Path, newest: ssl.TLSVersion
) -> None:
    secure.fakes.accounts.change("CS-1", password=PASSWORD)
    trust = trusting(authority, authority.issue("CS-1"), maximum_version=newest)
    status, first = await asyncio.to_thread(say_hello, secure.url, trust)
    assert status == 101
    status, second = await asyncio.to_thread(say_hello, secure.url, trust, first.session)
    assert (status, second.session_reused) == (101, newest is ssl.TLSVersion.TLSv1_2), "there are no tickets"
    await until(lambda: len(secure.facts.of(StationConnected)) == 2)
    certificate = secure.facts.of(StationConnected)[-1].certificate
    assert certificate is not None
    secure.fakes.accounts.change("CS-1", password=PASSWORD, revoked=(certificate.fingerprint,))
    status, third = await asyncio.to_thread(say_hello, secure.url, trust, second.session)
    assert status == 403
    secure.fakes.accounts.change("CS-1", password=PASSWORD)
    status, fourth = await asyncio.to_thread(say_hello, secure.url, trust)
    assert status == 101
    authority.path.write_bytes(Authority.make(tmp_path, "other").path.read_bytes())
    (server,) = secure.running.servers.values()
    assert server.look_at_files()
    for _ in range(2):
        with pytest.raises(OSError):
            await asyncio.to_thread(say_hello, secure.url, trust, fourth.session)
    for connection in (first, second, third, fourth):
        connection.close()


async def test_clear_text_is_served_beside_tls(hub: Hub, authority: Authority) -> None:
    certificate, key = authority.issue("hub", file="hub", is_server=True)
    await hub.start(tls_certificate=certificate, tls_key=key, tls_port=0)
    hub.fakes.accounts.change("CS-1", password=PASSWORD)
    clear, encrypted = hub.running.addresses().values()
    assert (clear[:5], encrypted[:6]) == ("ws://", "wss://")
    await hub.dial(password=PASSWORD)
    await hub.dial(password=PASSWORD, url=encrypted, ssl=trusting(authority))
    await until(lambda: len(hub.facts.of(StationConnected)) == 2)
    assert [told.security_profile for told in hub.facts.of(StationConnected)] == [1, 2]


async def test_a_certificate_that_cannot_be_read_stops_the_start(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(OSError):
        await hub.start(tls_certificate=tmp_path / "nowhere.pem", tls_key=tmp_path / "nowhere.key")


async def test_profile_3_needs_no_password_and_profile_2_stays_beside_it(secure: Hub, authority: Authority) -> None:
    secure.fakes.accounts.change("CS-1", password=PASSWORD)
    secure.fakes.accounts.change("CS-2", password=PASSWORD)
    station = await secure.dial("CS-1", ssl=trusting(authority, authority.issue("CS-1")))
    assert (await station.boot())["status"] == "Accepted"
    other = await secure.dial("CS-2", password=PASSWORD, ssl=trusting(authority))
    assert (await other.boot())["status"] == "Accepted"
    assert [told.security_profile for told in secure.facts.of(StationConnected)] == [3, 2]


@pytest.mark.parametrize("names", [("CS-2",), ("CS-1", "CS-2"), ("cs-1",), ()], ids=str)
async def test_another_stations_certificate_is_refused_even_with_the_right_password(
    secure: Hub, authority: Authority, names: tuple[str, ...]
) -> None:
    secure.fakes.accounts.change("CS-1", password=PASSWORD)
    secure.fakes.accounts.change("CS-2", password=PASSWORD)
    shown = trusting(authority, authority.issue(*names))
    status, text = await refusal_of(secure, shown, password=PASSWORD)
    assert status == 403
    assert FOREIGN in text
    assert not secure.facts.of(StationConnected)


@pytest.mark.parametrize("fault", ["expired", "another authority's", "a server's"])
async def test_a_certificate_that_does_not_hold_breaks_the_handshake(
    secure: Hub, authority: Authority, tmp_path: Path, fault: str
) -> None:
    secure.fakes.accounts.change("CS-1", password=PASSWORD)
    if fault == "expired":
        shown = authority.issue("CS-1", is_expired=True)
    elif fault == "a server's":
        shown = authority.issue("CS-1", is_server=True)
    else:
        shown = Authority.make(tmp_path, "stranger").issue("CS-1")
    with pytest.raises((OSError, WebSocketException)):
        await secure.dial(password=PASSWORD, ssl=trusting(authority, shown))
    assert not secure.facts.of(StationConnected)


async def test_older_tls_is_refused(secure: Hub, authority: Authority) -> None:
    secure.fakes.accounts.change("CS-1", password=PASSWORD)
    newer = trusting(authority, maximum_version=ssl.TLSVersion.TLSv1_2)
    assert (await (await secure.dial(password=PASSWORD, ssl=newer)).boot())["status"] == "Accepted"
    await secure.start(tls_minimum="1.3")
    with pytest.raises((OSError, WebSocketException)):
        await secure.dial(password=PASSWORD, ssl=newer)


async def test_a_station_below_its_accounts_minimum_is_refused_with_the_reason(
    secure: Hub, authority: Authority
) -> None:
    secure.fakes.accounts.change("CS-1", password=PASSWORD, minimum_profile=3)
    for _ in range(3):
        status, text = await refusal_of(secure, trusting(authority), password=PASSWORD)
        assert status == 403
        assert "security profile 2; its account demands 3 or higher" in text
    (told,) = secure.facts.of(SecurityEventReported)
    assert told.event == "SecurityProfileTooLow"
    assert "demands 3" in (told.info or "")
    station = await secure.dial("CS-1", ssl=trusting(authority, authority.issue("CS-1")))
    assert (await station.boot())["status"] == "Accepted"


async def test_who_has_not_proven_itself_learns_nothing_of_the_minimum(secure: Hub, authority: Authority) -> None:
    secure.fakes.accounts.change("CS-1", password=PASSWORD, minimum_profile=3)
    status, text = await refusal_of(secure, trusting(authority), password="wrong")
    assert status == 401
    assert "demands" not in text
    assert not secure.facts.of(SecurityEventReported)


async def test_a_minimum_that_rises_sends_those_below_away(secure: Hub, authority: Authority) -> None:
    secure.fakes.accounts.change("CS-1", password=PASSWORD)
    station = await secure.dial("CS-1", password=PASSWORD, ssl=trusting(authority))
    await station.boot()
    secure.fakes.accounts.change("CS-1", password=PASSWORD, minimum_profile=2)
    assert (await station.call("Heartbeat", {}))["currentTime"], "it is high enough"
    secure.fakes.accounts.change("CS-1", password=PASSWORD, minimum_profile=3)
    assert await station.closed() == 1008


async def test_a_revoked_certificate_is_refused_and_its_connection_closed(secure: Hub, authority: Authority) -> None:
    secure.fakes.accounts.change("CS-1", password=PASSWORD)
    stolen, other = (trusting(authority, authority.issue("CS-1")) for _ in range(2))
    station = await secure.dial("CS-1", ssl=stolen)
    await station.boot()
    (told,) = secure.facts.of(StationConnected)
    assert told.certificate is not None
    assert told.certificate.expires_at > datetime.now(UTC)
    revoked = (told.certificate.fingerprint,)
    secure.fakes.accounts.change("CS-1", password=PASSWORD, revoked=revoked)
    assert await station.closed() == 1008
    for password in (PASSWORD, None):
        status, text = await refusal_of(secure, stolen, password=password)
        assert (status, "was revoked" in text) == (403, True)
    assert [told.event for told in secure.facts.of(SecurityEventReported)] == ["RevokedCertificate"]
    again = await secure.dial("CS-1", ssl=other)
    assert (await again.boot())["status"] == "Accepted", "another one of the same station"


async def test_a_stranger_with_a_certificate_is_admitted_where_it_stands(secure: Hub, authority: Authority) -> None:
    station = await secure.dial("CS-9", ssl=trusting(authority, authority.issue("CS-9")))
    assert (await station.boot())["status"] == "Pending"
    secure.fakes.accounts.change("CS-9", minimum_profile=3)
    await until(lambda: len(secure.facts.of(StationConnected)) == 2)
    first, then = secure.facts.of(StationConnected)
    assert (first.is_admitted, then.is_admitted, then.security_profile) == (False, True, 3)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"tls_certificate": "hub.pem"}, "tls_key"),
        ({"tls_key": "hub.key"}, "tls_certificate"),
        ({"tls_port": 9443}, "tls_port"),
        ({"tls_client_authorities": "authority.pem"}, "tls_client_authorities"),
        ({"tls_minimum": "1.1"}, "tls_minimum"),
    ],
)
def test_settings_that_do_not_fit(settings: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        OcppSettings(**settings)
