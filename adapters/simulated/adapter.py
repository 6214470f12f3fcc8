"""The simulated adapter: stations that need no socket, worked by Python calls, scripts and commands."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta

import structlog

from adapters.kit.manifest import Account, Adapter, CommandResult, OperationResult, Ports
from adapters.simulated import operations
from adapters.simulated.commands import carry_out, expire
from adapters.simulated.memory import Flash
from adapters.simulated.script import Step, parse
from adapters.simulated.settings import SimulatedSettings
from adapters.simulated.station import SimulatedStation
from contracts.messages import (
    CommandRequested,
    ConnectorStatusChanged,
    MeterValuesTaken,
    OperationRequested,
    StationBooted,
    StationConnected,
    StationDisconnected,
    StationFaultReported,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
)
from contracts.vocabulary import CommandName, CommandOutcome, OperationOutcome

logger = structlog.get_logger(__name__)


class Simulation:
    """Implements ``RunningAdapter``. ``stations`` are there for tests and demos to work."""

    def __init__(self, ports: Ports, settings: SimulatedSettings) -> None:
        flash = Flash(settings.memory)
        names = [f"{settings.prefix}-{number:04}" for number in range(1, settings.stations + 1)]
        self.stations = {name: SimulatedStation(name, ports, settings, flash) for name in names}
        self._ports = ports
        self._settings = settings
        self._steps, self._is_repeated = parse(settings.script)
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_stopping = False
        self._station_settings: dict[str, operations.Settings] = {}

    async def start(self) -> None:
        """Connects all stations."""
        self._ports.commands.serve(self._serve)
        self._ports.commands.serve_operations(self._serve_operation)
        self._ports.accounts.on_change(self._account_changed)
        for station in self.stations.values():
            await station.connect()
            for number, connector in station.connectors().items():
                if connector.reservation is not None:
                    self._spawn(expire(station, number, connector.reservation, now=self._ports.now))
        if self._steps:
            for station in self.stations.values():
                self._spawn(self._play(station, self._steps))
        if self._settings.acceleration:
            self._spawn(self._let_time_pass())

    def is_healthy(self) -> bool:
        """See ``RunningAdapter``."""
        return not self._is_stopping

    def addresses(self) -> dict[str, str]:
        """See ``RunningAdapter``: there is nothing to connect to."""
        return {"simulated": f"{len(self.stations)} stations in memory"}

    async def stop(self) -> None:
        """See ``RunningAdapter``. Open transactions stay open, as at a real station."""
        self._is_stopping = True
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for station in self.stations.values():
            await station.disconnect("the adapter stopped")

    async def _serve(self, command: CommandRequested) -> CommandResult:
        station = self.stations.get(command.station_id)
        if station is None or not station.is_connected:
            return CommandResult(outcome=CommandOutcome.OFFLINE)
        return await carry_out(command, station, spawn=self._spawn, now=self._ports.now)

    async def _serve_operation(self, request: OperationRequested) -> OperationResult:
        station = self.stations.get(request.station_id)
        if station is None or not station.is_connected:
            return OperationResult(outcome=OperationOutcome.OFFLINE)
        station_settings = self._station_settings.setdefault(station.station_id, operations.first_settings())
        return await operations.carry_out(request, station, station_settings, spawn=self._spawn)

    def _account_changed(self, station_id: str, account: Account) -> None:
        station = self.stations.get(station_id)
        if station is not None and not self._is_stopping and account.is_admitted != station.is_connected:
            self._spawn(self._reconnect(station))

    async def _reconnect(self, station: SimulatedStation) -> None:
        await station.disconnect("the account changed")
        await station.connect()

    async def _let_time_pass(self) -> None:
        """Every interval, accelerated, moves all running charges on by one interval."""
        step = timedelta(seconds=self._settings.sample_seconds)
        while True:
            await asyncio.sleep(self._settings.sample_seconds / self._settings.acceleration)
            for station in self.stations.values():
                for number, connector in station.connectors().items():
                    if connector.transaction is not None:
                        await station.charge(number, step)

    async def _play(self, station: SimulatedStation, steps: list[Step]) -> None:
        is_first = True
        while is_first or self._is_repeated:
            is_first = False
            for step in steps:
                await step(station)
                await asyncio.sleep(0)

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("a simulated station failed", error=str(task.exception()))


async def start(ports: Ports, settings: SimulatedSettings) -> Simulation:
    """Starts the stations; returns when all of them have connected."""
    simulation = Simulation(ports, settings)
    await simulation.start()
    return simulation


ADAPTER = Adapter(
    name="simulated",
    settings=SimulatedSettings,
    provides=(
        StationConnected,
        StationDisconnected,
        StationBooted,
        StationFaultReported,
        ConnectorStatusChanged,
        TransactionStarted,
        TransactionUpdated,
        TransactionEnded,
        MeterValuesTaken,
    ),
    requires=(
        CommandName.START_CHARGING,
        CommandName.STOP_CHARGING,
        CommandName.UNLOCK_CONNECTOR,
        CommandName.RESERVE,
        CommandName.CANCEL_RESERVATION,
    ),
    operations=operations.OPERATIONS,
    start=start,
    notes={"transport": "none: stations live in the adapter's own process"},
)
