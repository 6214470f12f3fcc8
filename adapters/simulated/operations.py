"""What the hub's own operator asks, carried out at simulated stations. Settings are kept until the process ends."""

from collections.abc import Callable, Coroutine
from typing import Any, Final

from adapters.kit.manifest import OperationResult
from adapters.simulated.station import ImpossibleAction, SimulatedStation
from contracts.messages import OperationRequested
from contracts.messages.asked import Operation
from contracts.messages.operation import (
    ChangeAvailability,
    ClearCache,
    ConfigurationChanged,
    ConfigurationResult,
    ConfigurationTold,
    ConfigurationValue,
    GetConfiguration,
    Reset,
    SetConfiguration,
    Trigger,
)
from contracts.vocabulary import ConnectorStatus, OperationOutcome, TriggeredMessage

OPERATIONS: Final[tuple[type[Operation], ...]] = (
    Reset,
    ChangeAvailability,
    Trigger,
    ClearCache,
    GetConfiguration,
    SetConfiguration,
)
Settings = dict[str, str]
Spawn = Callable[[Coroutine[Any, Any, None]], object]
_FIRST: Final = {"HeartbeatInterval": "300", "MeterValueSampleInterval": "60"}


def first_settings() -> Settings:
    """Of a station that nobody has changed."""
    return dict(_FIRST)


async def carry_out(
    request: OperationRequested, station: SimulatedStation, settings: Settings, *, spawn: Spawn
) -> OperationResult:
    """What the station says. A connector it does not have is REJECTED."""
    try:
        match request.operation:
            case Reset():
                spawn(_restart(station))
            case ChangeAvailability() as change:
                return await _availability(station, change)
            case Trigger() as trigger:
                return await _trigger(station, trigger)
            case GetConfiguration() as asked:
                return _told(settings, asked)
            case SetConfiguration() as change:
                return _changed(settings, change)
            case _:
                pass
    except ImpossibleAction as error:
        return OperationResult(outcome=OperationOutcome.REJECTED, detail=str(error))
    return OperationResult(outcome=OperationOutcome.ACCEPTED)


async def _restart(station: SimulatedStation) -> None:
    await station.disconnect("reset")
    await station.connect()


async def _availability(station: SimulatedStation, change: ChangeAvailability) -> OperationResult:
    numbers = [change.connector_id] if change.connector_id else list(station.connectors())
    if any(station.connector(number).transaction is not None for number in numbers):
        return OperationResult(outcome=OperationOutcome.REJECTED, detail="a car charges there")
    status = ConnectorStatus.AVAILABLE if change.is_operative else ConnectorStatus.UNAVAILABLE
    for number in numbers:
        await station.set_status(number, status)
    return OperationResult(outcome=OperationOutcome.ACCEPTED)


async def _trigger(station: SimulatedStation, trigger: Trigger) -> OperationResult:
    if trigger.what is TriggeredMessage.BOOT:
        await station.boot()
    elif trigger.what is TriggeredMessage.STATUS:
        for number in [trigger.connector_id] if trigger.connector_id else list(station.connectors()):
            await station.repeat_status(number)
    else:
        return OperationResult(outcome=OperationOutcome.NOT_SUPPORTED)
    return OperationResult(outcome=OperationOutcome.ACCEPTED)


def _told(settings: Settings, asked: GetConfiguration) -> OperationResult:
    wanted = asked.keys or tuple(settings)
    values = tuple(ConfigurationValue(key=key, value=settings[key]) for key in wanted if key in settings)
    told = ConfigurationTold(values=values, unknown_keys=tuple(key for key in wanted if key not in settings))
    return OperationResult(outcome=OperationOutcome.ACCEPTED, told=told)


def _changed(settings: Settings, change: SetConfiguration) -> OperationResult:
    results = []
    for entry in change.entries:
        is_known = entry.key in settings
        if is_known:
            settings[entry.key] = entry.value
        outcome = OperationOutcome.ACCEPTED if is_known else OperationOutcome.UNKNOWN
        results.append(ConfigurationResult(key=entry.key, outcome=outcome))
    refused = [result.outcome for result in results if result.outcome is not OperationOutcome.ACCEPTED]
    outcome = refused[0] if refused else OperationOutcome.ACCEPTED
    return OperationResult(outcome=outcome, told=ConfigurationChanged(results=tuple(results)))
