"""The simulated stations against the real adapter: they charge, obey, and outlive whatever the hub does."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapters.kit.manifest import CommandResult
from adapters.ocpp.simulator import SIMULATOR, Event, Fleet, SimulatedStation, SimulatorConfig
from contracts.messages import (
    ChargingLimit,
    ChargingSchedule,
    CommandRequested,
    MeterValuesTaken,
    StationConnected,
    TransactionEnded,
    TransactionStarted,
)
from contracts.vocabulary import AuthorizationStatus, ChargingRateUnit, CommandName, CommandOutcome, StopReason
from tests.adapters.ocpp.conftest import PASSWORD, Hub
from tests.kit.wait import until

Run = Callable[..., Any]


@pytest.fixture
async def simulate(hub: Hub) -> AsyncIterator[Run]:
    """``fleet = await simulate(stations=2)``: admitted, running, booted."""
    tasks: list[asyncio.Task[None]] = []

    async def begin(**fields: Any) -> Fleet:
        usual: dict[str, Any] = {
            "url": hub.url,
            "password": PASSWORD,
            "arrival_seconds": 0,
            "speed": 3600,
            "is_strict": True,
            "reconnect_seconds": (0.05, 0.2),
            "answer_seconds": 2,
        }
        config = SimulatorConfig(**(usual | fields))
        for name in config.identities():
            hub.fakes.accounts.change(name, password=PASSWORD)
        fleet = Fleet(config)
        tasks.append(asyncio.create_task(fleet.run()))
        await until(lambda: all(station.is_connected for station in fleet.stations.values()))
        return fleet

    yield begin
    for task in tasks:
        assert not task.done(), "nothing ends a station"
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture(params=["1.6", "2.0.1", "2.1"])
def version(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


def _only(fleet: Fleet) -> SimulatedStation:
    (station,) = fleet.stations.values()
    return station


async def test_a_charge(hub: Hub, simulate: Run, version: str) -> None:
    station = _only(await simulate(meter_seconds=600, ocpp=(version,)))
    charge = await station.plug("TAG", minutes=30)
    assert charge is not None
    await until(lambda: charge.is_settled)
    (started,) = hub.facts.of(TransactionStarted)
    (ended,) = hub.facts.of(TransactionEnded)
    assert started.transaction_id == ended.transaction_id == str(charge.transaction_id)
    assert (started.register_wh, ended.register_wh) == (charge.register_start_wh, charge.register_stop_wh)
    assert ended.register_wh - started.register_wh == 5500, "11 kW for half an hour"
    assert timedelta(minutes=29) < ended.ended_at - started.started_at <= timedelta(minutes=31)
    assert ended.ended_at <= datetime.now(UTC)
    assert len(hub.facts.of(MeterValuesTaken)) >= 2
    assert ended.reason is StopReason.DRIVER
    assert station.status() == "Available"


async def test_a_fleet_of_all_versions(hub: Hub, simulate: Run) -> None:
    fleet = await simulate(stations=3, ocpp=("1.6", "2.0.1", "2.1"))
    charges = [await station.plug("TAG", minutes=10) for station in fleet.stations.values()]
    await until(lambda: all(charge is not None and charge.is_settled for charge in charges))
    assert [connected.protocol for connected in hub.facts.of(StationConnected)] == ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"]
    ended = {fact.station_id: fact.register_wh for fact in hub.facts.of(TransactionEnded)}
    assert ended == {charge.station_id: charge.register_stop_wh for charge in charges if charge is not None}
    assert [dict(station.deviations) for station in hub.running.gateway.stations()] == [{}, {}, {}]


async def test_a_driver_may_leave_early_and_may_be_refused(hub: Hub, simulate: Run, version: str) -> None:
    station = _only(await simulate(speed=60, ocpp=(version,)))
    assert await station.plug("TAG", minutes=60) is not None
    assert await station.plug("TAG") is None, "the connector is taken"
    charge = await station.unplug()
    assert charge is not None
    await station.settled()
    assert hub.facts.of(TransactionEnded)[0].reason is StopReason.CAR_GONE
    hub.fakes.authorizer.status = AuthorizationStatus.BLOCKED
    assert await station.plug("OTHER") is None
    assert station.is_free()


async def test_commands(hub: Hub, simulate: Run, version: str) -> None:
    fleet = await simulate(connectors=2, ocpp=(version,))
    station = _only(fleet)

    async def send(name: CommandName, **fields: Any) -> CommandOutcome:
        result = await hub.fakes.commands.send(
            CommandRequested(
                command_id=f"c-{name}-{fields}",
                instance="test-1",
                epoch=1,
                network="demo",
                station_id=station.id,
                name=name,
                deadline=datetime.now(UTC) + timedelta(seconds=10),
                **fields,
            )
        )
        return result.outcome

    assert (
        await send(CommandName.START_CHARGING, token_uid="A-TOKEN-LONGER-THAN-20-CHARACTERS") is CommandOutcome.ACCEPTED
    )
    await until(lambda: hub.facts.of(TransactionStarted))
    (started,) = hub.facts.of(TransactionStarted)
    assert started.token_uid == "A-TOKEN-LONGER-THAN-20-CHARACTERS"
    assert started.command_id is not None
    assert await send(CommandName.STOP_CHARGING, transaction_id="1") is CommandOutcome.UNKNOWN_TRANSACTION
    assert await send(CommandName.STOP_CHARGING, transaction_id=started.transaction_id) is CommandOutcome.ACCEPTED
    await until(lambda: hub.facts.of(TransactionEnded))
    assert hub.facts.of(TransactionEnded)[0].reason is StopReason.REMOTE
    assert await send(CommandName.UNLOCK_CONNECTOR, connector_id=2) is CommandOutcome.ACCEPTED
    unknown = CommandOutcome.NOT_SUPPORTED if version == "1.6" else CommandOutcome.REJECTED
    assert await send(CommandName.UNLOCK_CONNECTOR, connector_id=9) is unknown
    expires = datetime.now(UTC) + timedelta(hours=1)
    reservation = {"token_uid": "TAG", "reservation_id": "R", "reservation_expires_at": expires, "connector_id": 2}
    assert await send(CommandName.RESERVE, **reservation) is CommandOutcome.ACCEPTED
    assert station.status(2) == "Reserved"
    assert await send(CommandName.CANCEL_RESERVATION, reservation_id="R") is CommandOutcome.ACCEPTED
    assert await send(CommandName.CANCEL_RESERVATION, reservation_id="R") is CommandOutcome.UNKNOWN_RESERVATION
    assert await send(CommandName.RESERVE, **reservation) is CommandOutcome.ACCEPTED
    charge = await station.plug("TAG", 2, minutes=10)
    assert charge is not None
    await until(lambda: charge.is_settled)
    assert hub.facts.of(TransactionStarted)[1].reservation_id == "R"


async def test_charging_profiles_of_a_running_charge(hub: Hub, simulate: Run, version: str) -> None:
    station = _only(await simulate(speed=1, ocpp=(version,)))
    charge = await station.plug("TAG", minutes=60)
    assert charge is not None
    await until(lambda: charge.id_tag_status is not None)
    usual: dict[str, Any] = {"station_id": station.id, "transaction_id": str(charge.transaction_id)}

    async def ask(name: CommandName, **fields: Any) -> CommandResult:
        return await hub.fakes.commands.send(
            CommandRequested(
                command_id="c-1",
                instance="test-1",
                epoch=1,
                network="demo",
                name=name,
                deadline=datetime.now(UTC) + timedelta(seconds=10),
                **(usual | fields),
            )
        )

    before = await ask(CommandName.GET_COMPOSITE_SCHEDULE, schedule_duration=3600)
    assert before.schedule is not None
    assert [(entry.starts_after, entry.limit) for entry in before.schedule.limits] == [(0, Decimal("11000"))]
    limits = tuple(ChargingLimit(starts_after=after, limit=Decimal(at)) for after, at in ((0, "16"), (1800, "6.55")))
    schedule = ChargingSchedule(unit=ChargingRateUnit.A, limits=limits)
    assert (await ask(CommandName.SET_CHARGING_PROFILE, schedule=schedule)).outcome is CommandOutcome.ACCEPTED
    after = (await ask(CommandName.GET_COMPOSITE_SCHEDULE, schedule_duration=3600)).schedule
    assert after is not None
    assert (after.unit, after.starts_at is not None, after.duration) == (ChargingRateUnit.A, True, 3600)
    assert [entry.limit for entry in after.limits] == [Decimal("16"), Decimal("6.5")], "cut, never raised"
    assert 1780 <= after.limits[1].starts_after <= 1800
    assert (await ask(CommandName.CLEAR_CHARGING_PROFILE)).outcome is CommandOutcome.ACCEPTED
    assert (await ask(CommandName.CLEAR_CHARGING_PROFILE)).outcome is CommandOutcome.UNKNOWN_PROFILE
    other = await ask(CommandName.SET_CHARGING_PROFILE, schedule=schedule, transaction_id="12345")
    assert other.outcome is CommandOutcome.UNKNOWN_TRANSACTION


async def test_what_was_not_answered_is_said_again(hub: Hub, simulate: Run) -> None:
    """The hub dies in mid-charge, again and again; the books agree in the end."""
    port = int(hub.url.rsplit(":", 1)[1].strip("/"))
    fleet = await simulate(stations=5, speed=600, meter_seconds=60)
    charges = [await station.plug("TAG", minutes=20) for station in fleet.stations.values()]
    for _ in range(4):
        await until(lambda: any(station.is_connected for station in fleet.stations.values()))
        for inside in hub.running.gateway.stations():
            inside.abort("killed")
        await hub.start(port=port)
    await until(lambda: all(charge and charge.is_settled for charge in charges), seconds=20)
    started = {fact.transaction_id: fact for fact in hub.facts.of(TransactionStarted)}
    ended = {fact.transaction_id: fact for fact in hub.facts.of(TransactionEnded)}
    assert len(started) == len(hub.facts.of(TransactionStarted)) == 5
    assert len(ended) == len(hub.facts.of(TransactionEnded)) == 5
    for charge in charges:
        assert charge is not None
        number = str(charge.transaction_id)
        assert (started[number].register_wh, ended[number].register_wh) == (
            charge.register_start_wh,
            charge.register_stop_wh,
        )


async def test_an_offline_charge_is_told_later(hub: Hub, simulate: Run) -> None:
    port = int(hub.url.rsplit(":", 1)[1].strip("/"))
    station = _only(await simulate())
    await hub.stop()
    await until(lambda: not station.is_connected)
    charge = await station.plug("TAG", minutes=10)
    assert charge is not None
    await until(lambda: charge.stopped_at)
    assert station.unanswered >= 2
    await hub.start(port=port)
    await until(lambda: charge.is_settled)
    assert len(hub.facts.of(TransactionEnded)) == 1


async def test_a_journal_outlives_the_station(hub: Hub, simulate: Run, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    port = int(hub.url.rsplit(":", 1)[1].strip("/"))
    url = hub.url
    await hub.stop()
    config = SimulatorConfig(url=url, password=PASSWORD, speed=60, journal=journal, reconnect_seconds=(0.05, 0.1))
    first = SimulatedStation("SIM-001", config)
    running = asyncio.create_task(first.run())
    assert await first.plug("TAG", minutes=60) is not None
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    await hub.start(port=port)
    station = _only(await simulate(url=url, journal=journal))
    await station.settled()
    (ended,) = hub.facts.of(TransactionEnded)
    assert ended.reason is StopReason.FAULT, "power loss"
    assert len(hub.facts.of(TransactionStarted)) == 1


async def test_drivers_come_by_themselves_and_the_same_seed_brings_the_same(hub: Hub) -> None:
    events: list[Event] = []
    config = SimulatorConfig(
        url=hub.url,
        password=PASSWORD,
        tokens=("A", "B", "C", "D"),
        arrival_seconds=0.05,
        charge_minutes=(5, 10),
        speed=3600,
    )
    hub.fakes.accounts.change("SIM-001", password=PASSWORD)

    async def until_three(fleet: Fleet) -> list[tuple[str, int]]:
        running = asyncio.create_task(fleet.run())
        await until(lambda: sum(charge.is_settled for charge in fleet.charges) >= 3, seconds=30)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        return [(charge.token, charge.register_start_wh) for charge in fleet.charges][:3]

    first = await until_three(Fleet(config, on_event=events.append))
    assert len(hub.facts.of(TransactionEnded)) >= 3
    assert {event.kind for event in events} >= {"connected", "booted", "status", "authorized", "started", "stopped"}
    second = await until_three(Fleet(config))
    assert second[0] == first[0], "who comes first, and to which meter; how far the clock ran is the machine's"


async def test_a_run_can_end_by_itself(hub: Hub) -> None:
    config = SimulatorConfig(url=hub.url, password=PASSWORD, stations=2, duration_seconds=0.2)
    fleet = await SIMULATOR.run(config)
    assert fleet.charges == []


async def test_a_stranger_is_admitted_while_it_waits(hub: Hub) -> None:
    config = SimulatorConfig(url=hub.url, password=PASSWORD, arrival_seconds=0)
    fleet = Fleet(config)
    running = asyncio.create_task(fleet.run())
    await until(lambda: hub.running.gateway.stations())
    station = _only(fleet)
    assert not station.is_connected
    hub.fakes.accounts.change("SIM-001", password=PASSWORD)
    await until(lambda: station.is_connected)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


def test_a_token_that_is_no_card_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="1 to 20 characters"):
        SimulatorConfig(url="ws://x/", tokens=("A" * 21,))


def test_the_entry_point() -> None:
    assert SIMULATOR.name == "ocpp"
    assert SIMULATOR.config is SimulatorConfig
    assert SIMULATOR.fleet is Fleet
