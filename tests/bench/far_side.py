"""``python -m tests.bench.far_side answer PORT`` or ``proxy PORT TARGET_PORT``.

A partner that answers from memory, and a plain reverse proxy of the kind that the hub is made of (Starlette on uvicorn,
httpx): what passing on costs at least.
"""

import asyncio
import json
import sys

import httpx
import msgspec
import uvicorn
import uvloop
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from roaming.model.version import Version
from roaming.modules.locations.service import LOCATION_CODECS
from tests.bench.data import FAR, location

_HOP_BY_HOP = ("host", "connection", "content-length", "transfer-encoding")


def answering() -> ASGIApp:
    """The same location of its own for every request."""
    mine = msgspec.structs.replace(location(1), country_code=FAR.country_code, party_id=FAR.party_id)
    body = LOCATION_CODECS[Version.V2_2_1].encode(mine).body
    envelope = {"data": body, "status_code": 1000, "timestamp": "2026-01-01T00:00:00Z"}
    answer = json.dumps(envelope, default=str).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    return app


def passing(port: int) -> ASGIApp:
    """Sends every request on as it is and its answer back."""
    client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        headers = {name: value for name, value in request.headers.items() if name not in _HOP_BY_HOP}
        answer = await client.request(request.method, request.url.path, headers=headers, content=await request.body())
        kept = {name: value for name, value in answer.headers.items() if name not in _HOP_BY_HOP}
        await Response(answer.content, answer.status_code, kept)(scope, receive, send)

    return app


async def main(kind: str, port: str, target: str = "0") -> None:
    app = answering() if kind == "answer" else passing(int(target))
    config = uvicorn.Config(app, host="127.0.0.1", port=int(port), log_level="critical", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    print("ready", flush=True)
    await serving


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
