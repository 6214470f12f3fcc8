"""The connections to one partner: the one used last is used next, and is the only one looked at.

httpcore's own pool goes through all of them twice for each request and asks the system of each that is idle whether it
was closed, which costs more than half as much as the request (encode/httpx issue 3215).
"""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from typing import Protocol, cast

import httpcore


class _Stream(Protocol):
    """A body as httpcore's connections give it."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def aclose(self) -> None: ...


class Connections(httpcore.AsyncConnectionPool):
    """One request at a time on each; who comes while all are in use waits, first come, first served. Raises what
    httpcore raises."""

    def __init__(
        self, *, most: int, keep_alive: float, tls: ssl.SSLContext, network: httpcore.AsyncNetworkBackend
    ) -> None:
        """``keep_alive`` in seconds: a connection unused for longer is not used any more."""
        super().__init__(ssl_context=tls, keepalive_expiry=keep_alive, network_backend=network)
        self._most = most
        self._keep_alive = keep_alive
        self._room = asyncio.Semaphore(most)
        self._in_use: set[httpcore.AsyncConnectionInterface] = set()
        self._unused: list[tuple[httpcore.AsyncConnectionInterface, float]] = []
        """Each with since when; the one used last is the last."""

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        """The answer's head; the connection is another request's once its stream is closed."""
        await self._room.acquire()
        try:
            connection, unwanted = self._choose(request.url.origin)
            self._in_use.add(connection)
            try:
                for each in unwanted:
                    await each.aclose()
                response = await connection.handle_async_request(request)
            except BaseException:
                await self._part_with(connection)
                raise
        except BaseException:
            self._room.release()
            raise
        body = _Body(self, connection, cast(_Stream, response.stream))
        return httpcore.Response(
            response.status, headers=response.headers, content=body, extensions=response.extensions
        )

    async def aclose(self) -> None:
        """Closes all, those in use too."""
        closing = [*self._in_use, *(connection for connection, _ in self._unused)]
        self._unused.clear()
        for connection in closing:
            await connection.aclose()

    async def give_back(self, connection: httpcore.AsyncConnectionInterface) -> None:
        """Its answer has been read, or nobody wants to read more of it."""
        try:
            await self._part_with(connection)
        finally:
            self._room.release()

    def _choose(
        self, origin: httpcore.Origin
    ) -> tuple[httpcore.AsyncConnectionInterface, list[httpcore.AsyncConnectionInterface]]:
        """A connection for the next request, and those to be closed now."""
        unwanted: list[httpcore.AsyncConnectionInterface] = []
        for index in reversed(range(len(self._unused))):
            if self._unused[index][0].can_handle_request(origin):
                connection, _ = self._unused.pop(index)
                if not connection.has_expired():
                    return connection, unwanted
                unwanted.append(connection)
        if len(self._in_use) + len(self._unused) >= self._most:
            unwanted.append(self._unused.pop(0)[0])  # to another origin
        return self.create_connection(origin), unwanted

    async def _part_with(self, connection: httpcore.AsyncConnectionInterface) -> None:
        self._in_use.discard(connection)
        now = time.monotonic()
        if connection.is_idle():
            self._unused.append((connection, now))
        elif not connection.is_closed():
            await connection.aclose()  # a task that was cancelled has left it half read
        if self._unused and now - self._unused[0][1] > self._keep_alive:
            await self._unused.pop(0)[0].aclose()


class _Body:
    """The body of an answer."""

    def __init__(self, pool: Connections, connection: httpcore.AsyncConnectionInterface, stream: _Stream) -> None:
        self._pool = pool
        self._connection = connection
        self._stream = stream
        self._is_closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._stream.__aiter__()

    async def aclose(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            try:
                await self._stream.aclose()
            finally:
                await self._pool.give_back(self._connection)
