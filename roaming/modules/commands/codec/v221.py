"""Commands in OCPI 2.2.1: no EMAID in the token, the rest as in 2.3.0."""

from roaming.model.version import Version
from roaming.modules.commands.codec import v230
from roaming.ocpi.codec import Codec
from roaming.ocpi.forms.token import TOKEN_221

RESERVE_NOW = v230.RESERVE_NOW.retype(token=TOKEN_221)
START_SESSION = v230.START_SESSION.retype(token=TOKEN_221)

CODECS = v230.codecs(
    Version.V2_2_1,
    CANCEL_RESERVATION=v230.CANCEL_RESERVATION,
    RESERVE_NOW=RESERVE_NOW,
    START_SESSION=START_SESSION,
    STOP_SESSION=v230.STOP_SESSION,
    UNLOCK_CONNECTOR=v230.UNLOCK_CONNECTOR,
)
COMMAND_RESPONSE_CODEC = Codec(Version.V2_2_1, v230.COMMAND_RESPONSE)
COMMAND_RESULT_CODEC = Codec(Version.V2_2_1, v230.COMMAND_RESULT)
