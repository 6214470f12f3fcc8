"""The simulated adapter in the hands of the shared scenarios. See ``adapter_driver``."""

from datetime import timedelta
from pathlib import Path

from adapters.kit.runner import RunningKit
from adapters.simulated.adapter import ADAPTER, Simulation
from adapters.simulated.settings import SimulatedSettings
from adapters.simulated.station import SimulatedStation
from contracts.vocabulary import StopReason
from tests.kit.wait import until


class SimulatedDriver:
    """Implements ``AdapterDriver``."""

    def __init__(self, tmp_path: Path) -> None:
        self.adapter = ADAPTER
        self.settings = SimulatedSettings(stations=1, memory=tmp_path / "stations.json")
        self.station_id = "SIM-0001"
        self.password: str | None = None
        self._station: SimulatedStation | None = None

    @property
    def station(self) -> SimulatedStation:
        assert self._station is not None, "call connect first"
        return self._station

    async def connect(self, kit: RunningKit) -> None:
        assert isinstance(kit.adapter, Simulation)
        station = kit.adapter.stations[self.station_id]
        if station is self._station:
            await station.connect()
        else:
            # It connects by itself, perhaps as a stranger first, until the adapter has learnt of its account
            await until(lambda: station.is_connected)
            self._station = station

    async def disconnect(self) -> None:
        await self.station.disconnect()

    async def plug(self, connector: int) -> None:
        await self.station.plug(connector)

    async def fail(self, connector: int) -> None:
        await self.station.fail(connector, "GroundFailure")

    async def start(self, connector: int, token_uid: str) -> None:
        await self.station.present(connector, token_uid)
        await self.meter(connector)

    async def repeat_start(self, connector: int) -> None:
        await self.station.repeat_start(connector)

    async def meter(self, connector: int) -> None:
        await self.station.charge(connector, timedelta(minutes=1))

    async def stop(self, connector: int) -> None:
        await self.station.stop(connector, StopReason.DRIVER)

    async def close(self) -> None:
        return None


def make_driver(tmp_path: Path) -> SimulatedDriver:
    """See ``adapter_driver``."""
    return SimulatedDriver(tmp_path)
