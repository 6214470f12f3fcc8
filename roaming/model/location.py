"""Location, EVSE and Connector (OCPI 2.3.0, mod_locations)."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Self

import msgspec

from roaming.model.canonical import CanonicalObject
from roaming.model.identifiers import fold
from roaming.model.place import AdditionalGeoLocation, BusinessDetails, EnergyMix, GeoLocation, Image
from roaming.model.text import DisplayText


class Status(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    AVAILABLE = "AVAILABLE"
    BLOCKED = "BLOCKED"
    CHARGING = "CHARGING"
    INOPERATIVE = "INOPERATIVE"
    OUTOFORDER = "OUTOFORDER"
    PLANNED = "PLANNED"
    REMOVED = "REMOVED"
    RESERVED = "RESERVED"
    UNKNOWN = "UNKNOWN"


class Capability(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    CHARGING_PROFILE_CAPABLE = "CHARGING_PROFILE_CAPABLE"
    CHARGING_PREFERENCES_CAPABLE = "CHARGING_PREFERENCES_CAPABLE"
    CHIP_CARD_SUPPORT = "CHIP_CARD_SUPPORT"
    CONTACTLESS_CARD_SUPPORT = "CONTACTLESS_CARD_SUPPORT"
    CREDIT_CARD_PAYABLE = "CREDIT_CARD_PAYABLE"
    DEBIT_CARD_PAYABLE = "DEBIT_CARD_PAYABLE"
    PED_TERMINAL = "PED_TERMINAL"
    REMOTE_START_STOP_CAPABLE = "REMOTE_START_STOP_CAPABLE"
    RESERVABLE = "RESERVABLE"
    RFID_READER = "RFID_READER"
    START_SESSION_CONNECTOR_REQUIRED = "START_SESSION_CONNECTOR_REQUIRED"
    TOKEN_GROUP_CAPABLE = "TOKEN_GROUP_CAPABLE"
    UNLOCK_CAPABLE = "UNLOCK_CAPABLE"


class ConnectorCapability(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    ISO_15118_2_PLUG_AND_CHARGE = "ISO_15118_2_PLUG_AND_CHARGE"
    ISO_15118_20_PLUG_AND_CHARGE = "ISO_15118_20_PLUG_AND_CHARGE"


class ConnectorFormat(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    SOCKET = "SOCKET"
    CABLE = "CABLE"


class ConnectorType(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    CHADEMO = "CHADEMO"
    CHAOJI = "CHAOJI"
    DOMESTIC_A = "DOMESTIC_A"
    DOMESTIC_B = "DOMESTIC_B"
    DOMESTIC_C = "DOMESTIC_C"
    DOMESTIC_D = "DOMESTIC_D"
    DOMESTIC_E = "DOMESTIC_E"
    DOMESTIC_F = "DOMESTIC_F"
    DOMESTIC_G = "DOMESTIC_G"
    DOMESTIC_H = "DOMESTIC_H"
    DOMESTIC_I = "DOMESTIC_I"
    DOMESTIC_J = "DOMESTIC_J"
    DOMESTIC_K = "DOMESTIC_K"
    DOMESTIC_L = "DOMESTIC_L"
    DOMESTIC_M = "DOMESTIC_M"
    DOMESTIC_N = "DOMESTIC_N"
    DOMESTIC_O = "DOMESTIC_O"
    GBT_AC = "GBT_AC"
    GBT_DC = "GBT_DC"
    IEC_60309_2_SINGLE_16 = "IEC_60309_2_single_16"
    IEC_60309_2_THREE_16 = "IEC_60309_2_three_16"
    IEC_60309_2_THREE_32 = "IEC_60309_2_three_32"
    IEC_60309_2_THREE_64 = "IEC_60309_2_three_64"
    IEC_62196_T1 = "IEC_62196_T1"
    IEC_62196_T1_COMBO = "IEC_62196_T1_COMBO"
    IEC_62196_T2 = "IEC_62196_T2"
    IEC_62196_T2_COMBO = "IEC_62196_T2_COMBO"
    IEC_62196_T3A = "IEC_62196_T3A"
    IEC_62196_T3C = "IEC_62196_T3C"
    MCS = "MCS"
    NEMA_5_20 = "NEMA_5_20"
    NEMA_6_30 = "NEMA_6_30"
    NEMA_6_50 = "NEMA_6_50"
    NEMA_10_30 = "NEMA_10_30"
    NEMA_10_50 = "NEMA_10_50"
    NEMA_14_30 = "NEMA_14_30"
    NEMA_14_50 = "NEMA_14_50"
    PANTOGRAPH_BOTTOM_UP = "PANTOGRAPH_BOTTOM_UP"
    PANTOGRAPH_TOP_DOWN = "PANTOGRAPH_TOP_DOWN"
    SAE_J3400 = "SAE_J3400"
    TESLA_R = "TESLA_R"
    TESLA_S = "TESLA_S"


class EVSEPosition(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    LEFT = "LEFT"
    RIGHT = "RIGHT"
    CENTER = "CENTER"


class Facility(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    HOTEL = "HOTEL"
    RESTAURANT = "RESTAURANT"
    CAFE = "CAFE"
    MALL = "MALL"
    SUPERMARKET = "SUPERMARKET"
    SPORT = "SPORT"
    RECREATION_AREA = "RECREATION_AREA"
    NATURE = "NATURE"
    MUSEUM = "MUSEUM"
    BIKE_SHARING = "BIKE_SHARING"
    BUS_STOP = "BUS_STOP"
    TAXI_STAND = "TAXI_STAND"
    TRAM_STOP = "TRAM_STOP"
    METRO_STATION = "METRO_STATION"
    TRAIN_STATION = "TRAIN_STATION"
    AIRPORT = "AIRPORT"
    PARKING_LOT = "PARKING_LOT"
    CARPOOL_PARKING = "CARPOOL_PARKING"
    FUEL_STATION = "FUEL_STATION"
    WIFI = "WIFI"


class ParkingDirection(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    PARALLEL = "PARALLEL"
    PERPENDICULAR = "PERPENDICULAR"
    ANGLE = "ANGLE"


class ParkingRestriction(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    CUSTOMERS = "CUSTOMERS"
    DISABLED = "DISABLED"
    EMPLOYEES = "EMPLOYEES"
    EV_ONLY = "EV_ONLY"
    MOTORCYCLES = "MOTORCYCLES"
    PLUGGED = "PLUGGED"
    TAXIS = "TAXIS"
    TENANTS = "TENANTS"


class ParkingType(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    ALONG_MOTORWAY = "ALONG_MOTORWAY"
    PARKING_GARAGE = "PARKING_GARAGE"
    PARKING_LOT = "PARKING_LOT"
    ON_DRIVEWAY = "ON_DRIVEWAY"
    ON_STREET = "ON_STREET"
    UNDERGROUND_GARAGE = "UNDERGROUND_GARAGE"


class PowerType(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    AC_1_PHASE = "AC_1_PHASE"
    AC_2_PHASE = "AC_2_PHASE"
    AC_2_PHASE_SPLIT = "AC_2_PHASE_SPLIT"
    AC_3_PHASE = "AC_3_PHASE"
    DC = "DC"


class VehicleType(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    MOTORCYCLE = "MOTORCYCLE"
    PERSONAL_VEHICLE = "PERSONAL_VEHICLE"
    PERSONAL_VEHICLE_WITH_TRAILER = "PERSONAL_VEHICLE_WITH_TRAILER"
    VAN = "VAN"
    SEMI_TRACTOR = "SEMI_TRACTOR"
    RIGID = "RIGID"
    TRUCK_WITH_TRAILER = "TRUCK_WITH_TRAILER"
    BUS = "BUS"
    DISABLED = "DISABLED"


class PublishTokenType(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 locations, PublishTokenType."""

    uid: str | None = None
    type: str | None = None
    visual_number: str | None = None
    issuer: str | None = None
    group_id: str | None = None


class RegularHours(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 locations, RegularHours."""

    weekday: int
    """1 Monday to 7 Sunday."""
    period_begin: str
    """Local time HH:MM."""
    period_end: str


class ExceptionalPeriod(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 locations, ExceptionalPeriod."""

    period_begin: datetime
    period_end: datetime


class Hours(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 locations, Hours."""

    twentyfourseven: bool
    regular_hours: tuple[RegularHours, ...] = ()
    exceptional_openings: tuple[ExceptionalPeriod, ...] = ()
    exceptional_closings: tuple[ExceptionalPeriod, ...] = ()


class StatusSchedule(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 locations, StatusSchedule."""

    period_begin: datetime
    status: str
    period_end: datetime | None = None


class Connector(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 locations, Connector."""

    id: str
    standard: str
    format: str
    power_type: str
    max_voltage: int
    """V; between line and neutral for AC_3_PHASE."""
    max_amperage: int
    """A."""
    last_updated: datetime
    max_electric_power: int | None = None
    """W, where it is less than voltage and current suggest."""
    tariff_ids: tuple[str, ...] = ()
    terms_and_conditions: str | None = None
    capabilities: tuple[str, ...] = ()


class EVSEParking(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 locations, EVSEParking."""

    parking_id: str
    evse_position: str | None = None


class EVSE(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 locations, EVSE."""

    uid: str
    """For ever, unlike hardware."""
    status: str
    connectors: tuple[Connector, ...]
    last_updated: datetime
    evse_id: str | None = None
    """What people read, such as NL*TNM*E0001."""
    status_schedule: tuple[StatusSchedule, ...] = ()
    capabilities: tuple[str, ...] = ()
    floor_level: str | None = None
    coordinates: GeoLocation | None = None
    physical_reference: str | None = None
    directions: tuple[DisplayText, ...] = ()
    parking_restrictions: tuple[str, ...] = ()
    parking: tuple[EVSEParking, ...] = ()
    images: tuple[Image, ...] = ()
    accepted_service_providers: tuple[str, ...] = ()


class Parking(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 locations, Parking."""

    id: str
    vehicle_types: tuple[str, ...]
    restricted_to_type: bool
    reservation_required: bool
    physical_reference: str | None = None
    max_vehicle_weight: Decimal | None = None
    """kg; the sizes below are in cm."""
    max_vehicle_height: Decimal | None = None
    max_vehicle_length: Decimal | None = None
    max_vehicle_width: Decimal | None = None
    parking_space_length: Decimal | None = None
    parking_space_width: Decimal | None = None
    dangerous_goods_allowed: bool | None = None
    direction: str | None = None
    drive_through: bool | None = None
    time_limit: Decimal | None = None
    """Minutes."""
    roofed: bool | None = None
    images: tuple[Image, ...] = ()
    lighting: bool | None = None
    refrigeration_outlet: bool | None = None
    standards: tuple[str, ...] = ()
    apds_reference: str | None = None


class LiveStatus(msgspec.Struct, frozen=True, array_like=True):
    """What a station last said of an EVSE."""

    uid: str
    """As the location spells it."""
    status: str
    last_updated: datetime


_LIVE_DECODER = msgspec.json.Decoder(dict[str, LiveStatus])
_LIVE_ENCODER = msgspec.json.Encoder()


def read_live(live: str) -> dict[str, LiveStatus]:
    """The statuses of a location's EVSEs by folded uid."""
    return _LIVE_DECODER.decode(live)


def write_live(statuses: Mapping[str, LiveStatus]) -> str:
    """The inverse of ``read_live``."""
    return _LIVE_ENCODER.encode(statuses).decode()


class Location(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 locations, Location."""

    country_code: str
    party_id: str
    id: str
    publish: bool
    """False: shown only to holders of a token that ``publish_allowed_to`` describes."""
    address: str
    city: str
    country: str
    """ISO 3166 alpha-3, unlike ``country_code``."""
    coordinates: GeoLocation
    time_zone: str
    """IANA name: what opening hours and tariff restrictions mean."""
    last_updated: datetime
    publish_allowed_to: tuple[PublishTokenType, ...] = ()
    name: str | None = None
    postal_code: str | None = None
    state: str | None = None
    related_locations: tuple[AdditionalGeoLocation, ...] = ()
    parking_type: str | None = None
    evses: tuple[EVSE, ...] = ()
    parking_places: tuple[Parking, ...] = ()
    directions: tuple[DisplayText, ...] = ()
    operator: BusinessDetails | None = None
    suboperator: BusinessDetails | None = None
    owner: BusinessDetails | None = None
    facilities: tuple[str, ...] = ()
    opening_times: Hours | None = None
    """``None``: not known."""
    charging_when_closed: bool | None = None
    images: tuple[Image, ...] = ()
    energy_mix: EnergyMix | None = None
    help_phone: str | None = None

    def live(self) -> dict[str, LiveStatus]:
        """The statuses of all EVSEs as they stand in this object."""
        return {fold(evse.uid): LiveStatus(evse.uid, evse.status, evse.last_updated) for evse in self.evses}

    def with_live(self, live: str) -> Self:
        """With the statuses that stations gave after this document was written. An EVSE's status changes hundreds of
        times between two changes of anything else, so the document is left alone then (decision 0050)."""
        statuses = read_live(live)
        evses = []
        for evse in self.evses:
            known = statuses.get(fold(evse.uid))
            if known is not None:
                evse = msgspec.structs.replace(evse, status=known.status, last_updated=known.last_updated)
            evses.append(evse)
        newest = max((status.last_updated for status in statuses.values()), default=self.last_updated)
        return msgspec.structs.replace(self, evses=tuple(evses), last_updated=max(newest, self.last_updated))


class LocationReferences(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 tokens, LocationReferences."""

    location_id: str
    evse_uids: tuple[str, ...] = ()
