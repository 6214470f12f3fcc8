"""Credentials in OCPI 2.2.1: HUB is a role."""

from roaming.model.version import Version
from roaming.modules.credentials.codec import v230
from roaming.ocpi.codec import Codec

CREDENTIALS_ROLE = v230.CREDENTIALS_ROLE.retype(role=v230.ROLE.also(["HUB"]))

CREDENTIALS = v230.CREDENTIALS.retype(roles=CREDENTIALS_ROLE).without(
    "hub_party_id", because="2.2.1 names a hub by its role"
)

CODEC = Codec(Version.V2_2_1, CREDENTIALS)
