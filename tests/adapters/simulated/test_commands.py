"""What simulated stations make of commands."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from adapters.kit.manifest import CommandResult
from adapters.simulated.adapter import ADAPTER, Simulation
from adapters.simulated.settings import SimulatedSettings
from adapters.simulated.station import SimulatedStation
from contracts.messages import CommandRequested, TransactionEnded, TransactionStarted
from contracts.vocabulary import CommandName, CommandOutcome, ConnectorStatus, StopReason
from tests.kit.clock import HeldClock
from tests.kit.stations import FakePorts
from tests.kit.wait import until


class World:
    """One simulated station and a service that commands it."""

    def __init__(self) -> None:
        self.clock = HeldClock()
        self.ports = FakePorts(now=self.clock)
        self.simulation: Simulation

    async def start(self) -> None:
        running = await ADAPTER.start(self.ports.ports(), SimulatedSettings(stations=1, admits_strangers=True))
        assert isinstance(running, Simulation)
        self.simulation = running

    @property
    def station(self) -> SimulatedStation:
        return self.simulation.stations["SIM-0001"]

    async def send(
        self, name: CommandName, connector_id: int | None = 1, *, station_id: str = "SIM-0001", **fields: object
    ) -> CommandOutcome:
        return (await self.send_for_result(name, connector_id, station_id=station_id, **fields)).outcome

    async def send_for_result(
        self, name: CommandName, connector_id: int | None = 1, *, station_id: str = "SIM-0001", **fields: object
    ) -> CommandResult:
        return await self.ports.commands.send(
            CommandRequested(
                command_id="C",
                instance="test-1",
                epoch=1,
                network="demo",
                station_id=station_id,
                name=name,
                connector_id=connector_id,
                deadline=self.clock.at + timedelta(seconds=30),
                **fields,  # type: ignore[arg-type]
            )
        )

    async def reserve(self, reservation_id: str, connector_id: int | None = 1, **fields: object) -> CommandOutcome:
        ends = self.clock.at + timedelta(hours=1)
        return await self.send(
            CommandName.RESERVE,
            connector_id,
            **{"reservation_id": reservation_id, "reservation_expires_at": ends, "token_uid": "MINE", **fields},
        )


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    await world.start()
    yield world
    await world.simulation.stop()


async def test_start_and_stop(world: World) -> None:
    assert await world.send(CommandName.START_CHARGING, 2, token_uid="TAG") is CommandOutcome.ACCEPTED
    await until(lambda: world.ports.facts.of(TransactionStarted))
    (started,) = world.ports.facts.of(TransactionStarted)
    assert (started.connector_id, started.token_uid) == (2, "TAG")
    assert await world.send(CommandName.START_CHARGING, 2, token_uid="TAG") is CommandOutcome.OCCUPIED
    outcome = await world.send(CommandName.STOP_CHARGING, transaction_id=started.transaction_id)
    assert outcome is CommandOutcome.ACCEPTED
    await until(lambda: world.ports.facts.of(TransactionEnded))
    assert world.ports.facts.of(TransactionEnded)[0].reason is StopReason.REMOTE
    outcome = await world.send(CommandName.STOP_CHARGING, transaction_id=started.transaction_id)
    assert outcome is CommandOutcome.UNKNOWN_TRANSACTION


async def test_a_start_without_a_connector_takes_a_free_one(world: World) -> None:
    await world.station.plug(1)
    await world.station.present(1, "TAG")
    assert await world.send(CommandName.START_CHARGING, None, token_uid="OTHER") is CommandOutcome.ACCEPTED
    await until(lambda: len(world.ports.facts.of(TransactionStarted)) == 2)
    assert world.ports.facts.of(TransactionStarted)[-1].connector_id == 2


@pytest.mark.parametrize("name", [CommandName.START_CHARGING, CommandName.RESERVE])
async def test_a_broken_connector_is_inoperative(world: World, name: CommandName) -> None:
    await world.station.fail(1, "GroundFailure")
    ends = world.clock.at + timedelta(hours=1)
    outcome = await world.send(name, token_uid="TAG", reservation_id="R", reservation_expires_at=ends)
    assert outcome is CommandOutcome.INOPERATIVE


@pytest.mark.parametrize("name", [name for name in CommandName if name is not CommandName.CANCEL_RESERVATION])
async def test_a_station_that_is_not_there_is_offline(world: World, name: CommandName) -> None:
    assert await world.send(name, station_id="SIM-9999") is CommandOutcome.OFFLINE
    await world.station.disconnect()
    assert await world.send(name) is CommandOutcome.OFFLINE


async def test_a_connector_that_is_not_there_is_rejected_with_the_reason(world: World) -> None:
    result = await world.send_for_result(CommandName.UNLOCK_CONNECTOR, 7)
    assert result.outcome is CommandOutcome.REJECTED
    assert result.detail == "SIM-0001 has no connector 7"


async def test_unlocking_ends_the_charge(world: World) -> None:
    await world.station.plug(1)
    await world.station.present(1, "TAG")
    assert await world.send(CommandName.UNLOCK_CONNECTOR) is CommandOutcome.ACCEPTED
    assert len(world.ports.facts.of(TransactionEnded)) == 1
    assert world.station.connector(1).status is ConnectorStatus.AVAILABLE


async def test_a_reservation_keeps_others_out(world: World) -> None:
    assert await world.reserve("R-1") is CommandOutcome.ACCEPTED
    assert world.station.connector(1).status is ConnectorStatus.RESERVED
    assert await world.reserve("R-2") is CommandOutcome.OCCUPIED
    assert await world.send(CommandName.START_CHARGING, token_uid="OTHER") is CommandOutcome.OCCUPIED
    await world.station.plug(1)
    await world.station.present(1, "OTHER")
    assert not world.ports.facts.of(TransactionStarted)
    await world.station.present(1, "mine")
    (started,) = world.ports.facts.of(TransactionStarted)
    assert started.reservation_id == "R-1"
    assert world.station.connector(1).reservation is None


async def test_a_reservation_is_replaced_cancelled_and_expires(world: World) -> None:
    assert await world.reserve("R-1", None) is CommandOutcome.ACCEPTED
    assert await world.reserve("R-1", None, token_uid="OTHER") is CommandOutcome.ACCEPTED
    kept = [connector.reservation for connector in world.station.connectors().values()]
    assert [one and one.token_uid for one in kept] == ["OTHER", None], "the same id moves nowhere"
    assert await world.send(CommandName.CANCEL_RESERVATION, reservation_id="R-1") is CommandOutcome.ACCEPTED
    assert world.station.connector(1).status is ConnectorStatus.AVAILABLE
    outcome = await world.send(CommandName.CANCEL_RESERVATION, reservation_id="R-1")
    assert outcome is CommandOutcome.UNKNOWN_RESERVATION
    soon = world.clock.at + timedelta(seconds=0.05)
    assert await world.reserve("R-2", 2, reservation_expires_at=soon) is CommandOutcome.ACCEPTED
    await until(lambda: world.station.connector(2).status is ConnectorStatus.AVAILABLE)
