"""How every process of ours says how it is: ``/livez`` while it runs, ``/readyz`` with what it depends on.

The answers, and a server for processes that speak no HTTP otherwise. Web frameworks are not imported: a killed
process is to be back within three seconds.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

REQUEST_BYTES = 8 * 1024
REQUEST_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Health:
    """Whether a process can do its work, and how each thing is that it depends on."""

    is_ready: bool
    parts: Mapping[str, Any] = field(default_factory=dict)
    """Such as ``database``, ``bus``, ``lag`` (messages that each reader has yet to read)."""

    @property
    def http_status(self) -> int:
        """200, or 503 when it is not ready."""
        return 200 if self.is_ready else 503

    def body(self) -> dict[str, Any]:
        """What ``/readyz`` answers."""
        return {**self.brief(), **self.parts}

    def brief(self) -> dict[str, Any]:
        """What it answers to strangers."""
        return {"status": "ok" if self.is_ready else "not ready"}


Check = Callable[[], Awaitable[Health]]
"""Looks now. Returns within seconds, and does not raise for what is away."""


def looks_once_a_second(check: Check) -> Check:
    """Whoever asks within a second of a look, or during one, gets what it saw: questions cost no more than that."""
    looking: asyncio.Task[Health] | None = None
    seen_at = -1.0

    async def look() -> Health:
        nonlocal seen_at
        health = await check()
        seen_at = time.monotonic()
        return health

    async def checked() -> Health:
        nonlocal looking
        is_stale = looking is None or (looking.done() and time.monotonic() - seen_at >= 1.0)
        if looking is None or is_stale:
            looking = asyncio.create_task(look())
        return await asyncio.shield(looking)

    return checked


async def serve_probes(host: str, port: int, check: Check) -> asyncio.Server:
    """Answers ``GET /livez`` and ``GET /readyz``; whoever called closes what is returned. Raises ``OSError``."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            writer.write(await _answered(head.split(b"\r\n", 1)[0], check))
            await writer.drain()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    return await asyncio.start_server(answer, host, port, limit=REQUEST_BYTES)


async def _answered(request_line: bytes, check: Check) -> bytes:
    match request_line.split(b" "):
        case [b"GET", b"/livez", _]:
            return _response(200, {"status": "ok"})
        case [b"GET", b"/readyz", _]:
            health = await check()
            return _response(health.http_status, health.body())
        case [b"GET", _, _]:
            return _response(404, {"status": "GET /livez or /readyz"})
        case _:
            return _response(405, {"status": "GET /livez or /readyz"})


_REASONS = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


def _response(status: int, body: Mapping[str, Any]) -> bytes:
    content = json.dumps(body, default=str).encode()
    lines = (
        f"HTTP/1.1 {status} {_REASONS[status]}",
        "Content-Type: application/json",
        f"Content-Length: {len(content)}",
        "Connection: close",
        "",
        "",
    )
    return "\r\n".join(lines).encode() + content
