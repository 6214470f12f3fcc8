"""The HTTP server of a process."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext, suppress
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.responses import JSONResponse

from roaming.cli.http_limits import LimitedHttp
from roaming.cli.output import fail
from roaming.ocpi.module import Services
from roaming.settings import Settings
from roaming.worker import Worker


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


def add_probes(app: FastAPI, worker: Worker) -> None:
    """Readiness, for whoever restarts us."""

    @app.get("/readyz")
    async def readyz() -> JSONResponse:
        is_ready = worker.is_healthy()
        said: dict[str, Any] = {"status": "ok" if is_ready else "not ready"}
        if stopped := worker.stopped_readers():
            said |= {"stopped_readers": stopped, "next": "roaming dead-letter list says why; mend it, then start again"}
        return JSONResponse(said, 200 if is_ready else 503)
