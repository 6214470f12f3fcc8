"""Which connector a command goes to when it names a location or an EVSE only."""

from collections.abc import Callable, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.vocabulary import ConnectorStatus
from roaming.model.command import CommandResponseType
from roaming.model.identifiers import PartyId
from roaming.model.location import Location
from roaming.ocpi.errors import UnknownLocation
from roaming.stations.bindings import Binding, bindings_of_evse
from roaming.stations.connectors import statuses_of
from roaming.stations.presence import Presence, presences_of

FREE_FIRST = (ConnectorStatus.AVAILABLE, ConnectorStatus.UNKNOWN, ConnectorStatus.PREPARING, ConnectorStatus.FINISHING)
"""Where the driver may stand anywhere: a connector with a cable in it may be that of somebody else."""
PLUGGED_FIRST = (ConnectorStatus.PREPARING, ConnectorStatus.AVAILABLE, ConnectorStatus.UNKNOWN)
"""Where the driver stands at this EVSE: the connector with a cable in it is the one that is meant."""
_OUT_OF_USE = (ConnectorStatus.UNAVAILABLE, ConnectorStatus.FAULTED)


class Refused(Exception):
    """The command ends here; the partner is told at once."""

    def __init__(self, result: CommandResponseType, message: str) -> None:
        super().__init__(message)
        self.result = result
        self.message = message


async def reach(
    connection: AsyncConnection,
    cpo: PartyId,
    location: Location,
    evse_uid: str | None,
    connector_id: str | None,
    *,
    may_use: Callable[[str], bool],
) -> tuple[Binding, Presence]:
    """A connector that fits, of a station that is connected: the one most likely to be free and meant.

    ``may_use``: whether the caller may do this at an EVSE. Raises ``UnknownLocation`` for an EVSE that is not bound
    here, ``Refused`` where no station is bound or connected, or none that the caller may use.
    A connector in use is still returned when there is no better one: what the station says to it is the answer.
    """
    bindings = await bindings_of_evse(connection, cpo, location.id, evse_uid)
    if connector_id is not None:
        bindings = [b for b in bindings if b.evse_connector_id.casefold() == connector_id.casefold()]
    if not bindings:
        if evse_uid is not None:
            raise UnknownLocation(f"evse_uid: {evse_uid} is not an EVSE of this location that can be commanded")
        raise Refused(CommandResponseType.NOT_SUPPORTED, "no station is bound to this location")
    bindings = [b for b in bindings if may_use(b.evse_uid)]
    if not bindings:
        raise Refused(CommandResponseType.REJECTED, "you may not do this there by the rules of this hub")
    stations = [(binding.network, binding.station_id) for binding in bindings]
    present = await presences_of(connection, stations)
    reachable = [b for b in bindings if (p := present.get((b.network, b.station_id))) and p.is_commandable]
    if not reachable:
        raise Refused(CommandResponseType.REJECTED, "the station is not connected at the moment")
    statuses = await statuses_of(connection, stations)
    wanted = FREE_FIRST if evse_uid is None else PLUGGED_FIRST
    chosen = min(reachable, key=lambda binding: _rank(binding, statuses, wanted))
    return chosen, present[chosen.network, chosen.station_id]


def _rank(
    binding: Binding, statuses: dict[tuple[str, str, int], ConnectorStatus], wanted: Sequence[ConnectorStatus]
) -> int:
    """The lower the better; among equals the order of EVSE and connector stays."""
    station = statuses.get((binding.network, binding.station_id, 0))
    own = statuses.get((binding.network, binding.station_id, binding.connector_id), ConnectorStatus.UNKNOWN)
    if station in _OUT_OF_USE or own in _OUT_OF_USE:
        return len(wanted) + 1
    return wanted.index(own) if own in wanted else len(wanted)
