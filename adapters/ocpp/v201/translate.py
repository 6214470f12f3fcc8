"""OCPP 2.x payloads into contract messages and back. Pure: payloads are checked and mended before they come here,
times and ids are handed in. Tables hold the words of 2.0.1 and 2.1 together: none means two things."""

import re
from collections.abc import Mapping
from typing import Any, Final

from adapters.kit.manifest import CommandResult
from adapters.ocpp.frames import CallError, CallResult
from adapters.ocpp.text import MAX_TEXT, kept
from contracts.messages import StationBooted
from contracts.vocabulary import AuthorizationStatus, CommandName, CommandOutcome, ConnectorStatus, StopReason

GROUP_TYPE: Final = "Central"
"""Stations compare a group by its text and its type: always the same one."""

_STATUS: Final = {
    "Available": ConnectorStatus.AVAILABLE,
    "Occupied": ConnectorStatus.PREPARING,
    "Reserved": ConnectorStatus.RESERVED,
    "Unavailable": ConnectorStatus.UNAVAILABLE,
    "Faulted": ConnectorStatus.FAULTED,
}

_CHARGING_STATE: Final = {
    "Charging": ConnectorStatus.CHARGING,
    "SuspendedEV": ConnectorStatus.SUSPENDED_EV,
    "SuspendedEVSE": ConnectorStatus.SUSPENDED_EVSE,
    "EVConnected": ConnectorStatus.PREPARING,
    "Idle": ConnectorStatus.PREPARING,
}

_STOP_REASON: Final = {
    "Local": StopReason.DRIVER,
    "StoppedByEV": StopReason.DRIVER,
    "MasterPass": StopReason.DRIVER,
    "Remote": StopReason.REMOTE,
    "EVDisconnected": StopReason.CAR_GONE,
    "Timeout": StopReason.CAR_GONE,
    "DeAuthorized": StopReason.NOT_ALLOWED,
    "LocalOutOfCredit": StopReason.NOT_ALLOWED,
    "ReqEnergyTransferRejected": StopReason.NOT_ALLOWED,
    "EnergyLimitReached": StopReason.LIMIT,
    "TimeLimitReached": StopReason.LIMIT,
    "SOCLimitReached": StopReason.LIMIT,
    "CostLimitReached": StopReason.LIMIT,
    "PowerLoss": StopReason.FAULT,
    "PowerQuality": StopReason.FAULT,
    "EmergencyStop": StopReason.FAULT,
    "GroundFault": StopReason.FAULT,
    "OvercurrentFault": StopReason.FAULT,
    "ImmediateReset": StopReason.RESTART,
    "Reboot": StopReason.RESTART,
    "Other": StopReason.OTHER,
}

_TOKEN_STATUS: Final = {
    AuthorizationStatus.ACCEPTED: "Accepted",
    AuthorizationStatus.BLOCKED: "Blocked",
    AuthorizationStatus.EXPIRED: "Expired",
    AuthorizationStatus.NO_CREDIT: "NoCredit",
    AuthorizationStatus.NOT_ALLOWED: "NotAtThisLocation",
    AuthorizationStatus.UNKNOWN_TOKEN: "Unknown",
}

_STATUS_OF_TOKEN: Final = {
    "Accepted": AuthorizationStatus.ACCEPTED,
    "Blocked": AuthorizationStatus.BLOCKED,
    "ConcurrentTx": AuthorizationStatus.NOT_ALLOWED,
    "Expired": AuthorizationStatus.EXPIRED,
    "Invalid": AuthorizationStatus.UNKNOWN_TOKEN,
    "NoCredit": AuthorizationStatus.NO_CREDIT,
    "NotAllowedTypeEVSE": AuthorizationStatus.NOT_ALLOWED,
    "NotAtThisLocation": AuthorizationStatus.NOT_ALLOWED,
    "NotAtThisTime": AuthorizationStatus.NOT_ALLOWED,
    "Unknown": AuthorizationStatus.UNKNOWN_TOKEN,
}

_TOKEN_TYPE: Final = {"RFID": "ISO14443", "EMAID": "eMAID"}
"""OCPI's TokenType where 2.x has a type of its own; the rest is known to the hub only: Central."""

_ISO_15693: Final = re.compile(r"E0[0-9A-F]{14}", re.IGNORECASE)
_EMAID: Final = re.compile(r"[A-Z]{2}(-?)[A-Z0-9]{3}\1C[A-Z0-9]{8}(?:\1[A-Z0-9])?", re.IGNORECASE)
"""ISO 15118-2, annex H; the check digit may be left out."""

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
        "OngoingAuthorizedTransaction": CommandOutcome.REJECTED,
        "UnknownConnector": CommandOutcome.REJECTED,
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
        "Rejected": CommandOutcome.UNKNOWN_RESERVATION,  # OCPP 2.0.1 part 2, H02.FR.01: no such reservation
    },
    CommandName.SET_CHARGING_PROFILE: {
        "Accepted": CommandOutcome.ACCEPTED,
        "Rejected": CommandOutcome.REJECTED,
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
    """BootNotification."""
    said = payload.get("chargingStation") or {}
    modem = said.get("modem") or {}
    return StationBooted(
        network=network,
        station_id=station_id,
        vendor=kept(said.get("vendorName")) or "",
        model=kept(said.get("model")) or "",
        serial_number=kept(said.get("serialNumber")),
        firmware_version=kept(said.get("firmwareVersion")),
        iccid=kept(modem.get("iccid")),
        imsi=kept(modem.get("imsi")),
    )


def to_connector_status(word: str) -> ConnectorStatus:
    """Of a connector alone: whether something is plugged in. A word that 2.x does not have becomes unknown, never
    available."""
    return _STATUS.get(word, ConnectorStatus.UNKNOWN)


def to_charging_state(word: str | None) -> ConnectorStatus | None:
    """What a transaction's charging state is for its connector; ``None`` for none and for an unknown one."""
    return _CHARGING_STATE.get(word or "")


def combined(connector: ConnectorStatus | None, running: ConnectorStatus | None) -> ConnectorStatus:
    """The status of a connector as 1.6 tells it: from what it says itself and from the state of the transaction that
    runs there. What takes a connector out of use counts before the transaction."""
    if connector in (ConnectorStatus.FAULTED, ConnectorStatus.UNAVAILABLE):
        return connector
    return running or connector or ConnectorStatus.UNKNOWN


def to_stop_reason(word: str | None) -> tuple[StopReason, str | None]:
    """Why it ended, and the station's own word. No word means Local (OCPP 2.0.1 part 2, TransactionType)."""
    if not word:
        return StopReason.DRIVER, None
    return _STOP_REASON.get(word, StopReason.OTHER), word[:MAX_TEXT]


def from_authorization(status: AuthorizationStatus, *, group: str | None = None) -> dict[str, Any]:
    """An ``idTokenInfo``. The group is left out rather than sent empty."""
    answer: dict[str, Any] = {"status": _TOKEN_STATUS[status]}
    if group:
        answer["groupIdToken"] = {"idToken": group, "type": GROUP_TYPE}
    return answer


def to_authorization_status(reply: CallResult | CallError | None) -> AuthorizationStatus:
    """What another central system answered about the token of an event. A word that 2.x does not have is a refusal;
    no word at all stops no station."""
    if not isinstance(reply, CallResult) or not isinstance(reply.payload, dict):
        return AuthorizationStatus.UNKNOWN_TOKEN
    info = reply.payload.get("idTokenInfo")
    if not isinstance(info, dict):
        return AuthorizationStatus.ACCEPTED
    return _STATUS_OF_TOKEN.get(info.get("status", ""), AuthorizationStatus.UNKNOWN_TOKEN)


def from_token(text: str, *, uid: str, token_type: str | None) -> dict[str, str]:
    """An ``idToken``: ``text`` is what the station is given for ``uid``. An alias is no card."""
    found = _TOKEN_TYPE.get(token_type or "", GROUP_TYPE) if text == uid else GROUP_TYPE
    return {"idToken": text, "type": found}


def card_type(uid: str) -> str:
    """The type of a token that is only known by its text: on the list by which a station decides offline are cards.
    Stations compare the type with that of their reader; an ISO 15693 card has 8 octets of which the first is E0.

    >>> card_type("04A2B3C4"), card_type("E00401000A0B0C0D"), card_type("NL-TNM-C00000001-X")
    ('ISO14443', 'ISO15693', 'eMAID')
    """
    if _ISO_15693.fullmatch(uid):
        return "ISO15693"
    return "eMAID" if _EMAID.fullmatch(uid) else "ISO14443"


def to_command_result(name: CommandName, body: Mapping[str, Any]) -> CommandResult:
    """The station's answer to a command, with its own words. An unknown word is a failure, never success."""
    status = str(body["status"])
    info = body.get("statusInfo") or {}
    words = [status, *(str(info[name]) for name in ("reasonCode", "additionalInfo") if info.get(name))]
    outcome = _OUTCOME[name].get(status, CommandOutcome.FAILED)
    return CommandResult(outcome=outcome, detail=": ".join(words)[:MAX_TEXT])
