"""The OCPP 1.6 adapter in the hands of the shared scenarios, over a real WebSocket. See ``adapter_driver``."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adapters.kit.runner import RunningKit
from adapters.ocpp.adapter import ADAPTER, OcppSettings
from tests.kit.raw_station import RawStation
from tests.kit.wait import until


class OcppDriver:
    """Implements ``AdapterDriver``."""

    def __init__(self, tmp_path: Path) -> None:
        self.adapter = ADAPTER
        self.settings = OcppSettings(
            port=0, state_path=tmp_path / "ocpp.sqlite", settle_seconds=0, command_pause_seconds=0, pending_seconds=1
        )
        self.station_id = "CS 1|x"
        self.password: str | None = "0123456789abcdef"
        self._station: RawStation | None = None
        self._register = {1: 1_000, 2: 2_000}
        self._starts: dict[int, dict[str, Any]] = {}
        self._transactions: dict[int, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._starting: dict[int, asyncio.Task[None]] = {}

    @property
    def station(self) -> RawStation:
        assert self._station is not None, "call connect first"
        return self._station

    async def connect(self, kit: RunningKit) -> None:
        self._station = await RawStation.dial(kit.addresses()["ocpp"], self.station_id, password=self.password)
        self.station.commands = {
            "RemoteStartTransaction": self._remote_start,
            "RemoteStopTransaction": self._remote_stop,
            "UnlockConnector": lambda _: {"status": "Unlocked"},
            "TriggerMessage": lambda _: {"status": "Accepted"},
        }
        # Perhaps as a stranger first, until the adapter has learnt of its account
        await until(self._is_accepted, seconds=10, every=0.05)
        for connector in (1, 2):
            await self.station.status(connector, "Available")

    async def _is_accepted(self) -> bool:
        return (await self.station.boot())["status"] == "Accepted"

    async def disconnect(self) -> None:
        await self.station.close()

    async def plug(self, connector: int) -> None:
        await self.station.status(connector, "Preparing")

    async def fail(self, connector: int) -> None:
        await self.station.status(connector, "Faulted", "GroundFailure")

    async def start(self, connector: int, token_uid: str) -> None:
        await self.station.call("Authorize", {"idTag": token_uid})
        self._starts[connector] = {
            "connectorId": connector,
            "idTag": token_uid,
            "meterStart": self._register[connector],
            "timestamp": datetime.now(UTC).isoformat(),
        }
        await self.repeat_start(connector)
        await self.station.status(connector, "Charging")
        await self.meter(connector)

    async def repeat_start(self, connector: int) -> None:
        answer = await self.station.call("StartTransaction", self._starts[connector])
        known = self._transactions.setdefault(connector, answer["transactionId"])
        assert known == answer["transactionId"]

    async def meter(self, connector: int) -> None:
        self._register[connector] += 180
        sampled = [{"value": str(self._register[connector])}]
        value = {"timestamp": datetime.now(UTC).isoformat(), "sampledValue": sampled}
        transaction_id = self._transactions[connector]
        await self.station.call(
            "MeterValues", {"connectorId": connector, "transactionId": transaction_id, "meterValue": [value]}
        )

    async def stop(self, connector: int) -> None:
        await self._stop(connector, "Local")

    async def close(self) -> None:
        if self._station is not None:
            await self._station.close()

    async def _stop(self, connector: int, reason: str) -> None:
        # The hub tells of a transaction before the station has its answer: a start still on its way ends first
        if starting := self._starting.pop(connector, None):
            await starting
        payload = {
            "transactionId": self._transactions.pop(connector),
            "meterStop": self._register[connector],
            "timestamp": datetime.now(UTC).isoformat(),
            "reason": reason,
        }
        await self.station.call("StopTransaction", payload)
        await self.station.status(connector, "Finishing")

    def _remote_start(self, payload: dict[str, Any]) -> dict[str, Any]:
        connector = payload.get("connectorId", 1)
        self._starting[connector] = self._later(self.start(connector, payload["idTag"]))
        return {"status": "Accepted"}

    def _remote_stop(self, payload: dict[str, Any]) -> dict[str, Any]:
        for connector, transaction_id in self._transactions.items():
            if transaction_id == payload["transactionId"]:
                self._later(self._stop(connector, "Remote"))
                return {"status": "Accepted"}
        return {"status": "Rejected"}

    def _later(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def make_driver(tmp_path: Path) -> OcppDriver:
    """See ``adapter_driver``."""
    return OcppDriver(tmp_path)
