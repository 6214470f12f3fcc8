"""Operators' requests as OCPP 2.x payloads. Pure. Use cases are those of OCPP 2.0.1 part 2; 2.1 has them alike."""

from typing import Any, Final

from adapters.ocpp.moments import from_time
from adapters.ocpp.operating import CHOICES, Request, retries, without_none
from adapters.ocpp.v201 import places, translate
from adapters.ocpp.v201.charging_profiles import PURPOSES
from adapters.ocpp.v201.edition import Payload
from contracts.messages.operation import (
    ChangeAvailability,
    ClearChargingProfiles,
    LocalListEntry,
    Reset,
    SendCertificate,
    Trigger,
    UpdateFirmware,
    UploadLog,
)
from contracts.vocabulary import LogKind, TokenChoice, TriggeredMessage

_TRIGGERS: Final = {
    TriggeredMessage.BOOT: "BootNotification",
    TriggeredMessage.STATUS: "StatusNotification",
    TriggeredMessage.HEARTBEAT: "Heartbeat",
    TriggeredMessage.METER_VALUES: "MeterValues",
    TriggeredMessage.TRANSACTION: "TransactionEvent",
    TriggeredMessage.FIRMWARE_STATUS: "FirmwareStatusNotification",
    TriggeredMessage.LOG_STATUS: "LogStatusNotification",
    TriggeredMessage.CERTIFICATE_REQUEST: "SignChargingStationCertificate",
}
_LOGS: Final = {LogKind.DIAGNOSTICS: "DiagnosticsLog", LogKind.SECURITY: "SecurityLog"}


def from_reset(operation: Reset) -> Request:
    """B11, B12."""
    return "Reset", {"type": "Immediate" if operation.is_immediate else "OnIdle"}


def from_availability(operation: ChangeAvailability) -> Request:
    """G03, G04. Without an EVSE it is the station."""
    kind = "Operative" if operation.is_operative else "Inoperative"
    return "ChangeAvailability", {"operationalStatus": kind, **_evse(operation.connector_id, has_connector=True)}


def from_trigger(operation: Trigger) -> Request:
    """F06. Only a status is of one connector (F06.FR.12), the rest is of its EVSE."""
    is_status = operation.what is TriggeredMessage.STATUS
    place = _evse(operation.connector_id, has_connector=is_status)
    return "TriggerMessage", {"requestedMessage": _TRIGGERS[operation.what], **place}


def from_clear_profiles(operation: ClearChargingProfiles) -> tuple[Request, ...]:
    """K10. Either an id or some criterion must be said (K10.FR.02): with neither every purpose is."""
    if operation.profile_id is not None:
        return (("ClearChargingProfile", {"chargingProfileId": operation.profile_id}),)
    evse_id = None if operation.connector_id is None else places.from_number(operation.connector_id)[0]
    purpose = PURPOSES[operation.purpose] if operation.purpose else None
    said = without_none(
        {"evseId": evse_id, "chargingProfilePurpose": purpose, "stackLevel": operation.stack_level},
    )
    every: list[Payload] = [said] if said else [{"chargingProfilePurpose": word} for word in PURPOSES.values()]
    return tuple(("ClearChargingProfile", {"chargingProfileCriteria": criteria}) for criteria in every)


def from_update(operation: UpdateFirmware) -> Request:
    """L01 with a certificate and a signature, L02 without."""
    firmware = {
        "location": operation.url,
        "retrieveDateTime": from_time(operation.retrieve_at),
        "installDateTime": from_time(operation.install_at) if operation.install_at else None,
        "signingCertificate": operation.signing_certificate,
        "signature": operation.signature,
    }
    said = {"requestId": operation.request_id, "firmware": without_none(firmware)}
    return "UpdateFirmware", said | retries(operation)


def from_upload(operation: UploadLog) -> Request:
    """N01."""
    log = {
        "remoteLocation": operation.url,
        "oldestTimestamp": from_time(operation.oldest) if operation.oldest else None,
        "latestTimestamp": from_time(operation.latest) if operation.latest else None,
    }
    said = {"requestId": operation.request_id, "logType": _LOGS[operation.log], "log": without_none(log)}
    return "GetLog", said | retries(operation)


def from_certificate(operation: SendCertificate, *, is_numbered: bool) -> Request:
    """A02; 2.1 gives the number of the station's request back."""
    kind = "V2GCertificate" if operation.is_for_contracts else "ChargingStationCertificate"
    said: Payload = {"certificateChain": operation.chain, "certificateType": kind}
    if is_numbered:
        said["requestId"] = operation.request_id
    return "CertificateSigned", without_none(said)


def from_list_entry(entry: LocalListEntry, *, group: str | None) -> Payload:
    """D01. An entry without ``idTokenInfo`` is taken off the list (D01.FR.17)."""
    said: Payload = {"idToken": {"idToken": entry.token_uid, "type": translate.card_type(entry.token_uid)}}
    if entry.choice is TokenChoice.REMOVE:
        return said
    info: dict[str, Any] = {"status": CHOICES[entry.choice]}
    if entry.expires_at is not None:
        info["cacheExpiryDateTime"] = from_time(entry.expires_at)
    if group:
        info["groupIdToken"] = {"idToken": group, "type": translate.GROUP_TYPE}
    return said | {"idTokenInfo": info}


def _evse(number: int | None, *, has_connector: bool) -> Payload:
    """The ``evse`` of a request as a part of it; none for the station."""
    if not number:
        return {}
    evse_id, connector_id = places.from_number(number)
    return {"evse": {"id": evse_id, "connectorId": connector_id} if has_connector else {"id": evse_id}}
