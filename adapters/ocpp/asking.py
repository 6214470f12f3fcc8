"""Requests of ours to stations, whatever their version: checked before they go, answers mended if need be."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from adapters.kit.manifest import CommandResult, OperationResult
from adapters.ocpp.frames import CallError
from adapters.ocpp.repair import repair
from adapters.ocpp.schemas import Schemas
from adapters.ocpp.station import CallTimeout, Station
from adapters.ocpp.text import MAX_TEXT
from adapters.ocpp.tokens import RemoteStart
from adapters.ocpp.transport import SocketClosed
from contracts.messages import CommandRequested, OperationRequested
from contracts.vocabulary import CommandOutcome, ConnectorStatus, OperationOutcome

CarryOut = Callable[[Station, CommandRequested], Awaitable[CommandResult]]
"""Carries out a command at a station that is connected here and ready. One per version."""
CarryOutOperation = Callable[[Station, OperationRequested], Awaitable[OperationResult]]
"""The same for what the hub's own operator asks."""

CONNECTION_TIMEOUT: Final = timedelta(seconds=120)
"""How long after a remote start a transaction counts as its consequence (key ConnectionTimeOut of the station)."""
_BUSY: Final = (ConnectorStatus.CHARGING, ConnectorStatus.SUSPENDED_EV, ConnectorStatus.SUSPENDED_EVSE)
_BROKEN: Final = (ConnectorStatus.FAULTED, ConnectorStatus.UNAVAILABLE)

logger = structlog.get_logger(__name__)


class Dispatch:
    """Finds the station of a command and hands it to its version; ``carry_out`` is the ``CommandHandler`` of this
    adapter, ``carry_out_operation`` its ``OperationHandler``."""

    def __init__(
        self,
        *,
        find_station: Callable[[str], Station | None],
        versions: Mapping[str, CarryOut],
        operations: Mapping[str, CarryOutOperation],
    ) -> None:
        """Both by subprotocol."""
        self._find_station = find_station
        self._versions = versions
        self._operations = operations

    async def carry_out(self, command: CommandRequested) -> CommandResult:
        """Sends the command to the station if it is connected here, whatever the epoch of its connection: what
        counts is that it is ours now."""
        station = self._find_station(command.station_id)
        if station is None:
            return CommandResult(outcome=CommandOutcome.OFFLINE)
        if not station.is_admitted:
            return CommandResult(outcome=CommandOutcome.REJECTED, detail="the station is not admitted yet")
        if station.no_commands is not None:
            return CommandResult(outcome=CommandOutcome.REJECTED, detail=station.no_commands)
        await station.wait_until_ready()
        return await self._versions[station.protocol](station, command)

    async def carry_out_operation(self, request: OperationRequested) -> OperationResult:
        """The same for an ``OperationHandler``."""
        station = self._find_station(request.station_id)
        if station is None:
            return OperationResult(outcome=OperationOutcome.OFFLINE)
        if not station.is_admitted:
            return OperationResult(outcome=OperationOutcome.REJECTED, detail="the station is not admitted yet")
        if station.no_commands is not None:
            return OperationResult(outcome=OperationOutcome.REJECTED, detail=station.no_commands)
        await station.wait_until_ready()
        return await self._operations[station.protocol](station, request)


async def ask(
    station: Station,
    action: str,
    payload: dict[str, Any],
    *,
    schemas: Schemas,
    deadline: datetime,
    now: Callable[[], datetime],
) -> dict[str, Any] | CommandResult:
    """The station's answer, fit for use, or why there is none."""
    if not schemas.request(action).is_strict(payload):
        logger.error("a request of ours does not fit the schema", action=action, station_id=station.id)
        return CommandResult(outcome=CommandOutcome.FAILED, detail=f"{action} cannot say this")
    remaining = (deadline - now()).total_seconds()
    try:
        answer = await station.call(action, payload, seconds=max(0.1, remaining))
    except CallTimeout:
        return CommandResult(outcome=CommandOutcome.TIMEOUT, detail="the station did not answer")
    except SocketClosed:
        return CommandResult(outcome=CommandOutcome.OFFLINE, detail="the connection broke off")
    if isinstance(answer, CallError):
        return _refused(answer)
    schema = schemas.response(action)
    body = answer.payload
    if not schema.is_strict(body):
        station.deviations["not strict"] += 1
        body, _ = repair(body, schema.definition)
    if not schema.is_usable(body):
        return CommandResult(outcome=CommandOutcome.FAILED, detail="the station's answer made no sense")
    usable: dict[str, Any] = body
    return usable


def cannot_start(station: Station, command: CommandRequested, *, is_busy: bool) -> CommandResult | None:
    """What the station's own words already rule out. ``is_busy``: a transaction runs on the connector."""
    whole = station.statuses.get(0)
    status = station.statuses.get(command.connector_id) if command.connector_id else None
    if status in _BROKEN or whole in _BROKEN:
        return CommandResult(outcome=CommandOutcome.INOPERATIVE, detail=str(status or whole))
    if status in _BUSY and is_busy:
        return CommandResult(outcome=CommandOutcome.OCCUPIED, detail=str(status))
    return None


def remote_start(command: CommandRequested, *, id_tag: str, now: datetime) -> RemoteStart:
    """What is to be expected of a start; to be kept before it is sent: the transaction may come before the answer.
    ``id_tag``: the token as the station is given it."""
    assert command.token_uid is not None
    return RemoteStart(
        command_id=command.command_id,
        station_id=command.station_id,
        connector_id=command.connector_id,
        id_tag=id_tag,
        token_uid=command.token_uid,
        reference=command.authorization_reference,
        group_id=command.group_id,
        owner=command.token_owner,
        expires_at=now + CONNECTION_TIMEOUT,
    )


def incomplete(fields: str) -> CommandResult:
    """A command that lacks what it needs."""
    return CommandResult(outcome=CommandOutcome.FAILED, detail=f"the command needs {fields}")


def _refused(error: CallError) -> CommandResult:
    is_unsupported = error.code in ("NotImplemented", "NotSupported")
    outcome = CommandOutcome.NOT_SUPPORTED if is_unsupported else CommandOutcome.FAILED
    return CommandResult(outcome=outcome, detail=f"{error.code}: {error.description}"[:MAX_TEXT])
