"""Location, EVSE and Connector on the wire. In forms because sessions and CDRs of 2.1.1 quote whole Locations."""

from dataclasses import dataclass
from typing import Any

from roaming.model.location import (
    EVSE,
    Capability,
    Connector,
    ConnectorCapability,
    ConnectorFormat,
    ConnectorType,
    EVSEParking,
    EVSEPosition,
    ExceptionalPeriod,
    Facility,
    Hours,
    Location,
    Parking,
    ParkingDirection,
    ParkingRestriction,
    ParkingType,
    PowerType,
    PublishTokenType,
    RegularHours,
    Status,
    StatusSchedule,
    VehicleType,
)
from roaming.ocpi.fields import Form
from roaming.ocpi.forms.place import (
    ADDITIONAL_GEO_LOCATION_211,
    ADDITIONAL_GEO_LOCATION_230,
    BUSINESS_DETAILS,
    ENERGY_MIX_211,
    ENERGY_MIX_230,
    GEO_LOCATION_211,
    GEO_LOCATION_230,
    IMAGE,
)
from roaming.ocpi.forms.text import DISPLAY_TEXT
from roaming.ocpi.forms.time_zones import TimeZoneOfPlace
from roaming.ocpi.forms.token import TOKEN_TYPE_221, TOKEN_TYPE_230
from roaming.ocpi.kinds import (
    CLOCK_TIME,
    COUNT,
    COUNTRY_CODE,
    FLAG,
    ID_36,
    LINK,
    NUMBER,
    PARTY_ID,
    TIMESTAMP,
    Choice,
    Id,
    Text,
    Whole,
)
from roaming.ocpi.rules import Assumed, Field, FromContext, Given, many, maybe, one, some
from roaming.ocpi.translation import EncodeError, FindingCode, Reading, Writing

RECEIVED_AT = FromContext("received_at")

STATUS = Choice.of(Status)
CONNECTOR_FORMAT = Choice.of(ConnectorFormat)

CONNECTOR_TYPE_230 = Choice.of(ConnectorType, is_open=True)
# SAE_J3400 fits a TESLA_S mechanically and speaks another protocol: there is no fallback.
CONNECTOR_TYPE_221 = CONNECTOR_TYPE_230.lacking("MCS", "SAE_J3400")
CONNECTOR_TYPE_211 = CONNECTOR_TYPE_221.lacking(
    "CHAOJI",
    "DOMESTIC_M",
    "DOMESTIC_N",
    "DOMESTIC_O",
    "GBT_AC",
    "GBT_DC",
    "NEMA_5_20",
    "NEMA_6_30",
    "NEMA_6_50",
    "NEMA_10_30",
    "NEMA_10_50",
    "NEMA_14_30",
    "NEMA_14_50",
    "PANTOGRAPH_BOTTOM_UP",
    "PANTOGRAPH_TOP_DOWN",
)

POWER_TYPE_230 = Choice.of(PowerType)
POWER_TYPE_211 = POWER_TYPE_230.lacking(AC_2_PHASE="AC_1_PHASE", AC_2_PHASE_SPLIT="AC_1_PHASE")

CAPABILITY_230 = Choice.of(Capability, is_open=True)
CAPABILITY_211 = CAPABILITY_230.lacking(
    "CHARGING_PREFERENCES_CAPABLE",
    "CHIP_CARD_SUPPORT",
    "CONTACTLESS_CARD_SUPPORT",
    "DEBIT_CARD_PAYABLE",
    "PED_TERMINAL",
    "START_SESSION_CONNECTOR_REQUIRED",
    "TOKEN_GROUP_CAPABLE",
)

FACILITY_230 = Choice.of(Facility, is_open=True)
FACILITY_211 = FACILITY_230.lacking("BIKE_SHARING", "TRAM_STOP", "METRO_STATION", "PARKING_LOT")

PARKING_RESTRICTION_230 = Choice.of(ParkingRestriction, is_open=True)
PARKING_RESTRICTION_221 = PARKING_RESTRICTION_230.lacking("EMPLOYEES", "TAXIS", "TENANTS")

PARKING_TYPE = Choice.of(ParkingType, is_open=True)

CONNECTOR_230 = Form(
    Connector,
    one("id", ID_36),
    one("standard", CONNECTOR_TYPE_230),
    one("format", CONNECTOR_FORMAT),
    one("power_type", POWER_TYPE_230),
    one("max_voltage", COUNT),
    one("max_amperage", COUNT),
    maybe("max_electric_power", COUNT),
    many("tariff_ids", ID_36),
    maybe("terms_and_conditions", LINK),
    many("capabilities", Choice.of(ConnectorCapability, is_open=True)),
    one("last_updated", TIMESTAMP, otherwise=RECEIVED_AT),
)
CONNECTOR_221 = CONNECTOR_230.retype(standard=CONNECTOR_TYPE_221).without(
    "capabilities", because="connectors have capabilities since 2.3.0"
)


@dataclass(frozen=True, slots=True)
class FirstOf:
    """A list in the canonical model, one value here: the first."""

    kind: Id

    @property
    def shown(self) -> Id:
        """What it is on the wire."""
        return self.kind

    def decode(self, value: Any, reading: Reading, prefix: str, name: str) -> tuple[str, ...]:
        return (self.kind.decode(value, reading, prefix, name),)

    def encode(self, value: tuple[str, ...], writing: Writing, prefix: str, name: str) -> str:
        for index in range(1, len(value)):
            writing.lose(f"{prefix}{name}[{index}]", f"{writing.version} takes one only")
        return self.kind.encode(value[0], writing, prefix, f"{name}[0]")


CONNECTOR_211 = (
    CONNECTOR_221.retype(standard=CONNECTOR_TYPE_211, power_type=POWER_TYPE_211)
    .rename(max_voltage="voltage", max_amperage="amperage")
    .replace(Field("tariff_ids", "tariff_id", FirstOf(ID_36), is_required=False))
    .without("max_electric_power", because="2.1.1 gives voltage and current only")
)

EVSE_PARKING = Form(EVSEParking, one("parking_id", ID_36), maybe("evse_position", Choice.of(EVSEPosition)))

STATUS_SCHEDULE = Form(
    StatusSchedule,
    one("period_begin", TIMESTAMP),
    maybe("period_end", TIMESTAMP),
    one("status", STATUS),
)

EVSE_230 = Form(
    EVSE,
    one("uid", ID_36),
    maybe("evse_id", Id(48)),
    one("status", STATUS),
    many("status_schedule", STATUS_SCHEDULE),
    many("capabilities", CAPABILITY_230, drops=True),
    some("connectors", CONNECTOR_230, drops=True),
    maybe("floor_level", Text(4)),
    maybe("coordinates", GEO_LOCATION_230),
    maybe("physical_reference", Text(16)),
    many("directions", DISPLAY_TEXT),
    many("parking_restrictions", PARKING_RESTRICTION_230, drops=True),
    many("parking", EVSE_PARKING),
    many("images", IMAGE),
    many("accepted_service_providers", Text(50)),
    one("last_updated", TIMESTAMP, otherwise=RECEIVED_AT),
)
EVSE_221 = EVSE_230.retype(connectors=CONNECTOR_221, parking_restrictions=PARKING_RESTRICTION_221).without(
    "parking", "accepted_service_providers", because="EVSEs have it since 2.3.0"
)
EVSE_211 = EVSE_221.retype(
    uid=Id(39), connectors=CONNECTOR_211, capabilities=CAPABILITY_211, coordinates=GEO_LOCATION_211
)

REGULAR_HOURS = Form(
    RegularHours,
    one("weekday", Whole(lowest=1, highest=7)),
    one("period_begin", CLOCK_TIME),
    one("period_end", CLOCK_TIME),
)

EXCEPTIONAL_PERIOD = Form(ExceptionalPeriod, one("period_begin", TIMESTAMP), one("period_end", TIMESTAMP))

HOURS = Form(
    Hours,
    one("twentyfourseven", FLAG),
    many("regular_hours", REGULAR_HOURS),
    many("exceptional_openings", EXCEPTIONAL_PERIOD),
    many("exceptional_closings", EXCEPTIONAL_PERIOD),
)

PUBLISH_TOKEN_TYPE_230 = Form(
    PublishTokenType,
    maybe("uid", ID_36),
    maybe("type", TOKEN_TYPE_230),
    maybe("visual_number", Text(64)),
    maybe("issuer", Text(64)),
    maybe("group_id", ID_36),
)
PUBLISH_TOKEN_TYPE_221 = PUBLISH_TOKEN_TYPE_230.retype(type=TOKEN_TYPE_221)

PARKING = Form(
    Parking,
    one("id", ID_36),
    maybe("physical_reference", Text(12)),
    some("vehicle_types", Choice.of(VehicleType, is_open=True)),
    maybe("max_vehicle_weight", NUMBER),
    maybe("max_vehicle_height", NUMBER),
    maybe("max_vehicle_length", NUMBER),
    maybe("max_vehicle_width", NUMBER),
    maybe("parking_space_length", NUMBER),
    maybe("parking_space_width", NUMBER),
    maybe("dangerous_goods_allowed", FLAG),
    maybe("direction", Choice.of(ParkingDirection)),
    maybe("drive_through", FLAG),
    one("restricted_to_type", FLAG),
    one("reservation_required", FLAG),
    maybe("time_limit", NUMBER),
    maybe("roofed", FLAG),
    many("images", IMAGE),
    maybe("lighting", FLAG),
    maybe("refrigeration_outlet", FLAG),
    many("standards", Text(36)),
    maybe("apds_reference", Text(255)),
)

LOCATION_230 = Form(
    Location,
    one("country_code", COUNTRY_CODE),
    one("party_id", PARTY_ID),
    one("id", ID_36),
    one("publish", FLAG),
    many("publish_allowed_to", PUBLISH_TOKEN_TYPE_230),
    maybe("name", Text(255)),
    one("address", Text(255)),
    one("city", Text(45)),
    maybe("postal_code", Text(10)),
    maybe("state", Text(45)),
    one("country", Text(3)),
    one("coordinates", GEO_LOCATION_230),
    many("related_locations", ADDITIONAL_GEO_LOCATION_230),
    maybe("parking_type", PARKING_TYPE),
    many("evses", EVSE_230, drops=True, keyed_by="uid"),
    many("parking_places", PARKING),
    many("directions", DISPLAY_TEXT),
    maybe("operator", BUSINESS_DETAILS),
    maybe("suboperator", BUSINESS_DETAILS),
    maybe("owner", BUSINESS_DETAILS),
    many("facilities", FACILITY_230, drops=True),
    one("time_zone", Text(255)),
    maybe("opening_times", HOURS),
    maybe("charging_when_closed", FLAG),
    many("images", IMAGE),
    maybe("energy_mix", ENERGY_MIX_230),
    maybe("help_phone", Text(25)),
    one("last_updated", TIMESTAMP, otherwise=RECEIVED_AT),
)
LOCATION_221 = LOCATION_230.retype(evses=EVSE_221, publish_allowed_to=PUBLISH_TOKEN_TYPE_221).without(
    "parking_places", "help_phone", because="locations have it since 2.3.0"
)


@dataclass(frozen=True, slots=True)
class LocationType:
    """Location.type of 2.1.1, required: parking_type of later versions with two words for "none of these"."""

    words: Choice

    @property
    def shown(self) -> Choice:
        """What it is on the wire."""
        return self.words

    def decode(self, value: Any, reading: Reading, prefix: str, name: str) -> str | None:
        word = self.words.decode(value, reading, prefix, name)
        if word == "OTHER":
            reading.find(prefix + name, FindingCode.NOT_CARRIED, "OTHER gives no parking_type")
        return None if word in ("OTHER", "UNKNOWN") else word

    def encode(self, value: str, writing: Writing, prefix: str, name: str) -> str:
        return self.words.encode(value, writing, prefix, name)


@dataclass(frozen=True, slots=True)
class PostalCode:
    """Required in 2.1.1, so partners send ``""`` where a place has none."""

    text: Text

    @property
    def shown(self) -> Text:
        """What it is on the wire."""
        return self.text

    def decode(self, value: Any, reading: Reading, prefix: str, name: str) -> str | None:
        if value == "":
            reading.find(prefix + name, FindingCode.EMPTY, "taken as absent")
            return None
        return self.text.decode(value, reading, prefix, name)

    def encode(self, value: str, writing: Writing, prefix: str, name: str) -> str:
        return self.text.encode(value, writing, prefix, name)


def blank_postal_code(_place: Any, writing: Writing, prefix: str) -> str:
    """2.1.1 has no word for "none": the place is held, unless the partner is known to take an empty text."""
    if writing.context.accepts_blank_postal_code:
        return ""
    raise EncodeError(f"{prefix}postal_code", "required in 2.1.1, and this place has none")


LOCATION_211 = (
    LOCATION_221.replace(
        Given("country_code", FromContext("country_code")),
        Given("party_id", FromContext("party_id")),
        Assumed("publish", True, because="2.1.1 publishes every location it sends", refuses=True),
        Field(
            "parking_type",
            "type",
            LocationType(PARKING_TYPE.also(["OTHER", "UNKNOWN"]).lacking(ALONG_MOTORWAY="OTHER", ON_DRIVEWAY="OTHER")),
            is_required=True,
            when_absent=lambda _location, _writing, _prefix: "UNKNOWN",
        ),
        Field("postal_code", "postal_code", PostalCode(Text(10)), is_required=True, when_absent=blank_postal_code),
        Field("time_zone", "time_zone", Text(255), is_required=False, otherwise=TimeZoneOfPlace()),
    )
    .retype(
        id=Id(39),
        address=Text(45),
        coordinates=GEO_LOCATION_211,
        related_locations=ADDITIONAL_GEO_LOCATION_211,
        evses=EVSE_211,
        facilities=FACILITY_211,
        energy_mix=ENERGY_MIX_211,
    )
    .without("publish_allowed_to", "state", because="2.1.1 locations do not have it")
)
