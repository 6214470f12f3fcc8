"""Session and its charging periods (OCPI 2.3.0, mod_sessions)."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from roaming.model.canonical import CanonicalObject
from roaming.model.money import Price
from roaming.model.token import CdrToken


class SessionStatus(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    ACTIVE = "ACTIVE"
    COMPLETED = "COMPLETED"
    INVALID = "INVALID"
    PENDING = "PENDING"
    RESERVATION = "RESERVATION"


class ChargingPreferencesResponse(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    ACCEPTED = "ACCEPTED"
    DEPARTURE_REQUIRED = "DEPARTURE_REQUIRED"
    ENERGY_NEED_REQUIRED = "ENERGY_NEED_REQUIRED"
    NOT_POSSIBLE = "NOT_POSSIBLE"
    PROFILE_TYPE_NOT_SUPPORTED = "PROFILE_TYPE_NOT_SUPPORTED"


class AuthMethod(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    AUTH_REQUEST = "AUTH_REQUEST"
    COMMAND = "COMMAND"
    WHITELIST = "WHITELIST"


class CdrDimensionType(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    CURRENT = "CURRENT"
    ENERGY = "ENERGY"
    ENERGY_EXPORT = "ENERGY_EXPORT"
    ENERGY_IMPORT = "ENERGY_IMPORT"
    MAX_CURRENT = "MAX_CURRENT"
    MIN_CURRENT = "MIN_CURRENT"
    MAX_POWER = "MAX_POWER"
    MIN_POWER = "MIN_POWER"
    PARKING_TIME = "PARKING_TIME"
    POWER = "POWER"
    RESERVATION_EXPIRES = "RESERVATION_EXPIRES"
    """Like ``RESERVATION_OVERTIME`` of OCPI 2.3.0 with Bookings only."""
    RESERVATION_OVERTIME = "RESERVATION_OVERTIME"
    RESERVATION_TIME = "RESERVATION_TIME"
    STATE_OF_CHARGE = "STATE_OF_CHARGE"
    TIME = "TIME"


class CdrDimension(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 cdrs, CdrDimension."""

    type: str
    volume: Decimal
    """In the unit of the type: kWh, hours, A, kW or percent."""


class ChargingPeriod(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 cdrs, ChargingPeriod."""

    start_date_time: datetime
    """Lasts until the next one starts, the last one until the session ends."""
    dimensions: tuple[CdrDimension, ...]
    tariff_id: str | None = None
    """``None``: no tariff applies."""


class Session(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 sessions, Session."""

    country_code: str
    party_id: str
    id: str
    start_date_time: datetime
    kwh: Decimal
    """So far."""
    cdr_token: CdrToken
    auth_method: str
    location_id: str
    evse_uid: str
    """``#NA``, like ``connector_id``, for a reservation that has none yet."""
    connector_id: str
    currency: str
    status: str
    last_updated: datetime
    end_date_time: datetime | None = None
    authorization_reference: str | None = None
    meter_id: str | None = None
    charging_periods: tuple[ChargingPeriod, ...] = ()
    total_cost: Price | None = None
    """So far; ``None`` is not known, which is not free."""


class ChargingPreferences(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 sessions, ChargingPreferences."""

    profile_type: str
    departure_time: datetime | None = None
    energy_need: Decimal | None = None
    discharge_allowed: bool | None = None
