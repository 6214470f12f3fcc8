"""ClientInfo in OCPI 2.2.1: HUB is a role."""

from roaming.model.version import Version
from roaming.modules.hubclientinfo.codec import v230
from roaming.ocpi.codec import Codec

CODEC = Codec(Version.V2_2_1, v230.CLIENT_INFO.retype(role=v230.ROLE.also(["HUB"])))
