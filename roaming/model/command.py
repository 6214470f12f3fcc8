"""Commands and their answers (OCPI 2.3.0, mod_commands)."""

from datetime import datetime
from enum import StrEnum

from roaming.model.canonical import CanonicalObject
from roaming.model.text import DisplayText
from roaming.model.token import Token


class CommandType(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    CANCEL_RESERVATION = "CANCEL_RESERVATION"
    RESERVE_NOW = "RESERVE_NOW"
    START_SESSION = "START_SESSION"
    STOP_SESSION = "STOP_SESSION"
    UNLOCK_CONNECTOR = "UNLOCK_CONNECTOR"


class CommandResponseType(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    NOT_SUPPORTED = "NOT_SUPPORTED"
    REJECTED = "REJECTED"
    ACCEPTED = "ACCEPTED"
    UNKNOWN_SESSION = "UNKNOWN_SESSION"


class CommandResultType(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    ACCEPTED = "ACCEPTED"
    CANCELED_RESERVATION = "CANCELED_RESERVATION"
    EVSE_OCCUPIED = "EVSE_OCCUPIED"
    EVSE_INOPERATIVE = "EVSE_INOPERATIVE"
    FAILED = "FAILED"
    NOT_SUPPORTED = "NOT_SUPPORTED"
    REJECTED = "REJECTED"
    TIMEOUT = "TIMEOUT"
    UNKNOWN_RESERVATION = "UNKNOWN_RESERVATION"


class StartSession(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 commands, StartSession."""

    response_url: str
    token: Token
    location_id: str
    evse_uid: str | None = None
    connector_id: str | None = None
    authorization_reference: str | None = None


class StopSession(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 commands, StopSession."""

    response_url: str
    session_id: str


class ReserveNow(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 commands, ReserveNow."""

    response_url: str
    token: Token
    expiry_date: datetime
    reservation_id: str
    location_id: str
    evse_uid: str | None = None
    authorization_reference: str | None = None


class CancelReservation(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 commands, CancelReservation."""

    response_url: str
    reservation_id: str


class UnlockConnector(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 commands, UnlockConnector."""

    response_url: str
    location_id: str
    evse_uid: str
    connector_id: str


class CommandResponse(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 commands, CommandResponse."""

    result: str
    timeout: int
    """Seconds until a result can be given up."""
    message: tuple[DisplayText, ...] = ()


class CommandResult(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 commands, CommandResult."""

    result: str
    message: tuple[DisplayText, ...] = ()
