"""What an operator asks of stations in memory."""

from datetime import UTC, datetime, timedelta

import pytest

from adapters.simulated.adapter import ADAPTER, Simulation, start
from adapters.simulated.settings import SimulatedSettings
from contracts.messages import ConnectorStatusChanged, OperationRequested, StationBooted
from contracts.messages import operation as op
from contracts.vocabulary import ConnectorStatus, OperationOutcome, TriggeredMessage
from tests.kit.stations import FakePorts
from tests.kit.wait import until


@pytest.fixture
async def world() -> tuple[FakePorts, Simulation]:
    fakes = FakePorts()
    return fakes, await start(fakes.ports(), SimulatedSettings(stations=1, connectors=2, admits_strangers=True))


async def ask(fakes: FakePorts, station_id: str, operation: op.AnyOperation) -> tuple[str, object]:
    request = OperationRequested(
        operation_id="o",
        instance="test-1",
        epoch=1,
        network="demo",
        station_id=station_id,
        deadline=datetime.now(UTC) + timedelta(seconds=5),
        operation=operation,
    )
    result = await fakes.commands.ask(request)
    return result.outcome.value, result.told


async def test_they_obey(world: tuple[FakePorts, Simulation]) -> None:
    fakes, simulation = world
    (name,) = simulation.stations
    assert await ask(fakes, "NOBODY", op.Reset()) == ("OFFLINE", None)
    assert await ask(fakes, name, op.ChangeAvailability(is_operative=False, connector_id=2)) == ("ACCEPTED", None)
    assert fakes.facts.of(ConnectorStatusChanged)[-1].status is ConnectorStatus.UNAVAILABLE
    assert (await ask(fakes, name, op.ChangeAvailability(is_operative=True, connector_id=9)))[0] == "REJECTED"
    assert await ask(fakes, name, op.ClearCache()) == ("ACCEPTED", None)
    assert (await ask(fakes, name, op.Trigger(what=TriggeredMessage.METER_VALUES)))[0] == "NOT_SUPPORTED"
    before = len(fakes.facts.of(ConnectorStatusChanged))
    assert (await ask(fakes, name, op.Trigger(what=TriggeredMessage.STATUS)))[0] == "ACCEPTED"
    assert len(fakes.facts.of(ConnectorStatusChanged)) == before + 2
    entries = tuple(op.ConfigurationEntry(key=key, value="60") for key in ("HeartbeatInterval", "Nonsense"))
    assert (await ask(fakes, name, op.SetConfiguration(entries=entries)))[0] == OperationOutcome.UNKNOWN
    _, told = await ask(fakes, name, op.GetConfiguration(keys=("HeartbeatInterval", "Nonsense")))
    values = (op.ConfigurationValue(key="HeartbeatInterval", value="60"),)
    assert told == op.ConfigurationTold(values=values, unknown_keys=("Nonsense",))
    boots = len(fakes.facts.of(StationBooted))
    assert (await ask(fakes, name, op.Reset()))[0] == "ACCEPTED"
    await until(lambda: len(fakes.facts.of(StationBooted)) == boots + 1)
    await simulation.stop()


def test_what_is_declared_is_what_is_done() -> None:
    assert op.Reset in ADAPTER.operations
    assert op.UpdateFirmware not in ADAPTER.operations
