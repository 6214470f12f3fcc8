"""Pure rating: a tariff and charging periods in, a price with every step explained out; periods from meter readings.

Does no I/O and knows neither stations nor partners. What others call is named here.
"""

from roaming.rating.checking import Mismatch, check_totals
from roaming.rating.cutting import PricedSession, charging_periods, price_session
from roaming.rating.engine import rate
from roaming.rating.errors import (
    MalformedPeriods,
    MalformedTariff,
    MalformedTimeline,
    RatingError,
    UnsupportedNumber,
)
from roaming.rating.explanation import Row, explain
from roaming.rating.price_list import PriceList, price_list
from roaming.rating.rated import Finding, FindingCode, Line, Part, Rated
from roaming.rating.readings import DEFAULT_READINGS, Readings
from roaming.rating.relevant import named_tariffs, relevant_tariffs
from roaming.rating.timeline import ChargingState, Reading, StateChange, Timeline, charging_state

__all__ = [
    "DEFAULT_READINGS",
    "ChargingState",
    "Finding",
    "FindingCode",
    "Line",
    "MalformedPeriods",
    "MalformedTariff",
    "MalformedTimeline",
    "Mismatch",
    "Part",
    "PriceList",
    "PricedSession",
    "Rated",
    "RatingError",
    "Reading",
    "Readings",
    "Row",
    "StateChange",
    "Timeline",
    "UnsupportedNumber",
    "charging_periods",
    "charging_state",
    "check_totals",
    "explain",
    "named_tariffs",
    "price_list",
    "price_session",
    "rate",
    "relevant_tariffs",
]
