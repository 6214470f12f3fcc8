"""The server of ``transport`` on the ``websockets`` package, which only the files named ``websocket`` know."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import Server as WebSocketServer
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from adapters.ocpp.encryption import Encryption, shown_by
from adapters.ocpp.transport import Admission, Handle, Handshake, Listener, Refusal, Welcome
from adapters.ocpp.websocket_socket import Kinds, WebSocket

# The library reports every client that hangs up in mid-handshake; what matters is logged by the gateway.
_silent = logging.getLogger("adapters.ocpp.websocket")
_silent.setLevel(logging.CRITICAL)


class _Connection(Kinds, ServerConnection):
    admission: Admission | None = None


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
        # An idle station holds an eighth less, and nothing its password
        if connection.request is not None:
            connection.request.headers.clear()
        connection.response = None
        connection.logger = connection.protocol.logger = _silent
        await handle(WebSocket(connection, far="the station"), connection.admission)

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
        compression="deflate" if listener.offers_compression else None,
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
    names, certificate = (shown_by(encryption) if encryption is not None else None) or (None, None)
    offered = header("Sec-WebSocket-Protocol") or ""
    return Handshake(
        target=request.path,
        remote_address=peer[0] if isinstance(peer, tuple) and peer else None,
        is_encrypted=encryption is not None,
        certificate_names=names,
        certificate=certificate,
        authorization=header("Authorization"),
        origin=header("Origin"),
        subprotocols=tuple(word.strip() for word in offered.split(",") if word.strip()),
    )


def _response(connection: ServerConnection, refusal: Refusal) -> Response:
    response = connection.respond(HTTPStatus(refusal.status), f"{refusal.reason}\n")
    for name, value in refusal.headers:
        response.headers[name] = value
    return response
