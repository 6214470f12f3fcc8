"""Charging profiles in OCPI 2.2.1: word for word those of 2.3.0."""

from roaming.model.version import Version
from roaming.modules.chargingprofiles.codec import v230
from roaming.ocpi.codec import Codec

CHARGING_PROFILE_CODEC = Codec(Version.V2_2_1, v230.CHARGING_PROFILE)
ACTIVE_CHARGING_PROFILE_CODEC = Codec(Version.V2_2_1, v230.ACTIVE_CHARGING_PROFILE)
SET_CHARGING_PROFILE_CODEC = Codec(Version.V2_2_1, v230.SET_CHARGING_PROFILE)
RESPONSE_CODEC = Codec(Version.V2_2_1, v230.RESPONSE)
SET_RESULT_CODEC = Codec(Version.V2_2_1, v230.SET_RESULT)
CLEAR_RESULT_CODEC = Codec(Version.V2_2_1, v230.CLEAR_RESULT)
ACTIVE_RESULT_CODEC = Codec(Version.V2_2_1, v230.ACTIVE_RESULT)
