"""Which connectors of a 2.x station are asked how they are, when all are meant.

A StatusNotification is triggered for one connector: a request that names none is refused by the letter (OCPP 2.0.1
part 2, F06.FR.12). What a station has is known once it has told of it; of one that has not, EVSEs are asked for in
their order (numbered from 1 without gaps: part 1, EVSE numbering) until it refuses.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, TypeVar

from adapters.ocpp.greeting import Greeting
from adapters.ocpp.recording import memory_of
from adapters.ocpp.station import Station
from adapters.ocpp.v201 import places

STATUS: Final = "StatusNotification"
TRIED: Final = 8
"""EVSEs of a station that has told of none: some say yes to any number."""

Said = TypeVar("Said")


def from_place(number: int) -> dict[str, Any]:
    """TriggerMessage for the status of a connector."""
    evse_id, connector_id = places.from_number(number)
    return {"requestedMessage": STATUS, "evse": {"id": evse_id, "connectorId": connector_id}}


async def ask_statuses(
    station: Station, say: Callable[[dict[str, Any]], Awaitable[Said]], is_taken: Callable[[Said], bool]
) -> AsyncIterator[Said]:
    """What came of each TriggerMessage, in the order of the connectors; ``say`` sends one. Ends before a refusal that
    only tells that there are no more EVSEs. Raises what ``say`` raises."""
    known = sorted(number for number in memory_of(station).connectors if number)
    for number in known or range(1, TRIED + 1):
        said = await say(from_place(number))
        is_end = not known and not is_taken(said)
        if not is_end or number == 1:
            yield said
        if is_end:
            return


class Greeting2(Greeting):
    """Implements ``Greeter`` for 2.x."""

    async def _ask_status(self, station: Station) -> None:
        async def say(payload: dict[str, Any]) -> bool:
            return await self._say(station, payload)

        async for _ in ask_statuses(station, say, bool):
            pass
