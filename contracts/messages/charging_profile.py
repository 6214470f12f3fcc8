"""Limits over time for one charge: part of commands and of their answers."""

from datetime import datetime
from decimal import Decimal

import msgspec

from contracts.vocabulary import ChargingRateUnit


class ChargingLimit(msgspec.Struct, frozen=True, kw_only=True):
    """From ``starts_after`` seconds on, until the next one."""

    starts_after: int
    limit: Decimal
    """In the schedule's unit; never to be exceeded."""


class ChargingSchedule(msgspec.Struct, frozen=True, kw_only=True):
    """Limits in the order of their time."""

    unit: ChargingRateUnit
    limits: tuple[ChargingLimit, ...]
    starts_at: datetime | None = None
    """Absent: counted from the start of the transaction."""
    duration: int | None = None
    """Seconds; absent: the last limit goes on."""
    min_rate: Decimal | None = None
    """Below this a car charges badly or not at all."""
