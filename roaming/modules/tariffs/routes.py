"""Endpoints of tariffs. There is no PATCH since 2.2; 2.1.1 has one."""

from roaming.model.identifiers import PartyId
from roaming.model.party import InterfaceRole, Role
from roaming.model.tariff import Tariff
from roaming.model.version import Version
from roaming.modules.tariffs import repository, service
from roaming.ocpi.authorization import check_owner
from roaming.ocpi.codec import parse_json
from roaming.ocpi.content import Content
from roaming.ocpi.listing import addressed, answer_list, answer_own, private_to
from roaming.ocpi.module import OcpiRequest, OcpiResponse, Route
from roaming.ocpi.seeing import tariffs_in_sight, views_of


async def list_tariffs(request: OcpiRequest) -> OcpiResponse:
    owners = addressed(request, request.directory.cpos_for(request.partner, request.routing.from_party))
    sight = tariffs_in_sight(views_of(request, owners))
    return await answer_list(request, repository.DOCUMENTS, service.CODECS, Tariff, owners=owners, sight=sight)


async def get(request: OcpiRequest) -> OcpiResponse:
    key = repository.key_of(_owner(request), request.path["tariff_id"])
    return await answer_own(request, repository.DOCUMENTS, service.CODECS, Tariff, key=key)


async def put(request: OcpiRequest) -> OcpiResponse:
    party, body = _owner(request), parse_json(request.body)
    async with request.work() as work:
        is_new = await service.put(
            work,
            request.wire(party),
            party,
            request.path["tariff_id"],
            body,
            source=request.partner.id,
            scope=private_to(request),
        )
    return OcpiResponse(http_status=201 if is_new else 200)


async def patch(request: OcpiRequest) -> OcpiResponse:
    party, body = _owner(request), parse_json(request.body)
    async with request.work() as work:
        await service.patch(
            work, request.wire(party), party, request.path["tariff_id"], body, source=request.partner.id
        )
    return OcpiResponse()


async def delete(request: OcpiRequest) -> OcpiResponse:
    party = _owner(request)
    async with request.work() as work:
        await service.withdraw(work, party, request.path["tariff_id"], source=request.partner.id)
    return OcpiResponse()


def _owner(request: OcpiRequest) -> PartyId:
    return check_owner(request.partner, request.path["country_code"], request.path["party_id"], Role.CPO)


_TARIFF = Content.of(service.CODECS)
_ONE = "/{country_code}/{party_id}/{tariff_id}"

ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="",
        interface=InterfaceRole.SENDER,
        handle=list_tariffs,
        summary="List our Tariffs",
        gives=_TARIFF.listed,
    ),
    Route(
        method="GET",
        path=_ONE,
        interface=InterfaceRole.RECEIVER,
        handle=get,
        summary="A Tariff as stored here",
        gives=_TARIFF,
    ),
    Route(
        method="PUT",
        path=_ONE,
        interface=InterfaceRole.RECEIVER,
        handle=put,
        summary="Store or replace a Tariff",
        takes=_TARIFF,
        successes=(200, 201),
    ),
    Route(
        method="PATCH",
        path=_ONE,
        interface=InterfaceRole.RECEIVER,
        handle=patch,
        summary="Change fields of a Tariff",
        takes=_TARIFF.partial,
        versions=(Version.V2_1_1,),
    ),
    Route(method="DELETE", path=_ONE, interface=InterfaceRole.RECEIVER, handle=delete, summary="Remove a Tariff"),
)
