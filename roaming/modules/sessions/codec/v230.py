"""Sessions in OCPI 2.3.0: the canonical shape."""

from roaming.model.session import ChargingPreferences, Session, SessionStatus
from roaming.model.token import ProfileType
from roaming.model.version import Version
from roaming.ocpi.codec import Codec
from roaming.ocpi.fields import Form
from roaming.ocpi.forms.money import PRICE_230
from roaming.ocpi.forms.period import AUTH_METHOD_230, CHARGING_PERIOD_230
from roaming.ocpi.forms.token import CDR_TOKEN_230
from roaming.ocpi.kinds import COUNTRY_CODE, FLAG, ID_36, NUMBER, PARTY_ID, TIMESTAMP, Choice, Id, Text
from roaming.ocpi.rules import FromContext, many, maybe, one

# The chapter's running text writes RESERVED where its enum has RESERVATION; both are in the field.
SESSION_STATUS = Choice.of(SessionStatus).also(RESERVED="RESERVATION")

SESSION = Form(
    Session,
    one("country_code", COUNTRY_CODE),
    one("party_id", PARTY_ID),
    one("id", ID_36),
    one("start_date_time", TIMESTAMP),
    maybe("end_date_time", TIMESTAMP),
    one("kwh", NUMBER),
    one("cdr_token", CDR_TOKEN_230),
    one("auth_method", AUTH_METHOD_230),
    maybe("authorization_reference", ID_36),
    one("location_id", ID_36),
    one("evse_uid", ID_36),
    one("connector_id", ID_36),
    maybe("meter_id", Text(255)),
    one("currency", Id(3)),
    many("charging_periods", CHARGING_PERIOD_230, drops=True, keyed_by="start_date_time"),
    maybe("total_cost", PRICE_230),
    one("status", SESSION_STATUS),
    one("last_updated", TIMESTAMP, otherwise=FromContext("received_at")),
)

CHARGING_PREFERENCES = Form(
    ChargingPreferences,
    one("profile_type", Choice.of(ProfileType)),
    maybe("departure_time", TIMESTAMP),
    maybe("energy_need", NUMBER),
    maybe("discharge_allowed", FLAG),
)

CODEC = Codec(Version.V2_3_0, SESSION)
CHARGING_PREFERENCES_CODEC = Codec(Version.V2_3_0, CHARGING_PREFERENCES)
