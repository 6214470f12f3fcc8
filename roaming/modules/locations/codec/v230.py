"""Locations in OCPI 2.3.0: the canonical shape."""

from roaming.model.version import Version
from roaming.ocpi.codec import Codec
from roaming.ocpi.forms.location import CONNECTOR_230, EVSE_230, LOCATION_230

CODEC = Codec(Version.V2_3_0, LOCATION_230)
EVSE_CODEC = Codec(Version.V2_3_0, EVSE_230)
CONNECTOR_CODEC = Codec(Version.V2_3_0, CONNECTOR_230)
