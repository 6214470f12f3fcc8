"""Endpoints of sessions. The caller sees sessions of its own tokens only."""

from roaming.model.identifiers import PartyId
from roaming.model.party import InterfaceRole, Role
from roaming.model.session import ChargingPreferencesResponse, Session
from roaming.model.version import Version
from roaming.modules.sessions import repository, service
from roaming.ocpi.authorization import check_not_to_all, check_owner
from roaming.ocpi.codec import dump_json, parse_json
from roaming.ocpi.content import Content
from roaming.ocpi.errors import NotFound
from roaming.ocpi.listing import addressed, answer_list, answer_own
from roaming.ocpi.module import Clue, OcpiRequest, OcpiResponse, Route


async def list_sessions(request: OcpiRequest) -> OcpiResponse:
    """Clients must send ``date_from`` (OCPI 2.2.1, sessions). One that does not gets everything that is its own: see
    decision 0057."""
    owners, scopes = addressed(request, request.directory.cpos_for(request.partner)), _scopes(request)
    return await answer_list(
        request,
        repository.DOCUMENTS,
        service.CODECS,
        Session,
        owners=owners if scopes else {},
        scopes=scopes,
        surroundings=service.surroundings,
    )


async def charging_preferences(request: OcpiRequest) -> OcpiResponse:
    """The answer is one word as it is (OCPI 2.2.1, sessions, PUT charging_preferences)."""
    preferences = request.wire().decode(service.PREFERENCES_CODECS, parse_json(request.body))
    async with request.work() as work:
        answer = await service.prefer(
            work,
            request.path["session_id"],
            preferences,
            request.directory,
            cpos=_cpos(request),
            scopes=_scopes(request),
        )
    return OcpiResponse(data=dump_json(answer.value))


async def get(request: OcpiRequest) -> OcpiResponse:
    key = repository.key_of(_owner(request), request.path["session_id"])
    return await answer_own(
        request, repository.DOCUMENTS, service.CODECS, Session, key=key, surroundings=service.surroundings
    )


async def put(request: OcpiRequest) -> OcpiResponse:
    check_not_to_all(request)
    party, body = _owner(request), parse_json(request.body)
    async with request.work() as work:
        is_new = await service.put(
            work,
            request.wire(party),
            party,
            request.path["session_id"],
            body,
            source=request.partner.id,
            owners=tuple(request.directory.emsps_for(request.partner)),
        )
    return OcpiResponse(http_status=201 if is_new else 200)


async def patch(request: OcpiRequest) -> OcpiResponse:
    check_not_to_all(request)
    party, body = _owner(request), parse_json(request.body)
    async with request.work() as work:
        await service.patch(
            work, request.wire(party), party, request.path["session_id"], body, source=request.partner.id
        )
    return OcpiResponse()


def _cpos(request: OcpiRequest) -> tuple[PartyId, ...]:
    """The hosted CPOs that the caller addresses."""
    owners, wanted = request.directory.hosted_cpos_for(request.partner), request.routing.to_party
    return owners if wanted is None else tuple(owner for owner in owners if owner == wanted)


def _scopes(request: OcpiRequest) -> tuple[str, ...]:
    """The token owners that the caller speaks for."""
    return tuple(str(party) for party in request.from_parties if party in request.partner.parties(Role.EMSP))


def _owner(request: OcpiRequest) -> PartyId:
    return check_owner(request.partner, request.path["country_code"], request.path["party_id"], Role.CPO)


_SESSION = Content.of(service.CODECS)
_ONE = "/{country_code}/{party_id}/{session_id}"
_SENDER, _RECEIVER = InterfaceRole.SENDER, InterfaceRole.RECEIVER


def _no_preferences() -> None:
    raise NotFound("the operator of this charge takes no charging preferences", status_code=2001)


ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="",
        interface=_SENDER,
        handle=list_sessions,
        summary="List Sessions of your tokens",
        gives=_SESSION.listed,
    ),
    Route(
        method="PUT",
        path="/{session_id}/charging_preferences",
        interface=_SENDER,
        handle=charging_preferences,
        summary="Say what the driver wants of a running charge",
        clue=Clue.TARGET,
        if_unknown=_no_preferences,
        takes=Content.of(service.PREFERENCES_CODECS),
        gives=Content.word_of(ChargingPreferencesResponse),
        versions=(Version.V2_2_1, Version.V2_3_0),
    ),
    Route(method="GET", path=_ONE, interface=_RECEIVER, handle=get, summary="A Session as stored here", gives=_SESSION),
    Route(
        method="PUT",
        path=_ONE,
        interface=_RECEIVER,
        handle=put,
        summary="Store or replace a Session",
        clue=Clue.TOKEN_OWNER,
        takes=_SESSION,
        successes=(200, 201),
    ),
    Route(
        method="PATCH",
        path=_ONE,
        interface=_RECEIVER,
        handle=patch,
        summary="Change a Session, add its periods",
        clue=Clue.TOKEN_OWNER,
        takes=_SESSION.partial,
    ),
)
