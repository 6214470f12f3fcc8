"""Endpoints of sessions. The caller sees sessions of its own tokens only."""

from roaming.model.identifiers import PartyId
from roaming.model.party import InterfaceRole, Role
from roaming.model.session import Session
from roaming.modules.sessions import repository, service
from roaming.ocpi.authorization import check_owner
from roaming.ocpi.codec import parse_json
from roaming.ocpi.errors import NotFound
from roaming.ocpi.listing import answer_list, answer_own
from roaming.ocpi.module import OcpiRequest, OcpiResponse, Route


async def list_sessions(request: OcpiRequest) -> OcpiResponse:
    """Clients must send ``date_from`` (OCPI 2.2.1, sessions). One that does not gets everything that is its own: see
    decision 0057."""
    owners = request.directory.hosted_cpos_for(request.partner)
    wanted = request.routing.to_party
    if wanted is not None:
        owners = tuple(owner for owner in owners if owner == wanted)
    scopes = tuple(str(party) for party in request.from_parties if party in request.partner.parties(Role.EMSP))
    return await answer_list(
        request,
        repository.DOCUMENTS,
        service.render(request.version),
        owners=owners if scopes else (),
        scopes=scopes,
    )


async def charging_preferences(request: OcpiRequest) -> OcpiResponse:
    """None of our EVSEs can take preferences yet: what OCPI says for an EVSE without the capability."""
    raise NotFound("the EVSE of this session cannot take charging preferences", status_code=2001)


async def get(request: OcpiRequest) -> OcpiResponse:
    key = repository.key_of(_owner(request), request.path["session_id"])
    return await answer_own(request, repository.DOCUMENTS, service.CODECS, Session, key=key)


async def put(request: OcpiRequest) -> OcpiResponse:
    party, body = _owner(request), parse_json(request.body)
    async with request.services.database.work() as work:
        is_new = await service.put(
            work,
            request.wire(party),
            party,
            request.path["session_id"],
            body,
            source=request.partner.id,
            owners=request.directory.hosted_emsps_for(request.partner),
        )
    return OcpiResponse(http_status=201 if is_new else 200)


async def patch(request: OcpiRequest) -> OcpiResponse:
    party, body = _owner(request), parse_json(request.body)
    async with request.services.database.work() as work:
        await service.patch(
            work, request.wire(party), party, request.path["session_id"], body, source=request.partner.id
        )
    return OcpiResponse()


def _owner(request: OcpiRequest) -> PartyId:
    return check_owner(request.partner, request.path["country_code"], request.path["party_id"], Role.CPO)


_ONE = "/{country_code}/{party_id}/{session_id}"
_SENDER, _RECEIVER = InterfaceRole.SENDER, InterfaceRole.RECEIVER

ROUTES: tuple[Route, ...] = (
    Route(method="GET", path="", interface=_SENDER, handle=list_sessions, summary="List Sessions of your tokens"),
    Route(
        method="PUT",
        path="/{session_id}/charging_preferences",
        interface=_SENDER,
        handle=charging_preferences,
        summary="Set charging preferences",
    ),
    Route(method="GET", path=_ONE, interface=_RECEIVER, handle=get, summary="A Session as stored here"),
    Route(method="PUT", path=_ONE, interface=_RECEIVER, handle=put, summary="Store or replace a Session"),
    Route(method="PATCH", path=_ONE, interface=_RECEIVER, handle=patch, summary="Change a Session, add its periods"),
)
