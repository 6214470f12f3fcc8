"""Commands in OCPI 2.1.1: four of them, numbers as reservation ids, and one answer type for both answers."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from roaming.model.command import CommandResponseType, CommandResultType
from roaming.model.identifiers import fold
from roaming.model.version import Version
from roaming.modules.commands.codec import v221, v230
from roaming.ocpi.codec import Codec
from roaming.ocpi.forms.token import TOKEN_211
from roaming.ocpi.kinds import WHOLE, Choice, Id
from roaming.ocpi.rules import Assumed
from roaming.ocpi.translation import Reading, Writing

TIMEOUT = 30
"""Seconds that a 2.1.1 partner is taken to need for the result, since it cannot say."""

ID_39 = Id(39)


@dataclass(frozen=True, slots=True)
class NumericId:
    """reservation_id: an int here, text since 2.2. For text that is no plain number always the same number is sent,
    made of it: 2.1.1 has no CANCEL_RESERVATION, so that nobody asks what it stood for."""

    shown = WHOLE
    """What it is on the wire."""

    def decode(self, value: Any, reading: Reading, prefix: str, name: str) -> str:
        return str(WHOLE.decode(value, reading, prefix, name))

    def encode(self, value: str, writing: Writing, prefix: str, name: str) -> int:
        if value.isascii() and value.isdigit() and len(value) <= 18 and str(int(value)) == value:
            return int(value)
        writing.lose(prefix + name, "2.1.1 takes a number: one is made of the text, always the same")
        return int.from_bytes(sha256(fold(value).encode()).digest()[:4], "big") >> 1


_UNKNOWN_HERE = "2.1.1 commands do not have it"

RESERVE_NOW = v221.RESERVE_NOW.retype(
    token=TOKEN_211, reservation_id=NumericId(), location_id=ID_39, evse_uid=ID_39
).without("authorization_reference", because=_UNKNOWN_HERE)
START_SESSION = v221.START_SESSION.retype(token=TOKEN_211, location_id=ID_39, evse_uid=ID_39).without(
    "connector_id", "authorization_reference", because=_UNKNOWN_HERE
)
UNLOCK_CONNECTOR = v230.UNLOCK_CONNECTOR.retype(location_id=ID_39, evse_uid=ID_39)

# TIMEOUT as a direct answer means that the station was asked in time and kept silent: since 2.2 a refusal.
COMMAND_RESPONSE = (
    v230.COMMAND_RESPONSE.retype(result=Choice.of(CommandResponseType).also(TIMEOUT="REJECTED"))
    .replace(Assumed("timeout", TIMEOUT, because="2.1.1 does not tell how long to wait"))
    .without("message", because="2.1.1 answers have no text")
)
COMMAND_RESULT = v230.COMMAND_RESULT.retype(
    result=Choice.of(CommandResultType)
    .lacking(
        CANCELED_RESERVATION="REJECTED",
        EVSE_OCCUPIED="REJECTED",
        EVSE_INOPERATIVE="REJECTED",
        FAILED="REJECTED",
        UNKNOWN_RESERVATION="REJECTED",
    )
    .also(UNKNOWN_SESSION="FAILED")
).without("message", because="2.1.1 answers have no text")

CODECS = v230.codecs(
    Version.V2_1_1,
    RESERVE_NOW=RESERVE_NOW,
    START_SESSION=START_SESSION,
    STOP_SESSION=v230.STOP_SESSION,
    UNLOCK_CONNECTOR=UNLOCK_CONNECTOR,
)
COMMAND_RESPONSE_CODEC = Codec(Version.V2_1_1, COMMAND_RESPONSE)
COMMAND_RESULT_CODEC = Codec(Version.V2_1_1, COMMAND_RESULT)
