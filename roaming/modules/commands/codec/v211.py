"""Commands in OCPI 2.1.1: four of them, numbers as reservation ids, and one answer type for both answers."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import msgspec

from roaming.model.command import CommandResponseType, CommandResultType, ReserveNow
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
    """reservation_id: an int here, text since 2.2."""

    shown = WHOLE
    """What it is on the wire."""

    def decode(self, value: Any, reading: Reading, prefix: str, name: str) -> str:
        return str(WHOLE.decode(value, reading, prefix, name))

    def encode(self, value: str, writing: Writing, prefix: str, name: str) -> int:
        return int(value)


def _numbered(command: ReserveNow, writing: Writing, prefix: str) -> ReserveNow:
    """For text that is no plain number always the same number is sent, made of it and of whose driver it is: a CPO, to
    which all come from one hub, replaces a reservation by one of the same id. 2.1.1 has no CANCEL_RESERVATION, so that
    nobody asks what it stood for."""
    id, token = command.reservation_id, command.token
    if id.isascii() and id.isdigit() and len(id) <= 18 and str(int(id)) == id:
        return command
    writing.lose(f"{prefix}reservation_id", "2.1.1 takes a number: one is made of the text, always the same")
    name = fold(f"{token.country_code}/{token.party_id}/{id}")
    number = int.from_bytes(sha256(name.encode()).digest()[:4], "big") >> 1
    return msgspec.structs.replace(command, reservation_id=str(number))


_UNKNOWN_HERE = "2.1.1 commands do not have it"

RESERVE_NOW = (
    v221.RESERVE_NOW.retype(token=TOKEN_211, reservation_id=NumericId(), location_id=ID_39, evse_uid=ID_39)
    .without("authorization_reference", because=_UNKNOWN_HERE)
    .prepared(_numbered)
)
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
