"""A profile reaches a station as it is meant, and what no station can follow is refused by name."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.vocabulary import CommandOutcome
from roaming.model.charging_profile import ChargingProfile, ChargingProfilePeriod
from roaming.modules.chargingprofiles.schedules import Unfit, from_schedule, result_of, to_schedule, unlimited

NOW = datetime(2026, 11, 28, tzinfo=UTC)


def profile(*periods: tuple[int, str], unit: str = "W", min_rate: str | None = None) -> ChargingProfile:
    return ChargingProfile(
        start_date_time=NOW,
        duration=3600,
        charging_rate_unit=unit,
        min_charging_rate=Decimal(min_rate) if min_rate is not None else None,
        charging_profile_period=tuple(
            ChargingProfilePeriod(start_period=start, limit=Decimal(limit)) for start, limit in periods
        ),
    )


@given(
    starts=st.sets(st.integers(1, 86_400), max_size=5),
    limit=st.decimals(0, 350_000, places=1),
    unit=st.sampled_from(["W", "A"]),
)
def test_there_and_back(starts: set[int], limit: Decimal, unit: str) -> None:
    wanted = profile(*((start, str(limit)) for start in (0, *sorted(starts))), unit=unit, min_rate="6.0")
    told = from_schedule(to_schedule(wanted), told_at=NOW)
    assert told.charging_profile == wanted
    assert told.start_date_time == NOW


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (profile(), "charging_profile_period: at least one"),
        (profile((60, "1")), r"charging_profile_period\[0\]\.start_period"),
        (profile((0, "1"), (60, "1"), (60, "2")), r"charging_profile_period\[2\]\.start_period"),
        (profile((0, "1"), (60, "-1")), r"charging_profile_period\[1\]\.limit"),
        (profile((0, "1"), unit="kW"), "charging_rate_unit"),
        (profile((0, "1"), min_rate="-1"), "min_charging_rate"),
        (profile(*((number, "1") for number in range(2000))), "charging_profile_period: more than"),
    ],
)
def test_what_no_station_can_follow(wrong: ChargingProfile, field: str) -> None:
    with pytest.raises(Unfit, match=field):
        to_schedule(wrong)


def test_results_are_three() -> None:
    assert {outcome: result_of(outcome).value for outcome in CommandOutcome if result_of(outcome) != "REJECTED"} == {
        CommandOutcome.ACCEPTED: "ACCEPTED",
        CommandOutcome.UNKNOWN_PROFILE: "UNKNOWN",
        CommandOutcome.UNKNOWN_TRANSACTION: "UNKNOWN",
    }


def test_without_limits_the_connector_limits() -> None:
    told = from_schedule(unlimited(32, now=NOW), told_at=NOW)
    assert told.charging_profile.charging_rate_unit == "A"
    assert [period.limit for period in told.charging_profile.charging_profile_period] == [32]
