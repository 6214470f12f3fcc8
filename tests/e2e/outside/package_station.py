"""A station of OCPP 2.0.1 or 2.1 on the ``ChargePoint`` of the PyPI package ``ocpp``, its checks on: it waits to be
started and stopped from afar, and charges between."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import ocpp.v21
import ocpp.v21.call
import ocpp.v21.call_result
import ocpp.v201
import ocpp.v201.call
import ocpp.v201.call_result
from ocpp.routing import after, on
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.e2e.outside.rpc_station import basic

TRANSACTION = "package-1"
METER_START, METER_STOP = 1_000, 8_500


class _Station:
    """What both versions share."""

    call_: ModuleType
    result: ModuleType

    def prepare(self) -> None:
        self.is_stopped = asyncio.Event()
        self.started: dict[str, Any] = {}
        self.charging: asyncio.Task[None] | None = None

    @on("RequestStartTransaction")  # type: ignore[untyped-decorator]
    def _start(self, id_token: dict[str, Any], remote_start_id: int, evse_id: int, **_: Any) -> Any:
        self.started = {"id_token": id_token, "remote_start_id": remote_start_id, "evse_id": evse_id}
        return self.result.RequestStartTransaction(status="Accepted")

    @after("RequestStartTransaction")  # type: ignore[untyped-decorator]
    def _go(self, **_: Any) -> None:
        self.charging = asyncio.create_task(self._charge())

    @on("RequestStopTransaction")  # type: ignore[untyped-decorator]
    def _stop(self, transaction_id: str, **_: Any) -> Any:
        is_ours = transaction_id == TRANSACTION
        if is_ours:
            self.is_stopped.set()
        return self.result.RequestStopTransaction(status="Accepted" if is_ours else "Rejected")

    @on("TriggerMessage")  # type: ignore[untyped-decorator]
    def _trigger(self, **_: Any) -> Any:
        return self.result.TriggerMessage(status="NotImplemented")

    async def say(self, request: Any) -> Any:
        return await self.call(request, suppress=False)  # type: ignore[attr-defined]

    async def boot(self) -> None:
        station = {"vendor_name": "outside", "model": "ocpp"}
        while True:
            answer = await self.say(self.call_.BootNotification(charging_station=station, reason="PowerUp"))
            if answer.status == "Accepted":
                return
            await asyncio.sleep(min(answer.interval, 1))

    async def status(self, word: str) -> None:
        await self.say(
            self.call_.StatusNotification(timestamp=_now(), connector_status=word, evse_id=1, connector_id=1)
        )

    async def event(
        self, kind: str, number: int, reason: str, wh: int | None, info: Mapping[str, Any], **more: Any
    ) -> Any:
        at = _now()
        if wh is not None:
            more["meter_value"] = [{"timestamp": at, "sampled_value": [{"value": wh}]}]
        return await self.say(
            self.call_.TransactionEvent(
                event_type=kind,
                timestamp=at,
                trigger_reason=reason,
                seq_no=number,
                transaction_info={"transaction_id": TRANSACTION, **info},
                **more,
            )
        )

    async def _charge(self) -> None:
        begun = {"charging_state": "Charging", "remote_start_id": self.started["remote_start_id"]}
        place = {"evse": {"id": self.started["evse_id"], "connector_id": 1}, "id_token": self.started["id_token"]}
        await self.status("Occupied")
        answer = await self.event("Started", 0, "RemoteStart", METER_START, begun, **place)
        assert answer.id_token_info["status"] == "Accepted"
        await self.event("Updated", 1, "MeterValuePeriodic", (METER_START + METER_STOP) // 2, {})
        await self.is_stopped.wait()
        await self.event("Ended", 2, "RemoteStop", METER_STOP, {"stopped_reason": "Remote"})
        await self.status("Available")


class Station201(_Station, ocpp.v201.ChargePoint):  # type: ignore[misc]
    """2.0.1."""

    call_, result = ocpp.v201.call, ocpp.v201.call_result


class Station21(_Station, ocpp.v21.ChargePoint):  # type: ignore[misc]
    """2.1."""

    call_, result = ocpp.v21.call, ocpp.v21.call_result


STATIONS = {"ocpp2.0.1": Station201, "ocpp2.1": Station21}


class _Recorded:
    """A connection as the package uses it: every message as it went over the wire, with whether it went out."""

    def __init__(self, socket: ClientConnection, frames: list[tuple[bool, str]]) -> None:
        self._socket = socket
        self._frames = frames

    async def recv(self) -> Any:
        data = await self._socket.recv()
        self._frames.append((False, str(data)))
        return data

    async def send(self, data: str) -> None:
        self._frames.append((True, data))
        await self._socket.send(data)


async def run(
    url: str,
    identity: str,
    *,
    password: str,
    version: str,
    is_ready: asyncio.Event,
    frames: list[tuple[bool, str]] | None = None,
) -> None:
    """Connects, says when it is ready to be started, and returns once it has charged. ``frames`` takes every message,
    with whether it went out."""
    async with connect(
        f"{url.rstrip('/')}/{identity}",
        subprotocols=[Subprotocol(version)],
        additional_headers={"Authorization": basic(identity, password)},
        proxy=None,
    ) as socket:
        station = STATIONS[version](identity, _Recorded(socket, [] if frames is None else frames))
        station.prepare()
        reading = asyncio.create_task(station.start())
        try:
            await station.boot()
            await station.status("Available")
            is_ready.set()
            while station.charging is None:
                await asyncio.sleep(0.02)
            await station.charging
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
