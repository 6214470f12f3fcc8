"""ClientInfo in OCPI 2.3.0: the canonical shape. There is no role HUB."""

from roaming.model.client_info import ClientInfo, ConnectionStatus
from roaming.model.party import Role
from roaming.model.version import Version
from roaming.ocpi.codec import Codec
from roaming.ocpi.fields import Form
from roaming.ocpi.kinds import COUNTRY_CODE, PARTY_ID, TIMESTAMP, Choice
from roaming.ocpi.rules import FromContext, one

ROLE = Choice.of(Role).lacking("HUB", PTP="OTHER")
"""PTP is no role of OCPI: partners say it all the same, and are told of to others in the word that there is."""

CLIENT_INFO = Form(
    ClientInfo,
    one("party_id", PARTY_ID),
    one("country_code", COUNTRY_CODE),
    one("role", ROLE),
    one("status", Choice.of(ConnectionStatus)),
    one("last_updated", TIMESTAMP, otherwise=FromContext("received_at")),
)

CODEC = Codec(Version.V2_3_0, CLIENT_INFO)
