"""Commands of the service as OCPP 2.x requests, and the stations' answers as outcomes."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from adapters.kit.manifest import CommandResult
from adapters.ocpp.asking import ask, cannot_start, incomplete, remote_start
from adapters.ocpp.moments import from_time
from adapters.ocpp.recording import memory_of
from adapters.ocpp.schedules import from_limits
from adapters.ocpp.station import Station
from adapters.ocpp.tokens import Tokens, identifier
from adapters.ocpp.v201 import charging_profiles, places, translate
from adapters.ocpp.v201.course import Course
from adapters.ocpp.v201.courses import Courses
from adapters.ocpp.v201.edition import Edition, Payload
from contracts.messages import CommandRequested
from contracts.vocabulary import CommandName, CommandOutcome

STACK_LEVEL: Final = 1
_CAME_TO_NOTHING: Final = frozenset(CommandOutcome) - {CommandOutcome.ACCEPTED, CommandOutcome.TIMEOUT}


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request of ours, ready to be sent."""

    action: str
    payload: Payload


Maker = Callable[["Calls", CommandRequested], Request | CommandResult]


class Calls:
    """Carries out commands; ``carry_out`` is a ``CarryOut``. What a command becomes stands in ``MAKERS``."""

    def __init__(self, *, courses: Courses, tokens: Tokens, edition: Edition, now: Callable[[], datetime]) -> None:
        self.courses = courses
        self.tokens = tokens
        self.form = identifier(edition.longest_token)
        self._schemas = edition.schemas
        self._now = now

    async def carry_out(self, station: Station, command: CommandRequested) -> CommandResult:
        """See ``asking.CarryOut``."""
        request = MAKERS[command.name](self, command)
        if isinstance(request, CommandResult):
            return request
        is_start = command.name is CommandName.START_CHARGING
        if is_start:
            refused = cannot_start(station, command, is_busy=self._is_busy(command))
            if refused is not None:
                return refused
            id_tag = request.payload["idToken"]["idToken"]
            self.tokens.expect(remote_start(command, id_tag=id_tag, now=self._now()))
        result = await self._send(station, command, request)
        if is_start and result.outcome in _CAME_TO_NOTHING:
            self.tokens.withdraw(command.command_id)
        return result

    async def _send(self, station: Station, command: CommandRequested, request: Request) -> CommandResult:
        body = await ask(
            station,
            request.action,
            request.payload,
            schemas=self._schemas,
            deadline=command.deadline,
            now=self._now,
        )
        if isinstance(body, CommandResult):
            return body
        result = translate.to_command_result(command.name, body)
        is_rejected = result.outcome is CommandOutcome.REJECTED
        if command.name is CommandName.STOP_CHARGING and is_rejected and self.running(command) is None:
            return replace(result, outcome=CommandOutcome.UNKNOWN_TRANSACTION)
        if command.name is CommandName.GET_COMPOSITE_SCHEDULE and result.outcome is CommandOutcome.ACCEPTED:
            return self._with_schedule(station, result, body)
        return result

    def _with_schedule(self, station: Station, result: CommandResult, body: Payload) -> CommandResult:
        offset = memory_of(station).clock.offset
        schedule = charging_profiles.to_schedule(body, received_at=self._now(), offset=offset)
        if schedule is None:
            return CommandResult(outcome=CommandOutcome.FAILED, detail="the station told no schedule")
        return replace(result, schedule=schedule)

    def _is_busy(self, command: CommandRequested) -> bool:
        """A transaction that has its driver runs there. A car that only waits is what a start is for."""
        if not command.connector_id:
            return False
        course = self.courses.running_at(command.station_id, command.connector_id)
        return course is not None and course.is_authorized

    def running(self, command: CommandRequested) -> Course | None:
        """The transaction of the command, if it runs."""
        found = self.courses.find_told(command.station_id, command.transaction_id or "")
        return found if found is not None and found.ended_at is None else None

    def id_token(self, command: CommandRequested) -> dict[str, str]:
        """The token of a command as the station is given it."""
        uid = command.token_uid or ""
        token_type = command.token_owner.token_type if command.token_owner is not None else None
        return translate.from_token(self.tokens.to_id_tag(uid, self.form), uid=uid, token_type=token_type)

    def group(self, command: CommandRequested) -> Payload:
        """Its group, as a part of a request."""
        group = self.tokens.to_parent_id_tag(command.group_id, self.form)
        return {"groupIdToken": {"idToken": group, "type": translate.GROUP_TYPE}} if group else {}


def _start(calls: Calls, command: CommandRequested) -> Request | CommandResult:
    if not command.token_uid:
        return incomplete("token_uid")
    payload: Payload = {
        "remoteStartId": calls.tokens.to_remote_start_number(command.command_id),
        "idToken": calls.id_token(command),
        **calls.group(command),
    }
    if command.connector_id:
        payload["evseId"] = places.from_number(command.connector_id)[0]
    return Request(action="RequestStartTransaction", payload=payload)


def _stop(calls: Calls, command: CommandRequested) -> Request | CommandResult:
    if not command.transaction_id:
        return CommandResult(outcome=CommandOutcome.UNKNOWN_TRANSACTION)
    course = calls.running(command)
    said = command.transaction_id if course is None else course.transaction_id
    return Request(action="RequestStopTransaction", payload={"transactionId": said})


def _unlock(calls: Calls, command: CommandRequested) -> Request | CommandResult:
    if not command.connector_id:
        return incomplete("connector_id")
    evse_id, connector_id = places.from_number(command.connector_id)
    return Request(action="UnlockConnector", payload={"evseId": evse_id, "connectorId": connector_id})


def _reserve(calls: Calls, command: CommandRequested) -> Request | CommandResult:
    if not command.token_uid or not command.reservation_id or command.reservation_expires_at is None:
        return incomplete("token_uid, reservation_id and reservation_expires_at")
    payload: Payload = {
        "id": calls.tokens.to_reservation_number(command.station_id, command.reservation_id),
        "expiryDateTime": from_time(command.reservation_expires_at),
        "idToken": calls.id_token(command),
        **calls.group(command),
    }
    if command.connector_id:
        payload["evseId"] = places.from_number(command.connector_id)[0]
    return Request(action="ReserveNow", payload=payload)


def _cancel_reservation(calls: Calls, command: CommandRequested) -> Request | CommandResult:
    if not command.reservation_id:
        return incomplete("reservation_id")
    number = calls.tokens.to_reservation_number(command.station_id, command.reservation_id)
    return Request(action="CancelReservation", payload={"reservationId": number})


def _set_profile(calls: Calls, command: CommandRequested) -> Request | CommandResult:
    """One purpose, one stack level and an id that follows from the transaction: setting again replaces."""
    if command.schedule is None or not command.schedule.limits:
        return incomplete("a schedule with limits")
    course = calls.running(command)
    if course is None or course.place is None:
        return CommandResult(outcome=CommandOutcome.UNKNOWN_TRANSACTION)
    profile: Payload = {
        "id": profile_id(course.transaction_id),
        "stackLevel": STACK_LEVEL,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Relative" if command.schedule.starts_at is None else "Absolute",
        "transactionId": course.transaction_id,
        "chargingSchedule": [{"id": 1, **from_limits(command.schedule)}],
    }
    evse_id, _ = places.from_number(course.place)
    return Request(action="SetChargingProfile", payload={"evseId": evse_id, "chargingProfile": profile})


def _clear_profile(calls: Calls, command: CommandRequested) -> Request | CommandResult:
    course = calls.running(command)
    if course is None:
        return CommandResult(outcome=CommandOutcome.UNKNOWN_TRANSACTION)
    return Request(action="ClearChargingProfile", payload={"chargingProfileId": profile_id(course.transaction_id)})


def _ask_schedule(calls: Calls, command: CommandRequested) -> Request | CommandResult:
    if command.schedule_duration is None:
        return incomplete("schedule_duration")
    course = calls.running(command)
    if course is None or course.place is None:
        return CommandResult(outcome=CommandOutcome.UNKNOWN_TRANSACTION)
    payload: Payload = {"evseId": places.from_number(course.place)[0], "duration": command.schedule_duration}
    if command.schedule_unit is not None:
        payload["chargingRateUnit"] = command.schedule_unit.value
    return Request(action="GetCompositeSchedule", payload=payload)


def profile_id(transaction_id: str) -> int:
    """The number of a transaction's profile; the same for the same transaction."""
    digest: Any = hashlib.blake2b(transaction_id.encode(), digest_size=8, person=b"profile").digest()
    return int.from_bytes(digest, "big") % (2**31 - 1) + 1


MAKERS: Final[dict[CommandName, Maker]] = {
    CommandName.START_CHARGING: _start,
    CommandName.STOP_CHARGING: _stop,
    CommandName.UNLOCK_CONNECTOR: _unlock,
    CommandName.RESERVE: _reserve,
    CommandName.CANCEL_RESERVATION: _cancel_reservation,
    CommandName.SET_CHARGING_PROFILE: _set_profile,
    CommandName.CLEAR_CHARGING_PROFILE: _clear_profile,
    CommandName.GET_COMPOSITE_SCHEDULE: _ask_schedule,
}
