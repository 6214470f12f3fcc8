"""``python -m tests.bench.server DATABASE_URL FOLDER PORT``: the hub's HTTP side, and the same bytes from memory."""

import asyncio
import sys
from pathlib import Path

import uvloop
from fastapi import FastAPI
from starlette.responses import Response

from contracts.collector import spare_collector
from roaming.app import create_app, open_services
from roaming.cli.http import http
from roaming.cli.running import until_stopped
from tests.bench.data import settings_for


async def main(database_url: str, folder: str, port: str) -> None:
    settings = settings_for(database_url, Path(folder)).model_copy(update={"port": int(port)})
    async with open_services(settings) as services:
        app = create_app(services)
        _mount_limits(app, Path(folder))
        async with http(settings, services, app):
            journal = asyncio.create_task(services.journal.run())
            spare_collector()  # as every process of the service does
            print("ready", flush=True)
            await until_stopped()
            journal.cancel()


def _mount_limits(app: FastAPI, folder: Path) -> None:
    """What costs nothing but HTTP: the page from a bare ASGI application, one object from a route of FastAPI."""
    page, one = folder / "page.json", folder / "one.json"
    body = page.read_bytes() if page.exists() else b"{}"
    one_body = one.read_bytes() if one.exists() else b"{}"

    async def static(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    app.mount("/bench", static)

    @app.get("/bench-one/{location_id}")
    async def static_one(location_id: str) -> Response:
        return Response(one_body, media_type="application/json")


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
