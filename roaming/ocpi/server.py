"""The life of an incoming request, the same for every module and version.

Read the body (bounded) → who is calling → routing headers → the module's route → envelope, headers → journal.
Whatever goes wrong leaves as an envelope; nothing leaves as a stack trace.
"""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import parse_qsl, unquote

import structlog
from fastapi import FastAPI
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from roaming.model.identifiers import PartyId
from roaming.model.party import InterfaceRole, Role
from roaming.model.version import Version
from roaming.ocpi.authorization import Caller, FailureLimit, authenticate, check_sender
from roaming.ocpi.codec import DecodeError, EncodeError, MalformedJson
from roaming.ocpi.elsewhere import Elsewhere
from roaming.ocpi.envelope import CONTENT_TYPE, failure, success
from roaming.ocpi.errors import (
    InvalidParameters,
    MethodNotAllowed,
    NotFound,
    NotJson,
    OcpiError,
    ServerError,
    TooLarge,
    TooManyAttempts,
    Unauthorized,
    Unavailable,
    UnknownReceiver,
)
from roaming.ocpi.headers import LoweredHeaders, RequestIds, RoutingHeaders, response_headers
from roaming.ocpi.minute_limit import MinuteLimit
from roaming.ocpi.module import Clue, OcpiModule, OcpiRequest, OcpiResponse, Route, Services, module_path
from roaming.ocpi.path_tree import PathTree
from roaming.ocpi.wire import Note, as_text, count_losses
from roaming.store.errors import StoreUnavailable
from roaming.store.journal import Exchange, mask_body

logger = structlog.get_logger(__name__)

MAX_BODY = 1024 * 1024
MOST_PARTS = 50_000
"""Objects and lists in a body: a million bytes of empty ones cost more to read than a whole page of Locations."""
PREFIX = "/ocpi"
_VARIABLE = re.compile(r"\{(\w+)\}")
_NUMBER = re.compile(r"[0-9]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
LONG_ANSWER_BYTES = 2_000
"""Answers longer than this (lists) stand in the journal with their size only."""


def route_path(version: Version, module: OcpiModule, route: Route) -> str:
    """The whole path of a route; the versions module sits at the root."""
    base = "" if module.id == "versions" else module_path(version, module, route.interface)
    return PREFIX + base + route.path.replace("{ocpi_version}", version)


def mount(
    app: FastAPI, services: Services, modules: Sequence[OcpiModule], *, elsewhere: Elsewhere | None = None
) -> None:
    """Lets ``app`` answer everything below ``/ocpi`` by the routes of ``modules``; ``elsewhere`` answers what is for
    parties of others."""
    app.add_middleware(_Below, ocpi=OcpiServer(services, modules, elsewhere))


class _Below:
    """Takes what is below ``/ocpi`` before the application compares routes and prepares for errors: most requests are
    partners', and ``OcpiServer`` does both itself."""

    def __init__(self, app: ASGIApp, ocpi: "OcpiServer") -> None:
        self._app = app
        self._ocpi = ocpi

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "") if scope["type"] in ("http", "websocket") else ""
        await (self._ocpi if path == PREFIX or path.startswith(f"{PREFIX}/") else self._app)(scope, receive, send)


@dataclass(frozen=True, slots=True)
class _Address:
    """What stands at one path: its routes by method."""

    module: OcpiModule
    version: Version
    routes: dict[str, list[Route]]
    """Two of one method where 2.1.1 has both sides of a module at one address."""


@dataclass(frozen=True, slots=True)
class _Reply:
    """An answer as it leaves."""

    body: bytes
    http_status: int
    headers: Mapping[str, str]

    async def send(self, send: Send) -> None:
        headers = [(b"content-type", CONTENT_TYPE.encode()), (b"content-length", b"%d" % len(self.body))]
        headers += [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in self.headers.items()]
        await send({"type": "http.response.start", "status": self.http_status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


class OcpiServer:
    """The ASGI application of all OCPI endpoints, under each version offered."""

    def __init__(self, services: Services, modules: Sequence[OcpiModule], elsewhere: Elsewhere | None = None) -> None:
        self._services = services
        self._elsewhere = elsewhere
        self._limit = FailureLimit()
        self._commands = MinuteLimit(services.commands_per_minute, of="commands")
        self._paths: PathTree[_Address] = PathTree()
        found: dict[str, _Address] = {}
        paths: dict[str, str] = {}
        for module in modules:
            for version in sorted(services.versions, reverse=True):  # what all versions share speaks the newest
                for route in module.routes if version in module.versions else ():
                    if version in route.versions:
                        path = route_path(version, module, route)
                        paths.setdefault(_VARIABLE.sub("{}", path), path)
                        address = found.setdefault(_VARIABLE.sub("{}", path), _Address(module, version, {}))
                        if address.version == version:
                            address.routes.setdefault(route.method, []).append(route)
        for shape, address in found.items():
            for routes in address.routes.values():
                assert len(routes) == 1 or not any(route.beside for route in routes), f"{paths[shape]}: two routes"
            self._paths.add(paths[shape], address)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await send({"type": "websocket.close"})
            return
        path = _path_as_sent(scope)
        found = self._paths.find(path)
        if found is None:
            error = NotFound("no such address: start from the versions endpoint and use the addresses it leads to")
            reply = _Reply(failure(error, self._services.clock.now()), error.http_status, {})
        else:
            address, parameters = found
            exchange = _Exchange(self._services, address, path, parameters, scope, receive, self._elsewhere)
            reply = await exchange.answer(self._limit, self._commands)
        await reply.send(send)


def _path_as_sent(scope: Scope) -> str:
    """Segments as they were sent, so that an id may hold an encoded slash. Addresses with and without a slash at
    their end are the same (a redirect would drop bodies and headers)."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.split(b"?", 1)[0].decode("ascii", "replace").rstrip("/")


class _Exchange:
    """One request and its answer."""

    def __init__(
        self,
        services: Services,
        address: _Address,
        path: str,
        parameters: Mapping[str, str],
        scope: Scope,
        receive: Receive,
        elsewhere: Elsewhere | None,
    ) -> None:
        self.services = services
        self.elsewhere = elsewhere
        self.module = address.module
        self.version = address.version
        self.routes = address.routes
        self.method: str = scope["method"]
        self.client: str = scope["client"][0] if scope.get("client") else ""
        self.parameters = parameters
        self.query: str = scope["query_string"].decode("latin-1")
        self.url = f"{services.public_url}{path.removeprefix(PREFIX)}" + (f"?{self.query}" if self.query else "")
        self.headers = LoweredHeaders.of_scope(scope["headers"])
        self.receive = receive
        self.started = time.perf_counter()
        self.at = services.clock.now()
        self.ids = RequestIds.parse(self.headers)
        self.routing: RoutingHeaders | None = None
        self.caller: Caller | None = None
        self.body = b""
        self.notes: list[Note] = []

    async def answer(self, limit: FailureLimit, commands: MinuteLimit) -> _Reply:
        try:
            reply, ocpi_status = await self._handle(limit, commands)
        except ClientDisconnect:
            return _Reply(b"", 400, {})
        except TooManyAttempts as error:
            return self._refuse(error)[0]  # not in the journal: whoever guesses or floods would fill it
        except OcpiError as error:
            reply, ocpi_status = self._refuse(error)
        except MalformedJson as error:
            reply, ocpi_status = self._refuse(NotJson(f"the body is not JSON: {error}"))
        except DecodeError as error:
            reply, ocpi_status = self._refuse(InvalidParameters(str(error)))
        except EncodeError as error:
            reply, ocpi_status = self._refuse(ServerError(f"OCPI {self.version} cannot say this object: {error}"))
        except StoreUnavailable:
            reply, ocpi_status = self._refuse(
                Unavailable("the hub cannot store anything at the moment; nothing was saved, try again", retry_after=5)
            )
        except Exception:
            logger.exception("request_failed", module=self.module.id, request_id=self.ids.request_id)
            reply, ocpi_status = self._refuse(
                ServerError(f"unexpected failure; tell the operator this X-Request-ID: {self.ids.request_id}")
            )
        await self._journal(reply, ocpi_status)
        return reply

    async def _handle(self, limit: FailureLimit, commands: MinuteLimit) -> tuple[_Reply, int]:
        try:
            self.caller = await self._authenticate()
        except Unauthorized:
            # Only guesses are limited: partners may share an address, that of a proxy, with whoever guesses
            limit.check(self.client)
            limit.count(self.client)
            raise
        routes = self.routes.get(self.method)
        if routes is None:
            raise MethodNotAllowed(f"{self.method} is not offered here", allowed=sorted(self.routes))
        route = self._meant(routes, self.caller)
        if self.caller.is_registration and not route.is_open_to_registration:
            raise Unauthorized("this token is good for registering only: POST your credentials first")
        if not self.module.is_configuration and self.version != Version.V2_1_1:
            self.routing = RoutingHeaders.parse(self.headers)
            check_sender(self.caller, self.routing)
        if route.clue is Clue.TARGET:
            party = self.routing.from_party if self.routing is not None else None
            commands.take(self.caller.partner.id, str(party or ""))
        self.body = await self._read_body()
        request = self._request(self.caller)
        result = await self._answer_elsewhere(request, route) or await route.handle(request)
        if result.routing is not None and self.routing is not None:
            self.routing = result.routing
        payload = result.data if result.is_enveloped else success(result.data, self.services.clock.now())
        return self._reply(payload or b"", result.http_status, result.headers), result.ocpi_status

    async def _authenticate(self) -> Caller:
        """Also the rows that the only route here wants beside; none where the address cannot be read: that is told
        to partners only, later."""
        beside = self.routes[self.method][0].beside if self.method in self.routes else None
        values: tuple[str, ...] = ()
        if beside is not None:
            try:
                values = beside.values(self._path(), self._query)
            except InvalidParameters:
                beside = None
        return await authenticate(self.services, self.headers.get("authorization"), beside, values)

    async def _answer_elsewhere(self, request: OcpiRequest, route: Route) -> OcpiResponse | None:
        """``None``: the route answers, for a party that is ours."""
        if self.module.is_configuration or not self.module.is_routed:
            return None
        receiver = request.routing.to_party
        if receiver is not None and request.directory.is_hosted(receiver):
            return None
        if self.elsewhere is not None:
            return await self.elsewhere(request, self.module, route)
        if receiver is not None:
            raise UnknownReceiver(f"OCPI-to: {receiver} is not a party of this hub")
        return None

    def _meant(self, routes: Sequence[Route], caller: Caller) -> Route:
        """The route. Of two (2.1.1: a connector of one of our Locations, or a Location of the caller's) it is the
        receiver's when the address begins with a party of the caller."""
        route = routes[0]
        if len(routes) > 1:
            first, second, *_ = map(unquote, self.parameters.values())
            is_theirs = PartyId.of(first, second) in caller.partner.parties(Role.CPO, Role.EMSP)
            side = InterfaceRole.RECEIVER if is_theirs else InterfaceRole.SENDER
            route = next(route for route in routes if route.interface == side)
        if self.version == Version.V2_1_1:  # routes that share an address name its segments differently
            self.parameters = dict(zip(_VARIABLE.findall(route.path), self.parameters.values(), strict=False))
        return route

    def _request(self, caller: Caller) -> OcpiRequest:
        return OcpiRequest(
            services=self.services,
            version=self.version,
            directory=caller.directory,
            partner=caller.partner,
            is_registration=caller.is_registration,
            presented_token=caller.token,
            method=self.method,
            url=self.url,
            path=self._path(),
            query=self._query,
            body=self.body,
            routing=self.routing or RoutingHeaders(),
            ids=self.ids,
            notes=self.notes,
            beside=caller.beside,
        )

    def _path(self) -> dict[str, str]:
        return {name: _unquoted(value) for name, value in self.parameters.items()}

    @cached_property
    def _query(self) -> dict[str, str]:
        return dict(parse_qsl(self.query, keep_blank_values=True)) if self.query else {}

    async def _read_body(self) -> bytes:
        if self.method in ("GET", "DELETE"):
            return b""
        declared = self.headers.get("content-length", "")
        if _NUMBER.fullmatch(declared) and (len(declared) > 18 or int(declared) > MAX_BODY):
            raise TooLarge(f"the body has more than {MAX_BODY} bytes")
        chunks: list[bytes] = []
        size = 0
        is_more = True
        while is_more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > MAX_BODY:
                raise TooLarge(f"the body has more than {MAX_BODY} bytes")
            chunks.append(chunk)
            is_more = message.get("more_body", False)
        body = b"".join(chunks)
        if size > MOST_PARTS and body.count(b"{") + body.count(b"[") > MOST_PARTS:
            raise TooLarge(f"the body has more than {MOST_PARTS} objects and lists")
        return body

    def _refuse(self, error: OcpiError) -> tuple[_Reply, int]:
        payload = failure(error, self.services.clock.now(), version=self.version)
        return self._reply(payload, error.http_status, error.headers), error.status_code

    def _reply(self, payload: bytes, http_status: int, headers: Mapping[str, str]) -> _Reply:
        if self.version != Version.V2_1_1:
            headers = {**headers, **response_headers(self.ids, self.routing)}
        return _Reply(payload, http_status, headers)

    async def _journal(self, reply: _Reply, ocpi_status: int) -> None:
        holds_credentials = self.module.id == "credentials"
        if len(reply.body) > LONG_ANSWER_BYTES and ocpi_status == 1000:
            answer = f"({len(reply.body)} bytes)"
        else:
            answer = mask_body(reply.body, holds_credentials=holds_credentials)
        entry = Exchange(
            at=self.at,
            direction="in",
            method=self.method,
            url=self.url,
            partner_id=self.caller.partner.id if self.caller else "",
            module=self.module.id,
            http_status=reply.http_status,
            ocpi_status=ocpi_status,
            request_id=self.ids.request_id,
            correlation_id=self.ids.correlation_id,
            parties=f"{self.routing.from_party or ''}>{self.routing.to_party or ''}" if self.routing else "",
            elapsed_ms=int((time.perf_counter() - self.started) * 1000),
            request_body=mask_body(self.body, holds_credentials=holds_credentials),
            response_body=answer,
            note=as_text(self.notes),
        )
        count_losses(self.services.journal, entry.partner_id, entry.module, self.notes)
        if ocpi_status == 1000 or self.caller is None:
            self.services.journal.note(entry)
        else:
            await self.services.journal.keep(entry)


def _unquoted(value: str) -> str:
    try:
        text = unquote(value, errors="strict") if "%" in value else value
    except UnicodeDecodeError:
        raise InvalidParameters("the address holds bytes that are no UTF-8") from None
    if _CONTROL.search(text):
        raise InvalidParameters("the address holds control characters")
    return text
