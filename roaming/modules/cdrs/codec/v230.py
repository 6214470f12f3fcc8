"""CDRs in OCPI 2.3.0: the canonical shape."""

from roaming.model.cdr import CDR, CdrLocation, SignedData, SignedValue
from roaming.model.version import Version
from roaming.ocpi.codec import Codec
from roaming.ocpi.fields import Form
from roaming.ocpi.forms.location import CONNECTOR_FORMAT, CONNECTOR_TYPE_230, POWER_TYPE_230
from roaming.ocpi.forms.money import PRICE_230
from roaming.ocpi.forms.period import AUTH_METHOD_230, CDR_PERIOD_230
from roaming.ocpi.forms.place import GEO_LOCATION_230
from roaming.ocpi.forms.tariff import TARIFF_230
from roaming.ocpi.forms.token import CDR_TOKEN_230
from roaming.ocpi.kinds import COUNTRY_CODE, FLAG, ID_36, NUMBER, PARTY_ID, TIMESTAMP, WHOLE, Id, Text
from roaming.ocpi.rules import FromContext, constant, many, maybe, one, some

NOT_AVAILABLE = "#NA"
"""What 2.2.1 and later write in a required field that truly has no value; 2.1.1 does not know it."""

CDR_LOCATION = Form(
    CdrLocation,
    one("id", ID_36),
    maybe("name", Text(255)),
    one("address", Text(45)),
    one("city", Text(45)),
    maybe("postal_code", Text(10)),
    maybe("state", Text(20)),
    one("country", Text(3)),
    one("coordinates", GEO_LOCATION_230),
    one("evse_uid", ID_36, otherwise=constant(NOT_AVAILABLE)),
    one("evse_id", Id(48)),
    one("connector_id", ID_36),
    one("connector_standard", CONNECTOR_TYPE_230),
    one("connector_format", CONNECTOR_FORMAT),
    one("connector_power_type", POWER_TYPE_230),
)

SIGNED_DATA = Form(
    SignedData,
    one("encoding_method", Text(36)),
    maybe("encoding_method_version", WHOLE),
    maybe("public_key", Text(512)),
    some(
        "signed_values",
        Form(
            SignedValue,
            one("nature", Text(32)),
            one("plain_data", Text(5000)),
            one("signed_data", Text(5000)),
        ),
    ),
    maybe("url", Text(512)),
)

CDR_FORM = Form(
    CDR,
    one("country_code", COUNTRY_CODE),
    one("party_id", PARTY_ID),
    one("id", Id(39)),
    one("start_date_time", TIMESTAMP),
    one("end_date_time", TIMESTAMP),
    maybe("session_id", ID_36),
    one("cdr_token", CDR_TOKEN_230),
    one("auth_method", AUTH_METHOD_230),
    maybe("authorization_reference", ID_36),
    one("cdr_location", CDR_LOCATION),
    maybe("meter_id", Text(255)),
    one("currency", Id(3)),
    many("tariffs", TARIFF_230, drops=True),
    some("charging_periods", CDR_PERIOD_230, drops=True),
    maybe("signed_data", SIGNED_DATA),
    one("total_cost", PRICE_230),
    maybe("total_fixed_cost", PRICE_230),
    one("total_energy", NUMBER),
    maybe("total_energy_cost", PRICE_230),
    one("total_time", NUMBER),
    maybe("total_time_cost", PRICE_230),
    maybe("total_parking_time", NUMBER),
    maybe("total_parking_cost", PRICE_230),
    maybe("total_reservation_cost", PRICE_230),
    maybe("remark", Text(255)),
    maybe("invoice_reference_id", Id(39)),
    maybe("credit", FLAG),
    maybe("credit_reference_id", Id(39)),
    maybe("home_charging_compensation", FLAG),
    maybe("booking_id", ID_36),
    one("last_updated", TIMESTAMP, otherwise=FromContext("received_at")),
)

CODEC = Codec(Version.V2_3_0, CDR_FORM)
