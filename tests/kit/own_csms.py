"""An operator's own central system made of bare frames: records every message as it came, and answers as it is told."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

Answer = dict[str, Any] | str | None
"""A payload, a whole frame, or nothing."""

USUAL: dict[str, dict[str, Any]] = {
    "BootNotification": {"status": "Accepted", "currentTime": "2026-11-29T09:00:00Z", "interval": 300},
    "Heartbeat": {"currentTime": "2026-11-29T09:00:00Z"},
    "Authorize": {"idTagInfo": {"status": "Accepted"}},
    "StartTransaction": {"transactionId": 4711, "idTagInfo": {"status": "Accepted"}},
    "StopTransaction": {},
    "MeterValues": {},
    "StatusNotification": {},
    "TransactionEvent": {},
}


class OwnCsms:
    """``async with`` it. Answers 1.6 by ``answers`` (action to payload, or a function of the payload)."""

    def __init__(self, *, password: str | None = None, subprotocols: tuple[str, ...] = ("ocpp1.6",)) -> None:
        self.answers: dict[str, Any] = dict(USUAL)
        self.heard: list[str | bytes] = []
        """Every message, whole, in order."""
        self.said: list[str] = []
        self.asked: list[str] = []
        """Actions of stations, in order."""
        self.paths: list[str] = []
        self.authorizations: list[str | None] = []
        self.sockets: list[ServerConnection] = []
        self.closed: list[tuple[int | None, str | None]] = []
        self.pings: list[bytes] = []
        self.refuse: tuple[int, str] | None = None
        self._password = password
        self.subprotocols = subprotocols
        self._server: Server | None = None
        self._port = 0
        self._pending: dict[str, asyncio.Future[Any]] = {}
        self.changed = asyncio.Event()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._port}/ocpp/"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listens; on the same port as before."""
        self._server = await serve(
            self._run,
            "127.0.0.1",
            self._port,
            subprotocols=[Subprotocol(name) for name in self.subprotocols],
            process_request=self._look,
            select_subprotocol=_first_known(self.subprotocols),
            ping_interval=None,
        )
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Hangs up on everybody."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    async def say(self, text: str) -> None:
        """To the station that came last."""
        self.said.append(text)
        await self.sockets[-1].send(text)

    async def call(self, frame_id: str, action: str, payload: dict[str, Any]) -> Any:
        """Asks the station that came last; its whole answer."""
        future = self._pending[frame_id] = asyncio.get_running_loop().create_future()
        await self.say(json.dumps([2, frame_id, action, payload]))
        return await future

    async def until(self, is_so: Callable[[], Any]) -> None:
        """Until something that was heard makes it so."""
        async with asyncio.timeout(5):
            while not is_so():
                self.changed.clear()
                await self.changed.wait()

    async def _look(self, connection: ServerConnection, request: Request) -> Response | None:
        self.paths.append(request.path)
        self.authorizations.append(request.headers.get("Authorization"))
        if self.refuse is None:
            return None
        status, reason = self.refuse
        headers = Headers([("WWW-Authenticate", 'Basic realm="theirs"'), ("Content-Length", str(len(reason)))])
        if status == 302:
            headers["Location"] = "ws://127.0.0.1:9/elsewhere"
        return Response(status, "No", headers, reason.encode())

    async def _run(self, socket: ServerConnection) -> None:
        self.sockets.append(socket)
        self.changed.set()
        try:
            async for data in socket:
                self.heard.append(data)
                await self._take(socket, data)
                self.changed.set()
        except ConnectionClosed:
            pass
        finally:
            self.closed.append((socket.close_code, socket.close_reason))
            self.changed.set()

    async def _take(self, socket: ServerConnection, data: str | bytes) -> None:
        try:
            frame = json.loads(data)
        except ValueError:
            return
        if frame[0] != 2:
            future = self._pending.pop(frame[1], None)
            if future is not None:
                future.set_result(frame)
            return
        self.asked.append(frame[2])
        answer = self.answers.get(frame[2], {})
        answer = answer(frame[3]) if callable(answer) else answer
        if answer is not None:
            # Spaced as no library of the hub would space it: a frame that is written anew is seen
            text = answer if isinstance(answer, str) else json.dumps([3, frame[1], answer], separators=(" , ", " : "))
            self.said.append(text)
            await socket.send(text)


def _first_known(known: tuple[str, ...]) -> Any:
    def select(_: ServerConnection, offered: Any) -> Subprotocol | None:
        return next((name for name in offered if name in known), None)

    return select
