"""HTTP to partners: the only file that knows httpx. One connection pool per partner, every answer bounded in time
and size, every address checked where it is connected to, and every ending told as an ``Answer``.

Knows nothing of what is sent, nor of retries: whoever calls decides by the outcome.
"""

import asyncio
import contextlib
import logging
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import httpcore
import httpx

from roaming.model.time import Clock, SystemClock
from roaming.ocpi.addresses import AddressPolicy, Resolver, check_url, system_resolver
from roaming.ocpi.answers import Answer, Outcome, Trouble, judge, read_retry_after
from roaming.ocpi.connections import Connections
from roaming.ocpi.envelope import CONTENT_TYPE, PartnerEnvelope, read_envelope
from roaming.ocpi.errors import AddressRefused
from roaming.ocpi.headers import RequestIds, RoutingHeaders
from roaming.ocpi.inflating import BodyTooLarge, BodyUnreadable, BoundedBody
from roaming.ocpi.network import GuardedNetwork

__all__ = ["Answer", "Call", "OcpiClient", "Outcome", "Timeouts", "Trouble"]

MAX_BODY = 16 * 1024 * 1024
USER_AGENT = "roaming-hub"

_HEADERS = {"Accept": CONTENT_TYPE, "Accept-Encoding": "identity", "User-Agent": USER_AGENT}
_NEVER_LEFT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
    httpx.InvalidURL,
    UnicodeError,
)
_LEFT = (httpx.ReadError, httpx.ReadTimeout, httpx.WriteError, httpx.WriteTimeout, httpx.RemoteProtocolError)
_SWEEP_SECONDS = 15.0
_MAX_ERROR = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """In seconds. ``total`` bounds a request from name lookup to last byte, however slowly the bytes drip."""

    connect: float = 5.0
    """Name lookup, TCP and TLS together."""
    total: float = 10.0
    keep_alive: float = 4.0
    """An unused connection is closed after this, before common servers close it (5 s) and take a request with it."""
    idle_partner: float = 120.0
    """A partner's pool is dropped after this."""


_DEFAULT_TIMEOUTS = Timeouts()


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request to a partner."""

    partner_key: str
    """Requests with the same key share connections, and wait for each other only."""
    method: str
    url: str
    token_header: str | None = field(repr=False)
    """Complete value of Authorization (``credentials_token.header_value``); ``None`` sends none."""
    ids: RequestIds
    headers: RoutingHeaders | None = None
    """``None`` for configuration modules and 2.1.1."""
    body: bytes | None = field(default=None, repr=False)
    """JSON text."""
    timeout: float | None = None
    """Instead of ``Timeouts.total``."""
    more_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What no OCPI request has, such as the signature of a webhook."""
    is_judged_by_http: bool = False
    """The partner's OCPI status codes are not to be relied on (``roaming.ocpi.switches``)."""


class OcpiClient:
    """Sends requests to partners. Belongs to the event loop that first uses it; close with ``aclose``."""

    def __init__(
        self,
        policy: AddressPolicy,
        *,
        timeouts: Timeouts = _DEFAULT_TIMEOUTS,
        clock: Clock | None = None,
        max_body: int = MAX_BODY,
        max_connections: int = 10,
        tls: ssl.SSLContext | None = None,
        resolver: Resolver = system_resolver,
        transport: Callable[[], httpx.AsyncBaseTransport] | None = None,
    ) -> None:
        """``max_body`` in bytes, inflated; ``max_connections`` per partner; ``tls`` for certificate authorities of
        one's own; ``transport`` replaces the network, one per partner."""
        self._policy = policy
        self._timeouts = timeouts
        self._clock = clock or SystemClock()
        self._max_body = max_body
        self._max_connections = max_connections
        self._tls = tls
        self._resolver = resolver
        self._make_transport = transport or self._guarded_transport
        self._is_network_ours = transport is None
        self._lines: dict[str, _Line] = {}
        self._swept_at = 0.0
        # At DEBUG it writes headers, and with them addresses of records
        logging.getLogger("httpcore").setLevel(logging.WARNING)

    def check(self, url: str) -> None:
        """Raises ``AddressRefused`` for a URL that a later ``request`` would not call, judged by its text alone."""
        check_url(url, self._policy)

    async def request(self, call: Call) -> Answer:
        """Sends once and tells how it ended. Never raises for anything a partner does; redirects are not followed."""
        started = time.monotonic()
        progress = _Progress(is_sent=not self._is_network_ours)
        try:
            answer = await self._attempt(call, progress)
        except AddressRefused as error:
            answer = Answer(outcome=Outcome.UNREACHABLE, trouble=Trouble.ADDRESS, error=error.message)
        except TimeoutError:
            answer = _broken_off(progress, Trouble.TIMEOUT, f"no complete answer within {self._total(call):g} s")
        except BodyTooLarge:
            answer = _broken_off(progress, Trouble.TOO_LARGE, f"the answer has more than {self._max_body} bytes")
        except BodyUnreadable as error:
            answer = _broken_off(progress, Trouble.PROTOCOL, str(error))
        except _NEVER_LEFT as error:
            answer = Answer(outcome=Outcome.UNREACHABLE, trouble=_trouble(error), error=_text(error))
        except _LEFT as error:
            progress.is_sent = True
            answer = _broken_off(progress, _trouble(error), _text(error))
        except (httpx.HTTPError, OSError) as error:
            answer = _broken_off(progress, _trouble(error), _text(error))
        return replace(answer, elapsed=time.monotonic() - started)

    async def close_idle(self) -> None:
        """Drops the pools of partners that were not called lately. ``request`` does this by itself now and then."""
        now = time.monotonic()
        self._swept_at = now
        limit = self._timeouts.idle_partner
        idle = [key for key, line in self._lines.items() if not line.in_flight and now - line.used_at > limit]
        lines = [self._lines.pop(key) for key in idle]
        for line in lines:
            await line.transport.aclose()

    async def aclose(self) -> None:
        """Closes all connections; requests under way end as troubled."""
        lines = list(self._lines.values())
        self._lines.clear()
        for line in lines:
            await line.transport.aclose()

    async def __aenter__(self) -> "OcpiClient":
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        await self.aclose()

    async def _attempt(self, call: Call, progress: "_Progress") -> Answer:
        check_url(call.url, self._policy)
        if time.monotonic() - self._swept_at > _SWEEP_SECONDS:
            await self.close_idle()
        async with asyncio.timeout(self._total(call)), self._line(call.partner_key) as transport:
            # The transport itself, without httpx.AsyncClient around it: no redirects, cookies, proxies from the
            # environment and log lines with URLs to switch off, and less CPU
            response = await transport.handle_async_request(self._build(call, progress))
            progress.is_sent = True
            progress.http_status = response.status_code
            assert isinstance(response.stream, httpx.AsyncByteStream)
            try:
                body = await self._read(response.headers, response.stream)
            finally:
                await response.stream.aclose()
        return self._understand(response, body, call)

    def _build(self, call: Call, progress: "_Progress") -> httpx.Request:
        headers = {**_HEADERS, **call.ids.to_headers()}
        if call.token_header is not None:
            headers["Authorization"] = call.token_header
        if call.headers is not None:
            headers.update(call.headers.to_headers())
        if call.body is not None:
            headers["Content-Type"] = CONTENT_TYPE
        headers.update(call.more_headers)
        # The total deadline rules; this only keeps connecting from eating all of it
        timeout = {"connect": self._timeouts.connect, "read": None, "write": None, "pool": None}
        extensions = {"trace": progress.on_event, "timeout": timeout}
        return httpx.Request(call.method, call.url, headers=headers, content=call.body, extensions=extensions)

    async def _read(self, headers: httpx.Headers, stream: httpx.AsyncByteStream) -> bytes:
        body = BoundedBody(headers.get("content-encoding", ""), self._max_body)
        async for chunk in stream:
            body.add(chunk)
        return body.finish()

    def _understand(self, response: httpx.Response, body: bytes, call: Call) -> Answer:
        envelope = read_envelope(response.status_code, body)
        judgement = judge(response.status_code, envelope, is_by_http=call.is_judged_by_http)
        return Answer(
            outcome=judgement.outcome,
            http_status=response.status_code,
            ocpi_status=envelope.status_code,
            message=envelope.status_message,
            data=envelope.data,
            headers=dict(response.headers.items()),
            body=body,
            error=judgement.error,
            trouble=judgement.trouble,
            retry_after=read_retry_after(response.headers.get("retry-after"), self._clock.now()),
            findings=envelope.findings,
        )

    def _total(self, call: Call) -> float:
        return self._timeouts.total if call.timeout is None else call.timeout

    @contextlib.asynccontextmanager
    async def _line(self, partner_key: str) -> AsyncIterator[httpx.AsyncBaseTransport]:
        line = self._lines.get(partner_key)
        if line is None:
            line = self._lines[partner_key] = _Line(self._make_transport())
        line.in_flight += 1
        try:
            yield line.transport
        finally:
            line.in_flight -= 1
            line.used_at = time.monotonic()

    def _guarded_transport(self) -> httpx.AsyncBaseTransport:
        return _GuardedTransport(
            Connections(
                most=self._max_connections,
                keep_alive=self._timeouts.keep_alive,
                tls=self._tls or _trusting_public_authorities(),
                network=GuardedNetwork(self._policy, self._resolver),
            )
        )


@cache
def _trusting_public_authorities() -> ssl.SSLContext:
    """One for all clients of this process: reading who they are takes some 30 ms."""
    return httpx.create_ssl_context(trust_env=False)


class _Line:
    """The connections to one partner: a slow one holds up nobody else, and httpcore, which looks through all its
    connections on every request, has few to look through."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self.transport = transport
        self.in_flight = 0
        self.used_at = time.monotonic()


class _Progress:
    """How far a request came, for the case that it does not come to its end."""

    def __init__(self, *, is_sent: bool) -> None:
        """``is_sent`` from the start for transports that do not tell: then every break-off leaves doubt."""
        self.is_sent = is_sent
        self.http_status: int | None = None

    async def on_event(self, name: str, _info: Any) -> None:
        """httpcore's trace hook."""
        if name == "http11.send_request_headers.started":
            self.is_sent = True


class _GuardedTransport(httpx.AsyncHTTPTransport):
    """httpx's own transport on a pool of ours, since it cannot be told a network backend."""

    def __init__(self, pool: httpcore.AsyncConnectionPool) -> None:
        self._pool = pool


_NO_ENVELOPE = PartnerEnvelope(status_code=None, is_json=False)


def _broken_off(progress: _Progress, trouble: Trouble, error: str) -> Answer:
    """The answer to a request that left, or not, and was not answered to the end."""
    status = progress.http_status
    if not progress.is_sent:
        outcome = Outcome.UNREACHABLE
    elif status is None or status < 300:
        outcome = Outcome.UNKNOWN
    else:
        outcome = judge(status, _NO_ENVELOPE).outcome
    return Answer(outcome=outcome, http_status=status, trouble=trouble, error=error)


def _trouble(error: Exception) -> Trouble:
    if isinstance(error, httpx.TimeoutException):
        return Trouble.TIMEOUT
    if isinstance(error, (httpx.ProtocolError, httpx.InvalidURL, UnicodeError)):
        return Trouble.PROTOCOL
    return Trouble.CONNECTION


def _text(error: BaseException) -> str:
    """For people and logs: one line, bounded, since a partner may have written parts of it."""
    if isinstance(error, (httpx.LocalProtocolError, UnicodeError)):
        # Their texts quote the header, which may be Authorization
        return "the request cannot be written as HTTP: check the credentials token and the ids"
    while (deeper := _cause(error)) is not None:
        error = deeper
    text = "".join(character if character.isprintable() else " " for character in str(error))
    return f"{type(error).__name__}: {text[:_MAX_ERROR]}" if text else type(error).__name__


def _cause(error: BaseException) -> BaseException | None:
    """httpcore cuts the chain of causes but keeps the cause as its argument."""
    inner = error.args[0] if error.args else None
    return error.__cause__ or (inner if isinstance(inner, BaseException) else None)
