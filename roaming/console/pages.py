"""The live page: one page, one stream of events, nothing from outside this machine."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any, Protocol

from fastapi import FastAPI, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.staticfiles import StaticFiles

from roaming.billing.selecting import NoSuchCdr
from roaming.console import billing_pages, docs
from roaming.console.live import Live
from roaming.console.state import picture
from roaming.monitoring import days, drawing, showing
from roaming.ocpi.module import Services
from roaming.operations import selecting
from roaming.operations.selecting import NoSuchStation
from roaming.store.errors import StoreUnavailable

STATIC = Path(__file__).parent / "static"
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Controls(Protocol):
    """What a visitor of the demo may click."""

    def drivers(self) -> list[dict[str, str]]:
        """``[{"uid": ..., "name": ..., "note": ...}]``."""

    async def plug_in(self, evse: str, driver: str) -> str:
        """A driver presents a token at an EVSE; returns what happened, in words."""

    async def stop(self, session_id: str) -> str:
        """The driver's eMSP stops a session; returns what happened, in words."""


PROXY_HEADERS = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


def is_local(request: Request) -> bool:
    """Whether somebody at this machine asks. There is no sign-in yet, and partners reach the same port; a request that
    came through a proxy is from somewhere else, whatever its last hop, and so is one that asks for this machine by a
    public name: a proxy's, or a page's whose name was pointed here."""
    host = request.client.host if request.client else ""
    is_proxied = any(name in request.headers for name in PROXY_HEADERS)
    return _is_loopback(host) and _is_loopback(request.url.hostname or "") and not is_proxied


def _is_loopback(host: str) -> bool:
    return host.startswith("127.") or host in ("::1", "localhost")


AWAY = "the database is away; the page goes on when it is back"
NOT_HERE = "the pages are for people at this machine: use a tunnel (ssh -L) until there is a sign-in"


def mount_console(app: FastAPI, services: Services, *, notice: str, controls: Controls | None = None) -> None:
    """Adds the page at ``/``. ``controls`` are for demos only: they need no sign-in."""

    @app.get("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        if not is_local(request):
            return JSONResponse({"error": NOT_HERE}, 403)
        return FileResponse(STATIC / "index.html", headers=HEADERS)

    app.mount("/static", StaticFiles(directory=STATIC), name="static")

    _mount_docs(app)

    async def state() -> dict[str, Any]:
        shown = await picture(services.database.reader)
        shown["notice"] = notice
        shown["drivers"] = controls.drivers() if controls is not None else []
        return shown

    async def as_text() -> str:
        return json.dumps(await state(), default=str)

    live = Live(as_text)

    @app.get("/console/state", include_in_schema=False)
    async def get_state(request: Request) -> Response:
        if not is_local(request):
            return JSONResponse({"error": NOT_HERE}, 403)
        try:
            return JSONResponse(await state(), headers=HEADERS)
        except StoreUnavailable:
            return JSONResponse({"error": AWAY}, 503)

    @app.get("/console/events", include_in_schema=False)
    async def events(request: Request) -> Response:
        if not is_local(request):
            return JSONResponse({"error": NOT_HERE}, 403)

        async def stream() -> AsyncIterator[bytes]:
            async with aclosing(live.follow()) as texts:
                async for text in texts:
                    if await request.is_disconnected():
                        return
                    yield f"data: {text}\n\n".encode() if text else b": still here\n\n"

        return StreamingResponse(stream(), media_type="text/event-stream", headers=HEADERS)

    _mount_ribbon(app, services)
    _mount_billing(app, services)
    if controls is not None:
        _mount_controls(app, controls)


def _mount_ribbon(app: FastAPI, services: Services) -> None:
    """How a station was, in pictures."""

    @app.get("/console/ribbon", include_in_schema=False)
    async def ribbon(request: Request, station: str = "", network: str = "") -> Response:
        if not is_local(request):
            return JSONResponse({"error": NOT_HERE}, 403)
        start, end = days.window(services.clock.now(), showing.RIBBON_DAYS)
        try:
            async with services.database.reading() as connection:
                key = await selecting.select_station(connection, station, network)
                found = await days.ribbons(connection, *key, start=start, end=end)
        except NoSuchStation as error:
            return JSONResponse({"error": str(error)}, 404, headers=HEADERS)
        except StoreUnavailable:
            return JSONResponse({"error": AWAY}, 503)
        drawn = drawing.page(key[1], [(days.part_name(part), each) for part, each in found.items()])
        return Response(drawn, headers={**HEADERS, **drawing.HEADERS}, media_type="text/html; charset=utf-8")


def _mount_billing(app: FastAPI, services: Services) -> None:
    """CDRs, disputes and statements, to look at."""

    async def shown(page: Awaitable[str | bytes], headers: Mapping[str, str] = HEADERS) -> Response:
        try:
            return Response(await page, headers=dict(headers), media_type="text/html; charset=utf-8")
        except NoSuchCdr as error:
            return JSONResponse({"error": str(error)}, 404, headers=HEADERS)
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400, headers=HEADERS)
        except StoreUnavailable:
            return JSONResponse({"error": AWAY}, 503)

    @app.get("/console/billing", include_in_schema=False)
    async def billing(request: Request, month: str = "") -> Response:
        if not is_local(request):
            return JSONResponse({"error": NOT_HERE}, 403)
        return await shown(billing_pages.month_page(services, month))

    @app.get("/console/cdr", include_in_schema=False)
    async def cdr(request: Request, cpo: str = "", id: str = "") -> Response:
        if not is_local(request):
            return JSONResponse({"error": NOT_HERE}, 403)
        return await shown(billing_pages.cdr_page(services, cpo, id))

    @app.get("/console/statement", include_in_schema=False)
    async def statement(request: Request, one: str = "", other: str = "", month: str = "") -> Response:
        if not is_local(request):
            return JSONResponse({"error": NOT_HERE}, 403)
        page = billing_pages.statement_page(services, one, other, month)
        return await shown(page, {**HEADERS, **drawing.HEADERS})


def _mount_docs(app: FastAPI) -> None:
    """The OCPI interfaces, to read: a partner gets the documents from whoever runs the hub."""

    @app.get("/docs", include_in_schema=False)
    async def newest(request: Request) -> Response:
        return _shown(request, docs.page, docs.versions()[-1])

    @app.get("/docs/ocpi-{version}.json", include_in_schema=False)
    async def document(request: Request, version: str) -> Response:
        return _shown(request, docs.document, version, media_type="application/json")

    @app.get("/docs/{version}", include_in_schema=False)
    async def one(request: Request, version: str) -> Response:
        return _shown(request, docs.page, version)


def _shown(
    request: Request, made: Callable[[str], str], version: str, *, media_type: str = "text/html; charset=utf-8"
) -> Response:
    if not is_local(request):
        return JSONResponse({"error": NOT_HERE}, 403)
    try:
        return Response(made(version), headers=HEADERS, media_type=media_type)
    except KeyError:
        return JSONResponse({"error": f"there is no OCPI {version} here: {', '.join(docs.versions())}"}, 404)


def _mount_controls(app: FastAPI, controls: Controls) -> None:
    @app.post("/console/plug-in", include_in_schema=False)
    async def plug_in(request: Request) -> Response:
        values = await _values(request, "evse", "driver")
        if isinstance(values, Response):
            return values
        return JSONResponse({"said": await controls.plug_in(values["evse"], values["driver"])})

    @app.post("/console/stop", include_in_schema=False)
    async def stop(request: Request) -> Response:
        values = await _values(request, "session")
        if isinstance(values, Response):
            return values
        return JSONResponse({"said": await controls.stop(values["session"])})


async def _values(request: Request, *names: str) -> Mapping[str, str] | Response:
    """The named texts of a JSON body; a page of another origin cannot send one with this header."""
    if request.headers.get("x-console") != "1" or not is_local(request):
        return JSONResponse({"said": "only the page itself may ask this"}, 403)
    try:
        body = json.loads(await request.body())
        return {name: str(body[name]) for name in names}
    except (ValueError, KeyError, TypeError):
        return JSONResponse({"said": f"send a JSON object with {', '.join(names)}"}, 400)
