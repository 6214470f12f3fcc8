import asyncio
import datetime as dt
import gzip
import logging
import ssl
import time
import tracemalloc
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
import respx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from roaming.model.identifiers import PartyId
from roaming.ocpi.addresses import AddressPolicy
from roaming.ocpi.client import Answer, Call, OcpiClient, Outcome, Timeouts, Trouble
from roaming.ocpi.headers import RequestIds, RoutingHeaders
from tests.kit.scripted_partner import Received, Script, ScriptedPartner, always, enveloped, http_answer
from tests.kit.wait import until
from tests.roaming.ocpi.hostile_addresses import FORBIDDEN, NAMES

LOOPBACK = AddressPolicy.of("127.0.0.0/8", is_http_allowed=True)
STRICT = AddressPolicy(is_http_allowed=True)
TOKEN = "Token c2VjcmV0LTE="
IDS = RequestIds("request-1", "correlation-1")
MEBIBYTE = 1024 * 1024
OK = http_answer(enveloped([]))


def call(
    url: str,
    method: str = "GET",
    *,
    body: bytes | None = None,
    timeout: float | None = None,
    headers: RoutingHeaders | None = None,
    partner_key: str = "partner-1",
) -> Call:
    return Call(
        partner_key=partner_key,
        method=method,
        url=url,
        token_header=TOKEN,
        ids=IDS,
        headers=headers,
        body=body,
        timeout=timeout,
    )


async def ask(script: Script, *, method: str = "GET", timeout: float = 5.0, max_body: int = MEBIBYTE) -> Answer:
    """One request to a partner that answers as scripted."""
    async with ScriptedPartner(script) as partner, OcpiClient(LOOPBACK, max_body=max_body) as client:
        body = b"{}" if method != "GET" else None
        return await client.request(call(partner.url + "/ocpi", method, body=body, timeout=timeout))


class TestRequest:
    async def test_what_goes_out(self) -> None:
        async with ScriptedPartner(always(OK)) as partner, OcpiClient(LOOPBACK) as client:
            routing = RoutingHeaders(PartyId("NL", "TNM"), PartyId("DE", "EMS"))
            target = "/ocpi/tokens/DE/EMS/a%2Fb%20c?type=RFID"
            await client.request(call(partner.url + target, "PATCH", body=b'{"valid":false}', headers=routing))
        (request,) = partner.requests
        assert (request.method, request.target, request.body) == ("PATCH", target, b'{"valid":false}')
        assert request.headers == {
            "host": f"127.0.0.1:{partner.port}",
            "user-agent": "roaming-hub",
            "accept": "application/json",
            "accept-encoding": "identity",
            "authorization": TOKEN,
            "x-request-id": "request-1",
            "x-correlation-id": "correlation-1",
            "ocpi-from-country-code": "NL",
            "ocpi-from-party-id": "TNM",
            "ocpi-to-country-code": "DE",
            "ocpi-to-party-id": "EMS",
            "content-type": "application/json",
            "content-length": "15",
        }

    async def test_what_a_get_leaves_out(self) -> None:
        async with ScriptedPartner(always(OK)) as partner, OcpiClient(LOOPBACK) as client:
            await client.request(call(partner.url))
        names = set(partner.requests[0].headers)
        assert not names & {"content-type", "content-length", "transfer-encoding", "cookie"}
        assert not any(name.startswith("ocpi-") for name in names)

    async def test_what_comes_back(self) -> None:
        body = enveloped({"id": "CDR1"}).replace(b'"CDR1"', b'"CDR1","total":8.310')
        answer = await ask(always(http_answer(body, status="201 Created", Location="https://cpo.example/cdrs/1")))
        assert answer.outcome is Outcome.DELIVERED
        assert answer.is_delivered
        assert (answer.http_status, answer.ocpi_status, answer.message) == (201, 1000, "Success")
        assert answer.data == {"id": "CDR1", "total": Decimal("8.310")}
        assert answer.headers["location"] == "https://cpo.example/cdrs/1"
        assert answer.body == body
        assert 0 < answer.elapsed < 5
        assert (answer.error, answer.trouble, answer.retry_after) == (None, None, None)

    async def test_a_partner_may_ask_for_patience(self) -> None:
        answer = await ask(always(http_answer(b"", status="429 Too Many Requests", Retry_After="7")))
        assert (answer.outcome, answer.retry_after) == (Outcome.FAILED, 7.0)

    async def test_connections_are_reused_and_cookies_forgotten(self) -> None:
        script = always(http_answer(enveloped([]), Set_Cookie="session=1; Path=/"))
        async with ScriptedPartner(script) as partner, OcpiClient(LOOPBACK) as client:
            for _ in range(3):
                assert (await client.request(call(partner.url))).is_delivered
            assert partner.connections == 1
        assert all("cookie" not in request.headers for request in partner.requests)

    async def test_each_partner_has_connections_of_its_own(self) -> None:
        waiting = asyncio.Event()

        async def slowly(_request: Received, writer: asyncio.StreamWriter) -> None:
            await waiting.wait()
            writer.write(OK)

        async with (
            ScriptedPartner(slowly) as slow,
            ScriptedPartner(always(OK)) as quick,
            OcpiClient(LOOPBACK, max_connections=2) as client,
        ):
            stuck = [asyncio.create_task(client.request(call(slow.url, timeout=30.0))) for _ in range(6)]
            await until(lambda: len(slow.requests) == 2)
            assert (await client.request(call(quick.url, partner_key="partner-2"))).is_delivered
            assert not any(task.done() for task in stuck)
            waiting.set()
            assert all(answer.is_delivered for answer in await asyncio.gather(*stuck))
            assert slow.connections == 2

    async def test_idle_partners_are_dropped(self) -> None:
        timeouts = Timeouts(idle_partner=0.0, keep_alive=60.0)
        async with ScriptedPartner(always(OK)) as partner, OcpiClient(LOOPBACK, timeouts=timeouts) as client:
            await client.request(call(partner.url))
            assert partner.open_connections == 1
            await client.close_idle()
            await until(lambda: partner.open_connections == 0)
            assert (await client.request(call(partner.url))).is_delivered

    async def test_a_partner_in_use_is_not_idle(self) -> None:
        go_on = asyncio.Event()

        async def script(_request: Received, writer: asyncio.StreamWriter) -> None:
            await go_on.wait()
            writer.write(OK)

        timeouts = Timeouts(idle_partner=0.0)
        async with ScriptedPartner(script) as partner, OcpiClient(LOOPBACK, timeouts=timeouts) as client:
            request = asyncio.create_task(client.request(call(partner.url)))
            await until(lambda: partner.requests)
            await client.close_idle()
            go_on.set()
            assert (await request).is_delivered

    async def test_nothing_of_a_request_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        async with ScriptedPartner(always(OK)) as partner, OcpiClient(LOOPBACK) as client:
            sent = call(partner.url + "/tokens/04E91C9A/authorize", "POST", body=b'{"uid":"04E91C9A"}')
            await client.request(sent)
            await client.request(call("http://127.0.0.1:1/tokens/04E91C9A"))
        assert "04E91C9A" not in caplog.text
        for text in (caplog.text, repr(sent)):
            assert TOKEN not in text
            assert '{"uid"' not in text


class TestRefusedAddresses:
    async def test_no_form_reaches_the_canary(self) -> None:
        async def resolver(host: str, port: int) -> Iterable[str]:
            if host not in NAMES:
                return [str(info[4][0]) for info in await asyncio.get_running_loop().getaddrinfo("localhost", port)]
            return NAMES[host]

        async with (
            ScriptedPartner(always(OK), host="0.0.0.0") as canary,
            OcpiClient(STRICT, resolver=resolver, timeouts=Timeouts(connect=1.0)) as client,
        ):
            for form in FORBIDDEN:
                answer = await client.request(call(form.replace("{port}", str(canary.port))))
                assert answer.outcome is Outcome.UNREACHABLE, form
                assert answer.trouble is Trouble.ADDRESS, form
                assert TOKEN not in (answer.error or "")
            assert canary.connections == 0
            async with OcpiClient(LOOPBACK) as trusting:
                assert (await trusting.request(call(f"http://127.0.0.1:{canary.port}/"))).is_delivered
            assert canary.connections == 1

    @pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
    async def test_redirects_are_not_followed(self, status: str) -> None:
        async with ScriptedPartner(always(OK)) as canary:
            location = f"{canary.url}/latest/meta-data/"
            answer = await ask(always(http_answer(enveloped([]), status=status, Location=location)), method="POST")
            assert canary.connections == 0
        assert (answer.outcome, answer.trouble) == (Outcome.FAILED, Trouble.REDIRECT)

    async def test_a_name_that_changes_its_meaning_gains_nothing(self) -> None:
        looked_up: list[str] = []

        async def rebinding(host: str, _port: int) -> Iterable[str]:
            looked_up.append(host)
            return ["127.0.0.1"] if len(looked_up) == 1 else ["127.0.0.3"]

        policy = AddressPolicy.of("127.0.0.1/32", is_http_allowed=True)
        script = always(http_answer(enveloped([]), Connection="close"))
        async with ScriptedPartner(script) as partner, OcpiClient(policy, resolver=rebinding) as client:
            url = f"http://partner.example:{partner.port}/"
            assert (await client.request(call(url))).is_delivered
            assert looked_up == ["partner.example"]
            assert partner.requests[0].headers["host"] == f"partner.example:{partner.port}"
            answer = await client.request(call(url))
            assert (answer.outcome, answer.trouble) == (Outcome.UNREACHABLE, Trouble.ADDRESS)
            assert partner.connections == 1

    async def test_the_environments_proxy_is_not_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async with ScriptedPartner(always(OK)) as proxy, ScriptedPartner(always(OK)) as partner:
            for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
                monkeypatch.setenv(name, proxy.url)
            monkeypatch.delenv("NO_PROXY", raising=False)
            monkeypatch.delenv("no_proxy", raising=False)
            async with OcpiClient(LOOPBACK) as client:
                assert (await client.request(call(partner.url))).is_delivered
            assert proxy.connections == 0


class TestNeverLeft:
    async def test_refused_connection(self) -> None:
        async with ScriptedPartner(always(OK)) as gone:
            url = gone.url
        async with OcpiClient(LOOPBACK) as client:
            answer = await client.request(call(url, "POST", body=b"{}"))
        assert (answer.outcome, answer.trouble) == (Outcome.UNREACHABLE, Trouble.CONNECTION)
        assert "ConnectionRefused" in (answer.error or "")

    async def test_unknown_name(self) -> None:
        async def nowhere(_host: str, _port: int) -> Iterable[str]:
            raise OSError("no such name")

        async with OcpiClient(STRICT, resolver=nowhere) as client:
            answer = await client.request(call("http://nowhere.example/"))
        assert (answer.outcome, answer.trouble) == (Outcome.UNREACHABLE, Trouble.CONNECTION)
        assert "nowhere.example" in (answer.error or "")

    async def test_slow_name_lookup(self) -> None:
        async def forever(_host: str, _port: int) -> Iterable[str]:
            await asyncio.Event().wait()
            raise AssertionError

        async with OcpiClient(STRICT, resolver=forever, timeouts=Timeouts(connect=0.1, total=60.0)) as client:
            answer = await client.request(call("http://slow.example/"))
        assert (answer.outcome, answer.trouble) == (Outcome.UNREACHABLE, Trouble.TIMEOUT)
        assert answer.elapsed < 5

    async def test_a_dead_address_leaves_time_for_the_next(self) -> None:
        async def two(_host: str, _port: int) -> Iterable[str]:
            return ["127.0.0.9", "127.0.0.1"]

        async with ScriptedPartner(always(OK)) as partner, OcpiClient(LOOPBACK, resolver=two) as client:
            answer = await client.request(call(f"http://two.example:{partner.port}/"))
        assert answer.is_delivered

    @pytest.mark.parametrize("token", ["Token a\r\nX-Evil: 1", "Token \x00", "Token é", "Token \ud800"])
    async def test_what_cannot_be_written_as_http(self, token: str) -> None:
        async with ScriptedPartner(always(OK)) as partner, OcpiClient(LOOPBACK) as client:
            spoilt = Call(partner_key="p", method="GET", url=partner.url, token_header=token, ids=IDS)
            answer = await client.request(spoilt)
            assert partner.requests == []
        assert (answer.outcome, answer.trouble) == (Outcome.UNREACHABLE, Trouble.PROTOCOL)
        assert "Evil" not in (answer.error or "")


class TestPerhapsReceived:
    @pytest.mark.parametrize(
        ("answered", "trouble"),
        [
            (b"", Trouble.PROTOCOL),
            (b"HTTP/1.1 200 OK\r\nContent-Le", Trouble.PROTOCOL),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", Trouble.PROTOCOL),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", Trouble.PROTOCOL),
            (b"SSH-2.0-OpenSSH_9.6\r\n", Trouble.PROTOCOL),
            (b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"a" * 200_000, Trouble.PROTOCOL),
            (http_answer(b"<html>", Content_Type="text/html"), Trouble.NOT_JSON),
            (http_answer(b"not gzip", Content_Encoding="gzip"), Trouble.PROTOCOL),
            (http_answer(b"x", Content_Encoding="br"), Trouble.PROTOCOL),
        ],
    )
    async def test_broken_answers(self, answered: bytes, trouble: Trouble) -> None:
        async def break_off(_request: Received, writer: asyncio.StreamWriter) -> None:
            writer.write(answered)
            writer.close()

        answer = await ask(break_off, method="POST")
        assert (answer.outcome, answer.trouble) == (Outcome.UNKNOWN, trouble)
        assert (answer.error or "").isprintable()

    async def test_a_connection_that_is_reset(self) -> None:
        async def reset(_request: Received, writer: asyncio.StreamWriter) -> None:
            writer.transport.abort()

        assert (await ask(reset, method="POST")).outcome is Outcome.UNKNOWN

    async def test_silence(self) -> None:
        async def silence(_request: Received, _writer: asyncio.StreamWriter) -> None:
            await asyncio.Event().wait()

        answer = await ask(silence, method="POST", timeout=0.3)
        assert (answer.outcome, answer.trouble) == (Outcome.UNKNOWN, Trouble.TIMEOUT)
        assert answer.elapsed < 5
        assert "0.3 s" in (answer.error or "")

    @pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"])
    async def test_dripping(self, start: bytes) -> None:
        async def drip(_request: Received, writer: asyncio.StreamWriter) -> None:
            writer.write(start)
            while True:
                writer.write(b"X")
                await writer.drain()
                await asyncio.sleep(0.02)

        answer = await ask(drip, method="POST", timeout=0.5)
        assert (answer.outcome, answer.trouble) == (Outcome.UNKNOWN, Trouble.TIMEOUT)
        assert answer.elapsed < 5

    async def test_endless_hundreds(self) -> None:
        async def go_on(_request: Received, writer: asyncio.StreamWriter) -> None:
            while True:
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                await writer.drain()
                await asyncio.sleep(0.001)

        answer = await ask(go_on, timeout=0.5)
        assert (answer.outcome, answer.trouble) == (Outcome.UNKNOWN, Trouble.TIMEOUT)

    async def test_an_error_status_is_an_error_even_when_its_body_breaks(self) -> None:
        async def break_off(_request: Received, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 100\r\n\r\n{")
            writer.close()

        answer = await ask(break_off, method="POST")
        assert (answer.outcome, answer.http_status) == (Outcome.FAILED, 503)

    async def test_after_trouble_the_next_request_is_served(self) -> None:
        answers = [http_answer(b"x" * 2000), b"garbage\r\n\r\n", OK]

        async def script(_request: Received, writer: asyncio.StreamWriter) -> None:
            writer.write(answers.pop(0))

        async with ScriptedPartner(script) as partner, OcpiClient(LOOPBACK, max_body=1000) as client:
            outcomes = [(await client.request(call(partner.url))).outcome for _ in range(3)]
        assert outcomes == [Outcome.UNKNOWN, Outcome.UNKNOWN, Outcome.DELIVERED]


class TestSize:
    async def test_a_compressed_answer_is_understood(self) -> None:
        body = enveloped([{"id": "LOC1"}])
        answer = await ask(always(http_answer(gzip.compress(body), Content_Encoding="gzip")))
        assert answer.data == [{"id": "LOC1"}]
        assert answer.body == body

    async def test_an_inflating_answer_takes_no_memory(self) -> None:
        wire = http_answer(gzip.compress(bytes(100 * MEBIBYTE)), Content_Encoding="gzip")
        async with ScriptedPartner(always(wire)) as partner, OcpiClient(LOOPBACK, max_body=2 * MEBIBYTE) as client:
            tracemalloc.start()
            try:
                answer = await client.request(call(partner.url))
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
        assert (answer.outcome, answer.trouble) == (Outcome.UNKNOWN, Trouble.TOO_LARGE)
        assert peak < 10 * MEBIBYTE

    async def test_an_endless_answer_is_left_at_the_limit(self) -> None:
        sent = 0

        async def endless(_request: Received, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                writer.write(b"10000\r\n" + bytes(65536) + b"\r\n")
                sent += 65536
                await writer.drain()

        answer = await ask(endless, max_body=MEBIBYTE)
        assert (answer.outcome, answer.trouble) == (Outcome.UNKNOWN, Trouble.TOO_LARGE)
        assert sent < 32 * MEBIBYTE

    async def test_a_refusal_too_large_to_read_is_still_a_refusal(self) -> None:
        answer = await ask(always(http_answer(b"x" * 2000, status="404 Not Found")), max_body=1000)
        assert (answer.outcome, answer.http_status) == (Outcome.REFUSED, 404)


def certificate(host: str, folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for ``host`` and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / f"{host}.pem", folder / f"{host}.key"
    certificate_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_file, key_file


class TestTls:
    async def test_the_name_is_verified_though_the_address_is_connected_to(self, tmp_path: Path) -> None:
        certificate_file, key_file = certificate("partner.example", tmp_path)
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(certificate_file, key_file)
        asked_for: list[str | None] = []
        server.sni_callback = lambda _socket, name, _context: asked_for.append(name)

        async def resolver(_host: str, _port: int) -> Iterable[str]:
            return ["127.0.0.1"]

        policy = AddressPolicy.of("127.0.0.0/8")
        trusting = ssl.create_default_context(cafile=str(certificate_file))
        async with ScriptedPartner(always(OK), tls=server) as partner:
            async with OcpiClient(policy, tls=trusting, resolver=resolver) as client:
                right = await client.request(call(f"https://partner.example:{partner.port}/"))
                wrong = await client.request(call(f"https://other.example:{partner.port}/", "POST", body=b"{}"))
            async with OcpiClient(policy, resolver=resolver) as strict:
                unknown = await strict.request(call(f"https://partner.example:{partner.port}/", "POST", body=b"{}"))
            assert len(partner.requests) == 1
        assert right.is_delivered
        assert asked_for == ["partner.example", "other.example", "partner.example"]
        for answer in (wrong, unknown):
            assert (answer.outcome, answer.trouble) == (Outcome.UNREACHABLE, Trouble.CONNECTION)
            assert "certificate" in (answer.error or "").lower()


class TestMockedNetwork:
    @respx.mock
    async def test_respx_answers_in_place_of_the_network(self) -> None:
        route = respx.put("https://emsp.example/ocpi/sessions/NL/TNM/1").respond(
            json={"status_code": 2001, "status_message": "no", "timestamp": "2026-11-23T10:00:00Z"}
        )
        async with OcpiClient(AddressPolicy()) as client:
            answer = await client.request(call("https://emsp.example/ocpi/sessions/NL/TNM/1", "PUT", body=b"{}"))
        assert (answer.outcome, answer.ocpi_status) == (Outcome.REFUSED, 2001)
        assert route.calls.last.request.headers["authorization"] == TOKEN

    @pytest.mark.parametrize(
        ("error", "outcome", "trouble"),
        [
            (httpx.ConnectError, Outcome.UNREACHABLE, Trouble.CONNECTION),
            (httpx.ConnectTimeout, Outcome.UNREACHABLE, Trouble.TIMEOUT),
            (httpx.PoolTimeout, Outcome.UNREACHABLE, Trouble.TIMEOUT),
            (httpx.ReadTimeout, Outcome.UNKNOWN, Trouble.TIMEOUT),
            (httpx.WriteTimeout, Outcome.UNKNOWN, Trouble.TIMEOUT),
            (httpx.ReadError, Outcome.UNKNOWN, Trouble.CONNECTION),
            (httpx.WriteError, Outcome.UNKNOWN, Trouble.CONNECTION),
            (httpx.RemoteProtocolError, Outcome.UNKNOWN, Trouble.PROTOCOL),
        ],
    )
    @respx.mock
    async def test_each_error_of_httpx_has_an_outcome(
        self, error: type[httpx.RequestError], outcome: Outcome, trouble: Trouble
    ) -> None:
        respx.post("https://emsp.example/cdrs").mock(side_effect=error)
        async with OcpiClient(AddressPolicy()) as client:
            answer = await client.request(call("https://emsp.example/cdrs", "POST", body=b"{}"))
        assert (answer.outcome, answer.trouble) == (outcome, trouble)

    async def test_a_transport_handed_in(self) -> None:
        def handle(request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, content=enveloped({"path": request.url.path}))

        async with OcpiClient(AddressPolicy(), transport=lambda: httpx.MockTransport(handle)) as client:
            answer = await client.request(call("https://emsp.example/versions"))
        assert answer.data == {"path": "/versions"}

    async def test_a_transport_handed_in_that_hangs_leaves_doubt(self) -> None:
        class Hanging(httpx.AsyncBaseTransport):
            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                await asyncio.Event().wait()
                raise AssertionError(request)

        async with OcpiClient(AddressPolicy(), transport=Hanging) as client:
            answer = await client.request(call("https://emsp.example/cdrs", "POST", body=b"{}", timeout=0.1))
        assert answer.outcome is Outcome.UNKNOWN

    async def test_a_mistake_of_ours_is_not_hidden(self) -> None:
        def handle(_request: httpx.Request) -> httpx.Response:
            raise ZeroDivisionError

        async with OcpiClient(AddressPolicy(), transport=lambda: httpx.MockTransport(handle)) as client:
            with pytest.raises(ZeroDivisionError):
                await client.request(call("https://emsp.example/versions"))


async def test_cancelling_a_request_frees_its_connection() -> None:
    async def silence(_request: Received, _writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with ScriptedPartner(silence) as partner, OcpiClient(LOOPBACK, max_connections=1) as client:
        request = asyncio.create_task(client.request(call(partner.url)))
        await until(lambda: partner.requests)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        partner.script = always(OK)
        started = time.monotonic()
        assert (await client.request(call(partner.url))).is_delivered
        assert time.monotonic() - started < 5
