"""Locations in OCPI 2.2.1: no parking places, no plug and charge."""

from roaming.model.version import Version
from roaming.ocpi.codec import Codec
from roaming.ocpi.forms.location import CONNECTOR_221, EVSE_221, LOCATION_221

CODEC = Codec(Version.V2_2_1, LOCATION_221)
EVSE_CODEC = Codec(Version.V2_2_1, EVSE_221)
CONNECTOR_CODEC = Codec(Version.V2_2_1, CONNECTOR_221)
