"""The hub of ``hub_in_process`` behind its own HTTP server on a socket, in a thread: for clients that block."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from roaming.cli.http import http
from tests.kit.hub_in_process import HubInProcess, hub_in_process
from tests.kit.server_process import free_port

T = TypeVar("T")


@dataclass(frozen=True)
class HubOnSocket:
    """A running hub. ``url`` is where its server listens, without a path."""

    url: str
    port: int
    hub: HubInProcess
    loop: asyncio.AbstractEventLoop

    def run(self, work: Awaitable[T], *, seconds: float = 60.0) -> T:
        """Does something in the loop of the hub and waits for it."""

        async def as_coroutine() -> T:
            return await work

        return asyncio.run_coroutine_threadsafe(as_coroutine(), self.loop).result(seconds)


@contextmanager
def hub_on_socket(
    database_url: str,
    folder: Path,
    *,
    prepare: Callable[[HubInProcess], Awaitable[None]] | None = None,
    is_found_there: bool = False,
    **settings: Any,
) -> Iterator[HubOnSocket]:
    """Starts it on a migrated, empty database; ``prepare`` runs before the server listens. ``is_found_there``: the
    addresses that it gives lead to the socket."""
    started: Future[HubOnSocket] = Future()
    port = free_port()
    if is_found_there:
        settings |= {"public_url": f"http://127.0.0.1:{port}/ocpi"}

    async def serve() -> None:
        async with hub_in_process(database_url, folder, port=port, **settings) as hub:
            if prepare is not None:
                await prepare(hub)
            async with http(hub.settings, hub.services, hub.app):
                loop, stopped = asyncio.get_running_loop(), asyncio.Event()
                ends.append((loop, stopped))
                started.set_result(HubOnSocket(f"http://127.0.0.1:{port}", port, hub, loop))
                await stopped.wait()

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    ends: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
    thread = threading.Thread(target=run, name="hub", daemon=True)
    thread.start()
    try:
        yield started.result(60)
    finally:
        for loop, stopped in ends:
            loop.call_soon_threadsafe(stopped.set)
        thread.join(60)
        assert not thread.is_alive(), "the hub did not stop"
