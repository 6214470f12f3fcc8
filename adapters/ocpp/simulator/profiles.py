"""What a simulated station makes of charging profiles: keeps one per transaction and tells what holds from now on."""

from datetime import UTC, datetime
from typing import Any

from adapters.ocpp.simulator.charge import Charge


class Profiles:
    """TxProfiles by their id, as the ``ocpp`` package gives them (names in snake case)."""

    def __init__(self, *, most_w: int) -> None:
        self._most_w = most_w
        self._kept: dict[int, dict[str, Any]] = {}

    def set(self, profile: dict[str, Any], charge: Charge | None) -> bool:
        """False for a profile of a charge that does not run there."""
        if profile.get("charging_profile_purpose") != "TxProfile":
            self._kept[profile["charging_profile_id"]] = profile
            return True
        is_ours = charge is not None and charge.transaction_id == profile.get("transaction_id")
        if not is_ours:
            return False
        self._kept[profile["charging_profile_id"]] = profile
        return True

    def clear(self, profile_id: int | None, *, purpose: str | None = None, stack_level: int | None = None) -> bool:
        """Those that fit all that is said; False when there is none."""
        wanted = {"charging_profile_purpose": purpose, "stack_level": stack_level}
        gone = [
            known
            for known, profile in self._kept.items()
            if profile_id in (None, known) and all(profile.get(n) == w for n, w in wanted.items() if w is not None)
        ]
        for known in gone:
            del self._kept[known]
        return bool(gone)

    def composite(self, charge: Charge | None, duration: int, *, now: datetime) -> dict[str, Any]:
        """The limits of the next ``duration`` seconds: those of the charge's profile, else what the station can."""
        of_charge = [k for k in self._kept.values() if charge and k.get("transaction_id") == charge.transaction_id]
        if charge is None or not of_charge:
            period = {"start_period": 0, "limit": float(self._most_w)}
            return {"duration": duration, "charging_rate_unit": "W", "charging_schedule_period": [period]}
        schedule = of_charge[-1]["charging_schedule"]
        begun = schedule.get("start_schedule")
        start = datetime.fromisoformat(begun) if begun else charge.started_at
        passed = int((now - start.astimezone(UTC)).total_seconds())
        return {
            "duration": duration,
            "charging_rate_unit": schedule["charging_rate_unit"],
            "charging_schedule_period": _from(schedule["charging_schedule_period"], passed, duration),
        }


def _from(periods: list[dict[str, Any]], passed: int, duration: int) -> list[dict[str, Any]]:
    """The periods as counted from ``passed`` seconds after their start, as far as they begin within ``duration``."""
    begun = [entry for entry in periods if entry["start_period"] <= passed]
    later = [entry for entry in periods if passed < entry["start_period"] < passed + duration]
    current = begun[-1:] or later[:1]
    told = [{"start_period": 0, "limit": entry["limit"]} for entry in current]
    coming = [entry for entry in later if entry not in current]
    return told + [{"start_period": e["start_period"] - passed, "limit": e["limit"]} for e in coming]
