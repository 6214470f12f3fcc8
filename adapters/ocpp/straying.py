"""When an operator is told how often a station has strayed from its specification, and how that is said."""

from typing import Final

from adapters.kit.manifest import Fact
from adapters.ocpp.station import Station
from contracts.envelope import message_id
from contracts.messages import StationDeviationsCounted

SOON: Final = 60.0
"""Seconds between two tellings where a new kind has come up."""
SELDOM: Final = 900.0
"""Where only the numbers have grown."""


def is_due(station: Station, now: float) -> bool:
    """Whether there is something new to tell at ``now``, on the event loop's clock."""
    kinds, total = len(station.deviations), station.deviations.total()
    if not station.is_admitted or total == station.told.total:
        return False
    since = now - station.told.at
    return since > (SOON if kinds > station.told.kinds else SELDOM) or not station.told.total


def is_untold(station: Station) -> bool:
    """Whether something would be lost with the connection."""
    return station.is_admitted and station.deviations.total() != station.told.total


def counted(station: Station, *, network: str, now: float) -> Fact:
    """All of this connection, which is told with it."""
    station.told.kinds, station.told.total, station.told.at = len(station.deviations), station.deviations.total(), now
    return Fact(
        id=message_id("deviations", network, station.id, station.epoch, station.told.total),
        message=StationDeviationsCounted(
            network=network, station_id=station.id, epoch=station.epoch, counts=dict(sorted(station.deviations.items()))
        ),
        station_id=station.id,
        occurred_at=station.now(),
    )
