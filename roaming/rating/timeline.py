"""What is known of one session in the order of time: meter readings and charging states.

Knows no tariff and no station protocol; the sessions module fills it from facts, the tests by hand.
"""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from contracts.vocabulary import ConnectorStatus


class ChargingState(StrEnum):
    """Who holds back while a vehicle is connected."""

    CHARGING = "CHARGING"
    SUSPENDED_EV = "SUSPENDED_EV"
    """The vehicle asks for no power: PARKING_TIME."""
    SUSPENDED_EVSE = "SUSPENDED_EVSE"
    """The station withholds power: see the reading ``WithheldPower``."""


def charging_state(status: str) -> ChargingState | None:
    """The state that a connector status of a running session means; ``None``: it says nothing about it."""
    if status in (ConnectorStatus.PREPARING, ConnectorStatus.FINISHING):
        return ChargingState.SUSPENDED_EV
    return ChargingState(status) if status in set(ChargingState) else None


class Reading(msgspec.Struct, frozen=True):
    """One reading of the meter."""

    at: datetime
    register_wh: Decimal
    """Import register; only differences mean anything."""
    power_w: Decimal | None = None
    """Momentary power as the station reported it."""
    current_a: Decimal | None = None
    """Momentary current, sum over the phases; taken to hold until the next reading."""


class StateChange(msgspec.Struct, frozen=True):
    """From ``at`` on the session is in ``state``."""

    at: datetime
    state: ChargingState


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """One session from ``start`` to ``end``; for a running one ``end`` is the present or the last reading.

    The register at the start and at the end belong among the readings. Readings and states need no order;
    what lies outside the session is taken to its nearer end. Without states, time in which the register rises
    is charging and other time is parking.
    """

    start: datetime
    end: datetime
    readings: tuple[Reading, ...] = ()
    states: tuple[StateChange, ...] = ()
