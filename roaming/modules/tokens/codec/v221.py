"""Tokens in OCPI 2.2.1: no EMAID."""

from roaming.model.version import Version
from roaming.modules.tokens.codec import v230
from roaming.ocpi.codec import Codec
from roaming.ocpi.forms.token import LOCATION_REFERENCES_230, TOKEN_221

AUTHORIZATION_INFO = v230.AUTHORIZATION_INFO.retype(token=TOKEN_221)

CODEC = Codec(Version.V2_2_1, TOKEN_221)
AUTHORIZATION_INFO_CODEC = Codec(Version.V2_2_1, AUTHORIZATION_INFO)
LOCATION_REFERENCES_CODEC = Codec(Version.V2_2_1, LOCATION_REFERENCES_230)
