"""Limits as charging profiles of OCPP 1.6 (section 5.16), and back. Pure.

A partner gets one profile per transaction: one purpose, one stack level, and the transaction's own number as the id of
the profile, so that setting again replaces and clearing needs no memory. The site's own limits are profiles of other
purposes and stay.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from adapters.ocpp import moments
from adapters.ocpp.schedules import from_limits, from_validity, to_limits
from contracts.messages import ChargingSchedule
from contracts.messages.operation import SetChargingProfile
from contracts.vocabulary import ProfilePurpose

STACK_LEVEL: Final = 1
PURPOSES: Final = {
    ProfilePurpose.STATION_MAX: "ChargePointMaxProfile",
    ProfilePurpose.TRANSACTION_DEFAULT: "TxDefaultProfile",
    ProfilePurpose.TRANSACTION: "TxProfile",
}


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
    said: dict[str, Any] = {
        "chargingProfileId": profile.profile_id,
        "stackLevel": profile.stack_level,
        "chargingProfilePurpose": PURPOSES[profile.purpose],
        "chargingSchedule": from_limits(profile.schedule),
        **from_validity(profile),
    }
    if transaction_id is not None:
        said["transactionId"] = transaction_id
    return {"connectorId": connector_id, "csChargingProfiles": said}


def to_schedule(answer: Mapping[str, Any], *, received_at: datetime, offset: timedelta) -> ChargingSchedule | None:
    """The limits in an answer to GetCompositeSchedule; ``None`` when it holds none that make sense. ``offset``: how far
    the station's clock is ahead of ours."""
    said = answer.get("chargingSchedule")
    if not isinstance(said, dict):
        return None
    starts_at = moments.parse(answer.get("scheduleStart")) or moments.parse(said.get("startSchedule"))
    return to_limits(said, starts_at=starts_at - offset if starts_at is not None else received_at)
