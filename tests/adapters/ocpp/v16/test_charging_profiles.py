"""Charging profiles of OCPP 1.6: what is sent fits the official schema, and what comes back is read with care."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from adapters.ocpp.v16 import schemas
from adapters.ocpp.v16.charging_profiles import from_schedule, to_schedule
from contracts.messages import ChargingLimit, ChargingSchedule
from contracts.vocabulary import ChargingRateUnit

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NONE = timedelta(0)


def schedule(*limits: str, **fields: Any) -> ChargingSchedule:
    told = tuple(ChargingLimit(starts_after=index * 60, limit=Decimal(limit)) for index, limit in enumerate(limits))
    return ChargingSchedule(**({"unit": ChargingRateUnit.A, "limits": told} | fields))


def test_a_schedule_without_start_is_relative() -> None:
    assert from_schedule(schedule("16", "6.5"), connector_id=2, transaction_id=77) == {
        "connectorId": 2,
        "csChargingProfiles": {
            "chargingProfileId": 77,
            "transactionId": 77,
            "stackLevel": 1,
            "chargingProfilePurpose": "TxProfile",
            "chargingProfileKind": "Relative",
            "chargingSchedule": {
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.0}, {"startPeriod": 60, "limit": 6.5}],
            },
        },
    }


def test_a_schedule_with_start_is_absolute() -> None:
    given = schedule("11000", unit=ChargingRateUnit.W, starts_at=NOW, duration=3600, min_rate=Decimal("1400"))
    profile = from_schedule(given, connector_id=1, transaction_id=1)["csChargingProfiles"]
    assert profile["chargingProfileKind"] == "Absolute"
    assert profile["chargingSchedule"]["startSchedule"] == "2026-11-23T12:00:00.000Z"
    assert (profile["chargingSchedule"]["duration"], profile["chargingSchedule"]["minChargingRate"]) == (3600, 1400.0)


@pytest.mark.parametrize("limit", ["0", "0.1", "6.55", "16.1", "31.99", "7.3", "11000.04", "350000"])
def test_a_limit_fits_the_schema_and_is_never_raised(limit: str) -> None:
    request = from_schedule(schedule(limit), connector_id=1, transaction_id=1)
    assert schemas.request("SetChargingProfile").is_strict(request), request
    (period,) = request["csChargingProfiles"]["chargingSchedule"]["chargingSchedulePeriod"]
    assert Decimal(str(period["limit"])) <= Decimal(limit)
    assert Decimal(limit) - Decimal(str(period["limit"])) < Decimal("0.1")


ANSWER = {
    "status": "Accepted",
    "connectorId": 1,
    "scheduleStart": "2026-11-23T11:59:00Z",
    "chargingSchedule": {
        "duration": 600,
        "chargingRateUnit": "W",
        "chargingSchedulePeriod": [{"startPeriod": 60, "limit": 7.3}, {"startPeriod": 0, "limit": 11000}],
    },
}


def test_what_a_station_tells() -> None:
    told = to_schedule(ANSWER, received_at=NOW, offset=NONE)
    assert told == ChargingSchedule(
        unit=ChargingRateUnit.W,
        limits=(
            ChargingLimit(starts_after=0, limit=Decimal("11000")),
            ChargingLimit(starts_after=60, limit=Decimal("7.3")),
        ),
        starts_at=NOW - timedelta(minutes=1),
        duration=600,
    )


def test_a_clock_that_is_ahead_is_put_right_and_no_time_is_now() -> None:
    told = to_schedule(ANSWER, received_at=NOW, offset=timedelta(hours=1))
    assert told is not None
    assert told.starts_at == NOW - timedelta(hours=1, minutes=1)
    untimed = {name: value for name, value in ANSWER.items() if name != "scheduleStart"}
    found = to_schedule(untimed, received_at=NOW, offset=timedelta(hours=1))
    assert found is not None
    assert found.starts_at == NOW


@pytest.mark.parametrize(
    "said",
    [
        None,
        {},
        {"chargingRateUnit": "hp", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 1}]},
        {"chargingRateUnit": "W", "chargingSchedulePeriod": []},
        {"chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": -1}]},
    ],
)
def test_what_makes_no_sense_is_no_schedule(said: Any) -> None:
    assert to_schedule({"status": "Accepted", "chargingSchedule": said}, received_at=NOW, offset=NONE) is None
