"""Many simulated stations, and the drivers that come to them."""

import asyncio
import itertools
import random
from collections.abc import Iterator
from typing import Final

from adapters.ocpp.simulator.charge import Charge
from adapters.ocpp.simulator.config import OnEvent, SimulatorConfig
from adapters.ocpp.simulator.scenarios import STEADY, Scenario, scenario_of
from adapters.ocpp.simulator.speech import Speech
from adapters.ocpp.simulator.speech2 import SPEECH_21, SPEECH_201
from adapters.ocpp.simulator.speech16 import Speech16
from adapters.ocpp.simulator.station import SimulatedStation

SPEECHES: Final[dict[str, Speech]] = {"1.6": Speech16(), "2.0.1": SPEECH_201, "2.1": SPEECH_21}


class Fleet:
    """``run`` it as a task and reach into ``stations`` to plug somebody in."""

    def __init__(self, config: SimulatorConfig, *, on_event: OnEvent | None = None) -> None:
        self.config = config
        self.stations = {
            name: SimulatedStation(name, config, on_event=on_event, speech=SPEECHES[version], scenario=scenario)
            for name, version, scenario in self._parts()
        }

    def _parts(self) -> Iterator[tuple[str, str, Scenario]]:
        """Each station with what it speaks and does: each scenario in each version, in turn."""
        every = [(name, version) for name in self.config.scenarios for version in self.config.ocpp]
        for station_id, (name, version) in zip(self.config.identities(), itertools.cycle(every), strict=False):
            chance = random.Random(f"{self.config.seed}/share/{station_id}")  # noqa: S311
            is_chosen = chance.random() < self.config.share
            yield station_id, version, scenario_of(name, version) if is_chosen else STEADY

    @property
    def charges(self) -> list[Charge]:
        """All charges so far, as the stations' own books have them."""
        return [charge for station in self.stations.values() for charge in station.charges]

    async def run(self) -> None:
        """Until cancelled, or until the configured time is over."""
        work = [asyncio.create_task(station.run()) for station in self.stations.values()]
        if self.config.arrival_seconds and self.config.tokens:
            work += [asyncio.create_task(self._drivers(station)) for station in self.stations.values()]
        try:
            await asyncio.wait(work, timeout=self.config.duration_seconds, return_when=asyncio.FIRST_EXCEPTION)
            for task in work:
                if task.done():
                    task.result()
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)

    async def _drivers(self, station: SimulatedStation) -> None:
        """They come at random, whatever the hub is doing."""
        chance = random.Random(f"{self.config.seed}/drivers/{station.id}")  # noqa: S311
        while True:
            await asyncio.sleep(chance.expovariate(1 / self.config.arrival_seconds))
            token, minutes = chance.choice(self.config.tokens), chance.uniform(*self.config.charge_minutes)
            connector = station.free_connector()
            if connector is not None:
                await station.plug(token, connector, minutes=minutes)


async def run_stations(config: SimulatorConfig, *, on_event: OnEvent | None = None) -> Fleet:
    """Runs a fleet until cancelled, or until ``config.duration_seconds`` have passed; returns it for its books."""
    fleet = Fleet(config, on_event=on_event)
    await fleet.run()
    return fleet
