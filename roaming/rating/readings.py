"""The points that the OCPI texts leave open, each a named reading with a default.

Knows no tariff and no session. An agreement between two parties may choose other readings; a CDR that differs
from our price is explained by the reading that makes the difference vanish. The reasons and the clauses are in
``contracts/decisions/0020-readings-of-tariffs.md``.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple

import msgspec

from roaming.model.canonical import CanonicalObject
from roaming.rating.errors import UnknownReading

MOST_DECIMALS: Final = 12
"""More mean nothing to any currency."""


class ElementChoice(StrEnum):
    """Which tariff element prices a dimension."""

    PER_DIMENSION = "PER_DIMENSION"
    """The first matching element that has the dimension (OCPI 2.2.1 and 2.3.0 mod_tariffs, Tariff object)."""
    FIRST_ELEMENT = "FIRST_ELEMENT"
    """The first matching element, for all dimensions (OCPI 2.1.1 mod_tariffs, Tariff object)."""


class HoursReading(StrEnum):
    """What a volume in hours means that was rounded to four decimals."""

    PERIOD_LENGTH = "PERIOD_LENGTH"
    """Within half of the last decimal of its period's length it means that length."""
    AS_STATED = "AS_STATED"


class StepVolume(StrEnum):
    """Which volume ``step_size`` rounds up."""

    PRICED = "PRICED"
    """Only what a price component covered (OCPI 2.2.1 mod_tariffs, example of a switch to free parking)."""
    ALL = "ALL"


class StepTime(StrEnum):
    """Which of TIME and PARKING_TIME is rounded when a session has both."""

    PARKING_FIRST = "PARKING_FIRST"
    """PARKING_TIME whenever any of it was priced (OCPI 2.2.1 mod_cdrs, step_size)."""
    LAST_ACTIVE = "LAST_ACTIVE"
    """The one that was priced last."""


class StepScope(StrEnum):
    """Over what ``step_size`` rounds up."""

    SESSION = "SESSION"
    """Once, over the whole session (OCPI 2.2.1 mod_cdrs, step_size)."""
    PERIOD = "PERIOD"
    """Every charging period by itself."""
    TARIFF = "TARIFF"
    """Once for each of several tariffs, over what it prices."""


class FlatFee(StrEnum):
    """How often a session pays FLAT."""

    ONCE = "ONCE"
    """The first component that holds (OCPI 2.2.1 mod_tariffs, TariffDimensionType: flat fee)."""
    EACH_COMPONENT = "EACH_COMPONENT"
    """Every FLAT component that holds at the start of a period, once each."""


class SpannedPeriod(StrEnum):
    """What prices a period in which another component begins to hold."""

    START = "START"
    """What holds at its start prices all of it: whoever made it should have cut it (OCPI 2.2.1 mod_cdrs, Charging
    periods)."""
    DIVIDED = "DIVIDED"
    """Each component the part in which it holds; volumes are taken to flow evenly."""


class ExpiredStartFee(StrEnum):
    """Whether an expired reservation pays the start fee of the session that never was."""

    NONE = "NONE"
    """It has no session (OCPI 2.2.1 mod_tariffs, example of an expired reservation)."""
    CHARGED = "CHARGED"


class AbsentVat(StrEnum):
    """What a price component without ``vat`` means."""

    NONE_APPLIES = "NONE_APPLIES"
    """No VAT is due on it (OCPI 2.2.1 and 2.3.0 mod_tariffs, PriceComponent)."""
    UNKNOWN = "UNKNOWN"
    """It cannot be told: OCPI 2.1.1 does not know VAT."""


class LimitTax(StrEnum):
    """The sum with taxes when ``min_price`` or ``max_price`` moved the sum before taxes and names no other."""

    SINGLE_RATE = "SINGLE_RATE"
    """The one VAT rate of the session applies to the limit as well; with several rates it is unknown."""
    UNKNOWN = "UNKNOWN"


class Limits(StrEnum):
    """What ``min_price`` and ``max_price`` bind."""

    EACH_TOTAL = "EACH_TOTAL"
    """The sums before and after taxes, each by itself (OCPI 2.2.1 mod_tariffs, notes on both)."""
    SCALED_TAX = "SCALED_TAX"
    """The sum before taxes; its taxes change in proportion, and are bound after that."""


class FlowRange(StrEnum):
    """Which end of a period's range of power and current a restriction looks at."""

    THROUGHOUT = "THROUGHOUT"
    """It holds where all of the range lies within it."""
    SOMETIME = "SOMETIME"
    """It holds where any of the range does."""


class Clock(StrEnum):
    """The clock of times, dates and weekdays in restrictions."""

    LOCATION = "LOCATION"
    """Of the location's ``time_zone`` (OCPI 2.2.1 mod_tariffs, TariffRestrictions)."""
    UTC = "UTC"


class Credit(StrEnum):
    """Which totals of a credit CDR are negative."""

    TOTAL_COST = "TOTAL_COST"
    """``total_cost`` alone (OCPI 2.2.1 mod_cdrs, Credit CDRs)."""
    ALL_COSTS = "ALL_COSTS"


class UnknownPower(StrEnum):
    """What a power restriction compares with when a period states no power."""

    AVERAGE = "AVERAGE"
    """The energy of the period over its length."""
    NO_MATCH = "NO_MATCH"
    MATCH = "MATCH"
    """A restriction on what nobody stated keeps no price out."""


class UnknownCurrent(StrEnum):
    """Whether a current restriction matches a period that states no current."""

    NO_MATCH = "NO_MATCH"
    MATCH = "MATCH"


class PowerBetweenReadings(StrEnum):
    """The momentary power between two readings of the meter."""

    AVERAGE = "AVERAGE"
    """The rise of the register over the time: what is billed decides."""
    REPORTED = "REPORTED"
    """What the station reported with the earlier reading, else the average."""


class WithheldPower(StrEnum):
    """What time is while the station withholds power from a vehicle that asks for it (OCPP SuspendedEVSE)."""

    NEITHER = "NEITHER"
    """Neither TIME nor PARKING_TIME (OCPI 2.2.1-d2 and 2.3.0 edition 2, CdrDimensionType)."""
    PARKING = "PARKING"
    CHARGING = "CHARGING"


class ProfileChange(StrEnum):
    """What a preference for another profile prices that was accepted while the session went on."""

    FROM_THEN = "FROM_THEN"
    """All that follows it, by the tariff of that profile (OCPI 2.2.1 mod_cdrs, step_size: switching of Tariffs)."""
    WHOLE = "WHOLE"
    """The session from its start, by that of the last one."""
    NEVER = "NEVER"
    """Nothing: the driver accepted the tariff of the start (OCPI 2.2.1 mod_tariffs, note on start_date_time)."""


class RoundedAt(StrEnum):
    """Where amounts are rounded."""

    END = "END"
    """Each total once, from its exact sum."""
    LINE = "LINE"
    """Every line; totals are sums of what is shown."""


class Rounding(StrEnum):
    """How an exact amount becomes one with few decimals."""

    HALF_UP = "HALF_UP"
    HALF_EVEN = "HALF_EVEN"


class Readings(msgspec.Struct, frozen=True, kw_only=True):
    """One choice for every open point. The defaults are ours for OCPI 2.2.1 and 2.3.0."""

    element_choice: ElementChoice = ElementChoice.PER_DIMENSION
    hours: HoursReading = HoursReading.PERIOD_LENGTH
    step_volume: StepVolume = StepVolume.PRICED
    step_time: StepTime = StepTime.PARKING_FIRST
    step_scope: StepScope = StepScope.SESSION
    flat_fee: FlatFee = FlatFee.ONCE
    spanned_period: SpannedPeriod = SpannedPeriod.START
    expired_start_fee: ExpiredStartFee = ExpiredStartFee.NONE
    absent_vat: AbsentVat = AbsentVat.NONE_APPLIES
    limits: Limits = Limits.EACH_TOTAL
    limit_tax: LimitTax = LimitTax.SINGLE_RATE
    clock: Clock = Clock.LOCATION
    credit: Credit = Credit.TOTAL_COST
    flow_range: FlowRange = FlowRange.SOMETIME
    unknown_power: UnknownPower = UnknownPower.AVERAGE
    unknown_current: UnknownCurrent = UnknownCurrent.NO_MATCH
    power_between_readings: PowerBetweenReadings = PowerBetweenReadings.AVERAGE
    withheld_power: WithheldPower = WithheldPower.NEITHER
    profile_change: ProfileChange = ProfileChange.FROM_THEN
    rounded_at: RoundedAt = RoundedAt.END
    rounding: Rounding = Rounding.HALF_UP
    decimals: int = 4
    """Decimals of every amount that leaves the engine; the currency's minor unit where an agreement says so."""

    @classmethod
    def of_version(cls, version: str) -> "Readings":
        """The defaults for a tariff that came in ``version`` ("2.1.1", "2.2.1", "2.3.0")."""
        if version.startswith(("2.0", "2.1")):
            return cls(element_choice=ElementChoice.FIRST_ELEMENT, absent_vat=AbsentVat.UNKNOWN)
        return cls()

    def choosing(self, chosen: Mapping[str, object]) -> "Readings":
        """These readings but for those in ``chosen``, by name. Raises ``UnknownReading`` naming what there is."""
        values: dict[str, Any] = {}
        for name, value in chosen.items():
            if name not in self.__struct_fields__:
                raise UnknownReading(
                    f"{name}: no reading has this name; give one of {', '.join(self.__struct_fields__)}"
                )
            values[name] = _value(name, type(getattr(self, name)), value)
        return msgspec.structs.replace(self, **values)

    def chosen(self) -> dict[str, Any]:
        """What differs from the defaults, as ``choosing`` takes it."""
        return {
            name: getattr(self, name)
            for name in self.__struct_fields__
            if getattr(self, name) != getattr(DEFAULT_READINGS, name)
        }


def checked(chosen: Mapping[str, object]) -> dict[str, Any]:
    """``chosen`` as it is kept: also what is the default here, OCPI 2.1.1 has others. Raises ``UnknownReading``."""
    readings = Readings().choosing(chosen)
    return {name: getattr(readings, name) for name in chosen}


class Told(NamedTuple):
    """One reading, for whoever chooses."""

    name: str
    value: str
    default: str
    values: tuple[str, ...]
    """All that there are."""
    is_chosen: bool


def told(chosen: Mapping[str, object]) -> list[Told]:
    """Every reading, where ``chosen`` are. Raises ``UnknownReading``."""
    readings = Readings().choosing(chosen)
    numbers = tuple(map(str, range(MOST_DECIMALS + 1)))
    found = []
    for name in Readings.__struct_fields__:
        default = getattr(DEFAULT_READINGS, name)
        values = tuple(map(str, type(default))) if isinstance(default, StrEnum) else numbers
        found.append(Told(name, str(getattr(readings, name)), str(default), values, name in chosen))
    return found


class ChosenReadings(CanonicalObject, frozen=True, kw_only=True):
    """What two parties chose, in a form that is kept with a session from its start."""

    chosen: Mapping[str, Any] = {}

    @property
    def readings(self) -> Readings:
        """With the defaults for all else. Raises ``UnknownReading``."""
        return Readings().choosing(self.chosen)


def _value(name: str, kind: type[Any], value: object) -> Any:
    if issubclass(kind, StrEnum):
        if str(value) not in tuple(kind):
            raise UnknownReading(f"{name}: {value} is none of {', '.join(kind)}")
        return kind(str(value))
    if not str(value).isdecimal() or int(str(value)) > MOST_DECIMALS:
        raise UnknownReading(f"{name}: {value} is no number of decimals; give 0 to {MOST_DECIMALS}")
    return int(str(value))


DEFAULT_READINGS: Final = Readings()
