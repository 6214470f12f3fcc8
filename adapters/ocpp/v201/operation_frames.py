"""Operators' requests as OCPP 2.x payloads. Pure. Use cases are those of OCPP 2.0.1 part 2; 2.1 has them alike."""

from typing import Any, Final

from adapters.ocpp.moments import from_time
from adapters.ocpp.operating import CHOICES, Request, retries, without_none
from adapters.ocpp.schedules import tenths
from adapters.ocpp.v201 import places, translate
from adapters.ocpp.v201.charging_profiles import PURPOSES
from adapters.ocpp.v201.edition import Payload
from contracts.messages.operation import (
    ChangeAvailability,
    ChangeDynamicLimit,
    ClearChargingProfiles,
    ClearTariffs,
    LocalListEntry,
    ReportCustomer,
    ReportProfiles,
    ReportTariffs,
    Reset,
    SendCertificate,
    ShowText,
    Trigger,
    UpdateFirmware,
    UploadLog,
)
from contracts.messages.publishing import PublishFirmware
from contracts.messages.web_payment import ExpectPayment
from contracts.vocabulary import DisplayPriority, LogKind, TokenChoice, TriggeredMessage

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
_PRIORITIES: Final = {
    DisplayPriority.ALWAYS_FRONT: "AlwaysFront",
    DisplayPriority.IN_FRONT: "InFront",
    DisplayPriority.NORMAL_CYCLE: "NormalCycle",
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


def from_publish(operation: PublishFirmware) -> Request:
    """L03."""
    said = {"requestId": operation.request_id, "location": operation.url, "checksum": operation.checksum}
    return "PublishFirmware", said | retries(operation)


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


def from_dynamic_limit(operation: ChangeDynamicLimit) -> Request:
    """2.1, K28."""
    said = {"chargingProfileId": operation.profile_id, "scheduleUpdate": {"limit": tenths(operation.limit)}}
    return "UpdateDynamicSchedule", said


def from_profiles(operation: ReportProfiles) -> Request:
    """K09."""
    evse_id = None if operation.connector_id is None else places.from_number(operation.connector_id)[0]
    purpose = PURPOSES[operation.purpose] if operation.purpose else None
    criteria = without_none({"chargingProfilePurpose": purpose})
    said = {"requestId": operation.request_id, "evseId": evse_id, "chargingProfile": criteria}
    return "GetChargingProfiles", without_none(said)


def from_tariff_query(operation: ReportTariffs) -> Request:
    """2.1, I10. EVSE 0 is all of them."""
    return "GetTariffs", {"evseId": places.from_number(operation.connector_id or 0)[0]}


def from_clear_tariffs(operation: ClearTariffs) -> Request:
    """2.1, I11."""
    evse_id = None if operation.connector_id is None else places.from_number(operation.connector_id)[0]
    return "ClearTariffs", without_none({"tariffIds": list(operation.tariff_ids) or None, "evseId": evse_id})


def from_payment(operation: ExpectPayment) -> Request:
    """2.1: a driver pays by a page that a code at the station leads to."""
    evse_id, _ = places.from_number(operation.connector_id)
    return "NotifyWebPaymentStarted", {"evseId": evse_id, "timeout": operation.seconds}


def from_text(operation: ShowText, *, transaction_id: str | None) -> Request:
    """O01."""
    message = {
        "id": operation.text_id,
        "priority": _PRIORITIES[operation.priority],
        "message": without_none({"format": "UTF8", "language": operation.language, "content": operation.text}),
        "transactionId": transaction_id,
        "startDateTime": from_time(operation.starts_at) if operation.starts_at else None,
        "endDateTime": from_time(operation.ends_at) if operation.ends_at else None,
    }
    return "SetDisplayMessage", {"message": without_none(message)}


def from_customer(operation: ReportCustomer) -> Request:
    """N09, N10."""
    token = {"idToken": operation.token_uid, "type": translate.card_type(operation.token_uid)}
    said = {"requestId": operation.request_id, "report": operation.is_reported, "clear": operation.is_cleared}
    return "CustomerInformation", said | {"idToken": token}


def _evse(number: int | None, *, has_connector: bool) -> Payload:
    """The ``evse`` of a request as a part of it; none for the station."""
    if not number:
        return {}
    evse_id, connector_id = places.from_number(number)
    return {"evse": {"id": evse_id, "connectorId": connector_id} if has_connector else {"id": evse_id}}
