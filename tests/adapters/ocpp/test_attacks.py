"""What hostile clients do, over real sockets: outcomes are bounded and others do not notice."""

import asyncio
import contextlib
import time
import zlib

import pytest
from websockets.exceptions import ConnectionClosed

from adapters.kit.manifest import Authorization
from contracts.messages import ConnectorStatusChanged, SecurityEventReported, TransactionStarted
from contracts.vocabulary import AuthorizationBasis, AuthorizationStatus
from tests.adapters.ocpp.conftest import PASSWORD, Hub
from tests.kit.wait import until


async def _raw(hub: Hub, request: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = hub.url.removeprefix("ws://").removesuffix("/").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    await writer.drain()
    return reader, writer


async def test_a_frame_of_900_kilobytes_passes_and_a_bigger_one_closes(hub: Hub) -> None:
    station = await hub.station()
    info = "x" * 900_000
    payload = {"connectorId": 1, "errorCode": "NoError", "status": "Available", "info": info}
    await station.call("StatusNotification", payload)
    assert len(hub.facts.of(ConnectorStatusChanged)[0].info or "") == 2000
    with pytest.raises((ConnectionError, ConnectionClosed)):
        await station.call("StatusNotification", {**payload, "info": info * 2})
    assert await station.closed() == 1009


async def test_endless_fragments_close(hub: Hub) -> None:
    station = await hub.station()

    async def fragments() -> object:
        for _ in range(2000):
            yield b" " * 1024

    with contextlib.suppress(ConnectionClosed):
        await station.socket.send(fragments())  # type: ignore[arg-type]
    assert await station.closed() == 1009


async def test_compression_that_was_not_agreed_closes(hub: Hub) -> None:
    station = await hub.station()
    deflated = zlib.compress(b"[" * 10_000_000)
    header = bytes([0xC1, 0xFE]) + len(deflated).to_bytes(2, "big") + b"\0\0\0\0"
    station.socket.transport.write(header + deflated)
    assert await station.closed() == 1002


async def test_compression_that_was_agreed_is_capped_as_it_comes_out(hub: Hub) -> None:
    await hub.start(offers_compression=True)
    station = await hub.station2(version="ocpp2.1")
    assert [extension.name for extension in station.socket.protocol.extensions] == ["permessage-deflate"]
    await station.connector(1, "Available")
    assert hub.facts.of(ConnectorStatusChanged)
    with contextlib.suppress(ConnectionClosed):
        await station.socket.send("[" * 10_000_000)
    assert await station.closed() == 1009


async def test_binary_frames_are_read_as_text(hub: Hub) -> None:
    station = await hub.station()
    await station.socket.send(b'[2,"b","Heartbeat",{}]')
    await until(lambda: any(frame[1] == "b" for frame in station.frames))


@pytest.mark.parametrize(
    "text",
    [
        b'[2,"x","StatusNotification",{"info":' + b"[" * 100_000 + b"]" * 100_000 + b"}]",
        b"[" * 500_000,
        b'[2,"x","Heartbeat",{"a":' + b"9" * 5000 + b"}]",
    ],
    ids=["nesting", "brackets", "digits"],
)
async def test_json_bombs_are_refused_and_the_connection_stays(hub: Hub, text: bytes) -> None:
    station = await hub.station()
    await station.socket.send(text, text=True)
    await until(lambda: station.frames[-1][0] == 4)
    await station.call("Heartbeat", {})


async def test_slow_handshakes_are_cut_off_and_others_do_not_notice(hub: Hub) -> None:
    station = await hub.station()
    crowd = [await _raw(hub, b"GET /CS-1 HTTP/1.1\r\nHost: ") for _ in range(300)]
    began = time.monotonic()
    for _ in range(50):
        await station.call("Heartbeat", {})
    assert time.monotonic() - began < 10
    for _, writer in crowd:
        writer.close()


@pytest.mark.slow
async def test_a_handshake_has_ten_seconds(hub: Hub) -> None:
    reader, writer = await _raw(hub, b"GET /CS-1 HTTP/1.1\r\n")
    began = time.monotonic()
    assert await reader.read() == b""
    assert 8 < time.monotonic() - began < 60
    writer.close()


async def test_a_flood_is_throttled_alone(hub: Hub) -> None:
    await hub.start(messages_per_second=5, message_burst=50)
    flood, calm = await hub.station("FLOOD"), await hub.station("CALM")
    for number in range(500):
        await flood.socket.send(f'[2,"f{number}","Heartbeat",{{}}]')
    began = time.monotonic()
    for _ in range(10):
        await calm.call("Heartbeat", {})
    assert time.monotonic() - began < 10
    assert len(flood.frames) < 300
    assert hub.inside("FLOOD").deviations["too fast"]
    flood.socket.transport.abort()


async def test_guessing_of_tokens_is_slowed_down_and_told_once(hub: Hub) -> None:
    await hub.start(guess_pause_seconds=0.1)
    thief, other = await hub.station("THIEF"), await hub.station("OTHER")
    refused = Authorization(
        status=AuthorizationStatus.UNKNOWN_TOKEN, basis=AuthorizationBasis.WHITELIST, token_uid="", is_unasked=True
    )
    hub.fakes.authorizer.answers = {f"G{number}": refused for number in range(3)}
    began = time.monotonic()
    for number in range(3):
        assert (await thief.call("Authorize", {"idTag": f"G{number}"}))["idTagInfo"]["status"] == "Invalid"
    assert time.monotonic() - began >= 0.3
    assert (await other.call("Authorize", {"idTag": "GOOD"}))["idTagInfo"]["status"] == "Accepted"
    (told,) = hub.facts.of(SecurityEventReported)
    assert (told.station_id, told.event) == ("THIEF", "TokenGuessing")


async def test_answers_nobody_asked_for_leave_nothing_behind(hub: Hub) -> None:
    station = await hub.station()
    for number in range(150):
        await station.socket.send(f'[3,"{number}",{{"status":"Accepted"}}]')
    await station.call("Heartbeat", {})
    inside = hub.inside()
    assert inside.deviations["answer nobody waits for"] == 150
    assert not inside._pending


async def test_markup_and_control_characters_are_kept_as_data(hub: Hub) -> None:
    station = await hub.station()
    nasty = "<img src=x onerror=alert(1)>\r\n\x1b[31m\u202e"
    payload = {"connectorId": 1, "errorCode": "NoError", "status": "Available", "info": nasty}
    await station.call("StatusNotification", payload)
    assert hub.facts.of(ConnectorStatusChanged)[0].info == nasty


async def test_a_tag_never_reaches_the_log(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    station = await hub.station()
    hub.fakes.authorizer.status = AuthorizationStatus.UNKNOWN_TOKEN
    await station.call("Authorize", {"idTag": "SECRET0TAG"})
    await station.call("StartTransaction", {"connectorId": 1, "idTag": "SECRET0TAG", "meterStart": "x"})
    await station.call(
        "StartTransaction",
        {"connectorId": 1, "idTag": "SECRET0TAG", "meterStart": 1, "timestamp": "2026-11-23T10:00:00Z"},
    )
    assert hub.facts.of(TransactionStarted)[0].token_uid == "SECRET0TAG"
    assert "SECRET0TAG" not in "".join(capsys.readouterr())


async def test_a_password_never_reaches_the_log(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    await hub.station()
    assert PASSWORD not in "".join(capsys.readouterr())


async def test_a_request_that_is_no_websocket_is_refused(hub: Hub) -> None:
    for lines in (b"", b"Connection: keep-alive\r\nUpgrade: websocket\r\n", b"Connection: Upgrade\r\n"):
        reader, writer = await _raw(hub, b"GET /CS-1 HTTP/1.1\r\nHost: localhost\r\n" + lines + b"\r\n")
        assert (await reader.readline()).split()[1].startswith(b"4")
        writer.close()
