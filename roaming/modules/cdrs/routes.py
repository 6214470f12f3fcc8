"""Endpoints of CDRs. The caller sees CDRs of its own tokens only; none is ever changed."""

from roaming.model.cdr import CDR
from roaming.model.party import InterfaceRole, Role
from roaming.modules.cdrs import repository, service
from roaming.ocpi.addresses import join
from roaming.ocpi.authorization import check_not_to_all, check_owner
from roaming.ocpi.codec import parse_json
from roaming.ocpi.content import Content
from roaming.ocpi.listing import addressed, answer_list, answer_own
from roaming.ocpi.module import Clue, OcpiRequest, OcpiResponse, Route


async def list_cdrs(request: OcpiRequest) -> OcpiResponse:
    owners = addressed(request, request.directory.cpos_for(request.partner))
    scopes = tuple(str(party) for party in request.from_parties if party in request.partner.parties(Role.EMSP))
    return await answer_list(
        request,
        repository.DOCUMENTS,
        service.CODECS,
        CDR,
        owners=owners if scopes else {},
        scopes=scopes,
        surroundings=service.surroundings,
    )


async def post(request: OcpiRequest) -> OcpiResponse:
    body = parse_json(request.body)
    owners = tuple(request.directory.emsps_for(request.partner))
    check_not_to_all(request)
    cpos = request.partner.parties(Role.CPO)
    wire = request.wire(cpos[0] if len(cpos) == 1 else None)
    async with request.work() as work:
        accepted = await service.accept(work, request.directory, wire, request.partner, body, owners=owners)
    cdr = accepted.cdr
    location = join(request.url.split("?", 1)[0], cdr.country_code, cdr.party_id, cdr.id)
    return OcpiResponse(http_status=201 if accepted.is_new else 200, headers={"Location": location})


async def get(request: OcpiRequest) -> OcpiResponse:
    party = check_owner(request.partner, request.path["country_code"], request.path["party_id"], Role.CPO)
    key = repository.key_of(party, request.path["cdr_id"])
    return await answer_own(
        request, repository.DOCUMENTS, service.CODECS, CDR, key=key, surroundings=service.surroundings
    )


_CDR = Content.of(service.CODECS)

ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="",
        interface=InterfaceRole.SENDER,
        handle=list_cdrs,
        summary="List CDRs of your tokens",
        gives=_CDR.listed,
    ),
    Route(
        method="POST",
        path="",
        interface=InterfaceRole.RECEIVER,
        handle=post,
        summary="Take a CDR",
        clue=Clue.TOKEN_OWNER,
        takes=_CDR,
        successes=(200, 201),
        response_headers=("Location",),
    ),
    Route(
        method="GET",
        path="/{country_code}/{party_id}/{cdr_id}",
        interface=InterfaceRole.RECEIVER,
        handle=get,
        summary="A CDR as stored here: the address that a POST answers with",
        gives=_CDR,
    ),
)
