"""Carries out what the hub's own operator asks of a station that speaks OCPP 1.6."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from adapters.kit.manifest import OperationResult
from adapters.ocpp import installed_certificates
from adapters.ocpp.moments import from_time
from adapters.ocpp.operating import (
    CHOICES,
    Asking,
    Ended,
    Run,
    composite,
    from_data,
    list_version,
    of_changes,
    raw,
    run_of,
    send_list,
    simple,
    to_data,
    to_log,
    to_result,
)
from adapters.ocpp.station import Station
from adapters.ocpp.tokens import LONGEST_ID_TAG, Tokens
from adapters.ocpp.transactions import Transaction, Transactions, TransactionState
from adapters.ocpp.v16 import charging_profiles
from adapters.ocpp.v16 import operation_frames as frames
from adapters.ocpp.v16.schemas import SCHEMAS
from contracts.messages import OperationRequested
from contracts.messages.asked import Operation
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
    RaiseSecurityProfile,
    Reset,
    SendCertificate,
    SendLocalList,
    SetChargingProfile,
    SetConfiguration,
    TransferData,
    Trigger,
    UpdateFirmware,
    UploadLog,
)
from contracts.messages.trust import (
    DeleteCertificate,
    GetInstalledCertificates,
    InstallCertificate,
)
from contracts.vocabulary import OperationOutcome, TokenChoice


class Operations:
    """``carry_out`` is a ``CarryOutOperation``."""

    def __init__(self, *, transactions: Transactions, tokens: Tokens, now: Callable[[], datetime]) -> None:
        self._transactions = transactions
        self._tokens = tokens
        self._now = now

    async def carry_out(self, station: Station, request: OperationRequested) -> OperationResult:
        """See ``asking.CarryOutOperation``."""
        asking = _Asking(
            station=station,
            request=request,
            schemas=SCHEMAS,
            now=self._now,
            transactions=self._transactions,
            tokens=self._tokens,
        )
        try:
            return await run_of(_RUNS, request.operation)(asking, request.operation)
        except Ended as ended:
            return ended.result


@dataclass(frozen=True, kw_only=True)
class _Asking(Asking):
    transactions: Transactions
    tokens: Tokens

    def running(self, text: str | None) -> Transaction:
        """Raises ``Ended``."""
        number = int(text) if text and text.isascii() and text.isdigit() and len(text) <= 10 else 0
        found = self.transactions.find(self.station.id, number)
        if found is None or found.state is not TransactionState.OPEN:
            raise Ended(OperationOutcome.UNKNOWN, "no such charge runs there")
        return found


async def _set_configuration(asking: _Asking, operation: SetConfiguration) -> OperationResult:
    """One request for each entry; the first that finds no answer ends it, since nobody knows the rest."""
    results: list[ConfigurationResult] = []
    for entry in operation.entries:
        try:
            answer = await asking.say("ChangeConfiguration", {"key": frames.to_key(entry.key), "value": entry.value})
        except Ended as ended:
            results.append(ConfigurationResult(key=entry.key, outcome=ended.result.outcome, detail=ended.result.detail))
            break
        results.append(frames.to_change(entry.key, answer))
    return of_changes(results)


async def _send_list(asking: _Asking, operation: SendLocalList) -> OperationResult:
    """A token that a 1.6 station could never read from a card is left out (7.28: 20 characters)."""
    fitting = [entry for entry in operation.entries if len(entry.token_uid) <= LONGEST_ID_TAG]
    payload: dict[str, Any] = {
        "listVersion": operation.version,
        "updateType": "Full" if operation.is_full else "Differential",
    }
    said = [_listed(asking.tokens, entry) for entry in fitting]
    if said:
        payload["localAuthorizationList"] = said
    number = len(operation.entries) - len(fitting)
    left_out = f"{number} tokens of over {LONGEST_ID_TAG} characters left out" if number else ""
    return await send_list(asking, payload, version="listVersion", left_out=left_out)


def _listed(tokens: Tokens, entry: LocalListEntry) -> dict[str, Any]:
    """5.15: an entry without ``idTagInfo`` is taken off the list."""
    said: dict[str, Any] = {"idTag": entry.token_uid}
    if entry.choice is TokenChoice.REMOVE:
        return said
    info: dict[str, Any] = {"status": CHOICES[entry.choice]}
    if entry.expires_at is not None:
        info["expiryDate"] = from_time(entry.expires_at)
    parent = tokens.to_parent_id_tag(entry.group_id)
    if parent:
        info["parentIdTag"] = parent
    return said | {"idTagInfo": info}


async def _set_profile(asking: _Asking, operation: SetChargingProfile) -> OperationResult:
    if operation.is_dynamic:
        raise Ended(OperationOutcome.NOT_SUPPORTED, "OCPP 1.6 has no dynamic profiles")
    connector_id, transaction_id = operation.connector_id or 0, None
    if operation.transaction_id is not None:
        running = asking.running(operation.transaction_id)
        connector_id, transaction_id = running.connector_id, running.transaction_id
    payload = charging_profiles.from_profile(operation, connector_id=connector_id, transaction_id=transaction_id)
    return to_result(await asking.say("SetChargingProfile", payload))


async def _composite(asking: _Asking, operation: GetCompositeSchedule) -> OperationResult:
    payload: dict[str, Any] = {"connectorId": operation.connector_id or 0, "duration": operation.duration}
    if operation.unit is not None:
        payload["chargingRateUnit"] = operation.unit.value
    return await composite(asking, payload, charging_profiles.to_schedule)


_RUNS: Final[dict[type[Operation], Run]] = {
    Reset: simple(frames.from_reset),
    ChangeAvailability: simple(frames.from_availability),
    Trigger: simple(frames.from_trigger),
    ClearCache: simple(lambda _: ("ClearCache", {})),
    GetConfiguration: simple(frames.from_get_configuration, frames.to_configuration),
    SetConfiguration: _set_configuration,
    GetLocalListVersion: list_version("listVersion"),
    SendLocalList: _send_list,
    SetChargingProfile: _set_profile,
    ClearChargingProfiles: simple(frames.from_clear_profiles),
    GetCompositeSchedule: _composite,
    UpdateFirmware: simple(frames.from_update),
    UploadLog: simple(frames.from_upload, to_log),
    SendCertificate: simple(frames.from_certificate),
    InstallCertificate: installed_certificates.install,
    GetInstalledCertificates: installed_certificates.get_installed,
    DeleteCertificate: simple(installed_certificates.from_delete),
    RaiseSecurityProfile: simple(frames.from_raise),
    TransferData: simple(from_data, to_data),
    CallRaw: raw,
}
OPERATIONS: Final = tuple(_RUNS)
"""What this version can carry out."""
