"""What a station's display can show, by what it says of itself."""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.stations.tables import StationRow

STATIONS = StationRow.__table__  # type: ignore[attr-defined]
COST: Final = "tariffcostctrlr.enabled[cost]"
"""The variable that says whether the driver is shown the cost so far (OCPP 2.0.1 part 2, appendix, TariffCostCtrlr)."""


async def note(connection: AsyncConnection, told: Iterable[tuple[str, str, Iterable[tuple[str, str]]]]) -> None:
    """Takes (network, station_id, (variable, value) …), in the order in which they were told."""
    shown = {
        (network, station_id): value.casefold() == "true"
        for network, station_id, variables in told
        for name, value in variables
        if name.casefold() == COST and value
    }
    for (network, station_id), shows_cost in sorted(shown.items()):
        mine = (STATIONS.c.network == network, STATIONS.c.station_id == station_id)
        await connection.execute(update(STATIONS).where(*mine).values(shows_cost=shows_cost))
