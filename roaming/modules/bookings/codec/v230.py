"""Bookings in OCPI 2.3.0: the canonical shape."""

from roaming.model.location import EVSEPosition, VehicleType
from roaming.model.party import Role
from roaming.model.version import Version
from roaming.modules.bookings import model
from roaming.ocpi.codec import Codec
from roaming.ocpi.fields import Form
from roaming.ocpi.forms.location import CONNECTOR_FORMAT, CONNECTOR_TYPE_230, POWER_TYPE_230
from roaming.ocpi.forms.token import TOKEN_TYPE_230
from roaming.ocpi.kinds import (
    COUNTRY_CODE,
    FLAG,
    ID_36,
    LINK,
    NUMBER,
    PARTY_ID,
    TIMESTAMP,
    WHOLE,
    Choice,
    Text,
)
from roaming.ocpi.rules import many, maybe, one, some

TIMESLOT = Form(
    model.Timeslot,
    one("start_date_time", TIMESTAMP),
    one("end_date_time", TIMESTAMP),
    maybe("min_power", NUMBER),
    maybe("max_power", NUMBER),
    maybe("green_energy_support", FLAG),
)
CALENDAR = Form(
    model.Calendar,
    one("id", ID_36),
    one("begin_from", TIMESTAMP),
    one("end_before", TIMESTAMP),
    maybe("timeslot_increment", WHOLE),
    some("available_timeslots", TIMESLOT),
    one("last_updated", TIMESTAMP),
)
POLICY = Form(model.Policy, one("reservation_required", FLAG), maybe("ad_hoc", NUMBER))
OPTION = Form(
    model.BookingOption,
    maybe("evse_uid", ID_36),
    maybe("connector_id", ID_36),
    maybe("parking_id", ID_36),
    many("evse_position", Choice.of(EVSEPosition)),
    many("vehicle_types", Choice.of(VehicleType, is_open=True)),
    many("connector_format", CONNECTOR_FORMAT),
    many("connector_types", CONNECTOR_TYPE_230),
    many("power_types", POWER_TYPE_230),
    maybe("max_vehicle_weight", NUMBER),
    maybe("max_vehicle_height", NUMBER),
    maybe("max_vehicle_length", NUMBER),
    maybe("max_vehicle_width", NUMBER),
    maybe("min_parking_space_length", NUMBER),
    maybe("min_parking_space_width", NUMBER),
    maybe("dangerous_goods_allowed", FLAG),
    maybe("drive_through", FLAG),
    maybe("refrigeration_outlet", FLAG),
)
ACCESS_METHOD = Choice.of(model.AccessMethod)
TERMS = Form(
    model.BookingTerms,
    maybe("rfid_auth_required", FLAG),
    maybe("token_groups_supported", FLAG),
    maybe("remote_auth_supported", FLAG),
    some("supported_access_methods", ACCESS_METHOD),
    one("change_until_minutes", NUMBER),
    one("cancel_until_minutes", NUMBER),
    maybe("change_not_allowed", FLAG),
    maybe("early_start_allowed", FLAG),
    maybe("early_start_time", NUMBER),
    maybe("noshow_timeout", NUMBER),
    maybe("noshow_fee", FLAG),
    maybe("late_stop_allowed", FLAG),
    maybe("late_stop_time", NUMBER),
    maybe("overlapping_bookings_allowed", FLAG),
    maybe("min_booking_duration", NUMBER),
    maybe("max_booking_duration", NUMBER),
    maybe("booking_terms", LINK),
)
BOOKING_LOCATION = Form(
    model.BookingLocation,
    one("country_code", COUNTRY_CODE),
    one("party_id", PARTY_ID),
    one("id", ID_36),
    one("location_id", ID_36),
    maybe("booking_option", OPTION),
    maybe("policy", POLICY),
    many("tariff_ids", ID_36),
    maybe("booking_terms", TERMS),
    many("calendars", CALENDAR),
    one("last_updated", TIMESTAMP),
)
TOKEN = Form(
    model.BookingToken,
    one("country_code", COUNTRY_CODE),
    one("party_id", PARTY_ID),
    one("uid", ID_36),
    one("type", TOKEN_TYPE_230),
    one("contract_id", ID_36),
)
ACCESS = Form(model.AccessInformation, one("method", ACCESS_METHOD), maybe("value", Text(255)))
CANCELLATION = Form(
    model.Cancellation,
    one("cancellation_reason", Choice.of(model.CanceledReason)),
    one("who_canceled", Choice.of(Role)),
)
PERIOD = Form(model.Period, one("start_date_time", TIMESTAMP), one("end_date_time", TIMESTAMP))
REQUEST = Form(
    model.BookingRequest,
    one("country_code", COUNTRY_CODE),
    one("party_id", PARTY_ID),
    one("request_id", ID_36),
    maybe("booking_option", OPTION),
    one("location_id", ID_36),
    one("booking_location_id", ID_36),
    many("tokens", TOKEN),
    many("access_information", ACCESS),
    one("period", PERIOD),
    one("authorization_reference", ID_36),
    maybe("power_required", WHOLE),
    maybe("canceled", CANCELLATION),
)
REQUEST_STATUS = Form(
    model.BookingRequestStatus,
    one("request_status", Choice.of(model.ReservationRequestStatus)),
    one("booking_request", REQUEST),
    one("request_received", TIMESTAMP),
)
BOOKING = Form(
    model.Booking,
    one("id", ID_36),
    one("country_code", COUNTRY_CODE),
    one("party_id", PARTY_ID),
    one("request_id", ID_36),
    maybe("booking_option", OPTION),
    one("location_id", ID_36),
    many("booking_tokens", TOKEN),
    many("tariff_ids", ID_36),
    one("period", TIMESLOT),
    one("reservation_status", Choice.of(model.ReservationStatus)),
    maybe("canceled", CANCELLATION),
    many("access_information", ACCESS),
    one("authorization_reference", ID_36),
    one("booking_terms", TERMS),
    some("booking_requests", REQUEST_STATUS),
    one("last_updated", TIMESTAMP),
)

BOOKING_LOCATION_CODEC = Codec(Version.V2_3_0, BOOKING_LOCATION)
CALENDAR_CODEC = Codec(Version.V2_3_0, CALENDAR)
BOOKING_CODEC = Codec(Version.V2_3_0, BOOKING)
REQUEST_CODEC = Codec(Version.V2_3_0, REQUEST)
