"""Carries out what the hub's own operator asks of a station that speaks OCPP 1.6."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from adapters.kit.manifest import CommandResult, OperationResult
from adapters.ocpp.asking import ask
from adapters.ocpp.moments import from_time
from adapters.ocpp.recording import memory_of
from adapters.ocpp.station import Station
from adapters.ocpp.text import MAX_TEXT
from adapters.ocpp.tokens import LONGEST_ID_TAG, Tokens
from adapters.ocpp.transactions import Transaction, Transactions, TransactionState
from adapters.ocpp.v16 import charging_profiles
from adapters.ocpp.v16 import operation_frames as frames
from adapters.ocpp.v16.schemas import SCHEMAS
from contracts.messages import OperationRequested
from contracts.messages.operation import (
    CallRaw,
    ChangeAvailability,
    ClearCache,
    ClearChargingProfiles,
    ConfigurationResult,
    GetCompositeSchedule,
    GetConfiguration,
    GetLocalListVersion,
    LocalListEntry,
    LocalListVersionTold,
    Operation,
    RawTold,
    Reset,
    ScheduleTold,
    SendCertificate,
    SendLocalList,
    SetChargingProfile,
    SetConfiguration,
    TransferData,
    Trigger,
    UpdateFirmware,
    UploadLog,
)
from contracts.vocabulary import OperationOutcome, TokenChoice

_CHOICES: Final = {
    TokenChoice.ACCEPTED: "Accepted",
    TokenChoice.BLOCKED: "Blocked",
    TokenChoice.EXPIRED: "Expired",
    TokenChoice.INVALID: "Invalid",
}
Answer = dict[str, Any]
Run = Callable[["_Asking", Any], Awaitable[OperationResult]]


class Operations:
    """``carry_out`` is a ``CarryOutOperation``."""

    def __init__(self, *, transactions: Transactions, tokens: Tokens, now: Callable[[], datetime]) -> None:
        self._transactions = transactions
        self._tokens = tokens
        self._now = now

    async def carry_out(self, station: Station, request: OperationRequested) -> OperationResult:
        """See ``asking.CarryOutOperation``."""
        asking = _Asking(station, request, self._transactions, self._tokens, self._now)
        try:
            return await _RUNS[type(request.operation)](asking, request.operation)
        except _Ended as ended:
            return ended.result


class _Ended(Exception):
    """There is nothing more to ask."""

    def __init__(self, outcome: OperationOutcome, detail: str) -> None:
        super().__init__(detail)
        self.result = OperationResult(outcome=outcome, detail=detail[:MAX_TEXT])


@dataclass(frozen=True)
class _Asking:
    """One operation at one station."""

    station: Station
    request: OperationRequested
    transactions: Transactions
    tokens: Tokens
    now: Callable[[], datetime]

    async def say(self, action: str, payload: dict[str, Any]) -> Answer:
        """The answer, fit for use. Raises ``_Ended``."""
        deadline = self.request.deadline
        answer = await ask(self.station, action, payload, schemas=SCHEMAS, deadline=deadline, now=self.now)
        if isinstance(answer, CommandResult):
            raise _Ended(OperationOutcome(answer.outcome.value), answer.detail or "")
        return answer

    def running(self, text: str | None) -> Transaction:
        """Raises ``_Ended``."""
        number = int(text) if text and text.isascii() and text.isdigit() and len(text) <= 10 else 0
        found = self.transactions.find(self.station.id, number)
        if found is None or found.state is not TransactionState.OPEN:
            raise _Ended(OperationOutcome.UNKNOWN, "no such charge runs there")
        return found


def _simple(
    to_frame: Callable[[Any], frames.Request], read: Callable[[Answer], OperationResult] = frames.to_result
) -> Run:
    """What is one request and its answer."""

    async def run(asking: _Asking, operation: Any) -> OperationResult:
        return read(await asking.say(*to_frame(operation)))

    return run


async def _set_configuration(asking: _Asking, operation: SetConfiguration) -> OperationResult:
    """One request for each entry; the first that finds no answer ends it, since nobody knows the rest."""
    results: list[ConfigurationResult] = []
    for entry in operation.entries:
        try:
            answer = await asking.say("ChangeConfiguration", {"key": frames.to_key(entry.key), "value": entry.value})
        except _Ended as ended:
            results.append(ConfigurationResult(key=entry.key, outcome=ended.result.outcome, detail=ended.result.detail))
            break
        results.append(frames.to_change(entry.key, answer))
    if not results:
        raise _Ended(OperationOutcome.FAILED, "the operation needs entries")
    return frames.of_changes(results)


async def _list_version(asking: _Asking, operation: GetLocalListVersion) -> OperationResult:
    answer = await asking.say("GetLocalListVersion", {})
    version = int(answer["listVersion"])
    outcome = OperationOutcome.NOT_SUPPORTED if version < 0 else OperationOutcome.ACCEPTED
    return OperationResult(outcome=outcome, told=LocalListVersionTold(version=version))


async def _send_list(asking: _Asking, operation: SendLocalList) -> OperationResult:
    """A token that a 1.6 station could never read from a card is left out (7.28: 20 characters). Where the version
    does not fit, the station is asked for its own."""
    fitting = [entry for entry in operation.entries if len(entry.token_uid) <= LONGEST_ID_TAG]
    payload: dict[str, Any] = {
        "listVersion": operation.version,
        "updateType": "Full" if operation.is_full else "Differential",
    }
    said = [_listed(asking.tokens, entry) for entry in fitting]
    if said:
        payload["localAuthorizationList"] = said
    result = frames.to_result(await asking.say("SendLocalList", payload))
    left_out = len(operation.entries) - len(fitting)
    if left_out:
        detail = f"{result.detail}; {left_out} tokens of over {LONGEST_ID_TAG} characters left out"
        result = OperationResult(outcome=result.outcome, detail=detail)
    if result.outcome is not OperationOutcome.VERSION_MISMATCH:
        return result
    told = LocalListVersionTold(version=int((await asking.say("GetLocalListVersion", {}))["listVersion"]))
    return OperationResult(outcome=result.outcome, detail=result.detail, told=told)


def _listed(tokens: Tokens, entry: LocalListEntry) -> dict[str, Any]:
    """5.15: an entry without ``idTagInfo`` is taken off the list."""
    said: dict[str, Any] = {"idTag": entry.token_uid}
    if entry.choice is TokenChoice.REMOVE:
        return said
    info: dict[str, Any] = {"status": _CHOICES[entry.choice]}
    if entry.expires_at is not None:
        info["expiryDate"] = from_time(entry.expires_at)
    parent = tokens.to_parent_id_tag(entry.group_id)
    if parent:
        info["parentIdTag"] = parent
    return said | {"idTagInfo": info}


async def _set_profile(asking: _Asking, operation: SetChargingProfile) -> OperationResult:
    connector_id, transaction_id = operation.connector_id or 0, None
    if operation.transaction_id is not None:
        running = asking.running(operation.transaction_id)
        connector_id, transaction_id = running.connector_id, running.transaction_id
    payload = charging_profiles.from_profile(operation, connector_id=connector_id, transaction_id=transaction_id)
    return frames.to_result(await asking.say("SetChargingProfile", payload))


async def _composite(asking: _Asking, operation: GetCompositeSchedule) -> OperationResult:
    payload: dict[str, Any] = {"connectorId": operation.connector_id or 0, "duration": operation.duration}
    if operation.unit is not None:
        payload["chargingRateUnit"] = operation.unit.value
    answer = await asking.say("GetCompositeSchedule", payload)
    result = frames.to_result(answer)
    if result.outcome is not OperationOutcome.ACCEPTED:
        return result
    offset = memory_of(asking.station).clock.offset
    schedule = charging_profiles.to_schedule(answer, received_at=asking.now(), offset=offset)
    if schedule is None:
        raise _Ended(OperationOutcome.FAILED, "the station told no schedule")
    return OperationResult(outcome=result.outcome, detail=result.detail, told=ScheduleTold(schedule=schedule))


async def _raw(asking: _Asking, operation: CallRaw) -> OperationResult:
    if operation.action not in SCHEMAS.actions:
        raise _Ended(OperationOutcome.NOT_SUPPORTED, f"OCPP 1.6 has no {operation.action[:50]}")
    try:
        payload = json.loads(operation.payload)
    except ValueError as error:
        raise _Ended(OperationOutcome.FAILED, f"payload: {error}") from None
    answer = await asking.say(operation.action, payload)
    result = frames.to_result(answer)
    told = RawTold(payload=json.dumps(answer, ensure_ascii=False)[: frames.MAX_RAW])
    return OperationResult(outcome=result.outcome, detail=result.detail, told=told)


_RUNS: Final[dict[type[Operation], Run]] = {
    Reset: _simple(frames.from_reset),
    ChangeAvailability: _simple(frames.from_availability),
    Trigger: _simple(frames.from_trigger),
    ClearCache: _simple(lambda _: ("ClearCache", {})),
    GetConfiguration: _simple(frames.from_get_configuration, frames.to_configuration),
    SetConfiguration: _set_configuration,
    GetLocalListVersion: _list_version,
    SendLocalList: _send_list,
    SetChargingProfile: _set_profile,
    ClearChargingProfiles: _simple(frames.from_clear_profiles),
    GetCompositeSchedule: _composite,
    UpdateFirmware: _simple(frames.from_update),
    UploadLog: _simple(frames.from_upload, frames.to_log),
    SendCertificate: _simple(frames.from_certificate),
    TransferData: _simple(frames.from_data, frames.to_data),
    CallRaw: _raw,
}
OPERATIONS: Final = tuple(_RUNS)
"""What this version can carry out."""
