"""CDRs in OCPI 2.2.1: VAT instead of taxes, no bookings."""

from roaming.model.version import Version
from roaming.modules.cdrs.codec import v230
from roaming.ocpi.codec import Codec
from roaming.ocpi.forms.location import CONNECTOR_TYPE_221
from roaming.ocpi.forms.money import PRICE_221
from roaming.ocpi.forms.period import CDR_PERIOD_221
from roaming.ocpi.forms.tariff import TARIFF_221
from roaming.ocpi.forms.token import CDR_TOKEN_221

CDR_FORM = v230.CDR_FORM.retype(
    cdr_token=CDR_TOKEN_221,
    cdr_location=v230.CDR_LOCATION.retype(connector_standard=CONNECTOR_TYPE_221),
    tariffs=TARIFF_221,
    charging_periods=CDR_PERIOD_221,
    total_cost=PRICE_221,
    total_fixed_cost=PRICE_221,
    total_energy_cost=PRICE_221,
    total_time_cost=PRICE_221,
    total_parking_cost=PRICE_221,
    total_reservation_cost=PRICE_221,
).without("booking_id", because="bookings came with 2.3.0")

CODEC = Codec(Version.V2_2_1, CDR_FORM)
