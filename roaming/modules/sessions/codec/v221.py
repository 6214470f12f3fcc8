"""Sessions in OCPI 2.2.1: VAT instead of taxes."""

from roaming.model.version import Version
from roaming.modules.sessions.codec import v230
from roaming.ocpi.codec import Codec
from roaming.ocpi.forms.money import PRICE_221
from roaming.ocpi.forms.period import CHARGING_PERIOD_221
from roaming.ocpi.forms.token import CDR_TOKEN_221

SESSION = v230.SESSION.retype(cdr_token=CDR_TOKEN_221, total_cost=PRICE_221, charging_periods=CHARGING_PERIOD_221)

CODEC = Codec(Version.V2_2_1, SESSION)
CHARGING_PREFERENCES_CODEC = Codec(Version.V2_2_1, v230.CHARGING_PREFERENCES)
