"""Charging profiles of OCPI ⇄ schedules for stations, and outcomes ⇄ results. Pure.

Both measure in W or A per phase and count from the start of the charge where no start is given, so that nothing is
converted. (OCPI 2.2.1, charging profiles, ChargingProfile)
"""

import itertools
from datetime import datetime
from decimal import Decimal

from contracts.messages import ChargingLimit, ChargingSchedule
from contracts.vocabulary import ChargingRateUnit, CommandOutcome
from roaming.model.charging_profile import (
    ActiveChargingProfile,
    ChargingProfile,
    ChargingProfilePeriod,
    ChargingProfileResultType,
)

MAX_PERIODS = 1024
_NOTHING_THERE = (CommandOutcome.UNKNOWN_PROFILE, CommandOutcome.UNKNOWN_TRANSACTION)


class Unfit(ValueError):
    """A profile that no station can follow. The text names the field."""


def to_schedule(profile: ChargingProfile) -> ChargingSchedule:
    """Raises ``Unfit``."""
    if profile.charging_rate_unit not in ChargingRateUnit.__members__:
        raise Unfit(f"charging_profile.charging_rate_unit: {profile.charging_rate_unit!r}; there are W and A")
    periods = profile.charging_profile_period
    if not periods:
        raise Unfit("charging_profile.charging_profile_period: at least one; to take limits back use DELETE")
    if len(periods) > MAX_PERIODS:
        raise Unfit(f"charging_profile.charging_profile_period: more than {MAX_PERIODS}")
    if periods[0].start_period != 0:
        raise Unfit("charging_profile.charging_profile_period[0].start_period: the first period starts at 0")
    for number, (before, after) in enumerate(itertools.pairwise(periods), start=1):
        if after.start_period <= before.start_period:
            raise Unfit(f"charging_profile.charging_profile_period[{number}].start_period: later than the one before")
    for number, period in enumerate(periods):
        if period.limit < 0:
            raise Unfit(f"charging_profile.charging_profile_period[{number}].limit: not below 0")
    if profile.min_charging_rate is not None and profile.min_charging_rate < 0:
        raise Unfit("charging_profile.min_charging_rate: not below 0")
    return ChargingSchedule(
        unit=ChargingRateUnit(profile.charging_rate_unit),
        limits=tuple(ChargingLimit(starts_after=each.start_period, limit=each.limit) for each in periods),
        starts_at=profile.start_date_time,
        duration=profile.duration,
        min_rate=profile.min_charging_rate,
    )


def from_schedule(schedule: ChargingSchedule, *, told_at: datetime) -> ActiveChargingProfile:
    """What holds, as a station told it at ``told_at``."""
    start = schedule.starts_at or told_at
    return ActiveChargingProfile(
        start_date_time=start,
        charging_profile=ChargingProfile(
            start_date_time=start,
            duration=schedule.duration,
            charging_rate_unit=schedule.unit.value,
            min_charging_rate=schedule.min_rate,
            charging_profile_period=tuple(
                ChargingProfilePeriod(start_period=each.starts_after, limit=each.limit) for each in schedule.limits
            ),
        ),
    )


def unlimited(max_amperage: int, *, now: datetime) -> ChargingSchedule:
    """What holds where nothing limits but the connector itself."""
    most = ChargingLimit(starts_after=0, limit=Decimal(max_amperage))
    return ChargingSchedule(unit=ChargingRateUnit.A, limits=(most,), starts_at=now)


def result_of(outcome: CommandOutcome) -> ChargingProfileResultType:
    """OCPI knows three: what could not be done for whatever reason was rejected."""
    if outcome is CommandOutcome.ACCEPTED:
        return ChargingProfileResultType.ACCEPTED
    if outcome in _NOTHING_THERE:
        return ChargingProfileResultType.UNKNOWN
    return ChargingProfileResultType.REJECTED
