"""OCPP 1.6 payloads into contract messages and back. Pure: payloads are checked and mended before they come here,
times and ids are handed in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from adapters.kit.manifest import CommandResult
from adapters.ocpp.frames import CallError, CallResult
from adapters.ocpp.text import MAX_TEXT, kept
from adapters.ocpp.whole import whole
from contracts.messages import ConnectorStatusChanged, StationBooted, StationFaultReported
from contracts.vocabulary import (
    AuthorizationStatus,
    CommandName,
    CommandOutcome,
    ConnectorStatus,
    StopReason,
)

MAX_REGISTER_WH: Final = 10**12

_STATUS: Final = {
    "Available": ConnectorStatus.AVAILABLE,
    "Preparing": ConnectorStatus.PREPARING,
    "Charging": ConnectorStatus.CHARGING,
    "SuspendedEV": ConnectorStatus.SUSPENDED_EV,
    "SuspendedEVSE": ConnectorStatus.SUSPENDED_EVSE,
    "Finishing": ConnectorStatus.FINISHING,
    "Reserved": ConnectorStatus.RESERVED,
    "Unavailable": ConnectorStatus.UNAVAILABLE,
    "Faulted": ConnectorStatus.FAULTED,
    "Occupied": ConnectorStatus.PREPARING,  # OCPP 1.5, still sent by old firmware
}

_STOP_REASON: Final = {
    "Local": StopReason.DRIVER,
    "Remote": StopReason.REMOTE,
    "EVDisconnected": StopReason.CAR_GONE,
    "DeAuthorized": StopReason.NOT_ALLOWED,
    "PowerLoss": StopReason.FAULT,
    "EmergencyStop": StopReason.FAULT,
    "HardReset": StopReason.RESTART,
    "SoftReset": StopReason.RESTART,
    "Reboot": StopReason.RESTART,
    "UnlockCommand": StopReason.OTHER,
    "Other": StopReason.OTHER,
}

_ID_TAG_STATUS: Final = {
    AuthorizationStatus.ACCEPTED: "Accepted",
    AuthorizationStatus.BLOCKED: "Blocked",
    AuthorizationStatus.EXPIRED: "Expired",
    AuthorizationStatus.NO_CREDIT: "Blocked",
    AuthorizationStatus.NOT_ALLOWED: "Invalid",
    AuthorizationStatus.UNKNOWN_TOKEN: "Invalid",
}

_STATUS_OF_ID_TAG: Final = {
    "Accepted": AuthorizationStatus.ACCEPTED,
    "Blocked": AuthorizationStatus.BLOCKED,
    "Expired": AuthorizationStatus.EXPIRED,
    "Invalid": AuthorizationStatus.UNKNOWN_TOKEN,
    "ConcurrentTx": AuthorizationStatus.NOT_ALLOWED,
}

_OUTCOME: Final[Mapping[CommandName, Mapping[str, CommandOutcome]]] = {
    CommandName.START_CHARGING: {
        "Accepted": CommandOutcome.ACCEPTED,
        "Rejected": CommandOutcome.REJECTED,
    },
    CommandName.STOP_CHARGING: {
        "Accepted": CommandOutcome.ACCEPTED,
        "Rejected": CommandOutcome.REJECTED,
    },
    CommandName.UNLOCK_CONNECTOR: {
        "Unlocked": CommandOutcome.ACCEPTED,
        "UnlockFailed": CommandOutcome.FAILED,
        "NotSupported": CommandOutcome.NOT_SUPPORTED,
    },
    CommandName.RESERVE: {
        "Accepted": CommandOutcome.ACCEPTED,
        "Rejected": CommandOutcome.REJECTED,
        "Occupied": CommandOutcome.OCCUPIED,
        "Faulted": CommandOutcome.INOPERATIVE,
        "Unavailable": CommandOutcome.INOPERATIVE,
    },
    CommandName.CANCEL_RESERVATION: {
        "Accepted": CommandOutcome.ACCEPTED,
        "Rejected": CommandOutcome.UNKNOWN_RESERVATION,  # OCPP 1.6, section 5.2: no such reservation
    },
    CommandName.SET_CHARGING_PROFILE: {
        "Accepted": CommandOutcome.ACCEPTED,
        "Rejected": CommandOutcome.REJECTED,
        "NotSupported": CommandOutcome.NOT_SUPPORTED,
    },
    CommandName.CLEAR_CHARGING_PROFILE: {
        "Accepted": CommandOutcome.ACCEPTED,
        "Unknown": CommandOutcome.UNKNOWN_PROFILE,
    },
    CommandName.GET_COMPOSITE_SCHEDULE: {
        "Accepted": CommandOutcome.ACCEPTED,
        "Rejected": CommandOutcome.REJECTED,
    },
}


def to_station_booted(payload: Mapping[str, Any], *, network: str, station_id: str) -> StationBooted:
    """BootNotification. Of the two serial numbers the charge point's counts, then the box's (deprecated)."""
    return StationBooted(
        network=network,
        station_id=station_id,
        vendor=kept(payload.get("chargePointVendor")) or "",
        model=kept(payload.get("chargePointModel")) or "",
        serial_number=kept(payload.get("chargePointSerialNumber")) or kept(payload.get("chargeBoxSerialNumber")),
        firmware_version=kept(payload.get("firmwareVersion")),
        iccid=kept(payload.get("iccid")),
        imsi=kept(payload.get("imsi")),
        meter_type=kept(payload.get("meterType")),
        meter_serial_number=kept(payload.get("meterSerialNumber")),
    )


def to_connector_status(word: str) -> ConnectorStatus:
    """A status; a word that OCPP 1.6 does not have becomes unknown, never available."""
    return _STATUS.get(word, ConnectorStatus.UNKNOWN)


def to_connector_status_changed(payload: Mapping[str, Any], *, network: str, station_id: str) -> ConnectorStatusChanged:
    """StatusNotification, the status in it."""
    status = to_connector_status(payload["status"])
    info = payload.get("info") or None
    if status is ConnectorStatus.UNKNOWN:
        info = f"{payload['status']} {info or ''}".strip()
    return ConnectorStatusChanged(
        network=network,
        station_id=station_id,
        connector_id=int(payload["connectorId"]),
        status=status,
        info=info[:MAX_TEXT] if info else None,
    )


def to_station_fault(payload: Mapping[str, Any], *, network: str, station_id: str) -> StationFaultReported | None:
    """StatusNotification, the error in it if there is one."""
    code = payload.get("errorCode") or "NoError"
    if code == "NoError":
        return None

    return StationFaultReported(
        network=network,
        station_id=station_id,
        connector_id=int(payload["connectorId"]),
        error_code=code[:MAX_TEXT],
        info=kept(payload.get("info")),
        vendor_id=kept(payload.get("vendorId")),
        vendor_error_code=kept(payload.get("vendorErrorCode")),
    )


def to_stop_reason(word: str | None) -> tuple[StopReason, str | None]:
    """Why it ended, and the station's own word. No word means Local (OCPP 1.6, section 6.49)."""
    if not word:
        return StopReason.DRIVER, None
    return _STOP_REASON.get(word, StopReason.OTHER), word[:MAX_TEXT]


def is_register(value: Any) -> bool:
    """A meter reading one can believe: zero to a terawatt hour."""
    return isinstance(value, int | float) and 0 <= value <= MAX_REGISTER_WH


def from_authorization(status: AuthorizationStatus, *, parent_id_tag: str | None = None) -> dict[str, Any]:
    """An ``idTagInfo``. The parent is left out rather than sent empty."""
    answer: dict[str, Any] = {"status": _ID_TAG_STATUS[status]}
    if parent_id_tag:
        answer["parentIdTag"] = parent_id_tag
    return answer


@dataclass(frozen=True, slots=True)
class StartAnswer:
    """What a central system answered to a StartTransaction."""

    transaction_id: int | None
    """``None``: one that means nothing, such as 0 or -1."""
    status: AuthorizationStatus


def to_start_answer(reply: CallResult | CallError | None) -> StartAnswer | None:
    """``None``: it holds no answer, so there is no transaction."""
    if not isinstance(reply, CallResult) or not isinstance(reply.payload, dict):
        return None
    number = whole(reply.payload.get("transactionId"))
    if number is None:
        return None
    info = reply.payload.get("idTagInfo")
    word = info.get("status") if isinstance(info, dict) else None
    return StartAnswer(number if 0 < number < 2**31 else None, to_authorization_status(word))


def to_authorization_status(word: Any) -> AuthorizationStatus:
    """An ``AuthorizationStatus`` of 1.6. A word it does not have is a refusal."""
    return _STATUS_OF_ID_TAG.get(word, AuthorizationStatus.UNKNOWN_TOKEN)


def to_command_result(name: CommandName, status: str) -> CommandResult:
    """The station's answer to a command, with its own word. An unknown word is a failure, never success."""
    return CommandResult(outcome=_OUTCOME[name].get(status, CommandOutcome.FAILED), detail=status[:MAX_TEXT])
