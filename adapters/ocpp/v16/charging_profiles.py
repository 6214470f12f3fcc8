"""Limits as charging profiles of OCPP 1.6 (section 5.16), and back. Pure.

A partner gets one profile per transaction: one purpose, one stack level, and the transaction's own number as the id of
the profile, so that setting again replaces and clearing needs no memory. The site's own limits are profiles of other
purposes and stay.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import Any, Final

from adapters.ocpp import moments
from adapters.ocpp.moments import from_time
from contracts.messages import ChargingLimit, ChargingSchedule
from contracts.messages.operation import SetChargingProfile
from contracts.vocabulary import ChargingRateUnit, ProfilePurpose

STACK_LEVEL: Final = 1
PURPOSES: Final = {
    ProfilePurpose.STATION_MAX: "ChargePointMaxProfile",
    ProfilePurpose.TRANSACTION_DEFAULT: "TxDefaultProfile",
    ProfilePurpose.TRANSACTION: "TxProfile",
}
_STEP: Final = Decimal("0.1")


def from_schedule(schedule: ChargingSchedule, *, connector_id: int, transaction_id: int) -> dict[str, Any]:
    """A SetChargingProfile request for a partner."""
    return {
        "connectorId": connector_id,
        "csChargingProfiles": {
            "chargingProfileId": transaction_id,
            "transactionId": transaction_id,
            "stackLevel": STACK_LEVEL,
            "chargingProfilePurpose": "TxProfile",
            "chargingProfileKind": "Relative" if schedule.starts_at is None else "Absolute",
            "chargingSchedule": from_limits(schedule),
        },
    }


def from_profile(profile: SetChargingProfile, *, connector_id: int, transaction_id: int | None) -> dict[str, Any]:
    """A SetChargingProfile request of the operator's."""
    starts_at = profile.schedule.starts_at
    said: dict[str, Any] = {
        "chargingProfileId": profile.profile_id,
        "stackLevel": profile.stack_level,
        "chargingProfilePurpose": PURPOSES[profile.purpose],
        "chargingProfileKind": "Relative" if starts_at is None else "Recurring" if profile.recurrence else "Absolute",
        "chargingSchedule": from_limits(profile.schedule),
    }
    if profile.recurrence is not None:
        said["recurrencyKind"] = profile.recurrence.value.capitalize()
    if transaction_id is not None:
        said["transactionId"] = transaction_id
    for name, at in (("validFrom", profile.valid_from), ("validTo", profile.valid_to)):
        if at is not None:
            said[name] = from_time(at)
    return {"connectorId": connector_id, "csChargingProfiles": said}


def from_limits(schedule: ChargingSchedule) -> dict[str, Any]:
    """A ChargingSchedule. Limits have one decimal and are cut, never raised: they are upper limits."""
    said: dict[str, Any] = {
        "chargingRateUnit": schedule.unit.value,
        "chargingSchedulePeriod": [
            {"startPeriod": entry.starts_after, "limit": _tenths(entry.limit)} for entry in schedule.limits
        ],
    }
    if schedule.duration is not None:
        said["duration"] = schedule.duration
    if schedule.starts_at is not None:
        said["startSchedule"] = from_time(schedule.starts_at)
    if schedule.min_rate is not None:
        said["minChargingRate"] = _tenths(schedule.min_rate)
    return said


def to_schedule(answer: Mapping[str, Any], *, received_at: datetime, offset: timedelta) -> ChargingSchedule | None:
    """The limits in an answer to GetCompositeSchedule; ``None`` when it holds none that make sense. ``offset``: how far
    the station's clock is ahead of ours."""
    said = answer.get("chargingSchedule")
    if not isinstance(said, dict) or said.get("chargingRateUnit") not in ChargingRateUnit.__members__:
        return None
    starts_at = moments.parse(answer.get("scheduleStart")) or moments.parse(said.get("startSchedule"))
    limits = tuple(
        ChargingLimit(starts_after=int(period["startPeriod"]), limit=Decimal(str(period["limit"])))
        for period in said.get("chargingSchedulePeriod") or ()
    )
    if not limits or any(entry.limit < 0 or entry.starts_after < 0 for entry in limits):
        return None
    lowest = said.get("minChargingRate")
    return ChargingSchedule(
        unit=ChargingRateUnit(said["chargingRateUnit"]),
        limits=tuple(sorted(limits, key=lambda entry: entry.starts_after)),
        starts_at=starts_at - offset if starts_at is not None else received_at,
        duration=said.get("duration"),
        min_rate=Decimal(str(lowest)) if lowest is not None else None,
    )


def _tenths(value: Decimal) -> float:
    return float(value.quantize(_STEP, rounding=ROUND_FLOOR))
