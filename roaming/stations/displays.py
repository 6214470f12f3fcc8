"""What a station's display can show, by what it says of itself."""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.stations.tables import StationRow

STATIONS = StationRow.__table__  # type: ignore[attr-defined]
COST: Final = "TariffCostCtrlr.Enabled[Cost]"
"""The variable that says whether the driver is shown the cost so far (OCPP 2.0.1 part 2, appendix, TariffCostCtrlr)."""


async def note(connection: AsyncConnection, told: Iterable[tuple[str, str, Iterable[tuple[str, str]]]]) -> None:
    """Takes (network, station_id, (variable, value) …), in the order in which they were told; without a value: the
    station has no such variable, or keeps it to itself."""
    shown = {
        (network, station_id): value.casefold() == "true"
        for network, station_id, variables in told
        for name, value in variables
        if name.casefold() == COST.casefold()
    }
    for (network, station_id), shows_cost in sorted(shown.items()):
        mine = (STATIONS.c.network == network, STATIONS.c.station_id == station_id)
        values = {"shows_cost": shows_cost, "is_cost_known": True}
        await connection.execute(update(STATIONS).where(*mine).values(values))
