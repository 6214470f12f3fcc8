"""Frames pass unchanged and in order, whatever the hub does with its copies."""

import asyncio
import json
import ssl
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from contracts.messages import (
    ConnectorStatusChanged,
    MeterValuesTaken,
    StationBooted,
    StationConnected,
    StationDisconnected,
    StationFramesMissed,
    TransactionEnded,
    TransactionStarted,
)
from contracts.vocabulary import AuthorizationBasis, AuthorizationStatus
from tests.adapters.ocpp.proxy.conftest import Proxied
from tests.kit.certificates import Authority
from tests.kit.own_csms import OwnCsms
from tests.kit.raw_station import RawStation
from tests.kit.wait import until

PASSWORD = "the-operators-own-secret"
START = {"connectorId": 1, "idTag": "OWN-1", "meterStart": 1000, "timestamp": "2026-11-29T09:00:00Z"}
STOP = {"transactionId": 4711, "meterStop": 8500, "timestamp": "2026-11-29T09:30:00Z", "idTag": "OWN-1"}
METER = {
    "connectorId": 1,
    "transactionId": 4711,
    "meterValue": [{"timestamp": "2026-11-29T09:10:00Z", "sampledValue": [{"value": "4000"}]}],
}


async def charge(station: RawStation) -> None:
    """A boot, a charge, the end."""
    await station.boot()
    await station.call("Authorize", {"idTag": "OWN-1"})
    await station.call("StartTransaction", START)
    await station.status(1, "Charging")
    await station.call("MeterValues", METER)
    await station.call("StopTransaction", STOP)


async def test_octets_pass_unchanged_both_ways_and_a_copy_feeds_the_hub(proxied: Proxied, csms: OwnCsms) -> None:
    await proxied.through()
    proxied.fakes.accounts.change("CS 1")
    station = await proxied.dial("CS 1", password=PASSWORD)
    odd = ' [2 ,"odd" , "Heartbeat",  { "x" : 1.000e2, "\\u00e9":"é\\/" } ]\n'
    assert await station.say(odd, id="odd")
    await station.socket.send(b"\x00\xff binary")
    await charge(station)
    assert csms.heard[0] == odd
    assert csms.heard[1] == b"\x00\xff binary"
    assert [json.loads(text)[2] for text in csms.heard[2:]] == csms.asked[1:]
    assert csms.paths == ["/ocpp/CS%201"]
    assert csms.authorizations[0] is not None
    # The central system writes with spaces that nothing here writes
    assert all(' , "' in text for text in csms.said)
    assert station.texts == csms.said
    await until(lambda: proxied.facts.of(TransactionEnded))
    (connected,) = proxied.facts.of(StationConnected)
    assert (connected.is_proxied, connected.is_admitted, connected.key_digest) == (True, True, None)
    assert proxied.facts.of(StationBooted)
    (started,) = proxied.facts.of(TransactionStarted)
    assert (started.transaction_id, started.token_uid, started.authorization, started.authorization_basis) == (
        "4711", "OWN-1", AuthorizationStatus.ACCEPTED, AuthorizationBasis.OPERATOR,
    )  # fmt: skip
    (metered,) = proxied.facts.of(MeterValuesTaken)
    assert metered.transaction_id == "4711"
    (ended,) = proxied.facts.of(TransactionEnded)
    assert (ended.transaction_id, ended.register_start_wh) == ("4711", 1000)
    assert [c.status.value for c in proxied.facts.of(ConnectorStatusChanged)] == ["CHARGING"]
    assert proxied.fakes.authorizer.asked == []
    assert PASSWORD not in repr(proxied.facts.facts)


@pytest.mark.parametrize("code", [1000, 4001])
async def test_close_codes_pass_both_ways(proxied: Proxied, csms: OwnCsms, code: int) -> None:
    await proxied.through()
    station = await proxied.dial("CS-1")
    await station.socket.close(code, "so long")
    await csms.until(lambda: csms.closed)
    assert csms.closed == [(code, "so long")]
    other = await proxied.dial("CS-1")
    await csms.sockets[-1].close(code, "enough")
    assert await other.closed() == code
    assert other.socket.close_reason == "enough"


async def test_a_connection_that_breaks_breaks_at_the_other_end(proxied: Proxied, csms: OwnCsms) -> None:
    await proxied.through()
    station = await proxied.dial("CS-1")
    station.socket.transport.abort()
    await csms.until(lambda: csms.closed)
    assert csms.closed[0][0] == 1006


async def test_pings_reach_the_other_end(proxied: Proxied, csms: OwnCsms) -> None:
    await proxied.through()
    station = await proxied.dial("CS-1")
    seen: list[bytes] = []
    socket: Any = csms.sockets[-1]
    kept = socket.process_event

    def look(event: Any) -> None:
        if getattr(event, "opcode", None) == 9:
            seen.append(bytes(event.data))
            csms.changed.set()
        kept(event)

    socket.process_event = look
    await (await station.socket.ping(b"alive"))
    await csms.until(lambda: seen)
    assert seen == [b"alive"]


@pytest.mark.parametrize(
    ("status", "reason"), [(302, "there"), (401, "who?"), (404, "no such station"), (503, "later")]
)
async def test_a_refusal_is_passed_on(proxied: Proxied, csms: OwnCsms, status: int, reason: str) -> None:
    await proxied.through()
    csms.refuse = (status, reason)
    with pytest.raises(InvalidStatus) as refused:
        await proxied.dial("CS-1", password="wrong")
    assert refused.value.response.status_code == status
    if status == 401:
        assert refused.value.response.headers["WWW-Authenticate"] == 'Basic realm="theirs"'
    assert proxied.facts.facts == []


async def test_the_subprotocol_is_what_the_central_system_chooses(proxied: Proxied, csms: OwnCsms) -> None:
    await proxied.through()
    station = await proxied.dial("CS-2", subprotocols=("ocpp9", "ocpp2.0.1", "ocpp1.6"))
    assert station.socket.subprotocol == "ocpp2.0.1"


async def test_others_end_here(proxied: Proxied, csms: OwnCsms) -> None:
    await proxied.through(stations=["NL-*"])
    station = await proxied.station("CS-1")
    assert await station.call("Heartbeat", {})
    assert csms.heard == []


async def test_credentials_may_be_set(proxied: Proxied, csms: OwnCsms) -> None:
    await proxied.through(user="us", password="theirs")
    proxied.fakes.accounts.change("CS-1", password="own")
    await proxied.dial("CS-1", password="own")
    assert csms.authorizations == ["Basic dXM6dGhlaXJz"]


async def test_set_credentials_are_not_lent_to_whoever_says_to_be_a_station(proxied: Proxied, csms: OwnCsms) -> None:
    await proxied.through(user="us", password="theirs")
    proxied.fakes.accounts.change("CS-1", password=PASSWORD)
    for password in (None, "guess"):
        with pytest.raises(InvalidStatus) as refused:
            await proxied.dial("CS-1", password=password)
        assert refused.value.response.status_code == 401
    assert csms.authorizations == []
    await proxied.dial("CS-1", password=PASSWORD)
    assert csms.authorizations == ["Basic dXM6dGhlaXJz"]


@pytest.mark.parametrize("is_admitted", [None, False, True])
@pytest.mark.parametrize("password", [None, "brought"])
async def test_a_station_without_a_password_of_its_own_goes_with_what_it_brings(
    proxied: Proxied, csms: OwnCsms, is_admitted: bool | None, password: str | None
) -> None:
    await proxied.through(user="us", password="theirs")
    if is_admitted is not None:
        proxied.fakes.accounts.change("CS-1", is_admitted=is_admitted)
    await proxied.dial("CS-1", password=password)
    assert csms.authorizations == [None if password is None else "Basic Q1MtMTpicm91Z2h0"]


async def test_a_profile_below_the_least_borrows_nothing(proxied: Proxied, csms: OwnCsms) -> None:
    await proxied.through(user="us", password="theirs")
    proxied.fakes.accounts.change("CS-1", password=PASSWORD, minimum_profile=2)
    await proxied.dial("CS-1", password=PASSWORD)
    assert "Basic dXM6dGhlaXJz" not in csms.authorizations


async def test_a_revoked_certificate_ends_the_connection(proxied: Proxied, csms: OwnCsms, tmp_path: Path) -> None:
    authority = Authority.make(tmp_path)
    own, key = authority.issue("hub", file="hub", is_server=True)
    await proxied.through({"tls_certificate": own, "tls_key": key, "tls_client_authorities": authority.path})
    proxied.fakes.accounts.change("CS-1")
    trust = ssl.create_default_context(cafile=str(authority.path))
    trust.load_cert_chain(*authority.issue("CS-1"))
    station = await proxied.dial("CS-1", ssl=trust)
    await until(lambda: proxied.facts.of(StationConnected))
    (told,) = proxied.facts.of(StationConnected)
    assert told.certificate is not None
    proxied.fakes.accounts.change("CS-1", revoked=(told.certificate.fingerprint,))
    assert await station.closed() == 1008


async def test_a_full_disk_holds_up_no_frame_and_leaves_a_mark(proxied: Proxied, csms: OwnCsms) -> None:
    await proxied.through({"copies_per_station": 4})
    proxied.fakes.accounts.change("CS-1")
    proxied.facts.is_full = True
    station = await proxied.dial("CS-1")
    for _ in range(20):
        await station.call("Heartbeat", {})
    await charge(station)
    assert len(csms.heard) == 26
    proxied.facts.is_full = False
    await until(lambda: proxied.facts.of(StationFramesMissed))
    (missed,) = proxied.facts.of(StationFramesMissed)
    assert missed.frames == 48
    assert missed.began_at <= missed.ended_at
    await charge(station)
    await until(lambda: proxied.facts.of(TransactionEnded))
    assert len(proxied.facts.of(StationConnected)) == 1


async def test_a_version_that_is_not_spoken_here_passes_unread(proxied: Proxied, csms: OwnCsms) -> None:
    await csms.stop()
    csms.subprotocols = ("ocpp1.5",)
    await csms.start()
    await proxied.through()
    station = await proxied.dial("CS-1", subprotocols=("ocpp1.5",))
    assert await station.call("Heartbeat", {})
    assert proxied.facts.facts == []
    # Nothing is read of it, so nothing is waited for at the end: ten seconds otherwise
    async with asyncio.timeout(8):
        await proxied.close()


async def test_who_does_not_prove_itself_to_the_hub_takes_nothing_over(proxied: Proxied, csms: OwnCsms) -> None:
    await proxied.through()
    proxied.fakes.accounts.change("CS-1", password=PASSWORD)
    real = await proxied.dial("CS-1", password=PASSWORD)
    await until(lambda: [told.is_admitted for told in proxied.facts.of(StationConnected)] == [True])
    other = await proxied.dial("CS-1", password="what the central system lets in")
    await charge(other)
    assert await real.call("Heartbeat", {})
    await charge(real)
    await until(lambda: proxied.facts.of(TransactionEnded))
    assert len(proxied.facts.of(StationConnected)) == 1
    assert len(proxied.facts.of(StationBooted)) == 1


async def test_who_left_before_it_could_be_told_is_not_told_to_be_here(
    proxied: Proxied, csms: OwnCsms, monkeypatch: pytest.MonkeyPatch
) -> None:
    await proxied.through()
    proxied.fakes.accounts.change("CS-1")
    is_free, has_claimed = proxied.hold_claims(monkeypatch)
    station = await proxied.dial("CS-1")
    proxied.inside("CS-1").pace.drain_seconds = 0.1
    await station.close()
    await until(lambda: proxied.running.gateway.find("CS-1") is None)
    is_free.set()
    await has_claimed.wait()
    await proxied.close()
    assert proxied.facts.of(StationConnected) == []


async def test_it_goes_on_when_the_hub_shuts_a_station_out(proxied: Proxied, csms: OwnCsms) -> None:
    await proxied.through()
    proxied.fakes.accounts.change("CS-1")
    station = await proxied.dial("CS-1")
    await until(lambda: proxied.facts.of(StationConnected))
    proxied.fakes.accounts.change("CS-1", is_admitted=False)
    await charge(station)
    assert len(csms.heard) == 6
    await station.close()
    await until(lambda: proxied.facts.of(StationDisconnected))
    assert proxied.facts.of(TransactionStarted) == []


async def test_a_stranger_goes_through_and_is_admitted_where_it_stands(proxied: Proxied, csms: OwnCsms) -> None:
    await proxied.through()
    station = await proxied.dial("CS-1", password=PASSWORD)
    await charge(station)
    await until(lambda: proxied.facts.of(StationBooted))
    assert proxied.facts.of(TransactionStarted) == []
    proxied.fakes.accounts.change("CS-1")
    await until(lambda: [told.is_admitted for told in proxied.facts.of(StationConnected)] == [False, True])
    await charge(station)
    await until(lambda: proxied.facts.of(TransactionEnded))


async def test_a_second_connection_takes_over_once_it_was_let_in(proxied: Proxied, csms: OwnCsms) -> None:
    await proxied.through()
    proxied.fakes.accounts.change("CS-1")
    first = await proxied.dial("CS-1")
    csms.refuse = (401, "no")
    with pytest.raises(InvalidStatus):
        await proxied.dial("CS-1", password="guess")
    assert await first.call("Heartbeat", {})
    csms.refuse = None
    second = await proxied.dial("CS-1")
    assert await first.closed() == 1012
    assert await second.call("Heartbeat", {})
    await asyncio.sleep(0)
