"""How partners are connected to: the name is looked up once, what came out is checked, and exactly that is connected
to. Sockets are those of the event loop itself: what lies between it and httpcore costs a fifth of a small request.
"""

import asyncio
import ipaddress
import select
import ssl
import time
from collections.abc import Iterable
from typing import Any

import httpcore

from roaming.ocpi.addresses import AddressPolicy, Resolver, resolve
from roaming.ocpi.errors import AddressRefused

MOST_UNREAD = 256 * 1024
"""Bytes that are taken from the socket before somebody reads them."""


class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """A name that leads elsewhere a moment after it was looked up gains nothing. TLS still verifies the name, since
    httpcore passes it on by itself."""

    def __init__(self, policy: AddressPolicy, resolver: Resolver) -> None:
        self._policy = policy
        self._resolver = resolver

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Raises ``AddressRefused``, and ``httpcore.ConnectError`` and ``ConnectTimeout`` when nobody answers."""
        ends_at = None if timeout is None else time.monotonic() + timeout
        try:
            async with asyncio.timeout(timeout):
                addresses = await resolve(host, port, self._policy, self._resolver)
        except TimeoutError:
            raise httpcore.ConnectTimeout(f"looking up {host} took too long") from None
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host} cannot be found: {error}") from None
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for position, address in enumerate(addresses):
            # A share each, so that one address that swallows packets leaves time for the next
            share = None if ends_at is None else max(ends_at - time.monotonic(), 0.0) / (len(addresses) - position)
            try:
                stream = await _connect(str(address), port, share)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
                continue
            await self._check_peer(stream)
            return stream
        raise failure

    async def _check_peer(self, stream: httpcore.AsyncNetworkStream) -> None:
        peer = stream.get_extra_info("server_addr")
        if peer is not None and not self._policy.allows(ipaddress.ip_address(peer[0])):
            await stream.aclose()
            raise AddressRefused("the connection ended at an address that is not allowed")

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        raise httpcore.UnsupportedProtocol("partners are reached by TCP")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def _connect(address: str, port: int, timeout: float | None) -> "_Stream":
    try:
        async with asyncio.timeout(timeout):
            _, socket = await asyncio.get_running_loop().create_connection(_Socket, address, port)
    except TimeoutError:
        raise httpcore.ConnectTimeout(f"{address} did not answer in time") from None
    except OSError as error:
        raise httpcore.ConnectError(error) from error
    return _Stream(socket)


class _Socket(asyncio.Protocol):
    """What came and was not read yet, and whether more can be written. One task at a time reads, and one writes."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.unread = bytearray()
        self.is_over = False
        """Nothing more will come."""
        self.error: Exception | None = None
        self._is_paused = False
        self._reading: asyncio.Future[None] | None = None
        self._writing: asyncio.Future[None] | None = None
        self._is_full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.unread += data
        if len(self.unread) > MOST_UNREAD and not self._is_paused:
            self._is_paused = True
            self.transport.pause_reading()
        _wake(self._reading)

    def eof_received(self) -> None:
        self.is_over = True
        _wake(self._reading)

    def connection_lost(self, error: Exception | None) -> None:
        self.is_over, self.error, self._is_full = True, error, False
        _wake(self._reading)
        _wake(self._writing)

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        _wake(self._writing)

    async def more(self) -> None:
        """Returns once there is something unread, or nothing more will come."""
        while not self.unread and not self.is_over:
            self._reading = asyncio.get_running_loop().create_future()
            await self._reading

    def take(self, most: int) -> bytes:
        """What is unread, ``most`` bytes of it."""
        taken = bytes(self.unread[:most])
        del self.unread[:most]
        if self._is_paused and len(self.unread) <= MOST_UNREAD and not self.transport.is_closing():
            self._is_paused = False
            self.transport.resume_reading()
        return taken

    async def drained(self) -> None:
        """Returns once more can be written, or never again."""
        while self._is_full:
            self._writing = asyncio.get_running_loop().create_future()
            await self._writing


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)


class _Stream(httpcore.AsyncNetworkStream):
    """A socket as httpcore wants it."""

    def __init__(self, socket: _Socket) -> None:
        self._socket = socket

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        socket = self._socket
        if not socket.unread:
            try:
                async with asyncio.timeout(timeout):
                    await socket.more()
            except TimeoutError as error:
                raise httpcore.ReadTimeout(error) from error
            if not socket.unread and socket.error is not None:
                raise httpcore.ReadError(socket.error) from socket.error
        return socket.take(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        socket = self._socket
        if not buffer:
            return
        if not socket.transport.is_closing():
            socket.transport.write(buffer)
            try:
                async with asyncio.timeout(timeout):
                    await socket.drained()
            except TimeoutError as error:
                raise httpcore.WriteTimeout(error) from error
        if socket.transport.is_closing():
            raise httpcore.WriteError(socket.error or ConnectionResetError("the connection was closed"))

    async def aclose(self) -> None:
        self._socket.transport.abort()  # a partner need not agree

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        socket = self._socket
        plain = socket.transport
        try:
            async with asyncio.timeout(timeout):
                socket.transport = await asyncio.get_running_loop().start_tls(
                    plain, socket, ssl_context, server_hostname=server_hostname
                )
        except BaseException as error:
            plain.abort()
            if isinstance(error, TimeoutError):
                raise httpcore.ConnectTimeout("TLS was not agreed on in time") from error
            if isinstance(error, OSError):  # those of TLS too
                raise httpcore.ConnectError(error) from error
            raise
        return self

    def get_extra_info(self, info: str) -> Any:
        transport = self._socket.transport
        match info:
            case "ssl_object" | "socket":
                return transport.get_extra_info(info)
            case "server_addr":
                return transport.get_extra_info("peername")
            case "client_addr":
                return transport.get_extra_info("sockname")
            case "is_readable":
                return self._is_over_or_ahead()
        return None

    def _is_over_or_ahead(self) -> bool:
        """Whether an unused connection was closed by the partner, or holds what nobody asked for. The loop may not have
        come to it yet."""
        socket = self._socket
        if socket.is_over or socket.unread or socket.transport.is_closing():
            return True
        if not hasattr(select, "poll"):  # Windows
            return False
        poll = select.poll()
        poll.register(socket.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(poll.poll(0))
