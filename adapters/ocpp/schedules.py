"""Limits over time in the form that all versions of OCPP share, and back. Pure."""

from collections.abc import Mapping
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal
from typing import Any, Final

from adapters.ocpp.moments import from_time
from adapters.ocpp.whole import whole
from contracts.messages import ChargingLimit, ChargingSchedule
from contracts.messages.operation import SetChargingProfile
from contracts.vocabulary import ChargingRateUnit

_STEP: Final = Decimal("0.1")


def from_limits(schedule: ChargingSchedule) -> dict[str, Any]:
    """A ChargingSchedule as all versions have it. Limits have one decimal and are cut, never raised: they are upper
    limits."""
    said: dict[str, Any] = {
        "chargingRateUnit": schedule.unit.value,
        "chargingSchedulePeriod": [
            {"startPeriod": entry.starts_after, "limit": tenths(entry.limit)} for entry in schedule.limits
        ],
    }
    if schedule.duration is not None:
        said["duration"] = schedule.duration
    if schedule.starts_at is not None:
        said["startSchedule"] = from_time(schedule.starts_at)
    if schedule.min_rate is not None:
        said["minChargingRate"] = tenths(schedule.min_rate)
    return said


def from_validity(profile: SetChargingProfile) -> dict[str, Any]:
    """How the schedule of an operator's profile is to be taken, and when: the fields of a ChargingProfile that all
    versions have."""
    is_relative = profile.schedule.starts_at is None
    said: dict[str, Any] = {
        "chargingProfileKind": "Relative" if is_relative else "Recurring" if profile.recurrence else "Absolute"
    }
    if profile.recurrence is not None:
        said["recurrencyKind"] = profile.recurrence.value.capitalize()
    for name, at in (("validFrom", profile.valid_from), ("validTo", profile.valid_to)):
        if at is not None:
            said[name] = from_time(at)
    return said


def to_limits(said: Mapping[str, Any], *, starts_at: datetime) -> ChargingSchedule | None:
    """The limits in a ChargingSchedule or CompositeSchedule; ``None`` when it holds none that make sense. In 2.1 a
    period may do without a limit: what it means instead the contract cannot say."""
    periods = said.get("chargingSchedulePeriod") or ()
    if said.get("chargingRateUnit") not in ChargingRateUnit.__members__ or any("limit" not in p for p in periods):
        return None
    limits = tuple(
        ChargingLimit(starts_after=_seconds(period["startPeriod"]), limit=Decimal(str(period["limit"])))
        for period in periods
    )
    if not limits or any(entry.limit < 0 or entry.starts_after < 0 for entry in limits):
        return None
    lowest = said.get("minChargingRate")
    return ChargingSchedule(
        unit=ChargingRateUnit(said["chargingRateUnit"]),
        limits=tuple(sorted(limits, key=lambda entry: entry.starts_after)),
        starts_at=starts_at,
        duration=whole(said.get("duration")),
        min_rate=Decimal(str(lowest)) if lowest is not None else None,
    )


def _seconds(said: Any) -> int:
    """Absurd ones are negative: no schedule makes sense with them."""
    found = whole(said)
    return -1 if found is None else found


def tenths(value: Decimal) -> float:
    """A limit as OCPP writes it."""
    return float(value.quantize(_STEP, rounding=ROUND_FLOOR))
