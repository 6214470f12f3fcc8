"""An operator's own central system for OCPP 1.6 or 2.1 on the PyPI package ``ocpp``, its checks on. Records every
message as it went over the wire."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Self

import ocpp.v16
import ocpp.v21
import ocpp.v21.call
import ocpp.v21.call_result
from ocpp.routing import after, on
from ocpp.v16 import call_result
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol


class _Recorded:
    """A connection as the package uses it, but for one thing: what the station said before it went away is read to its
    end, though no answer reaches it any more."""

    def __init__(self, socket: ServerConnection, frames: list[tuple[str, str]]) -> None:
        self._socket = socket
        self._frames = frames

    async def recv(self) -> Any:
        data = await self._socket.recv()
        self._frames.append(("up", str(data)))
        return data

    async def send(self, data: str) -> None:
        self._frames.append(("down", data))
        with suppress(ConnectionClosed):
            await self._socket.send(data)


class _Central(ocpp.v16.ChargePoint):  # type: ignore[misc]
    known: Sequence[str] = ()

    @on("BootNotification")  # type: ignore[untyped-decorator]
    def _boot(self, **_: Any) -> Any:
        return call_result.BootNotification(current_time=_now(), interval=300, status="Accepted")

    @on("Heartbeat")  # type: ignore[untyped-decorator]
    def _heartbeat(self, **_: Any) -> Any:
        return call_result.Heartbeat(current_time=_now())

    @on("StatusNotification")  # type: ignore[untyped-decorator]
    def _status(self, **_: Any) -> Any:
        return call_result.StatusNotification()

    @on("MeterValues")  # type: ignore[untyped-decorator]
    def _meter(self, **_: Any) -> Any:
        return call_result.MeterValues()

    @on("Authorize")  # type: ignore[untyped-decorator]
    def _authorize(self, id_tag: str, **_: Any) -> Any:
        return call_result.Authorize(id_tag_info=self._info(id_tag))

    @on("StartTransaction")  # type: ignore[untyped-decorator]
    def _start(self, id_tag: str, **_: Any) -> Any:
        return call_result.StartTransaction(transaction_id=90210, id_tag_info=self._info(id_tag))

    @on("StopTransaction")  # type: ignore[untyped-decorator]
    def _stop(self, **_: Any) -> Any:
        return call_result.StopTransaction()

    def _info(self, id_tag: str) -> dict[str, str]:
        return {"status": "Accepted" if id_tag in self.known else "Invalid"}


class _Central21(ocpp.v21.ChargePoint):  # type: ignore[misc]
    known: Sequence[str] = ()
    _asking: asyncio.Task[None] | None = None

    @on("BootNotification")  # type: ignore[untyped-decorator]
    def _boot(self, **_: Any) -> Any:
        return ocpp.v21.call_result.BootNotification(current_time=_now(), interval=300, status="Accepted")

    @after("BootNotification")  # type: ignore[untyped-decorator]
    def _ask(self, **_: Any) -> None:
        self._asking = asyncio.create_task(self._keep_asking())

    async def _keep_asking(self) -> None:
        """A central system asks whenever it likes: here until the station has gone."""
        with suppress(ConnectionClosed):
            while True:
                await self.call(ocpp.v21.call.TriggerMessage(requested_message="Heartbeat"))
                await asyncio.sleep(0.05)

    async def start(self) -> None:
        try:
            await super().start()
        finally:
            if self._asking is not None:
                self._asking.cancel()

    @on("Heartbeat")  # type: ignore[untyped-decorator]
    def _heartbeat(self, **_: Any) -> Any:
        return ocpp.v21.call_result.Heartbeat(current_time=_now())

    @on("StatusNotification")  # type: ignore[untyped-decorator]
    def _status(self, **_: Any) -> Any:
        return ocpp.v21.call_result.StatusNotification()

    @on("TransactionEvent")  # type: ignore[untyped-decorator]
    def _event(self, id_token: dict[str, Any] | None = None, **_: Any) -> Any:
        if id_token is None:
            return ocpp.v21.call_result.TransactionEvent()
        status = "Accepted" if id_token["id_token"] in self.known else "Unknown"
        return ocpp.v21.call_result.TransactionEvent(id_token_info={"status": status})


_CENTRALS: Mapping[str, Any] = {"ocpp1.6": _Central, "ocpp2.1": _Central21}


class PackageCsms:
    """``async with`` it. ``frames``: every message of each station, ``up`` from it or ``down`` to it."""

    def __init__(self, version: str = "ocpp1.6", *, known: Sequence[str]) -> None:
        self._version = version
        self.frames: dict[str, list[tuple[str, str]]] = {}
        self.authorizations: list[str | None] = []
        self._known = known
        self._server: Server | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/steve/"

    async def __aenter__(self) -> Self:
        self._server = await serve(self._run, "127.0.0.1", 0, subprotocols=[Subprotocol(self._version)])
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _run(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        identity = socket.request.path.rpartition("/")[2]
        self.authorizations.append(socket.request.headers.get("Authorization"))
        central = _CENTRALS[self._version](identity, _Recorded(socket, self.frames.setdefault(identity, [])))
        central.known = self._known
        with suppress(ConnectionClosed):
            await central.start()


def _now() -> str:
    return datetime.now(UTC).isoformat()
