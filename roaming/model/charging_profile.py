"""Charging profiles, requests for them and their answers (OCPI 2.3.0, mod_charging_profiles)."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from roaming.model.canonical import CanonicalObject


class ChargingRateUnit(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    W = "W"
    A = "A"


class ChargingProfileResponseType(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    ACCEPTED = "ACCEPTED"
    NOT_SUPPORTED = "NOT_SUPPORTED"
    REJECTED = "REJECTED"
    TOO_OFTEN = "TOO_OFTEN"
    UNKNOWN_SESSION = "UNKNOWN_SESSION"


class ChargingProfileResultType(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    UNKNOWN = "UNKNOWN"


class ChargingProfilePeriod(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 charging profiles, ChargingProfilePeriod."""

    start_period: int
    """Seconds from the start of the profile; ends the period before."""
    limit: Decimal
    """Never to be exceeded; in the profile's unit: W in total, or A per phase."""


class ChargingProfile(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 charging profiles, ChargingProfile."""

    charging_rate_unit: str
    start_date_time: datetime | None = None
    """``None``: counted from the start of charging."""
    duration: int | None = None
    """Seconds; ``None``: the last period goes on."""
    min_charging_rate: Decimal | None = None
    charging_profile_period: tuple[ChargingProfilePeriod, ...] = ()


class ActiveChargingProfile(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 charging profiles, ActiveChargingProfile."""

    start_date_time: datetime
    """When the station computed it: all offsets count from here."""
    charging_profile: ChargingProfile


class SetChargingProfile(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 charging profiles, SetChargingProfile."""

    charging_profile: ChargingProfile
    response_url: str


class ChargingProfileResponse(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 charging profiles, ChargingProfileResponse."""

    result: str
    timeout: int
    """Seconds until a result can be given up."""


class ChargingProfileResult(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 charging profiles, ChargingProfileResult."""

    result: str


class ClearProfileResult(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 charging profiles, ClearProfileResult."""

    result: str


class ActiveChargingProfileResult(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 charging profiles, ActiveChargingProfileResult."""

    result: str
    profile: ActiveChargingProfile | None = None
    """Only with ACCEPTED."""
