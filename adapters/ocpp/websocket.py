"""The body of ``transport`` on the ``websockets`` package: the only file that knows it."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import Server as WebSocketServer
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from adapters.ocpp.encryption import Encryption
from adapters.ocpp.transport import Admission, Handle, Handshake, Listener, Refusal, SocketClosed, Welcome

# The library reports every client that hangs up in mid-handshake; what matters is logged by the gateway.
_silent = logging.getLogger("adapters.ocpp.websocket")
_silent.setLevel(logging.CRITICAL)


class _Connection(ServerConnection):
    admission: Admission | None = None


class _Socket:
    """Implements ``transport.Socket``."""

    __slots__ = ("_connection",)

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    async def receive(self) -> bytes:
        try:
            return await self._connection.recv(decode=False)
        except ConnectionClosed as closed:
            raise SocketClosed(_how(closed)) from None

    async def send(self, data: bytes) -> None:
        try:
            await self._connection.send(data, text=True)
        except ConnectionClosed as closed:
            raise SocketClosed(_how(closed)) from None

    async def ping(self, on_pong: Callable[[], None]) -> None:
        try:
            answered = await self._connection.ping()
        except ConnectionClosed as closed:
            raise SocketClosed(_how(closed)) from None

        def tell(future: asyncio.Future[float]) -> None:
            if not future.cancelled() and future.exception() is None:
                on_pong()

        asyncio.ensure_future(answered).add_done_callback(tell)

    async def close(self, code: int, reason: str) -> None:
        await self._connection.close(code, reason[:120])

    def abort(self) -> None:
        self._connection.transport.abort()


class _Server:
    """Implements ``transport.Server``."""

    def __init__(self, server: WebSocketServer, encryption: Encryption | None) -> None:
        self._server = server
        self._encryption = encryption
        self._watching = asyncio.create_task(encryption.watch()) if encryption is not None else None

    def addresses(self) -> tuple[str, ...]:
        found = []
        for socket in self._server.sockets:
            host, port = socket.getsockname()[:2]
            found.append(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        return tuple(found)

    async def stop_accepting(self) -> None:
        self._server.close(close_connections=False)

    def look_at_files(self) -> bool:
        return self._encryption is not None and self._encryption.look()

    async def close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching
        self._server.close()
        await self._server.wait_closed()

    def is_serving(self) -> bool:
        return self._server.is_serving()


async def listen(listener: Listener, welcome: Welcome, handle: Handle) -> _Server:
    """Starts to listen. Raises ``OSError`` when the address is taken or the certificate cannot be read."""

    async def process_request(connection: ServerConnection, request: Request) -> Response | None:
        assert isinstance(connection, _Connection)
        answer = await welcome(_handshake(connection, request))
        if isinstance(answer, Admission):
            connection.admission = answer
            return None
        return _response(connection, answer)

    def select_subprotocol(connection: ServerConnection, _: Sequence[Subprotocol]) -> Subprotocol | None:
        assert isinstance(connection, _Connection)
        chosen = connection.admission.subprotocol if connection.admission else None
        return Subprotocol(chosen) if chosen else None

    async def run(connection: ServerConnection) -> None:
        assert isinstance(connection, _Connection)
        assert connection.admission is not None
        await handle(_Socket(connection), connection.admission)

    limits = listener.limits
    encryption = Encryption(listener) if listener.certificate else None
    options: dict[str, Any] = {"ssl": encryption.context} if encryption is not None else {}
    server = await serve(
        run,
        listener.host,
        listener.port,
        process_request=process_request,
        select_subprotocol=select_subprotocol,
        create_connection=_Connection,
        compression=None,
        server_header=None,
        open_timeout=limits.handshake_seconds,
        close_timeout=limits.close_seconds,
        ping_interval=None,
        max_size=limits.frame_octets,
        max_queue=limits.waiting_frames,
        logger=_silent,
        backlog=4096,
        **options,
    )
    return _Server(server, encryption)


def _handshake(connection: ServerConnection, request: Request) -> Handshake:
    def header(name: str) -> str | None:
        values = request.headers.get_all(name)
        return ", ".join(values) if values else None

    peer = connection.remote_address
    encryption = connection.transport.get_extra_info("ssl_object")
    offered = header("Sec-WebSocket-Protocol") or ""
    return Handshake(
        target=request.path,
        remote_address=peer[0] if isinstance(peer, tuple) and peer else None,
        is_encrypted=encryption is not None,
        certificate_names=_common_names(encryption.getpeercert()) if encryption is not None else None,
        authorization=header("Authorization"),
        origin=header("Origin"),
        subprotocols=tuple(word.strip() for word in offered.split(",") if word.strip()),
    )


def _response(connection: ServerConnection, refusal: Refusal) -> Response:
    response = connection.respond(HTTPStatus(refusal.status), f"{refusal.reason}\n")
    for name, value in refusal.headers:
        response.headers[name] = value
    return response


def _common_names(certificate: Mapping[str, Any] | None) -> tuple[str, ...] | None:
    if not certificate:
        return None
    pairs = (pair for names in certificate.get("subject", ()) for pair in names)
    return tuple(value for name, value in pairs if name == "commonName")


def _how(closed: ConnectionClosed) -> str:
    """Such as ``closed by the station (1000)``."""
    if closed.rcvd is not None and (closed.sent is None or closed.rcvd_then_sent):
        return f"closed by the station ({int(closed.rcvd.code)})"
    if closed.sent is not None:
        return f"closed by us ({int(closed.sent.code)})"
    return "connection lost"
