"""A running adapter on loopback, with fakes behind it and bare stations before it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from adapters.ocpp.adapter import OcppSettings, RunningOcpp, start
from adapters.ocpp.station import Station
from tests.kit.raw_station import RawStation, RawStation2
from tests.kit.stations import FakePorts

PASSWORD = "0123456789abcdef"


class Hub:
    """Starts and stops the adapter; admits and dials stations."""

    def __init__(self, folder: Path) -> None:
        self.fakes = FakePorts()
        self.state_path = folder / "ocpp.sqlite"
        self._settings: dict[str, Any] = {}
        self._running: RunningOcpp | None = None
        self._dialled: list[RawStation] = []

    @property
    def running(self) -> RunningOcpp:
        assert self._running is not None
        return self._running

    @property
    def url(self) -> str:
        return self.running.addresses()["ocpp"]

    @property
    def facts(self) -> Any:
        return self.fakes.facts

    async def start(self, **settings: Any) -> None:
        """Stops the one that runs; the state file stays."""
        await self.stop()
        self._settings |= settings
        usual = {"port": 0, "state_path": self.state_path, "settle_seconds": 0, "command_pause_seconds": 0}
        running = await start(self.fakes.ports(), OcppSettings(**(usual | self._settings)))
        assert isinstance(running, RunningOcpp)
        self._running = running

    async def stop(self) -> None:
        if self._running is not None:
            await self._running.stop()
            self._running = None

    async def dial(self, station_id: str = "CS-1", *, url: str = "", **options: Any) -> RawStation:
        """As the station would, admitted or not."""
        station = await RawStation.dial(url or self.url, station_id, **options)
        self._dialled.append(station)
        return station

    async def station(self, station_id: str = "CS-1") -> RawStation:
        """Admitted, connected, booted."""
        if self.fakes.accounts.find(station_id) is None:
            self.fakes.accounts.change(station_id, password=PASSWORD)
        station = await self.dial(station_id, password=PASSWORD)
        assert (await station.boot())["status"] == "Accepted"
        return station

    async def station2(
        self, station_id: str = "CS-2", *, version: str = "ocpp2.0.1", is_booted: bool = True
    ) -> RawStation2:
        """The same for OCPP 2.x."""
        if self.fakes.accounts.find(station_id) is None:
            self.fakes.accounts.change(station_id, password=PASSWORD)
        station = await RawStation2.dial(self.url, station_id, password=PASSWORD, subprotocols=(version,))
        self._dialled.append(station)
        if is_booted:
            assert (await station.boot())["status"] == "Accepted"
        return station

    def inside(self, station_id: str = "CS-1") -> Station:
        """The adapter's side of the connection."""
        found = self.running.gateway.find(station_id)
        assert found is not None
        return found

    async def close(self) -> None:
        for station in self._dialled:
            await station.close()
        await self.stop()


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    hub = Hub(tmp_path)
    await hub.start()
    yield hub
    await hub.close()
