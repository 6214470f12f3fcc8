"""Operators' requests as OCPP 1.6 payloads, and stations' answers in the contract's words. Pure: answers come here
checked and mended. Sections are those of OCPP 1.6 edition 2, with S those of the security white paper."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from adapters.kit.manifest import OperationResult
from adapters.ocpp.moments import from_time
from adapters.ocpp.text import MAX_TEXT
from adapters.ocpp.v16.charging_profiles import PURPOSES
from contracts import configuration
from contracts.messages.operation import (
    ChangeAvailability,
    ClearChargingProfiles,
    ConfigurationChanged,
    ConfigurationResult,
    ConfigurationTold,
    ConfigurationValue,
    DataTold,
    GetConfiguration,
    LogTold,
    Reset,
    SendCertificate,
    TransferData,
    Trigger,
    UpdateFirmware,
    UploadLog,
)
from contracts.vocabulary import LogKind, OperationOutcome, TriggeredMessage

Request = tuple[str, dict[str, Any]]
MAX_RAW: Final = 65_536

_OUTCOME: Final[Mapping[str, OperationOutcome]] = {
    "Accepted": OperationOutcome.ACCEPTED,
    "AcceptedCanceled": OperationOutcome.ACCEPTED,  # S, 4.3: and an update that ran was given up for it
    "Scheduled": OperationOutcome.SCHEDULED,
    "RebootRequired": OperationOutcome.REBOOT_REQUIRED,
    "Rejected": OperationOutcome.REJECTED,
    "NotImplemented": OperationOutcome.NOT_SUPPORTED,
    "NotSupported": OperationOutcome.NOT_SUPPORTED,
    "Unknown": OperationOutcome.UNKNOWN,
    "UnknownMessageId": OperationOutcome.UNKNOWN,
    "UnknownVendorId": OperationOutcome.UNKNOWN,
    "VersionMismatch": OperationOutcome.VERSION_MISMATCH,
    "InvalidCertificate": OperationOutcome.REJECTED,
    "RevokedCertificate": OperationOutcome.REJECTED,
}
"""A word that is not here is a failure, never success."""

_TRIGGERS: Final = {
    TriggeredMessage.BOOT: "BootNotification",
    TriggeredMessage.STATUS: "StatusNotification",
    TriggeredMessage.HEARTBEAT: "Heartbeat",
    TriggeredMessage.METER_VALUES: "MeterValues",
    TriggeredMessage.TRANSACTION: "MeterValues",
    TriggeredMessage.FIRMWARE_STATUS: "FirmwareStatusNotification",
    TriggeredMessage.LOG_STATUS: "DiagnosticsStatusNotification",
}


def to_result(answer: Mapping[str, Any]) -> OperationResult:
    """By ``status``, with the station's word; an answer without one says that the station took it."""
    if "status" not in answer:
        return OperationResult(outcome=OperationOutcome.ACCEPTED)
    word = str(answer["status"])
    return OperationResult(outcome=_OUTCOME.get(word, OperationOutcome.FAILED), detail=word[:MAX_TEXT])


def from_reset(operation: Reset) -> Request:
    """5.14."""
    return "Reset", {"type": "Hard" if operation.is_immediate else "Soft"}


def from_availability(operation: ChangeAvailability) -> Request:
    """5.2. Connector 0 is the station."""
    kind = "Operative" if operation.is_operative else "Inoperative"
    return "ChangeAvailability", {"connectorId": operation.connector_id or 0, "type": kind}


def from_trigger(operation: Trigger) -> Request:
    """5.17; S, 5.5 for what only that knows."""
    if operation.what is TriggeredMessage.CERTIFICATE_REQUEST:
        return "ExtendedTriggerMessage", {"requestedMessage": "SignChargePointCertificate"}
    payload: dict[str, Any] = {"requestedMessage": _TRIGGERS[operation.what]}
    if operation.connector_id:
        payload["connectorId"] = operation.connector_id
    return "TriggerMessage", payload


def from_get_configuration(operation: GetConfiguration) -> Request:
    """5.8."""
    keys = [to_key(name) for name in operation.keys]
    return "GetConfiguration", {"key": keys} if keys else {}


def to_key(name: str) -> str:
    """The name that OCPP 1.6 has for a setting, or the name as it stands.

    >>> to_key("OCPPCommCtrlr.HeartbeatInterval"), to_key("AVendorsOwn")
    ('HeartbeatInterval', 'AVendorsOwn')
    """
    known = configuration.known_key(name)
    return known.key if known is not None and known.key else name


def to_configuration(answer: Mapping[str, Any]) -> OperationResult:
    """What the station keeps secret, and what it should, comes without a value."""
    values = tuple(
        ConfigurationValue(
            key=str(entry["key"])[:MAX_TEXT],
            value=None if configuration.is_secret(str(entry["key"])) else _text(entry.get("value")),
            is_readonly=bool(entry.get("readonly")),
        )
        for entry in answer.get("configurationKey") or ()
    )
    unknown = tuple(str(key)[:MAX_TEXT] for key in answer.get("unknownKey") or ())
    outcome = OperationOutcome.UNKNOWN if unknown and not values else OperationOutcome.ACCEPTED
    return OperationResult(outcome=outcome, told=ConfigurationTold(values=values, unknown_keys=unknown))


def to_change(key: str, answer: Mapping[str, Any]) -> ConfigurationResult:
    """5.3: NotSupported means that there is no such key."""
    result = to_result(answer)
    outcome = OperationOutcome.UNKNOWN if result.outcome is OperationOutcome.NOT_SUPPORTED else result.outcome
    return ConfigurationResult(key=key, outcome=outcome, detail=result.detail)


def of_changes(results: Sequence[ConfigurationResult]) -> OperationResult:
    """All told: the first that was refused, else whether a restart is needed."""
    refused = [r for r in results if r.outcome not in (OperationOutcome.ACCEPTED, OperationOutcome.REBOOT_REQUIRED)]
    later = [r for r in results if r.outcome is OperationOutcome.REBOOT_REQUIRED]
    first = (refused or later or list(results))[0]
    detail = f"{first.key}: {first.detail}" if first.detail else None
    return OperationResult(outcome=first.outcome, detail=detail, told=ConfigurationChanged(results=tuple(results)))


def from_clear_profiles(operation: ClearChargingProfiles) -> Request:
    """5.4."""
    said = {
        "id": operation.profile_id,
        "connectorId": operation.connector_id,
        "chargingProfilePurpose": PURPOSES[operation.purpose] if operation.purpose else None,
        "stackLevel": operation.stack_level,
    }
    return "ClearChargingProfile", {name: value for name, value in said.items() if value is not None}


def from_update(operation: UpdateFirmware) -> Request:
    """5.19; S, 5.7 when it is signed: only there the update has a number."""
    payload: dict[str, Any] = _retries(operation)
    if operation.signing_certificate and operation.signature:
        firmware = {
            "location": operation.url,
            "retrieveDateTime": from_time(operation.retrieve_at),
            "signingCertificate": operation.signing_certificate,
            "signature": operation.signature,
        }
        if operation.install_at is not None:
            firmware["installDateTime"] = from_time(operation.install_at)
        return "SignedUpdateFirmware", payload | {"requestId": operation.request_id, "firmware": firmware}
    return "UpdateFirmware", payload | {"location": operation.url, "retrieveDate": from_time(operation.retrieve_at)}


def from_upload(operation: UploadLog) -> Request:
    """5.9; S, 5.3 for the security log, which only that has."""
    payload: dict[str, Any] = _retries(operation)
    oldest, latest = (from_time(at) if at else None for at in (operation.oldest, operation.latest))
    if operation.log is LogKind.SECURITY:
        log = {"remoteLocation": operation.url, "oldestTimestamp": oldest, "latestTimestamp": latest}
        kept = {name: value for name, value in log.items() if value is not None}
        return "GetLog", payload | {"logType": "SecurityLog", "requestId": operation.request_id, "log": kept}
    said = {"location": operation.url, "startTime": oldest, "stopTime": latest}
    return "GetDiagnostics", payload | {name: value for name, value in said.items() if value is not None}


def to_log(answer: Mapping[str, Any]) -> OperationResult:
    """The name of the file. GetDiagnostics without one: there is nothing to upload (5.9)."""
    name = answer.get("filename") or answer.get("fileName")
    result = to_result(answer)
    return OperationResult(
        outcome=result.outcome, detail=result.detail, told=LogTold(file_name=str(name)[:MAX_TEXT] if name else None)
    )


def from_certificate(operation: SendCertificate) -> Request:
    """S, 5.1. It knows no certificates but those for the line to us."""
    return "CertificateSigned", {"certificateChain": operation.chain}


def from_data(operation: TransferData) -> Request:
    """5.6."""
    said = {"vendorId": operation.vendor_id, "messageId": operation.message_id, "data": operation.data}
    return "DataTransfer", {name: value for name, value in said.items() if value is not None}


def to_data(answer: Mapping[str, Any]) -> OperationResult:
    """With what the station said back."""
    result, data = to_result(answer), answer.get("data")
    told = DataTold(data=str(data)[:MAX_RAW]) if data is not None else None
    return OperationResult(outcome=result.outcome, detail=result.detail, told=told)


def _retries(operation: UpdateFirmware | UploadLog) -> dict[str, Any]:
    said = {"retries": operation.retries, "retryInterval": operation.retry_interval}
    return {name: value for name, value in said.items() if value is not None}


def _text(value: Any) -> str | None:
    return None if value is None else str(value)[:MAX_RAW]
