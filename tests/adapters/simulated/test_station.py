"""Simulated stations: what their hands do, what they tell, what they remember."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.kit.manifest import Authorization
from adapters.simulated.adapter import ADAPTER, Simulation
from adapters.simulated.settings import SimulatedSettings
from adapters.simulated.station import ImpossibleAction, SimulatedStation
from contracts.messages import (
    ConnectorStatusChanged,
    MeterValuesTaken,
    StationConnected,
    StationDisconnected,
    StationFaultReported,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
)
from contracts.vocabulary import AuthorizationBasis, AuthorizationStatus, ConnectorStatus, Measurand, StopReason
from tests.kit.clock import HeldClock
from tests.kit.stations import FakePorts
from tests.kit.wait import until

NAME = "SIM-0001"


@pytest.fixture
def ports() -> FakePorts:
    return FakePorts(now=HeldClock())


async def simulate(ports: FakePorts, **settings: Any) -> Simulation:
    running = await ADAPTER.start(
        ports.ports(), SimulatedSettings(**{"stations": 1, "admits_strangers": True, **settings})
    )
    assert isinstance(running, Simulation)
    return running


@pytest.fixture
async def station(ports: FakePorts) -> AsyncIterator[SimulatedStation]:
    simulation = await simulate(ports)
    yield simulation.stations[NAME]
    await simulation.stop()


def statuses(ports: FakePorts, connector: int = 1) -> list[ConnectorStatus]:
    return [told.status for told in ports.facts.of(ConnectorStatusChanged) if told.connector_id == connector]


async def test_a_charge_from_plug_to_plug(ports: FakePorts, station: SimulatedStation) -> None:
    await station.plug(1)
    await station.present(1, "TAG")
    await station.charge(1, timedelta(minutes=30))
    await station.present(1, "tag")
    await station.unplug(1)
    assert [status.name for status in statuses(ports)] == [
        "AVAILABLE",
        "PREPARING",
        "CHARGING",
        "FINISHING",
        "AVAILABLE",
    ]
    (started,) = ports.facts.of(TransactionStarted)
    (ended,) = ports.facts.of(TransactionEnded)
    assert ended.ended_at - started.started_at == timedelta(minutes=30)
    assert ended.register_wh - started.register_wh == 30 * 183, "11 kW, 30 samples of one minute in whole Wh"
    assert ended.reason is StopReason.DRIVER
    samples = [sample for taken in ports.facts.of(MeterValuesTaken) for sample in taken.samples]
    assert len(samples) == 30
    registers = [
        value.value for sample in samples for value in sample.values if value.measurand is Measurand.ENERGY_REGISTER
    ]
    assert registers == sorted(registers)
    assert registers[-1] == ended.register_wh
    correlations = {fact.correlation_id for fact in ports.facts.facts if fact.correlation_id}
    assert correlations == {started.transaction_id}


async def test_a_full_battery_suspends(ports: FakePorts, station: SimulatedStation) -> None:
    await station.plug(1)
    await station.present(1, "TAG")
    await station.charge(1, timedelta(hours=8))
    (updated,) = ports.facts.of(TransactionUpdated)
    assert updated.state is ConnectorStatus.SUSPENDED_EV
    assert statuses(ports)[-1] is ConnectorStatus.SUSPENDED_EV
    await station.stop(1, StopReason.DRIVER)
    (ended,) = ports.facts.of(TransactionEnded)
    assert ended.register_start_wh is not None
    assert 10_000 <= ended.register_wh - ended.register_start_wh <= 60_000


async def test_same_seed_same_facts() -> None:
    async def story(seed: int) -> list[object]:
        ports = FakePorts(now=HeldClock())
        simulation = await simulate(ports, seed=seed)
        station = simulation.stations[NAME]
        for _ in range(2):
            await station.plug(2)
            await station.present(2, "TAG")
            await station.charge(2, timedelta(hours=2))
            await station.stop(2, StopReason.DRIVER)
            await station.unplug(2)
        await simulation.stop()
        return list(ports.facts.facts)

    assert await story(1) == await story(1)
    assert await story(1) != await story(2)


async def test_a_refused_token_starts_nothing(ports: FakePorts, station: SimulatedStation) -> None:
    ports.authorizer.status = AuthorizationStatus.BLOCKED
    await station.plug(1)
    assert (await station.present(1, "TAG")).status is AuthorizationStatus.BLOCKED
    assert not ports.facts.of(TransactionStarted)


async def test_a_token_without_a_plug_starts_nothing(ports: FakePorts, station: SimulatedStation) -> None:
    await station.present(1, "TAG")
    assert not ports.facts.of(TransactionStarted)


async def test_only_the_own_group_may_end_a_charge(ports: FakePorts, station: SimulatedStation) -> None:
    def of_group(uid: str, group: str) -> Authorization:
        return Authorization(
            status=AuthorizationStatus.ACCEPTED,
            basis=AuthorizationBasis.WHITELIST,
            token_uid=uid,
            group_id=group,
        )

    ports.authorizer.answers = {"A": of_group("A", "G"), "B": of_group("B", "OTHER"), "C": of_group("C", "G")}
    await station.plug(1)
    await station.present(1, "A")
    await station.present(1, "B")
    assert not ports.facts.of(TransactionEnded)
    await station.present(1, "C")
    assert len(ports.facts.of(TransactionEnded)) == 1


async def test_the_impossible(station: SimulatedStation) -> None:
    with pytest.raises(ImpossibleAction, match="no connector 3"):
        await station.plug(3)
    with pytest.raises(ImpossibleAction, match="nothing is charging"):
        await station.stop(1, StopReason.DRIVER)
    with pytest.raises(ImpossibleAction, match="nothing is charging"):
        await station.charge(1, timedelta(minutes=1))
    await station.plug(1)
    with pytest.raises(ImpossibleAction, match="PREPARING"):
        await station.plug(1)
    await station.disconnect()
    with pytest.raises(ImpossibleAction, match="not connected"):
        await station.present(1, "TAG")


async def test_a_fault_ends_the_charge(ports: FakePorts, station: SimulatedStation) -> None:
    await station.plug(1)
    await station.present(1, "TAG")
    await station.fail(1, "GroundFailure")
    assert ports.facts.of(TransactionEnded)[0].reason is StopReason.FAULT
    assert ports.facts.of(StationFaultReported)[0].error_code == "GroundFailure"
    assert statuses(ports)[-1] is ConnectorStatus.FAULTED


async def test_transaction_facts_of_a_time_without_connection_are_told_afterwards(
    ports: FakePorts, station: SimulatedStation
) -> None:
    await station.plug(1)
    await station.present(1, "TAG")
    await station.disconnect()
    before = len(ports.facts.facts)
    await station.charge(1, timedelta(minutes=3))
    await station.stop(1, StopReason.DRIVER)
    assert len(ports.facts.facts) == before
    await station.connect()
    assert len(ports.facts.of(MeterValuesTaken)) == 3
    assert len(ports.facts.of(TransactionEnded)) == 1
    assert statuses(ports)[-1] is ConnectorStatus.FINISHING
    epochs = [told.epoch for told in ports.facts.of(StationConnected)]
    assert epochs == [1, 2]
    assert [told.epoch for told in ports.facts.of(StationDisconnected)] == [1]


async def test_a_stranger_waits_until_it_is_admitted(ports: FakePorts) -> None:
    simulation = await simulate(ports, admits_strangers=False)
    station = simulation.stations[NAME]
    (connected,) = ports.facts.of(StationConnected)
    assert not connected.is_admitted
    assert not station.is_connected
    with pytest.raises(ImpossibleAction):
        await station.present(1, "TAG")
    ports.accounts.change(NAME)
    await until(lambda: station.is_connected)
    assert ports.facts.of(StationConnected)[-1].is_admitted
    ports.accounts.change(NAME, is_admitted=False)
    await until(lambda: not station.is_connected)
    await simulation.stop()


async def test_it_remembers_over_a_restart(ports: FakePorts, tmp_path: Path) -> None:
    memory = tmp_path / "stations.json"
    simulation = await simulate(ports, memory=memory)
    station = simulation.stations[NAME]
    await station.plug(1)
    await station.present(1, "TAG")
    await station.charge(1, timedelta(minutes=10))
    await simulation.stop()

    simulation = await simulate(ports, memory=memory)
    station = simulation.stations[NAME]
    assert statuses(ports)[-1] is ConnectorStatus.CHARGING
    await station.repeat_start(1)
    await station.charge(1, timedelta(minutes=10))
    await station.stop(1, StopReason.DRIVER)
    (started,) = ports.facts.of(TransactionStarted)
    (ended,) = ports.facts.of(TransactionEnded)
    assert ended.transaction_id == started.transaction_id
    assert ended.ended_at - started.started_at == timedelta(minutes=20)
    assert len(ports.facts.of(MeterValuesTaken)) == 20
    await simulation.stop()


async def test_a_full_spool_delays_and_doubles_nothing(ports: FakePorts, station: SimulatedStation) -> None:
    ports.facts.is_full = True
    plugging = asyncio.create_task(station.plug(1))
    await asyncio.sleep(0)
    assert not plugging.done()
    ports.facts.is_full = False
    await plugging
    assert statuses(ports) == [ConnectorStatus.AVAILABLE, ConnectorStatus.PREPARING]
    assert not ports.facts.repeats


async def test_an_accelerated_charge_goes_on_by_itself(ports: FakePorts) -> None:
    simulation = await simulate(ports, acceleration=6000.0, power_w=60_000)
    station = simulation.stations[NAME]
    await station.plug(1)
    await station.present(1, "TAG")
    await until(lambda: len(ports.facts.of(MeterValuesTaken)) >= 5)
    await station.stop(1, StopReason.DRIVER)
    (ended,) = ports.facts.of(TransactionEnded)
    assert ended.register_start_wh is not None
    assert ended.register_wh - ended.register_start_wh >= 5000
    assert ended.ended_at - ports.facts.of(TransactionStarted)[0].started_at >= timedelta(minutes=5)
    await simulation.stop()
