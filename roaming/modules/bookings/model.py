"""Places that can be booked, and bookings of them (OCPI 2.3.0 with Bookings 1.1, mod_bookings)."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from roaming.model.canonical import CanonicalObject


class ReservationStatus(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    PENDING = "PENDING"
    RESERVED = "RESERVED"
    CANCELED = "CANCELED"
    FAILED = "FAILED"
    NO_SHOW = "NO_SHOW"
    FULFILLED = "FULFILLED"
    REJECTED = "REJECTED"
    UNKNOWN = "UNKNOWN"


class ReservationRequestStatus(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    PENDING = "PENDING"
    ACCEPTED = "ACCEPTED"
    DECLINED = "DECLINED"
    FAILED = "FAILED"


class AccessMethod(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    OPEN = "OPEN"
    TOKEN = "TOKEN"
    LICENSE_PLATE = "LICENSE_PLATE"
    ACCESS_CODE = "ACCESS_CODE"
    INTERCOM = "INTERCOM"
    PARKING_TICKET = "PARKING_TICKET"


class CanceledReason(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    POWER_OUTAGE = "POWER_OUTAGE"
    BROKEN_CHARGER = "BROKEN_CHARGER"
    FULL = "FULL"
    BLOCKED = "BLOCKED"
    TRAFFIC = "TRAFFIC"
    BROKEN_VEHICLE = "BROKEN_VEHICLE"
    NO_CANCELED = "NO_CANCELED"
    UNKNOWN = "UNKNOWN"


class Timeslot(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 bookings, Timeslot. Powers in W."""

    start_date_time: datetime
    end_date_time: datetime
    min_power: Decimal | None = None
    max_power: Decimal | None = None
    green_energy_support: bool | None = None


class Calendar(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 bookings, Calendar."""

    id: str
    begin_from: datetime
    end_before: datetime
    timeslot_increment: int | None = None
    """Minutes."""
    available_timeslots: tuple[Timeslot, ...]
    last_updated: datetime


class Policy(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 bookings, Policy."""

    reservation_required: bool
    ad_hoc: Decimal | None = None
    """Places that cannot be booked."""


class BookingOption(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 bookings, BookingOption: what is booked. Weights in kg, lengths in cm."""

    evse_uid: str | None = None
    connector_id: str | None = None
    parking_id: str | None = None
    evse_position: tuple[str, ...] = ()
    vehicle_types: tuple[str, ...] = ()
    connector_format: tuple[str, ...] = ()
    connector_types: tuple[str, ...] = ()
    power_types: tuple[str, ...] = ()
    max_vehicle_weight: Decimal | None = None
    max_vehicle_height: Decimal | None = None
    max_vehicle_length: Decimal | None = None
    max_vehicle_width: Decimal | None = None
    min_parking_space_length: Decimal | None = None
    min_parking_space_width: Decimal | None = None
    dangerous_goods_allowed: bool | None = None
    drive_through: bool | None = None
    refrigeration_outlet: bool | None = None


class BookingTerms(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 bookings, BookingTerms. Times in minutes."""

    rfid_auth_required: bool | None = None
    token_groups_supported: bool | None = None
    remote_auth_supported: bool | None = None
    supported_access_methods: tuple[str, ...]
    change_until_minutes: Decimal
    """Before the start."""
    cancel_until_minutes: Decimal
    change_not_allowed: bool | None = None
    early_start_allowed: bool | None = None
    early_start_time: Decimal | None = None
    noshow_timeout: Decimal | None = None
    noshow_fee: bool | None = None
    late_stop_allowed: bool | None = None
    late_stop_time: Decimal | None = None
    overlapping_bookings_allowed: bool | None = None
    min_booking_duration: Decimal | None = None
    max_booking_duration: Decimal | None = None
    booking_terms: str | None = None
    """Address of the terms as people read them."""


class BookingLocation(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 bookings, BookingLocation."""

    country_code: str
    party_id: str
    id: str
    location_id: str
    booking_option: BookingOption | None = None
    policy: Policy | None = None
    tariff_ids: tuple[str, ...] = ()
    booking_terms: BookingTerms | None = None
    calendars: tuple[Calendar, ...] = ()
    last_updated: datetime


class BookingToken(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 bookings, BookingToken."""

    country_code: str
    party_id: str
    uid: str
    type: str
    contract_id: str


class AccessInformation(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 bookings, AccessInformation."""

    method: str
    value: str | None = None


class Cancellation(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 bookings, Cancellation."""

    cancellation_reason: str
    who_canceled: str


class Period(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 bookings, Period."""

    start_date_time: datetime
    end_date_time: datetime


class BookingRequest(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 bookings, BookingRequest: a new one, or with a known ``request_id`` a change or a cancellation."""

    country_code: str
    party_id: str
    request_id: str
    booking_option: BookingOption | None = None
    location_id: str
    booking_location_id: str
    tokens: tuple[BookingToken, ...] = ()
    access_information: tuple[AccessInformation, ...] = ()
    period: Period
    authorization_reference: str
    power_required: int | None = None
    """kW."""
    canceled: Cancellation | None = None


class BookingRequestStatus(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 bookings, BookingRequestStatus."""

    request_status: str
    booking_request: BookingRequest
    request_received: datetime


class Booking(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 bookings, Booking. Its owner is the CPO."""

    id: str
    country_code: str
    party_id: str
    request_id: str
    """Of whoever asked; the same for all changes."""
    booking_option: BookingOption | None = None
    location_id: str
    booking_tokens: tuple[BookingToken, ...] = ()
    tariff_ids: tuple[str, ...] = ()
    period: Timeslot
    reservation_status: str
    canceled: Cancellation | None = None
    access_information: tuple[AccessInformation, ...] = ()
    authorization_reference: str
    """Comes back in session and CDR."""
    booking_terms: BookingTerms
    booking_requests: tuple[BookingRequestStatus, ...]
    last_updated: datetime
