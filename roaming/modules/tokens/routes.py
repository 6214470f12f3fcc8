"""Endpoints of tokens. ``type`` is a query parameter, RFID when left out."""

from roaming.model.identifiers import PartyId
from roaming.model.party import InterfaceRole, Role
from roaming.model.token import Token, TokenType
from roaming.modules.tokens import repository, service
from roaming.ocpi.authorization import check_owner
from roaming.ocpi.codec import parse_json
from roaming.ocpi.content import Content, Parameter
from roaming.ocpi.kinds import Choice
from roaming.ocpi.listing import addressed, answer_list, answer_own, private_to
from roaming.ocpi.module import Clue, OcpiRequest, OcpiResponse, Route
from roaming.ocpi.seeing import with_tokens_in_sight


async def list_tokens(request: OcpiRequest) -> OcpiResponse:
    owners = with_tokens_in_sight(request, addressed(request, request.directory.emsps_for(request.partner)))
    return await answer_list(request, repository.DOCUMENTS, service.CODECS, Token, owners=owners)


async def authorize(request: OcpiRequest) -> OcpiResponse:
    return OcpiResponse(data=await service.authorize(request))


async def get(request: OcpiRequest) -> OcpiResponse:
    key = repository.key_of(_owner(request), request.path["token_uid"], _type(request))
    return await answer_own(request, repository.DOCUMENTS, service.CODECS, Token, key=key)


async def put(request: OcpiRequest) -> OcpiResponse:
    party, body = _owner(request), parse_json(request.body)
    async with request.work() as work:
        is_new = await service.put(
            work,
            request.wire(party),
            party,
            request.path["token_uid"],
            request.query.get("type"),
            body,
            source=request.partner.id,
            scope=private_to(request),
        )
    return OcpiResponse(http_status=201 if is_new else 200)


async def patch(request: OcpiRequest) -> OcpiResponse:
    party, body = _owner(request), parse_json(request.body)
    async with request.work() as work:
        await service.patch(
            work,
            request.wire(party),
            party,
            request.path["token_uid"],
            _type(request),
            body,
            source=request.partner.id,
        )
    return OcpiResponse()


def _owner(request: OcpiRequest) -> PartyId:
    return check_owner(request.partner, request.path["country_code"], request.path["party_id"], Role.EMSP)


def _type(request: OcpiRequest) -> str:
    return request.query.get("type") or "RFID"


_TOKEN = Content.of(service.CODECS)
_TYPE = (Parameter(name="type", kind=Choice.of(TokenType), description="The type of the token, RFID when left out."),)
_ONE = "/{country_code}/{party_id}/{token_uid}"
_SENDER, _RECEIVER = InterfaceRole.SENDER, InterfaceRole.RECEIVER

ROUTES: tuple[Route, ...] = (
    Route(method="GET", path="", interface=_SENDER, handle=list_tokens, summary="List our Tokens", gives=_TOKEN.listed),
    Route(
        method="POST",
        path="/{token_uid}/authorize",
        interface=_SENDER,
        handle=authorize,
        summary="May this token charge, here and now?",
        clue=Clue.DRIVER,
        takes=Content.of(service.REFERENCES_CODECS, is_required=False),
        gives=Content.of(service.INFO_CODECS),
        parameters=_TYPE,
        beside=repository.OF_UID,
    ),
    Route(
        method="GET",
        path=_ONE,
        interface=_RECEIVER,
        handle=get,
        summary="A Token as stored here",
        gives=_TOKEN,
        parameters=_TYPE,
    ),
    Route(
        method="PUT",
        path=_ONE,
        interface=_RECEIVER,
        handle=put,
        summary="Store or replace a Token",
        takes=_TOKEN,
        successes=(200, 201),
        parameters=_TYPE,
    ),
    Route(
        method="PATCH",
        path=_ONE,
        interface=_RECEIVER,
        handle=patch,
        summary="Change fields of a Token",
        takes=_TOKEN.partial,
        parameters=_TYPE,
    ),
)
