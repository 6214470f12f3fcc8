"""Stations of OCPP 1.6, 2.0.1 and 2.1 that need no hardware: real WebSockets, an accelerated clock, and the
stubbornness of real ones.

For demos and tests. The hub does not know that they are not real.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from adapters.ocpp.simulator.charge import Charge
from adapters.ocpp.simulator.config import Event, SimulatorConfig
from adapters.ocpp.simulator.fleet import Fleet, run_stations
from adapters.ocpp.simulator.scenarios import SCENARIOS, Scenario
from adapters.ocpp.simulator.station import SimulatedStation

__all__ = [
    "SCENARIOS",
    "SIMULATOR",
    "Charge",
    "Event",
    "Fleet",
    "Scenario",
    "SimulatedStation",
    "Simulator",
    "SimulatorConfig",
    "run_stations",
]


@dataclass(frozen=True, kw_only=True)
class Simulator:
    """What the entry point group ``roaming.simulators`` offers."""

    name: str
    config: type[SimulatorConfig]
    run: Callable[[SimulatorConfig], Awaitable[Fleet]]
    """Runs until cancelled, or until ``duration_seconds`` have passed."""
    fleet: type[Fleet]
    """For control by Python calls: ``fleet.stations[id].plug(token)``."""
    scenarios: Mapping[str, Scenario]
    """What its stations can do wrong, by name."""


SIMULATOR = Simulator(name="ocpp", config=SimulatorConfig, run=run_stations, fleet=Fleet, scenarios=SCENARIOS)
