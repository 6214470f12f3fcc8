"""What simulated stations write that their version of OCPP does not have: frames bent on their way to the socket, after
the ``ocpp`` package has made them, and commands that are not heard."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from adapters.ocpp.simulator.charge import timestamp

Bend = Callable[[str, dict[str, Any]], dict[str, Any]]
"""The payload of a request, by its action, as it is written instead."""
LOCAL_TIME: Final = timedelta(hours=2)
"""How far a clock is ahead that shows local time and calls it UTC."""
_BROKEN: Final = '[2,"broken-{number}","MeterValues",{{"connectorId":1,"meterValue":[{{"sampledValue":[,]}}]}}]'


class Socket(Protocol):
    """What the ``ocpp`` package needs of a connection."""

    async def recv(self) -> Any: ...

    async def send(self, message: str) -> None: ...


class BentSocket:
    """Implements ``Socket``. ``is_deaf``: requests of the hub get no answer; ``is_broken``: before what it says of a
    charge comes a frame that is no JSON."""

    def __init__(self, socket: Socket, *, bend: Bend | None, is_deaf: bool, is_broken: bool) -> None:
        self._socket = socket
        self._bend = bend
        self._is_deaf = is_deaf
        self._is_broken = is_broken
        self._sent = 0

    async def recv(self) -> Any:
        """Raises ``websockets.ConnectionClosed``; so does ``send``."""
        while True:
            text = await self._socket.recv()
            if not (self._is_deaf and str(text).startswith("[2")):
                return text

    async def send(self, message: str) -> None:
        """As it is written."""
        frame = json.loads(message)
        is_request = frame[0] == 2
        if is_request and self._is_broken and frame[2] in ("MeterValues", "TransactionEvent"):
            self._sent += 1
            await self._socket.send(_BROKEN.format(number=self._sent))
        if is_request and self._bend is not None:
            frame[3] = self._bend(frame[2], frame[3])
            message = json.dumps(frame, separators=(",", ":"))
        await self._socket.send(message)


def local_clock(action: str, payload: dict[str, Any]) -> dict[str, Any]:
    """A clock of another zone, its times called UTC. Statuses are dated: by them a hub can see it."""
    if action == "StatusNotification":
        payload = {"timestamp": timestamp(datetime.now(UTC))} | payload
    return _dated(payload, lambda at: timestamp(at + LOCAL_TIME))


def unset_clock(action: str, payload: dict[str, Any]) -> dict[str, Any]:
    """A clock that begins in 1970 at every start."""
    return _dated(payload, lambda at: timestamp(at.replace(year=1970, month=1, day=1)))


def without_zone(action: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Times that do not say where they are from."""
    return _dated(payload, lambda at: timestamp(at).removesuffix("Z"))


def lost_ids(action: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Never got the answer to its start (OCPP 1.6): meter values with transaction 0, a stop with -1."""
    lost = {"MeterValues": 0, "StopTransaction": -1}
    return payload | {"transactionId": lost[action]} if action in lost else payload


def loose_types(action: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Numbers where texts belong, and texts where numbers do."""
    return {name: _loose(name, value) for name, value in payload.items()}


def more_fields(action: str, payload: dict[str, Any]) -> dict[str, Any]:
    """A field that there is not."""
    return payload | {"vendorNote": "simulated"}


def _loose(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {inner: _loose(inner, each) for inner, each in value.items()}
    if isinstance(value, list):
        return [_loose("", each) for each in value]
    if name == "value":
        return float(value) if isinstance(value, str) else str(value)
    return str(value) if name == "connectorId" else value


def _dated(payload: dict[str, Any], told: Callable[[datetime], str]) -> dict[str, Any]:
    def within(name: str, value: Any) -> Any:
        if isinstance(value, dict):
            return _dated(value, told)
        if isinstance(value, list):
            return [within("", each) for each in value]
        return told(datetime.fromisoformat(value)) if name == "timestamp" else value

    return {name: within(name, value) for name, value in payload.items()}
