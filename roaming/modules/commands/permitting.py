"""Whether rules let a partner command a station: it sees the EVSE, may send the command there, and its drivers may
charge there where the command is about charging."""

from collections.abc import Callable, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.model.command import CommandResponseType, CommandType
from roaming.model.identifiers import PartyId
from roaming.modules.commands.reaching import Refused
from roaming.ocpi.module import OcpiRequest
from roaming.partners.agreements import Kind, Thing
from roaming.stations.bindings import bindings_of_stations


def is_seen(request: OcpiRequest, cpo: PartyId, location_id: str, evse_uid: str | None) -> bool:
    """Whether the caller sees the location, or the EVSE that it names."""
    view = request.directory.view(request.partner, cpo, request.routing.from_party)
    return view.sees_evse(location_id, evse_uid) if evse_uid else view.sees_location(location_id)


def usable(
    request: OcpiRequest,
    name: CommandType,
    emsps: Sequence[PartyId],
    cpo: PartyId,
    location_id: str,
    *,
    is_charging: bool = False,
) -> Callable[[str], bool]:
    """Which EVSEs of a location one of ``emsps`` may command."""
    directory = request.directory
    view = directory.view(request.partner, cpo, request.routing.from_party)

    def may_use(evse_uid: str) -> bool:
        thing = Thing(kind=Kind.COMMANDS, owner=cpo, object_id=location_id, evse_uid=evse_uid, command=name.value)
        return view.sees_evse(location_id, evse_uid) and any(
            directory.decide_for(emsp, thing).is_allowed
            and (
                not is_charging
                or directory.may_charge(cpo=cpo, emsp=emsp, location_id=location_id, evse_uids=[evse_uid])
            )
            for emsp in emsps
        )

    return may_use


async def check_station(
    connection: AsyncConnection,
    request: OcpiRequest,
    name: CommandType,
    emsp: PartyId,
    cpo: PartyId,
    network: str,
    station_id: str,
) -> None:
    """Raises ``Refused`` unless ``emsp`` may send this to one of the station's EVSEs, seen or not. Whether its drivers
    may charge there does not matter: these commands end something."""
    directory = request.directory
    if not directory.rulebook.rules:
        return
    found = await bindings_of_stations(connection, [(network, station_id)])
    places = [(b.location_id, b.evse_uid) for b in found.values()] or [("", "")]
    if not any(
        directory.decide_for(
            emsp, Thing(kind=Kind.COMMANDS, owner=cpo, object_id=location_id, evse_uid=uid, command=name.value)
        ).is_allowed
        for location_id, uid in places
    ):
        raise Refused(CommandResponseType.REJECTED, "you may not do this there by the rules of this hub")
