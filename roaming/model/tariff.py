"""Tariff and its elements (OCPI 2.3.0, mod_tariffs)."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from roaming.model.canonical import CanonicalObject
from roaming.model.money import PriceLimit
from roaming.model.place import EnergyMix
from roaming.model.text import DisplayText


class DayOfWeek(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    MONDAY = "MONDAY"
    TUESDAY = "TUESDAY"
    WEDNESDAY = "WEDNESDAY"
    THURSDAY = "THURSDAY"
    FRIDAY = "FRIDAY"
    SATURDAY = "SATURDAY"
    SUNDAY = "SUNDAY"


class ReservationRestrictionType(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    RESERVATION = "RESERVATION"
    RESERVATION_EXPIRES = "RESERVATION_EXPIRES"


class BookingRestrictionType(StrEnum):
    """Known values; a partner may send others, which are kept as text. (OCPI 2.3.0 with Bookings)"""

    BOOKING = "BOOKING"
    BOOKING_EXPIRES = "BOOKING_EXPIRES"
    BOOKING_CANCELLATION_FEES = "BOOKING_CANCELLATION_FEES"
    BOOKING_OVERTIME = "BOOKING_OVERTIME"


class TariffDimensionType(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    ENERGY = "ENERGY"
    FLAT = "FLAT"
    PARKING_TIME = "PARKING_TIME"
    TIME = "TIME"


class TariffType(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    AD_HOC_PAYMENT = "AD_HOC_PAYMENT"
    PROFILE_CHEAP = "PROFILE_CHEAP"
    PROFILE_FAST = "PROFILE_FAST"
    PROFILE_GREEN = "PROFILE_GREEN"
    REGULAR = "REGULAR"


class PriceComponent(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 tariffs, PriceComponent."""

    type: str
    price: Decimal
    """Per kWh, per hour, or once; with or without tax by ``Tariff.tax_included``."""
    step_size: int
    """Smallest amount billed: Wh or seconds; no matter for FLAT."""
    vat: Decimal | None = None
    """Percent. ``None``: none applies; zero: zero rated."""


class TariffRestrictions(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 tariffs, TariffRestrictions."""

    start_time: str | None = None
    """Local time HH:MM, inclusive."""
    end_time: str | None = None
    """Local time HH:MM, exclusive; earlier than ``start_time`` means on the next day, 00:00 the end of the day."""
    start_date: str | None = None
    """Local day YYYY-MM-DD, inclusive."""
    end_date: str | None = None
    """Local day, exclusive."""
    min_kwh: Decimal | None = None
    """Of the session so far, inclusive."""
    max_kwh: Decimal | None = None
    """Exclusive."""
    min_current: Decimal | None = None
    """A, all phases, momentary, inclusive."""
    max_current: Decimal | None = None
    """Exclusive."""
    min_power: Decimal | None = None
    """kW, momentary, inclusive."""
    max_power: Decimal | None = None
    """Exclusive."""
    min_duration: int | None = None
    """Seconds since the session started, inclusive."""
    max_duration: int | None = None
    """Exclusive."""
    day_of_week: tuple[str, ...] = ()
    reservation: str | None = None
    booking: str | None = None
    """The element prices bookings and no charge (OCPI 2.3.0 with Bookings)."""


class TariffElement(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 tariffs, TariffElement."""

    price_components: tuple[PriceComponent, ...]
    restrictions: TariffRestrictions | None = None


class Tariff(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 tariffs, Tariff."""

    country_code: str
    party_id: str
    id: str
    currency: str
    elements: tuple[TariffElement, ...]
    """In the order in which they are tried."""
    tax_included: str
    last_updated: datetime
    type: str | None = None
    """``None``: for all sessions."""
    tariff_alt_text: tuple[DisplayText, ...] = ()
    tariff_alt_url: str | None = None
    min_price: PriceLimit | None = None
    max_price: PriceLimit | None = None
    start_date_time: datetime | None = None
    end_date_time: datetime | None = None
    energy_mix: EnergyMix | None = None
    preauthorize_amount: Decimal | None = None
    """What a payment terminal reserves on a driver's card before the charge (OCPI 2.3.0 with Payments)."""
