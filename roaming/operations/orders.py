"""What can be asked of a station, by its ``kind``: read from what an operator wrote, masked for the record. Pure."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, get_args
from urllib.parse import urlsplit

import msgspec
from cryptography.x509 import load_pem_x509_certificate

from contracts import configuration, masking
from contracts.masking import MASK, vendor_data, without_secrets
from contracts.messages.asked import Operation
from contracts.messages.device_model import SetMonitoringLevel
from contracts.messages.operation import (
    AnyOperation,
    CallRaw,
    RaiseSecurityProfile,
    ReportCustomer,
    SendLocalList,
    SetConfiguration,
    SetMonitor,
    TransferData,
    UpdateFirmware,
    UploadLog,
)
from contracts.messages.publishing import PublishFirmware, UnpublishFirmware
from contracts.messages.trust import (
    InstallCertificate,
)

HIGHEST: Final = 3
"""Security profile."""
PASSWORD_KEY: Final = "AuthorizationKey"
"""The password of a station's line to us, as OCPP 1.6 calls the setting; adapters say it in the station's version."""
SHORTEST_PASSWORD: Final = 16
"""OCPP 1.6 security white paper and OCPP 2.0.1 part 2, A01."""
LEAST_SEVERE: Final = 9
_SETTING: Final = ("ChangeConfiguration", "SetVariables")
"""Calls that write settings, by OCPP 1.6 and 2.x."""
_MD5: Final = re.compile("[0-9A-Fa-f]{32}")
_SCHEMES: Final = ("https", "http", "ftps", "ftp", "sftp")


class StartCharging(Operation, frozen=True, kw_only=True):
    """Starts a charge with a driver's token."""

    token_uid: str
    connector_id: int | None = None


class StopCharging(Operation, frozen=True, kw_only=True):
    """Ends a charge."""

    transaction_id: str | None = None
    """Absent: the only one that runs there."""


class UnlockConnector(Operation, frozen=True, kw_only=True):
    """Lets a stuck cable go."""

    connector_id: int = 1


class Reserve(Operation, frozen=True, kw_only=True):
    """Keeps a connector, or any, for a driver's token."""

    token_uid: str
    expires_at: datetime
    reservation_id: str
    connector_id: int | None = None


class CancelReservation(Operation, frozen=True, kw_only=True):
    """Takes that back."""

    reservation_id: str


class SignCertificate(Operation, frozen=True, kw_only=True):
    """Signs what the station has requested last, with the operator's own authority, and gives it back."""


class ChangePassword(Operation, frozen=True, kw_only=True):
    """Gives the station a new password of its line to us, which nobody gets to see. The old one is good until it has
    come with the new one."""


AnyCommand = StartCharging | StopCharging | UnlockConnector | Reserve | CancelReservation
AnyOrder = AnyOperation | AnyCommand | SignCertificate | ChangePassword
KINDS: Final[Mapping[str, type[Operation]]] = {
    str(kind.__struct_config__.tag): kind for kind in get_args(AnyOrder) if issubclass(kind, Operation)
}


class Unreadable(ValueError):
    """What was written is no order; the text names the field and says what to do."""


def read(written: Mapping[str, Any], *, request_id: int, now: datetime) -> AnyOrder:
    """The order in ``written``: its ``kind`` and fields. What a person need not think of is filled in: the number of
    an update or upload, and when it is fetched. Raises ``Unreadable``."""
    kind = str(written.get("kind"))
    if kind not in KINDS:
        raise Unreadable(f"kind: one of {', '.join(KINDS)}, not {kind[:40]!r}")
    names = {field.encode_name for field in msgspec.structs.fields(KINDS[kind])}
    unknown = sorted(written.keys() - names - {"kind"})
    if unknown:
        raise Unreadable(f"{unknown[0]}: {kind} has no such field; it has {', '.join(sorted(names)) or 'none'}")
    filled: dict[str, Any] = {"request_id": request_id, "retrieve_at": now}
    given = {name: value for name, value in filled.items() if name in names} | dict(written)
    try:
        order: AnyOrder = msgspec.convert(given, AnyOrder, strict=True)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$.")
        raise Unreadable(f"{path.rstrip('`')}: {text}" if path else text) from None
    _check(order)
    return order


def _check(order: AnyOrder) -> None:
    if isinstance(order, UpdateFirmware | UploadLog | PublishFirmware):
        if isinstance(order, PublishFirmware) and not order.url.startswith("hub:"):
            _check_digits(order.checksum)
        parts = urlsplit(order.url)
        if parts.scheme == "hub":
            return
        if parts.scheme not in _SCHEMES or not parts.hostname:
            raise Unreadable(
                f"url: an address that stations reach, with {', '.join(_SCHEMES)}, or hub: for a file here"
            )
    if isinstance(order, SetConfiguration):
        for entry in order.entries:
            if is_password(entry.key) and len(entry.value) < SHORTEST_PASSWORD:
                raise Unreadable(f"{entry.key}: at least {SHORTEST_PASSWORD} characters, or let the hub make one")
    if isinstance(order, RaiseSecurityProfile):
        if not 1 <= order.profile <= HIGHEST:
            raise Unreadable(f"profile: 1 to {HIGHEST}")
        wanted = ("ws", "wss") if order.profile == 1 else ("wss",)
        parts = urlsplit(order.url or f"{wanted[0]}://ours")
        if parts.scheme not in wanted or not parts.hostname:
            raise Unreadable(f"url: where stations come with this profile, with {' or '.join(wanted)}://")
    if isinstance(order, UnpublishFirmware):
        _check_digits(order.checksum)
    if isinstance(order, SetMonitor | SetMonitoringLevel) and not 0 <= order.severity <= LEAST_SEVERE:
        raise Unreadable(f"severity: 0 (danger) to {LEAST_SEVERE} (debug)")
    if isinstance(order, InstallCertificate):
        try:
            load_pem_x509_certificate(order.certificate.encode())
        except ValueError:
            raise Unreadable("certificate: one certificate in PEM") from None
    if isinstance(order, CallRaw):
        _check_raw(order)
    times = (getattr(order, field.name) for field in msgspec.structs.fields(type(order)))
    if any(isinstance(at, datetime) and at.tzinfo is None for at in times):
        raise Unreadable("times: say the offset from UTC, such as 2026-11-23T10:00:00Z")


def _check_raw(order: CallRaw) -> None:
    try:
        payload = json.loads(order.payload)
    except (ValueError, RecursionError):
        payload = None
    if not isinstance(payload, dict):
        raise Unreadable("payload: a JSON object as text")
    written = payload.get("setVariableData") if order.action == "SetVariables" else [payload]
    each_one = written if isinstance(written, list) else []
    settings = [configuration.setting_of(each) for each in each_one if isinstance(each, dict)]
    if order.action in _SETTING and any(map(is_password, settings)):
        # Sent as it is, the hub would not know the station any more, nor would the central system it goes through to
        raise Unreadable(
            "payload: it sets the password of the station's line, which the hub has to know: take CHANGE_PASSWORD"
            " (`station new-password`), or SET_CONFIGURATION of AuthorizationKey (`station config set`)"
        )


def is_password(setting: str) -> bool:
    """Whether it is that of the station's line to us, by either version's name."""
    known = configuration.known_key(setting)
    return known is not None and known.key == PASSWORD_KEY


def masked(order: AnyOrder) -> str:
    """The order as JSON for the record: without passwords and signed addresses."""
    match order:
        case SetConfiguration():
            entries = tuple(
                msgspec.structs.replace(entry, value=MASK) if configuration.is_secret(entry.key) else entry
                for entry in order.entries
            )
            shown: Any = msgspec.structs.replace(order, entries=entries)
        case UpdateFirmware() | UploadLog() | PublishFirmware():
            shown = msgspec.structs.replace(order, url=_shown_address(order.url))
        case CallRaw():
            shown = msgspec.structs.replace(order, payload=masked_json(order.payload))
        case TransferData():
            shown = msgspec.structs.replace(order, data=None if order.data is None else vendor_data(order.data))
        case SendLocalList():
            # Whose tokens they are is in the token store; here it counts how many
            shown = {"kind": "SEND_LOCAL_LIST", "version": order.version, "is_full": order.is_full}
            shown["entries"] = len(order.entries)
        case StartCharging() | Reserve() | ReportCustomer():
            shown = msgspec.structs.replace(order, token_uid=masking.token(order.token_uid))
        case _:
            shown = order
    return msgspec.json.Encoder(decimal_format="number").encode(shown).decode()


def masked_json(text: str) -> str:
    """A message of OCPP as JSON, without secrets and without whose tokens it names. What is no JSON any more, since it
    was cut, is left out."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return MASK
    return masking.masked(text.encode("utf-8", "backslashreplace"))


def _check_digits(checksum: str) -> None:
    if not _MD5.fullmatch(checksum):
        raise Unreadable("checksum: the MD5 of the file, 32 hexadecimal digits")


def _shown_address(url: str) -> str:
    return url if url.startswith("hub:") else without_secrets(url)
