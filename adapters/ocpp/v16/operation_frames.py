"""Operators' requests as OCPP 1.6 payloads, and stations' answers in the contract's words. Pure: answers come here
checked and mended. Sections are those of OCPP 1.6 edition 2, with S those of the security white paper."""

from collections.abc import Mapping
from typing import Any, Final

from adapters.kit.manifest import OperationResult
from adapters.ocpp.moments import from_time
from adapters.ocpp.operating import MAX_RAW, Request, retries, to_result, without_none
from adapters.ocpp.text import MAX_TEXT
from adapters.ocpp.v16.charging_profiles import PURPOSES
from contracts import configuration
from contracts.messages.operation import (
    ChangeAvailability,
    ClearChargingProfiles,
    ConfigurationResult,
    ConfigurationTold,
    ConfigurationValue,
    GetConfiguration,
    RaiseSecurityProfile,
    Reset,
    SendCertificate,
    Trigger,
    UpdateFirmware,
    UploadLog,
)
from contracts.vocabulary import LogKind, OperationOutcome, TriggeredMessage

_TRIGGERS: Final = {
    TriggeredMessage.BOOT: "BootNotification",
    TriggeredMessage.STATUS: "StatusNotification",
    TriggeredMessage.HEARTBEAT: "Heartbeat",
    TriggeredMessage.METER_VALUES: "MeterValues",
    TriggeredMessage.TRANSACTION: "MeterValues",
    TriggeredMessage.FIRMWARE_STATUS: "FirmwareStatusNotification",
    TriggeredMessage.LOG_STATUS: "DiagnosticsStatusNotification",
}


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


def from_clear_profiles(operation: ClearChargingProfiles) -> Request:
    """5.4."""
    said = {
        "id": operation.profile_id,
        "connectorId": operation.connector_id,
        "chargingProfilePurpose": PURPOSES[operation.purpose] if operation.purpose else None,
        "stackLevel": operation.stack_level,
    }
    return "ClearChargingProfile", without_none(said)


def from_update(operation: UpdateFirmware) -> Request:
    """5.19; S, 5.7 when it is signed: only there the update has a number."""
    payload: dict[str, Any] = retries(operation)
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
    payload: dict[str, Any] = retries(operation)
    oldest, latest = (from_time(at) if at else None for at in (operation.oldest, operation.latest))
    if operation.log is LogKind.SECURITY:
        log = {"remoteLocation": operation.url, "oldestTimestamp": oldest, "latestTimestamp": latest}
        said = {"logType": "SecurityLog", "requestId": operation.request_id, "log": without_none(log)}
        return "GetLog", payload | said
    wanted = {"location": operation.url, "startTime": oldest, "stopTime": latest}
    return "GetDiagnostics", payload | without_none(wanted)


def from_raise(operation: RaiseSecurityProfile) -> Request:
    """S, A05. The station goes and comes with the new profile, or with the old one when that fails."""
    return "ChangeConfiguration", {"key": "SecurityProfile", "value": str(operation.profile)}


def from_certificate(operation: SendCertificate) -> Request:
    """S, 5.1. It knows no certificates but those for the line to us."""
    return "CertificateSigned", {"certificateChain": operation.chain}


def _text(value: Any) -> str | None:
    return None if value is None else str(value)[:MAX_RAW]
