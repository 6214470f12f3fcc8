"""An operator's limits as charging profiles of OCPP 2.x (part 2, K01), and what a station tells of limits. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from adapters.ocpp import moments
from adapters.ocpp.schedules import from_limits, from_validity, to_limits
from contracts.messages import ChargingSchedule
from contracts.messages.operation import SetChargingProfile
from contracts.vocabulary import ProfilePurpose

PURPOSES: Final = {
    ProfilePurpose.STATION_MAX: "ChargingStationMaxProfile",
    ProfilePurpose.TRANSACTION_DEFAULT: "TxDefaultProfile",
    ProfilePurpose.TRANSACTION: "TxProfile",
}


def from_profile(profile: SetChargingProfile, *, evse_id: int, transaction_id: str | None) -> dict[str, Any]:
    """A SetChargingProfile request of the operator's. EVSE 0 is the station."""
    said: dict[str, Any] = {
        "id": profile.profile_id,
        "stackLevel": profile.stack_level,
        "chargingProfilePurpose": PURPOSES[profile.purpose],
        "chargingSchedule": [{"id": 1, **from_limits(profile.schedule)}],
        **from_validity(profile),
    }
    if profile.is_dynamic:
        said["chargingProfileKind"] = "Dynamic"
        if profile.pull_every is not None:
            said["dynUpdateInterval"] = profile.pull_every
    if transaction_id is not None:
        said["transactionId"] = transaction_id
    return {"evseId": evse_id, "chargingProfile": said}


def to_schedule(answer: Mapping[str, Any], *, received_at: datetime, offset: timedelta) -> ChargingSchedule | None:
    """The limits in an answer to GetCompositeSchedule; ``None`` when it holds none that make sense. ``offset``: how far
    the station's clock is ahead of ours."""
    said = answer.get("schedule") or {}
    starts_at = moments.parse(said.get("scheduleStart"))
    return to_limits(said, starts_at=received_at if starts_at is None else starts_at - offset)
