"""Credentials in OCPI 2.3.0: a hub names itself in hub_party_id and lists the parties behind it; no role HUB."""

from roaming.model.party import Credentials, CredentialsRole, Role
from roaming.model.version import Version
from roaming.ocpi.codec import Codec
from roaming.ocpi.fields import Form
from roaming.ocpi.forms.place import BUSINESS_DETAILS
from roaming.ocpi.kinds import COUNTRY_CODE, PARTY_ID, URL, Choice, Id, Secret
from roaming.ocpi.rules import maybe, one, some

ROLE = Choice.of(Role).lacking("HUB", PTP="OTHER")
"""PTP is no role of OCPI: partners say it all the same, and are told of to others in the word that there is."""

CREDENTIALS_ROLE = Form(
    CredentialsRole,
    one("role", ROLE),
    one("business_details", BUSINESS_DETAILS),
    one("party_id", PARTY_ID),
    one("country_code", COUNTRY_CODE),
)

CREDENTIALS = Form(
    Credentials,
    one("token", Secret()),
    one("url", URL),
    maybe("hub_party_id", Id(5)),
    some("roles", CREDENTIALS_ROLE, drops=True),
)

CODEC = Codec(Version.V2_3_0, CREDENTIALS)
