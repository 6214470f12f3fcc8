"""Tokens in OCPI 2.3.0: the canonical shape."""

from roaming.model.token import AllowedType, AuthorizationInfo
from roaming.model.version import Version
from roaming.ocpi.codec import Codec
from roaming.ocpi.fields import Form
from roaming.ocpi.forms.text import DISPLAY_TEXT
from roaming.ocpi.forms.token import LOCATION_REFERENCES_230, TOKEN_230
from roaming.ocpi.kinds import ID_36, Choice
from roaming.ocpi.rules import FromContext, maybe, one

AUTHORIZATION_INFO = Form(
    AuthorizationInfo,
    one("allowed", Choice.of(AllowedType)),
    one("token", TOKEN_230, otherwise=FromContext("token")),
    maybe("location", LOCATION_REFERENCES_230),
    maybe("authorization_reference", ID_36),
    maybe("info", DISPLAY_TEXT),
)

CODEC = Codec(Version.V2_3_0, TOKEN_230)
AUTHORIZATION_INFO_CODEC = Codec(Version.V2_3_0, AUTHORIZATION_INFO)
LOCATION_REFERENCES_CODEC = Codec(Version.V2_3_0, LOCATION_REFERENCES_230)
