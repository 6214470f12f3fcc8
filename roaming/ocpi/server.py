"""The life of an incoming request, the same for every module and version.

Read the body (bounded) → who is calling → routing headers → the module's route → envelope, headers → journal.
Whatever goes wrong leaves as an envelope; nothing leaves as a stack trace.
"""

import time
from collections.abc import Sequence
from urllib.parse import unquote

import structlog
from fastapi import FastAPI
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from roaming.model.version import Version
from roaming.ocpi.authorization import Caller, FailureLimit, authenticate, check_routing
from roaming.ocpi.codec import DecodeError, MalformedJson
from roaming.ocpi.envelope import CONTENT_TYPE, failure, success
from roaming.ocpi.errors import (
    InvalidParameters,
    MethodNotAllowed,
    NotFound,
    NotJson,
    OcpiError,
    ServerError,
    TooLarge,
    Unauthorized,
    Unavailable,
)
from roaming.ocpi.headers import RequestIds, RoutingHeaders, response_headers
from roaming.ocpi.module import OcpiModule, OcpiRequest, Route, Services, module_path
from roaming.store.errors import StoreUnavailable
from roaming.store.journal import Exchange, mask_body

logger = structlog.get_logger(__name__)

MAX_BODY = 1024 * 1024
PREFIX = "/ocpi"
SLOW_BODY_BYTES = 2_000
"""Answers longer than this (lists) stand in the journal with their size only."""


def route_path(version: Version, module: OcpiModule, route: Route) -> str:
    """The whole path of a route; the versions module sits at the root."""
    base = "" if module.id == "versions" else module_path(version, module, route.interface)
    return PREFIX + base + route.path.replace("{ocpi_version}", version)


def mount(app: FastAPI, services: Services, modules: Sequence[OcpiModule]) -> None:
    """Mounts every route of every module under each version offered that has it."""
    limit = FailureLimit()
    mounted: set[str] = set()
    for module in modules:
        for version in services.versions:
            if version not in module.versions:
                continue
            paths: dict[str, list[Route]] = {}
            for route in module.routes:
                if version in route.versions:
                    paths.setdefault(route_path(version, module, route), []).append(route)
            for path, routes in paths.items():
                if path not in mounted:
                    mounted.add(path)
                    _add(app, path, {route.method: route for route in routes}, module, version, services, limit)

    @app.api_route(PREFIX, methods=["GET", "POST", "PUT", "PATCH", "DELETE"], include_in_schema=False)
    @app.api_route(PREFIX + "/{rest:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"], include_in_schema=False)
    async def nowhere(request: Request) -> Response:
        error = NotFound("no such address: start from the versions endpoint and use the addresses it leads to")
        return Response(failure(error, services.clock.now()), 404, media_type=CONTENT_TYPE)


def _add(
    app: FastAPI,
    path: str,
    routes: dict[str, Route],
    module: OcpiModule,
    version: Version,
    services: Services,
    limit: FailureLimit,
) -> None:
    async def endpoint(request: Request) -> Response:
        return await _Exchange(services, module, version, request).answer(routes, limit)

    for route in routes.values():
        app.add_api_route(
            path,
            endpoint,
            methods=[route.method],
            summary=route.summary,
            tags=[f"{module.id} {version}"],
            operation_id=f"{route.method}_{path}",
            response_model=None,
        )
    others = sorted({"GET", "POST", "PUT", "PATCH", "DELETE"} - set(routes))
    app.add_api_route(path, endpoint, methods=others, include_in_schema=False, response_model=None)


class _Exchange:
    """One request and its answer."""

    def __init__(self, services: Services, module: OcpiModule, version: Version, request: Request) -> None:
        self.services = services
        self.module = module
        self.version = version
        self.request = request
        self.started = time.perf_counter()
        self.at = services.clock.now()
        self.ids = RequestIds.parse(request.headers)
        self.routing: RoutingHeaders | None = None
        self.caller: Caller | None = None
        self.body = b""
        self.notes: list[str] = []

    async def answer(self, routes: dict[str, Route], limit: FailureLimit) -> Response:
        try:
            response, ocpi_status, payload = await self._handle(routes, limit)
        except ClientDisconnect:
            return Response(status_code=400)
        except OcpiError as error:
            response, ocpi_status, payload = self._refuse(error)
        except MalformedJson as error:
            response, ocpi_status, payload = self._refuse(NotJson(f"the body is not JSON: {error}"))
        except DecodeError as error:
            response, ocpi_status, payload = self._refuse(InvalidParameters(str(error)))
        except StoreUnavailable:
            response, ocpi_status, payload = self._refuse(
                Unavailable("the hub cannot store anything at the moment; nothing was saved, try again", retry_after=5)
            )
        except Exception:
            logger.exception("request_failed", module=self.module.id, request_id=self.ids.request_id)
            response, ocpi_status, payload = self._refuse(
                ServerError(f"unexpected failure; tell the operator this X-Request-ID: {self.ids.request_id}")
            )
        await self._journal(response, ocpi_status, payload)
        return response

    async def _handle(self, routes: dict[str, Route], limit: FailureLimit) -> tuple[Response, int, bytes]:
        address = self.request.client.host if self.request.client else ""
        limit.check(address)
        try:
            self.caller = await authenticate(self.services, self.request.headers.get("authorization"))
        except Unauthorized:
            limit.count(address)
            raise
        route = routes.get(self.request.method)
        if route is None:
            raise MethodNotAllowed(f"{self.request.method} is not offered here", allowed=sorted(routes))
        if self.caller.is_registration and not route.is_open_to_registration:
            raise Unauthorized("this token is good for registering only: POST your credentials first")
        if not self.module.is_configuration:
            self.routing = RoutingHeaders.parse(self.request.headers)
            check_routing(self.caller, self.routing)
        self.body = await self._read_body()
        result = await route.handle(self._request(self.caller))
        payload = result.data if result.is_enveloped else success(result.data, self.services.clock.now())
        return self._response(payload or b"", result.http_status, dict(result.headers)), 1000, payload or b""

    def _request(self, caller: Caller) -> OcpiRequest:
        request = self.request
        return OcpiRequest(
            services=self.services,
            version=self.version,
            directory=caller.directory,
            partner=caller.partner,
            is_registration=caller.is_registration,
            presented_token=caller.token,
            method=request.method,
            url=self._public_url(),
            path={name: _unquoted(value) for name, value in request.path_params.items()},
            query=dict(request.query_params),
            body=self.body,
            routing=self.routing or RoutingHeaders(),
            ids=self.ids,
            notes=self.notes,
        )

    def _public_url(self) -> str:
        path = self.request.url.path.removeprefix(PREFIX)
        query = self.request.url.query
        return f"{self.services.public_url}{path}" + (f"?{query}" if query else "")

    async def _read_body(self) -> bytes:
        if self.request.method in ("GET", "DELETE"):
            return b""
        declared = self.request.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > MAX_BODY:
            raise TooLarge(f"the body has more than {MAX_BODY} bytes")
        chunks: list[bytes] = []
        size = 0
        async for chunk in self.request.stream():
            size += len(chunk)
            if size > MAX_BODY:
                raise TooLarge(f"the body has more than {MAX_BODY} bytes")
            chunks.append(chunk)
        return b"".join(chunks)

    def _refuse(self, error: OcpiError) -> tuple[Response, int, bytes]:
        payload = failure(error, self.services.clock.now(), version=self.version)
        return self._response(payload, error.http_status, dict(error.headers)), error.status_code, payload

    def _response(self, payload: bytes, http_status: int, headers: dict[str, str]) -> Response:
        if self.version != Version.V2_1_1:
            headers.update(response_headers(self.ids, self.routing))
        return Response(payload, http_status, headers=headers, media_type=CONTENT_TYPE)

    async def _journal(self, response: Response, ocpi_status: int, payload: bytes) -> None:
        holds_credentials = self.module.id == "credentials"
        routing = self.routing or RoutingHeaders()
        answer = mask_body(payload, holds_credentials=holds_credentials)
        if len(payload) > SLOW_BODY_BYTES and ocpi_status == 1000:
            answer = f"({len(payload)} bytes)"
        entry = Exchange(
            at=self.at,
            direction="in",
            method=self.request.method,
            url=self._public_url(),
            partner_id=self.caller.partner.id if self.caller else "",
            module=self.module.id,
            http_status=response.status_code,
            ocpi_status=ocpi_status,
            request_id=self.ids.request_id,
            correlation_id=self.ids.correlation_id,
            parties=f"{routing.from_party or ''}>{routing.to_party or ''}" if self.routing else "",
            elapsed_ms=int((time.perf_counter() - self.started) * 1000),
            request_body=mask_body(self.body, holds_credentials=holds_credentials),
            response_body=answer,
            note="; ".join(self.notes),
        )
        if ocpi_status == 1000 or self.caller is None:
            self.services.journal.note(entry)
        else:
            await self.services.journal.keep(entry)


def _unquoted(value: str) -> str:
    text = unquote(value, errors="strict") if "%" in value else value
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise InvalidParameters("the address holds control characters")
    return text


class RawPaths:
    """ASGI middleware: keeps path segments as they were sent, so that an id may hold an encoded slash, and takes
    addresses with and without a trailing slash alike (a redirect would drop bodies and headers)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            raw = scope.get("raw_path") or scope["path"].encode()
            path = raw.split(b"?", 1)[0].decode("ascii", "replace")
            if len(path) > 1 and path.endswith("/"):
                path = path.rstrip("/")
            scope = {**scope, "path": path}
        await self._app(scope, receive, send)
