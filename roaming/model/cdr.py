"""CDR, the closed and priced record of a session (OCPI 2.3.0, mod_cdrs)."""

from datetime import datetime
from decimal import Decimal

from roaming.model.canonical import CanonicalObject
from roaming.model.money import Price
from roaming.model.place import GeoLocation
from roaming.model.session import ChargingPeriod
from roaming.model.tariff import Tariff
from roaming.model.token import CdrToken


class SignedValue(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 cdrs, SignedValue."""

    nature: str
    plain_data: str
    signed_data: str


class SignedData(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 cdrs, SignedData."""

    encoding_method: str
    signed_values: tuple[SignedValue, ...]
    encoding_method_version: int | None = None
    public_key: str | None = None
    url: str | None = None


class CdrLocation(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 cdrs, CdrLocation."""

    id: str
    address: str
    city: str
    country: str
    """ISO 3166 alpha-3, unlike ``country_code``."""
    coordinates: GeoLocation
    evse_uid: str
    """``#NA``, like ``evse_id`` and ``connector_id``, for a reservation that was never used."""
    evse_id: str
    connector_id: str
    connector_standard: str
    connector_format: str
    connector_power_type: str
    name: str | None = None
    postal_code: str | None = None
    state: str | None = None


class CDR(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 cdrs, CDR."""

    country_code: str
    party_id: str
    id: str
    """Up to 36 characters; a credit CDR may have 39."""
    start_date_time: datetime
    end_date_time: datetime
    cdr_token: CdrToken
    auth_method: str
    cdr_location: CdrLocation
    currency: str
    charging_periods: tuple[ChargingPeriod, ...]
    total_cost: Price
    """Everything together; negative in a credit CDR only."""
    total_energy: Decimal
    """kWh."""
    total_time: Decimal
    """Hours, charging and not."""
    last_updated: datetime
    session_id: str | None = None
    authorization_reference: str | None = None
    meter_id: str | None = None
    tariffs: tuple[Tariff, ...] = ()
    """As they were at the start of the session, whole."""
    signed_data: SignedData | None = None
    total_fixed_cost: Price | None = None
    total_energy_cost: Price | None = None
    total_time_cost: Price | None = None
    total_parking_time: Decimal | None = None
    """Hours in which no energy flowed; part of ``total_time``."""
    total_parking_cost: Price | None = None
    total_reservation_cost: Price | None = None
    remark: str | None = None
    invoice_reference_id: str | None = None
    credit: bool | None = None
    """True: takes back the CDR that ``credit_reference_id`` names."""
    credit_reference_id: str | None = None
    home_charging_compensation: bool | None = None
    """True: the cost of the energy is to be paid back to the driver."""
    booking_id: str | None = None
    """Of the booking that was used, or not used in time (OCPI 2.3.0 with Bookings)."""
