"""Endpoints of locations, for all versions."""

from collections.abc import Mapping, Sequence

from roaming.model.canonical import from_document
from roaming.model.identifiers import PartyId
from roaming.model.location import Location
from roaming.model.party import InterfaceRole, Role
from roaming.modules.locations import repository, service
from roaming.modules.locations.showing import shown_part, shown_to
from roaming.ocpi.authorization import check_owner
from roaming.ocpi.codec import parse_json
from roaming.ocpi.content import Content
from roaming.ocpi.errors import InvalidParameters, NotFound
from roaming.ocpi.listing import Shown, addressed, answer_list, private_to
from roaming.ocpi.module import OcpiRequest, OcpiResponse, Route
from roaming.ocpi.seeing import Views, locations_in_sight, views_of
from roaming.store.documents import id_of_key, owner_of_key

_LEVELS = ("location_id", "evse_uid", "connector_id")


def visible_owners(request: OcpiRequest) -> Mapping[PartyId, str]:
    """The CPOs that the caller may see, narrowed to the one that OCPI-to names."""
    return addressed(request, request.directory.cpos_for(request.partner, request.routing.from_party))


async def list_locations(request: OcpiRequest) -> OcpiResponse:
    owners = visible_owners(request)
    views = views_of(request, owners)
    return await answer_list(
        request,
        repository.DOCUMENTS,
        service.LOCATION_CODECS,
        Location,
        owners=owners,
        sight=locations_in_sight(views),
        shown=_shown(views) if any(view.alters for view in views.values()) else None,
    )


def _shown(views: Views) -> Shown[Location]:
    return Shown(
        is_different=lambda key: views[owner_of_key(key)].alters_location(id_of_key(key)),
        change=lambda location: shown_to(views[PartyId.of(location.country_code, location.party_id)], location),
    )


async def get_ours(request: OcpiRequest) -> OcpiResponse:
    """One of ours, whichever of the parties that the caller may see has it."""
    path = _path(request)
    owners = visible_owners(request)
    views = views_of(request, owners)
    keys = {
        repository.key_of(owner, path[0]): source
        for owner, source in owners.items()
        if not views or views[owner].sees_location(path[0])
    }
    return await _get(request, keys, views)


async def get_theirs(request: OcpiRequest) -> OcpiResponse:
    key = repository.key_of(_owner(request), _path(request)[0])
    return await _get(request, {key: request.partner.id}, {}, is_own=True)


async def _get(request: OcpiRequest, keys: Mapping[str, str], views: Views, *, is_own: bool = False) -> OcpiResponse:
    """The one Location under ``keys``, each with who gave it to us; of others' only listed ones, as in ``views``."""
    path = _path(request)
    is_whole = len(path) == 1 and not any(view.alters_location(path[0]) for view in views.values())
    database = request.services.database
    rows = await repository.DOCUMENTS.texts(database, keys, request.version, is_whole=is_whole, is_own=is_own)
    if not rows:
        raise NotFound("there is no such object")
    if len(rows) > 1:
        raise InvalidParameters(f"several parties have a location {path[0]}: name one in OCPI-to")
    row = rows[0]
    if row.text is not None:
        return OcpiResponse(data=row.text.encode())
    location = from_document(Location, row.document or "", row.live)
    if views:
        location = shown_to(views[owner_of_key(row.key)], location)
    return OcpiResponse(data=service.encode_part(location, path, request.wire()))


async def put(request: OcpiRequest) -> OcpiResponse:
    party, body = _owner(request), parse_json(request.body)
    async with request.work() as work:
        is_new = await service.put(
            work, request.wire(party), party, _path(request), body, source=request.partner.id, scope=private_to(request)
        )
    return OcpiResponse(http_status=201 if is_new else 200)


async def patch(request: OcpiRequest) -> OcpiResponse:
    party, body = _owner(request), parse_json(request.body)
    async with request.work() as work:
        await service.patch(work, request.wire(party), party, _path(request), body, source=request.partner.id)
    return OcpiResponse()


def _owner(request: OcpiRequest) -> PartyId:
    return check_owner(request.partner, request.path["country_code"], request.path["party_id"], Role.CPO)


def _path(request: OcpiRequest) -> Sequence[str]:
    return [request.path[level] for level in _LEVELS if level in request.path]


_CONTENTS = tuple(
    Content.of(codecs) for codecs in (service.LOCATION_CODECS, service.EVSE_CODECS, service.CONNECTOR_CODECS)
)


def _at_levels(method: str, prefix: str, interface: InterfaceRole, handle: object, summary: str) -> list[Route]:
    paths = [prefix + "".join(f"/{{{level}}}" for level in _LEVELS[:depth]) for depth in (1, 2, 3)]
    names = ("Location", "EVSE", "Connector")
    return [
        Route(
            method=method,
            path=path,
            interface=interface,
            handle=handle,  # type: ignore[arg-type]
            summary=summary.format(name),
            takes=None if method == "GET" else content.partial if method == "PATCH" else content,
            gives=content if method == "GET" else None,
            successes=(200, 201) if method == "PUT" else (200,),
            shown=None if method == "GET" else shown_part,
        )
        for path, name, content in zip(paths, names, _CONTENTS, strict=True)
    ]


_THEIRS = "/{country_code}/{party_id}"

ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="",
        interface=InterfaceRole.SENDER,
        handle=list_locations,
        summary="List our Locations",
        gives=_CONTENTS[0].listed,
    ),
    *_at_levels("GET", "", InterfaceRole.SENDER, get_ours, "One {} of ours"),
    *_at_levels("GET", _THEIRS, InterfaceRole.RECEIVER, get_theirs, "A {} as stored here"),
    *_at_levels("PUT", _THEIRS, InterfaceRole.RECEIVER, put, "Store or replace a {}"),
    *_at_levels("PATCH", _THEIRS, InterfaceRole.RECEIVER, patch, "Change fields of a {}"),
)
