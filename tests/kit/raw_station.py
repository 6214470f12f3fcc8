"""An OCPP 1.6 station made of bare frames, so that tests can say what no library says."""

import asyncio
import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Self
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

CommandAnswer = Callable[[dict[str, Any]], dict[str, Any] | None]
"""Payload of a command in, answer out; ``None``: say nothing."""


class CallFailed(Exception):
    """The answer was a CALLERROR; the frame is the argument."""


class RawStation:
    """One connection. Answers commands by ``commands``; keeps every frame it got."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.frames: list[Any] = []
        self.texts: list[str | bytes] = []
        """The same as they came."""
        self.got: list[tuple[str, dict[str, Any]]] = []
        """Commands, by action and payload."""
        self.commands: dict[str, CommandAnswer] = {}
        self._pending: dict[str, asyncio.Future[list[Any]]] = {}
        self._count = 0
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def dial(
        cls,
        url: str,
        station_id: str,
        *,
        password: str | None = None,
        user: str | None = None,
        subprotocols: tuple[str, ...] | None = ("ocpp1.6",),
        headers: dict[str, str] | None = None,
        path: str | None = None,
        **options: Any,
    ) -> Self:
        """Opens the WebSocket; does not boot."""
        extra = dict(headers or {})
        if password is not None:
            credentials = f"{user or station_id}:{password}".encode()
            extra["Authorization"] = f"Basic {base64.b64encode(credentials).decode()}"
        socket = await connect(
            url.rstrip("/") + (path if path is not None else f"/{quote(station_id, safe='')}"),
            subprotocols=[Subprotocol(name) for name in subprotocols] if subprotocols else None,
            additional_headers=extra,
            proxy=None,
            ping_interval=None,
            **options,
        )
        return cls(socket)

    async def call(self, action: str, payload: Any, *, id: str | None = None, seconds: float = 5) -> dict[str, Any]:
        """The payload of the answer. Raises ``CallFailed``."""
        answer = await self.exchange(action, payload, id=id, seconds=seconds)
        if answer[0] != 3:
            raise CallFailed(answer)
        result: dict[str, Any] = answer[2]
        return result

    async def exchange(self, action: str, payload: Any, *, id: str | None = None, seconds: float = 5) -> list[Any]:
        """The whole answering frame."""
        self._count += 1
        frame_id = id or f"m{self._count}"
        return await self.say(json.dumps([2, frame_id, action, payload]), id=frame_id, seconds=seconds)

    async def say(self, text: str | bytes, *, id: str, seconds: float = 5) -> list[Any]:
        """Sends text as it is and waits for the answer to ``id``."""
        future: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._pending[id] = future
        await self.socket.send(text, text=True)
        async with asyncio.timeout(seconds):
            return await future

    async def boot(self) -> dict[str, Any]:
        """The answer."""
        return await self.call("BootNotification", {"chargePointVendor": "Raw", "chargePointModel": "One"})

    async def status(self, connector: int, status: str, error: str = "NoError") -> None:
        """One StatusNotification."""
        await self.call("StatusNotification", {"connectorId": connector, "errorCode": error, "status": status})

    async def closed(self, seconds: float = 5) -> int | None:
        """Waits for the end; the close code."""
        async with asyncio.timeout(seconds):
            await self.socket.wait_closed()
        return self.socket.close_code

    async def close(self) -> None:
        """Hangs up."""
        await self.socket.close()
        await self._reader

    async def _read(self) -> None:
        try:
            async for data in self.socket:
                self.texts.append(data)
                frame = json.loads(data)
                self.frames.append(frame)
                if frame[0] == 2:
                    await self._command(frame)
                else:
                    future = self._pending.pop(str(frame[1]), None)
                    if future is not None and not future.done():
                        future.set_result(frame)
        except ConnectionClosed:
            pass
        for future in self._pending.values():
            if not future.done():
                future.set_exception(ConnectionError("the hub hung up"))

    async def _command(self, frame: list[Any]) -> None:
        _, frame_id, action, payload = frame
        self.got.append((action, payload))
        take = self.commands.get(action)
        if take is None:
            await self.socket.send(json.dumps([4, frame_id, "NotImplemented", "", {}]))
            return
        answer = take(payload)
        if answer is not None:
            await self.socket.send(json.dumps([3, frame_id, answer]))


class RawStation2(RawStation):
    """The same for OCPP 2.x. ``event`` says one TransactionEvent and counts by itself."""

    async def boot(self) -> dict[str, Any]:
        """The answer."""
        return await self.call(
            "BootNotification",
            {"chargingStation": {"vendorName": "Raw", "model": "Two"}, "reason": "PowerUp"},
        )

    async def connector(self, evse: int, status: str, connector: int = 1, at: str | None = None) -> None:
        """One StatusNotification."""
        at = at or datetime.now(UTC).isoformat()
        said = {"evseId": evse, "connectorId": connector, "connectorStatus": status, "timestamp": at}
        await self.call("StatusNotification", said)

    async def event(self, kind: str, transaction: str, number: int, at: str, **fields: Any) -> dict[str, Any]:
        """The answer to one TransactionEvent; ``info`` goes into its transactionInfo, ``wh`` is a register."""
        payload: dict[str, Any] = {
            "eventType": kind,
            "timestamp": at,
            "seqNo": number,
            "triggerReason": fields.pop("reason", "MeterValuePeriodic"),
            "transactionInfo": {"transactionId": transaction, **fields.pop("info", {})},
        }
        wh = fields.pop("wh", None)
        if wh is not None:
            payload["meterValue"] = [{"timestamp": at, "sampledValue": [{"value": wh}]}]
        tag = fields.pop("tag", None)
        if tag is not None:
            payload["idToken"] = {"idToken": tag, "type": "ISO14443"}
        return await self.call("TransactionEvent", payload | fields)
