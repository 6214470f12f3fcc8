"""Commands of the service, carried out at simulated stations."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime

from adapters.kit.manifest import CommandResult
from adapters.simulated.memory import ConnectorMemory, Reservation
from adapters.simulated.station import ImpossibleAction, SimulatedStation
from contracts.messages import CommandRequested
from contracts.vocabulary import CommandName, CommandOutcome, ConnectorStatus, StopReason

Spawn = Callable[[Coroutine[object, object, None]], object]
"""Starts work that goes on after the command was answered."""


async def carry_out(
    command: CommandRequested, station: SimulatedStation, *, spawn: Spawn, now: Callable[[], datetime]
) -> CommandResult:
    """What the station says to ``command``. A connector it does not have is REJECTED."""
    try:
        match command.name:
            case CommandName.START_CHARGING:
                outcome = _start(command, station, spawn)
            case CommandName.STOP_CHARGING:
                outcome = _stop(command, station, spawn)
            case CommandName.UNLOCK_CONNECTOR:
                outcome = await _unlock(command, station)
            case CommandName.RESERVE:
                outcome = await _reserve(command, station, spawn, now)
            case CommandName.CANCEL_RESERVATION:
                outcome = await _cancel_reservation(command, station)
            case _:
                outcome = CommandOutcome.NOT_SUPPORTED
    except ImpossibleAction as error:
        return CommandResult(outcome=CommandOutcome.REJECTED, detail=str(error))
    return CommandResult(outcome=outcome)


def _start(command: CommandRequested, station: SimulatedStation, spawn: Spawn) -> CommandOutcome:
    if command.token_uid is None:
        raise ImpossibleAction("a remote start needs a token")
    wanted = station.connectors() if command.connector_id is None else {command.connector_id: None}
    outcome = CommandOutcome.OCCUPIED
    for number in wanted:
        connector = station.connector(number)
        if connector.status is ConnectorStatus.FAULTED:
            outcome = CommandOutcome.INOPERATIVE
        elif connector.transaction is None and _may_use(connector, command):
            spawn(_begin(station, number, command.token_uid))
            return CommandOutcome.ACCEPTED
    return outcome


def _may_use(connector: ConnectorMemory, command: CommandRequested) -> bool:
    kept = connector.reservation
    if kept is None:
        return True
    is_their_token = kept.token_uid is not None and kept.token_uid.upper() == (command.token_uid or "").upper()
    return is_their_token or kept.reservation_id == command.reservation_id


async def _begin(station: SimulatedStation, number: int, token_uid: str) -> None:
    """The driver of a remote start stands at the station and plugs in."""
    if not station.connector(number).is_plugged:
        await station.plug(number)
    await station.present(number, token_uid)


def _stop(command: CommandRequested, station: SimulatedStation, spawn: Spawn) -> CommandOutcome:
    for number, connector in station.connectors().items():
        if connector.transaction is not None and connector.transaction.transaction_id == command.transaction_id:
            spawn(station.stop(number, StopReason.REMOTE))
            return CommandOutcome.ACCEPTED
    return CommandOutcome.UNKNOWN_TRANSACTION


async def _unlock(command: CommandRequested, station: SimulatedStation) -> CommandOutcome:
    number = command.connector_id if command.connector_id is not None else 1
    if station.connector(number).is_plugged:
        await station.unplug(number)
    return CommandOutcome.ACCEPTED


async def _reserve(
    command: CommandRequested, station: SimulatedStation, spawn: Spawn, now: Callable[[], datetime]
) -> CommandOutcome:
    if command.reservation_id is None or command.reservation_expires_at is None:
        raise ImpossibleAction("a reservation needs an id and an end")
    reservation = Reservation(
        reservation_id=command.reservation_id,
        token_uid=command.token_uid,
        group_id=command.group_id,
        expires_at=command.reservation_expires_at,
    )
    wanted = station.connectors() if command.connector_id is None else {command.connector_id: None}
    for number in sorted(wanted, key=lambda number: _holder(station, number) != command.reservation_id):
        connector = station.connector(number)
        is_free = connector.status is ConnectorStatus.AVAILABLE and not connector.is_plugged
        if is_free or _holder(station, number) == command.reservation_id:
            connector.reservation = reservation
            await station.set_status(number, ConnectorStatus.RESERVED)
            spawn(expire(station, number, reservation, now=now))
            return CommandOutcome.ACCEPTED
    is_faulted = all(station.connector(number).status is ConnectorStatus.FAULTED for number in wanted)
    return CommandOutcome.INOPERATIVE if is_faulted else CommandOutcome.OCCUPIED


def _holder(station: SimulatedStation, number: int) -> str | None:
    kept = station.connector(number).reservation
    return None if kept is None else kept.reservation_id


async def expire(
    station: SimulatedStation, number: int, reservation: Reservation, *, now: Callable[[], datetime]
) -> None:
    """Waits for the end of the reservation and frees the connector, unless it was used or replaced meanwhile."""
    await asyncio.sleep(max(0.0, (reservation.expires_at - now()).total_seconds()))
    if station.connector(number).reservation == reservation:
        await _free(station, number)


async def _cancel_reservation(command: CommandRequested, station: SimulatedStation) -> CommandOutcome:
    for number in station.connectors():
        if command.reservation_id is not None and _holder(station, number) == command.reservation_id:
            await _free(station, number)
            return CommandOutcome.ACCEPTED
    return CommandOutcome.UNKNOWN_RESERVATION


async def _free(station: SimulatedStation, number: int) -> None:
    connector = station.connector(number)
    connector.reservation = None
    is_plugged = connector.is_plugged
    await station.set_status(number, ConnectorStatus.PREPARING if is_plugged else ConnectorStatus.AVAILABLE)
