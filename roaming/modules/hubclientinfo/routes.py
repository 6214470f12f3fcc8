"""Endpoints of hub client info: the list of who can be reached here, and what a hub in front of us tells."""

from roaming.model.client_info import ClientInfo
from roaming.model.identifiers import PartyId
from roaming.model.party import InterfaceRole
from roaming.modules.hubclientinfo import repository, service
from roaming.ocpi.authorization import party_of_address
from roaming.ocpi.codec import parse_json
from roaming.ocpi.content import Content
from roaming.ocpi.errors import NotFound
from roaming.ocpi.listing import answer_list
from roaming.ocpi.module import OcpiRequest, OcpiResponse, Route


async def list_clients(request: OcpiRequest) -> OcpiResponse:
    """Everybody but the caller, who knows of itself."""
    own = frozenset(request.partner.parties())
    known = (await repository.known(request.services.database.reader)).values()
    parties = dict.fromkeys(sorted({entry.party for entry in known} - own), "")
    return await answer_list(request, repository.DOCUMENTS, service.CODECS, ClientInfo, owners=parties)


async def get(request: OcpiRequest) -> OcpiResponse:
    info = await repository.told_by(request.services.database.reader, request.partner.id, _party(request))
    if info is None:
        raise NotFound("you told nothing of this party")
    return OcpiResponse(data=request.wire().encode(service.CODECS, info))


async def put(request: OcpiRequest) -> OcpiResponse:
    party, body = _party(request), parse_json(request.body)
    async with request.work() as work:
        hub = request.services.hub_party
        is_new = await service.put(work, request.wire(party), request.partner, party, body, hub_party=hub)
    return OcpiResponse(http_status=201 if is_new else 200)


def _party(request: OcpiRequest) -> PartyId:
    return party_of_address(request.path["country_code"], request.path["party_id"])


_INFO = Content.of(service.CODECS)
_ONE = "/{country_code}/{party_id}"

ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="",
        interface=InterfaceRole.SENDER,
        handle=list_clients,
        summary="List the parties that can be reached through this hub",
        gives=_INFO.listed,
    ),
    Route(
        method="GET",
        path=_ONE,
        interface=InterfaceRole.RECEIVER,
        handle=get,
        summary="A party behind your hub, as stored here",
        gives=_INFO,
    ),
    Route(
        method="PUT",
        path=_ONE,
        interface=InterfaceRole.RECEIVER,
        handle=put,
        summary="Tell of a party behind your hub",
        takes=_INFO,
        successes=(200, 201),
    ),
)
