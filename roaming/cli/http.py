"""The HTTP server of a process."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext, suppress

import uvicorn
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse

from contracts.probes import Check, looks_once_a_second
from roaming.cli.http_limits import LimitedHttp
from roaming.cli.output import fail
from roaming.console.pages import is_local
from roaming.ocpi.module import Services
from roaming.settings import Settings


@asynccontextmanager
async def http(settings: Settings, services: Services, app: FastAPI) -> AsyncIterator[None]:
    """An HTTP server that has begun to listen."""
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        access_log=False,
        log_level="warning",
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=5,
        http=LimitedHttp,
        ws="none",
    )
    server = QuietServer(config)
    task = asyncio.create_task(server.serve(), name="http")
    while not server.started:
        if task.done():
            await task
            fail(f"port {settings.port} cannot be used: is another hub running? Set ROAMING_PORT")
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        with suppress(asyncio.CancelledError):
            await task


class QuietServer(uvicorn.Server):
    """Leaves signals to ``until_stopped``, and a port that is taken to whoever started it."""

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends without ``started`` where uvicorn would end the process."""
        with suppress(SystemExit):
            await super().serve(sockets)

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()


def add_readiness(app: FastAPI, check: Check) -> None:
    """``/readyz``, for whoever restarts us or sends us requests. Partners reach the same port: what we depend on, and
    how far behind we are, is told at this machine only."""
    look = looks_once_a_second(check)

    @app.get("/readyz")
    async def readyz(request: Request) -> JSONResponse:
        health = await look()
        return JSONResponse(health.body() if is_local(request) else health.brief(), health.http_status)
