"""Tokens in OCPI 2.1.1: owner in the address only, auth_id; an answer to authorize does not repeat the token."""

from roaming.model.version import Version
from roaming.modules.tokens.codec import v221
from roaming.ocpi.codec import Codec
from roaming.ocpi.forms.token import LOCATION_REFERENCES_211, TOKEN_211
from roaming.ocpi.rules import FromContext, Given

AUTHORIZATION_INFO = (
    v221.AUTHORIZATION_INFO.replace(Given("token", FromContext("token")))
    .retype(location=LOCATION_REFERENCES_211)
    .without("authorization_reference", because="2.1.1 does not have it")
)

CODEC = Codec(Version.V2_1_1, TOKEN_211)
AUTHORIZATION_INFO_CODEC = Codec(Version.V2_1_1, AUTHORIZATION_INFO)
LOCATION_REFERENCES_CODEC = Codec(Version.V2_1_1, LOCATION_REFERENCES_211)
