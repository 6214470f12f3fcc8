"""A station of OCPP 1.6, 2.0.1 or 2.1 on the ``ChargePoint`` of the PyPI package ``ocpp``, its checks on: it waits to
be started and stopped from afar, and charges between."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import ocpp.v16
import ocpp.v16.call
import ocpp.v16.call_result
import ocpp.v21
import ocpp.v21.call
import ocpp.v21.call_result
import ocpp.v201
import ocpp.v201.call
import ocpp.v201.call_result
from ocpp.routing import after, on
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.e2e.outside.package_upkeep import Memory, Upkeep2, Upkeep16
from tests.e2e.outside.rpc_station import basic

TRANSACTION = "package-1"
METER_START, METER_STOP = 1_000, 8_500
PATIENCE = 60
"""Seconds for an answer of the hub: the machine may be slow."""


class _Charging:
    """What all versions share."""

    def prepare(self, memory: Memory) -> None:
        self.memory = memory
        self.is_stopped = asyncio.Event()
        self.is_begun = asyncio.Event()
        self.charging: asyncio.Task[None] | None = None

    async def say(self, request: Any) -> Any:
        return await self.call(request, suppress=False)  # type: ignore[attr-defined]

    def begin(self) -> None:
        self.charging = asyncio.create_task(self._charge())
        self.is_begun.set()

    async def boot(self) -> None:
        while True:
            answer = await self.say(self._introduction())
            if answer.status == "Accepted":
                return
            await asyncio.sleep(min(answer.interval, 1))

    async def charged(self) -> None:
        """Until it was started, and has ended."""
        await self.is_begun.wait()
        assert self.charging is not None
        await self.charging

    def _introduction(self) -> Any:
        raise NotImplementedError

    async def _charge(self) -> None:
        raise NotImplementedError


class _Station(Upkeep2, _Charging):
    """What 2.0.1 and 2.1 share."""

    call_: ModuleType
    result: ModuleType
    started: dict[str, Any]

    @on("RequestStartTransaction")  # type: ignore[untyped-decorator]
    def _start(self, id_token: dict[str, Any], remote_start_id: int, evse_id: int, **_: Any) -> Any:
        self.started = {"id_token": id_token, "remote_start_id": remote_start_id, "evse_id": evse_id}
        return self.result.RequestStartTransaction(status="Accepted")

    @after("RequestStartTransaction")  # type: ignore[untyped-decorator]
    def _go(self, **_: Any) -> None:
        self.begin()

    @on("RequestStopTransaction")  # type: ignore[untyped-decorator]
    def _stop(self, transaction_id: str, **_: Any) -> Any:
        is_ours = transaction_id == TRANSACTION
        if is_ours:
            self.is_stopped.set()
        return self.result.RequestStopTransaction(status="Accepted" if is_ours else "Rejected")

    def _introduction(self) -> Any:
        station = {"vendor_name": "outside", "model": "ocpp", "firmware_version": self.memory.firmware}
        return self.call_.BootNotification(charging_station=station, reason="PowerUp")

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


class Station16(Upkeep16, _Charging, ocpp.v16.ChargePoint):  # type: ignore[misc]
    """1.6."""

    id_tag = ""
    transaction_id = 0

    @on("RemoteStartTransaction")  # type: ignore[untyped-decorator]
    def _start(self, id_tag: str, **_: Any) -> Any:
        self.id_tag = id_tag
        return ocpp.v16.call_result.RemoteStartTransaction(status="Accepted")

    @after("RemoteStartTransaction")  # type: ignore[untyped-decorator]
    def _go(self, **_: Any) -> None:
        self.begin()

    @on("RemoteStopTransaction")  # type: ignore[untyped-decorator]
    def _stop(self, transaction_id: int) -> Any:
        is_ours = transaction_id == self.transaction_id
        if is_ours:
            self.is_stopped.set()
        return ocpp.v16.call_result.RemoteStopTransaction(status="Accepted" if is_ours else "Rejected")

    def _introduction(self) -> Any:
        return ocpp.v16.call.BootNotification(
            charge_point_model="ocpp", charge_point_vendor="outside", firmware_version=self.memory.firmware
        )

    async def status(self, word: str) -> None:
        await self.say(ocpp.v16.call.StatusNotification(connector_id=1, error_code="NoError", status=word))

    async def _charge(self) -> None:
        begun = ocpp.v16.call.StartTransaction(
            connector_id=1, id_tag=self.id_tag, meter_start=METER_START, timestamp=_now()
        )
        answer = await self.say(begun)
        assert answer.id_tag_info["status"] == "Accepted"
        self.transaction_id = answer.transaction_id
        await self.status("Charging")
        await self.is_stopped.wait()
        ended = ocpp.v16.call.StopTransaction(
            transaction_id=self.transaction_id, meter_stop=METER_STOP, timestamp=_now(), reason="Remote"
        )
        await self.say(ended)
        await self.status("Available")


STATIONS: Mapping[str, Any] = {"ocpp1.6": Station16, "ocpp2.0.1": Station201, "ocpp2.1": Station21}


class _Recorded:
    """A connection as the package uses it: every message as it went over the wire, with whether it went out. What can
    no more be sent went nowhere."""

    def __init__(self, socket: ClientConnection, frames: list[tuple[bool, str]]) -> None:
        self._socket = socket
        self._frames = frames

    async def recv(self) -> Any:
        data = await self._socket.recv()
        self._frames.append((False, str(data)))
        return data

    async def send(self, data: str) -> None:
        entry = (True, data)
        self._frames.append(entry)
        try:
            await self._socket.send(data)
        except ConnectionClosed:
            self._frames.remove(entry)
            raise


async def run(
    url: str,
    identity: str,
    *,
    password: str,
    version: str,
    is_ready: asyncio.Event,
    frames: list[tuple[bool, str]] | None = None,
    trust: ssl.SSLContext | None = None,
    memory: Memory | None = None,
) -> None:
    """Connects, says when it is ready to be started, and returns once it has charged. ``frames`` takes every message,
    with whether it went out. ``trust``: for ``wss``, with its certificate where it has one; no password: none is
    shown. With a ``memory`` it waits to be reset after its charge, comes again, and returns."""

    @asynccontextmanager
    async def booted() -> AsyncIterator[Any]:
        async with connect(
            f"{url.rstrip('/')}/{identity}",
            subprotocols=[Subprotocol(version)],
            additional_headers={"Authorization": basic(identity, password)} if password else {},
            proxy=None,
            ssl=trust,
            open_timeout=PATIENCE,
        ) as socket:
            recorded = _Recorded(socket, [] if frames is None else frames)
            station = STATIONS[version](identity, recorded, response_timeout=PATIENCE)
            station.prepare(memory or Memory())
            reading = asyncio.create_task(station.start())
            try:
                await station.boot()
                await station.status("Available")
                yield station
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    async with booted() as station:
        is_ready.set()
        await station.charged()
        if memory is None:
            return
        await memory.is_reset.wait()
    memory.restart()
    async with booted():
        pass


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
