"""Charging periods as sessions and CDRs quote them."""

from roaming.model.session import AuthMethod, CdrDimension, CdrDimensionType, ChargingPeriod
from roaming.ocpi.fields import Form
from roaming.ocpi.kinds import ID_36, NUMBER, TIMESTAMP, Choice
from roaming.ocpi.rules import ListOf, maybe, one, some

AUTH_METHOD_230 = Choice.of(AuthMethod)
AUTH_METHOD_211 = AUTH_METHOD_230.lacking(COMMAND="AUTH_REQUEST")

_SESSION_ONLY = frozenset(
    {
        CdrDimensionType.CURRENT,
        CdrDimensionType.ENERGY_EXPORT,
        CdrDimensionType.ENERGY_IMPORT,
        CdrDimensionType.POWER,
        CdrDimensionType.STATE_OF_CHARGE,
    }
)


def _only_in_sessions(dimension: CdrDimension) -> str | None:
    """OCPI 2.2.1, mod_cdrs, CdrDimensionType: five dimensions must not appear in a CDR."""
    return f"{dimension.type} belongs in sessions only" if dimension.type in _SESSION_ONLY else None


CDR_DIMENSION_230 = Form(
    CdrDimension,
    one("type", Choice.of(CdrDimensionType).lacking("FLAT")),
    one("volume", NUMBER),
)
CDR_DIMENSION_221 = CDR_DIMENSION_230.retype(
    type=Choice.of(CdrDimensionType).lacking("FLAT", "RESERVATION_EXPIRES", "RESERVATION_OVERTIME")
)
CDR_DIMENSION_211 = CDR_DIMENSION_230.retype(
    type=Choice.of(CdrDimensionType)
    .also(["FLAT"])
    .lacking(
        "CURRENT",
        "ENERGY_EXPORT",
        "ENERGY_IMPORT",
        "MAX_POWER",
        "MIN_POWER",
        "POWER",
        "RESERVATION_EXPIRES",
        "RESERVATION_OVERTIME",
        "RESERVATION_TIME",
        "STATE_OF_CHARGE",
    )
)

CHARGING_PERIOD_230 = Form(
    ChargingPeriod,
    one("start_date_time", TIMESTAMP),
    some("dimensions", CDR_DIMENSION_230, drops=True),
    maybe("tariff_id", ID_36),
)
CHARGING_PERIOD_221 = CHARGING_PERIOD_230.retype(dimensions=CDR_DIMENSION_221)
CHARGING_PERIOD_211 = CHARGING_PERIOD_230.retype(dimensions=CDR_DIMENSION_211).without(
    "tariff_id", because="2.1.1 periods name no tariff"
)

CDR_PERIOD_230 = CHARGING_PERIOD_230.change(
    "dimensions", kind=ListOf(CDR_DIMENSION_230, drops=True, omit=_only_in_sessions)
)
CDR_PERIOD_221 = CHARGING_PERIOD_221.change(
    "dimensions", kind=ListOf(CDR_DIMENSION_221, drops=True, omit=_only_in_sessions)
)
CDR_PERIOD_211 = CHARGING_PERIOD_211
