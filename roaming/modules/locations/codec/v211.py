"""Locations in OCPI 2.1.1: owner in the address only, always published, one tariff per connector."""

from roaming.model.version import Version
from roaming.ocpi.codec import Codec
from roaming.ocpi.forms.location import CONNECTOR_211, EVSE_211, LOCATION_211

CODEC = Codec(Version.V2_1_1, LOCATION_211)
EVSE_CODEC = Codec(Version.V2_1_1, EVSE_211)
CONNECTOR_CODEC = Codec(Version.V2_1_1, CONNECTOR_211)
