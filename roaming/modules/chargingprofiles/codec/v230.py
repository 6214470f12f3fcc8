"""Charging profiles in OCPI 2.3.0: the canonical shape."""

from roaming.model.charging_profile import (
    ActiveChargingProfile,
    ActiveChargingProfileResult,
    ChargingProfile,
    ChargingProfilePeriod,
    ChargingProfileResponse,
    ChargingProfileResponseType,
    ChargingProfileResult,
    ChargingProfileResultType,
    ChargingRateUnit,
    ClearProfileResult,
    SetChargingProfile,
)
from roaming.model.version import Version
from roaming.ocpi.codec import Codec
from roaming.ocpi.fields import Form
from roaming.ocpi.kinds import COUNT, NUMBER, TIMESTAMP, URL, Choice
from roaming.ocpi.rules import many, maybe, one

RESULT = Choice.of(ChargingProfileResultType)

CHARGING_PROFILE = Form(
    ChargingProfile,
    maybe("start_date_time", TIMESTAMP),
    maybe("duration", COUNT),
    one("charging_rate_unit", Choice.of(ChargingRateUnit)),
    maybe("min_charging_rate", NUMBER),
    many(
        "charging_profile_period",
        Form(ChargingProfilePeriod, one("start_period", COUNT), one("limit", NUMBER)),
    ),
)
ACTIVE_CHARGING_PROFILE = Form(
    ActiveChargingProfile, one("start_date_time", TIMESTAMP), one("charging_profile", CHARGING_PROFILE)
)
SET_CHARGING_PROFILE = Form(SetChargingProfile, one("charging_profile", CHARGING_PROFILE), one("response_url", URL))
RESPONSE = Form(ChargingProfileResponse, one("result", Choice.of(ChargingProfileResponseType)), one("timeout", COUNT))
SET_RESULT = Form(ChargingProfileResult, one("result", RESULT))
CLEAR_RESULT = Form(ClearProfileResult, one("result", RESULT))
ACTIVE_RESULT = Form(ActiveChargingProfileResult, one("result", RESULT), maybe("profile", ACTIVE_CHARGING_PROFILE))

CHARGING_PROFILE_CODEC = Codec(Version.V2_3_0, CHARGING_PROFILE)
ACTIVE_CHARGING_PROFILE_CODEC = Codec(Version.V2_3_0, ACTIVE_CHARGING_PROFILE)
SET_CHARGING_PROFILE_CODEC = Codec(Version.V2_3_0, SET_CHARGING_PROFILE)
RESPONSE_CODEC = Codec(Version.V2_3_0, RESPONSE)
SET_RESULT_CODEC = Codec(Version.V2_3_0, SET_RESULT)
CLEAR_RESULT_CODEC = Codec(Version.V2_3_0, CLEAR_RESULT)
ACTIVE_RESULT_CODEC = Codec(Version.V2_3_0, ACTIVE_RESULT)
