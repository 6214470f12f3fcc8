"""Commands of the service as OCPP 1.6 requests, and the stations' answers as outcomes."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from adapters.kit.manifest import CommandResult
from adapters.ocpp.asking import ask, cannot_start, incomplete, remote_start
from adapters.ocpp.moments import from_time
from adapters.ocpp.recording import memory_of
from adapters.ocpp.station import Station
from adapters.ocpp.tokens import Tokens
from adapters.ocpp.transactions import LARGEST_ID, Transaction, Transactions, TransactionState
from adapters.ocpp.v16 import charging_profiles, translate
from adapters.ocpp.v16.schemas import SCHEMAS
from contracts.messages import CommandRequested
from contracts.vocabulary import CommandName, CommandOutcome


class Calls:
    """Carries out commands; ``carry_out`` is a ``CarryOut``."""

    def __init__(
        self,
        *,
        transactions: Transactions,
        tokens: Tokens,
        now: Callable[[], datetime],
    ) -> None:
        self._transactions = transactions
        self._tokens = tokens
        self._now = now
        self._makers: dict[CommandName, Callable[[CommandRequested], tuple[str, dict[str, Any]] | CommandResult]] = {
            CommandName.START_CHARGING: self._remote_start,
            CommandName.STOP_CHARGING: self._remote_stop,
            CommandName.UNLOCK_CONNECTOR: self._unlock,
            CommandName.RESERVE: self._reserve,
            CommandName.CANCEL_RESERVATION: self._cancel_reservation,
            CommandName.SET_CHARGING_PROFILE: self._set_profile,
            CommandName.CLEAR_CHARGING_PROFILE: self._clear_profile,
            CommandName.GET_COMPOSITE_SCHEDULE: self._ask_schedule,
        }

    async def carry_out(self, station: Station, command: CommandRequested) -> CommandResult:
        """See ``asking.CarryOut``."""
        request = self._makers[command.name](command)
        if isinstance(request, CommandResult):
            return request
        refused = self._foreseen(station, command)
        if refused is not None:
            return refused
        if command.name is CommandName.START_CHARGING:
            self._tokens.expect(remote_start(command, id_tag=request[1]["idTag"], now=self._now()))
        result = await self._send(station, command, *request)
        if command.name is CommandName.START_CHARGING and result.outcome not in (
            CommandOutcome.ACCEPTED,
            CommandOutcome.TIMEOUT,
        ):
            self._tokens.withdraw(command.command_id)
        return result

    async def _send(
        self, station: Station, command: CommandRequested, action: str, payload: dict[str, Any]
    ) -> CommandResult:
        body = await ask(station, action, payload, schemas=SCHEMAS, deadline=command.deadline, now=self._now)
        if isinstance(body, CommandResult):
            return body
        result = translate.to_command_result(command.name, body["status"])
        if command.name is CommandName.STOP_CHARGING and result.outcome is CommandOutcome.REJECTED:
            return self._rejected_stop(command, result)
        if command.name is CommandName.GET_COMPOSITE_SCHEDULE and result.outcome is CommandOutcome.ACCEPTED:
            offset = memory_of(station).clock.offset
            schedule = charging_profiles.to_schedule(body, received_at=self._now(), offset=offset)
            if schedule is None:
                return CommandResult(outcome=CommandOutcome.FAILED, detail="the station told no schedule")
            return replace(result, schedule=schedule)
        return result

    def _foreseen(self, station: Station, command: CommandRequested) -> CommandResult | None:
        """What the station's own words already rule out."""
        is_busy = self._transactions.open_on(station.id, command.connector_id) is not None
        return cannot_start(station, command, is_busy=is_busy) if command.name is CommandName.START_CHARGING else None

    def _rejected_stop(self, command: CommandRequested, result: CommandResult) -> CommandResult:
        known = self._transactions.find_told(command.station_id, command.transaction_id or "")
        if known is None or known.state is not TransactionState.OPEN:
            return CommandResult(outcome=CommandOutcome.UNKNOWN_TRANSACTION, detail=result.detail)
        return result

    def _remote_start(self, command: CommandRequested) -> tuple[str, dict[str, Any]] | CommandResult:
        if not command.token_uid:
            return incomplete("token_uid")
        payload: dict[str, Any] = {"idTag": self._tokens.to_id_tag(command.token_uid)}
        if command.connector_id:
            payload["connectorId"] = command.connector_id
        return "RemoteStartTransaction", payload

    def _remote_stop(self, command: CommandRequested) -> tuple[str, dict[str, Any]] | CommandResult:
        text = command.transaction_id or ""
        known = self._transactions.find_told(command.station_id, text)
        if known is not None and known.transaction_id > 0:
            return "RemoteStopTransaction", {"transactionId": known.transaction_id}
        if not (text.isascii() and text.isdigit() and len(text) <= 10 and 0 < int(text) <= LARGEST_ID):
            return CommandResult(outcome=CommandOutcome.UNKNOWN_TRANSACTION, detail="no id of OCPP 1.6")
        return "RemoteStopTransaction", {"transactionId": int(text)}

    def _unlock(self, command: CommandRequested) -> tuple[str, dict[str, Any]] | CommandResult:
        if not command.connector_id:
            return incomplete("connector_id")
        return "UnlockConnector", {"connectorId": command.connector_id}

    def _reserve(self, command: CommandRequested) -> tuple[str, dict[str, Any]] | CommandResult:
        if not command.token_uid or not command.reservation_id or command.reservation_expires_at is None:
            return incomplete("token_uid, reservation_id and reservation_expires_at")
        payload: dict[str, Any] = {
            "connectorId": command.connector_id or 0,
            "expiryDate": from_time(command.reservation_expires_at),
            "idTag": self._tokens.to_id_tag(command.token_uid),
            "reservationId": self._tokens.to_reservation_number(command.station_id, command.reservation_id),
        }
        parent = self._tokens.to_parent_id_tag(command.group_id)
        if parent:
            payload["parentIdTag"] = parent
        return "ReserveNow", payload

    def _cancel_reservation(self, command: CommandRequested) -> tuple[str, dict[str, Any]] | CommandResult:
        if not command.reservation_id:
            return incomplete("reservation_id")
        number = self._tokens.to_reservation_number(command.station_id, command.reservation_id)
        return "CancelReservation", {"reservationId": number}

    def _set_profile(self, command: CommandRequested) -> tuple[str, dict[str, Any]] | CommandResult:
        if command.schedule is None or not command.schedule.limits:
            return incomplete("a schedule with limits")
        transaction = self._running(command)
        if isinstance(transaction, CommandResult):
            return transaction
        payload = charging_profiles.from_schedule(
            command.schedule, connector_id=transaction.connector_id, transaction_id=transaction.transaction_id
        )
        return "SetChargingProfile", payload

    def _clear_profile(self, command: CommandRequested) -> tuple[str, dict[str, Any]] | CommandResult:
        transaction = self._running(command)
        if isinstance(transaction, CommandResult):
            return transaction
        return "ClearChargingProfile", {"id": transaction.transaction_id}

    def _ask_schedule(self, command: CommandRequested) -> tuple[str, dict[str, Any]] | CommandResult:
        if command.schedule_duration is None:
            return incomplete("schedule_duration")
        transaction = self._running(command)
        if isinstance(transaction, CommandResult):
            return transaction
        payload: dict[str, Any] = {"connectorId": transaction.connector_id, "duration": command.schedule_duration}
        if command.schedule_unit is not None:
            payload["chargingRateUnit"] = command.schedule_unit.value
        return "GetCompositeSchedule", payload

    def _running(self, command: CommandRequested) -> Transaction | CommandResult:
        """A profile of one transaction is for one that runs: stations refuse others in different ways."""
        found = self._transactions.find_told(command.station_id, command.transaction_id or "")
        if found is None or found.state is not TransactionState.OPEN:
            return CommandResult(outcome=CommandOutcome.UNKNOWN_TRANSACTION)
        return found
