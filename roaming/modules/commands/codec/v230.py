"""Commands in OCPI 2.3.0: the canonical shape."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from roaming.model.command import (
    CancelReservation,
    CommandResponse,
    CommandResponseType,
    CommandResult,
    CommandResultType,
    CommandType,
    ReserveNow,
    StartSession,
    StopSession,
    UnlockConnector,
)
from roaming.model.version import Version
from roaming.ocpi.codec import Codec
from roaming.ocpi.fields import Form
from roaming.ocpi.forms.text import DISPLAY_TEXT
from roaming.ocpi.forms.token import TOKEN_230
from roaming.ocpi.kinds import COUNT, ID_36, TIMESTAMP, URL, Choice
from roaming.ocpi.rules import many, maybe, one

CANCEL_RESERVATION = Form(CancelReservation, one("response_url", URL), one("reservation_id", ID_36))

RESERVE_NOW = Form(
    ReserveNow,
    one("response_url", URL),
    one("token", TOKEN_230),
    one("expiry_date", TIMESTAMP),
    one("reservation_id", ID_36),
    one("location_id", ID_36),
    maybe("evse_uid", ID_36),
    maybe("authorization_reference", ID_36),
)

START_SESSION = Form(
    StartSession,
    one("response_url", URL),
    one("token", TOKEN_230),
    one("location_id", ID_36),
    maybe("evse_uid", ID_36),
    maybe("connector_id", ID_36),
    maybe("authorization_reference", ID_36),
)

STOP_SESSION = Form(StopSession, one("response_url", URL), one("session_id", ID_36))

UNLOCK_CONNECTOR = Form(
    UnlockConnector,
    one("response_url", URL),
    one("location_id", ID_36),
    one("evse_uid", ID_36),
    one("connector_id", ID_36),
)

COMMAND_RESPONSE = Form(
    CommandResponse,
    one("result", Choice.of(CommandResponseType)),
    one("timeout", COUNT),
    many("message", DISPLAY_TEXT),
)

COMMAND_RESULT = Form(CommandResult, one("result", Choice.of(CommandResultType)), many("message", DISPLAY_TEXT))


def codecs(version: Version, **forms: Form[Any]) -> Mapping[CommandType, Codec[Any]]:
    """The codecs of a version's commands, each under its name on the wire."""
    return MappingProxyType({CommandType(name): Codec(version, form) for name, form in forms.items()})


CODECS = codecs(
    Version.V2_3_0,
    CANCEL_RESERVATION=CANCEL_RESERVATION,
    RESERVE_NOW=RESERVE_NOW,
    START_SESSION=START_SESSION,
    STOP_SESSION=STOP_SESSION,
    UNLOCK_CONNECTOR=UNLOCK_CONNECTOR,
)
COMMAND_RESPONSE_CODEC = Codec(Version.V2_3_0, COMMAND_RESPONSE)
COMMAND_RESULT_CODEC = Codec(Version.V2_3_0, COMMAND_RESULT)
