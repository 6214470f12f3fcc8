"""Endpoints of bookings: what hosted CPOs offer and are asked for (sender), and what partners' CPOs tell (receiver)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from roaming.model.canonical import from_document
from roaming.model.identifiers import PartyId, fold
from roaming.model.party import InterfaceRole, Role
from roaming.modules.bookings import repository, service, showing
from roaming.modules.bookings.model import BookingLocation, BookingRequest, Calendar
from roaming.modules.bookings.repository import BOOKINGS, LOCATIONS, Place, Window
from roaming.ocpi.authorization import check_id, check_ids, check_owner
from roaming.ocpi.codec import parse_json
from roaming.ocpi.content import Content, Parameter
from roaming.ocpi.errors import InvalidParameters, NotFound
from roaming.ocpi.kinds import TIMESTAMP
from roaming.ocpi.listing import EVERYTHING, addressed, answer_list, private_to
from roaming.ocpi.module import Clue, OcpiRequest, OcpiResponse, Route
from roaming.ocpi.paging import time_in
from roaming.ocpi.seeing import Views, views_of
from roaming.store.documents import Origin, object_key
from roaming.store.shelves import Shelf


async def list_locations(request: OcpiRequest) -> OcpiResponse:
    reader = request.services.database.reader
    owners = _offering(request)
    views = views_of(request, owners)
    window = Window(begin=time_in(request.query, "timeslot_from"), end=time_in(request.query, "timeslot_to"))
    is_all = window != Window()
    places = await (repository.available(reader, owners, window) if is_all else _named(request, views))
    return await answer_list(
        request,
        LOCATIONS.documents,
        service.CODECS[LOCATIONS.path],
        BookingLocation,
        owners=owners,
        sight=showing.sight(owners, views, places, is_all=is_all) if views or is_all else EVERYTHING,
        shown=showing.shown(views, places),
    )


def _offering(request: OcpiRequest) -> Mapping[PartyId, str]:
    """The CPOs that the caller addresses, under agreement with it or with the one of its parties in OCPI-from."""
    return addressed(request, request.directory.cpos_for(request.partner, request.routing.from_party))


async def _named(request: OcpiRequest, views: Views) -> Sequence[Place]:
    return await repository.at_locations(request.services.database.reader, showing.named_places(views))


async def list_bookings(request: OcpiRequest) -> OcpiResponse:
    return await answer_list(
        request,
        BOOKINGS.documents,
        service.CODECS[BOOKINGS.path],
        BOOKINGS.of,
        owners={owner: source for owner, source in _offering(request).items() if not source},
        scopes=tuple(str(party) for party in request.from_parties),
    )


async def get_offered(request: OcpiRequest) -> OcpiResponse:
    owners = _offering(request)
    views = views_of(request, owners)
    keys = {object_key(cpo, request.path["booking_location_id"]): source for cpo, source in owners.items()}
    stored = await LOCATIONS.documents.read_many(request.services.database.reader, keys)
    found = [
        showing.shown_to(views[each.owner], location) if views else location
        for each in stored.values()
        for location in [from_document(BookingLocation, each.document)]
        if each.source == keys[each.key] and each.is_listed and not each.scope
        if not views or showing.is_shown(views[each.owner], location)
    ]
    if len(found) > 1:
        raise InvalidParameters("several parties have a booking location of this id: name one in OCPI-to")
    if not found:
        raise NotFound("there is no such booking location for you")
    return _location_or_calendar(request, found[0])


def _location_or_calendar(request: OcpiRequest, location: BookingLocation) -> OcpiResponse:
    wanted = request.path.get("calendar_id")
    if wanted is None:
        return OcpiResponse(data=request.wire().encode(service.CODECS[LOCATIONS.path], location))
    calendar = next((each for each in location.calendars if fold(each.id) == fold(wanted)), None)
    if calendar is None:
        raise NotFound("the booking location has no such calendar")
    return OcpiResponse(data=request.wire().encode(service.CALENDAR_CODECS, calendar))


async def post_request(request: OcpiRequest) -> OcpiResponse:
    wish: BookingRequest = request.wire().decode(service.REQUEST_CODECS, parse_json(request.body))
    emsps = [party for party in request.from_parties if party in request.partner.parties(Role.EMSP)]
    directory, wanted = request.directory, request.routing.to_party
    if len(emsps) != 1:
        raise InvalidParameters("OCPI-from: name the eMSP that asks")
    cpos = [
        cpo
        for cpo in directory.hosted_parties(Role.CPO)
        if directory.may_exchange(cpo=cpo, emsp=emsps[0]) and wanted in (None, cpo)
    ]
    async with request.work() as work:
        booking = await service.request(work, wish, emsp=emsps[0], cpos=cpos, sight=_sight(request, emsps[0]))
    return OcpiResponse(data=request.wire().encode(service.CODECS[BOOKINGS.path], booking))


def _sight(request: OcpiRequest, emsp: PartyId) -> service.Sight:
    """What rules let the eMSP see, if its drivers may charge there."""
    directory = request.directory

    def sight(location: BookingLocation) -> BookingLocation | None:
        cpo = PartyId.of(location.country_code, location.party_id)
        evse_uid = repository.evse_of(location)
        if not directory.may_charge(cpo=cpo, emsp=emsp, location_id=location.location_id, evse_uids=[evse_uid]):
            return None
        if not directory.rulebook.rules:
            return location
        view = directory.view(request.partner, cpo, emsp)
        return showing.shown_to(view, location) if showing.is_shown(view, location) else None

    return sight


def _owner(request: OcpiRequest) -> PartyId:
    return check_owner(request.partner, request.path["country_code"], request.path["party_id"], Role.CPO)


def _id(request: OcpiRequest) -> str:
    return request.path.get("booking_location_id") or request.path["booking_id"]


async def get_told_location(request: OcpiRequest) -> OcpiResponse:
    async with request.services.database.reading() as connection:
        key = object_key(_owner(request), request.path["booking_location_id"])
        stored = await LOCATIONS.documents.find(connection, key)
    if stored is None or stored.source != request.partner.id:
        raise NotFound("you told of no such booking location")
    return _location_or_calendar(request, from_document(BookingLocation, stored.document))


async def get_told_booking(request: OcpiRequest) -> OcpiResponse:
    async with request.work() as work:
        kept = await service.told(work, BOOKINGS, _owner(request), _id(request), source=request.partner.id)
    return OcpiResponse(data=request.wire().encode(service.CODECS[BOOKINGS.path], kept.value))


async def put_location(request: OcpiRequest) -> OcpiResponse:
    return await _put(request, LOCATIONS)


async def put_booking(request: OcpiRequest) -> OcpiResponse:
    return await _put(request, BOOKINGS)


async def _put(request: OcpiRequest, shelf: Shelf) -> OcpiResponse:
    owner = _owner(request)
    value: Any = request.wire(owner).decode(service.CODECS[shelf.path], parse_json(request.body))
    is_asked = shelf is BOOKINGS and fold(value.request_id) == fold(_id(request))
    check_ids(value, owner, **({} if is_asked else {"id": _id(request)}))
    scope = private_to(request)
    if shelf is BOOKINGS:
        scope = str(service.emsp_for(request.directory, owner, request.routing.to_party, value))
    async with request.work() as work:
        is_new = await service.take(
            work, shelf, value, source=request.partner.id, scope=scope, origin=Origin(request.version)
        )
    return OcpiResponse(http_status=201 if is_new else 200)


async def patch_location(request: OcpiRequest) -> OcpiResponse:
    return await _patch(request, LOCATIONS)


async def patch_booking(request: OcpiRequest) -> OcpiResponse:
    return await _patch(request, BOOKINGS)


async def _patch(request: OcpiRequest, shelf: Shelf) -> OcpiResponse:
    owner, wire = _owner(request), request.wire()
    change: Any = wire.decode_patch(service.CODECS[shelf.path], parse_json(request.body))
    async with request.work() as work:
        kept = await service.told(work, shelf, owner, _id(request), source=request.partner.id)
        value = wire.apply(change, kept.value, last_updated=kept.value.last_updated)
        check_ids(value, owner, id=kept.stored.object_id)
        await _keep(request, work, shelf, value, kept.stored.scope)
    return OcpiResponse()


async def put_calendar(request: OcpiRequest) -> OcpiResponse:
    owner, id = _owner(request), request.path["calendar_id"]
    calendar: Calendar = request.wire(owner).decode(service.CALENDAR_CODECS, parse_json(request.body))
    check_id("id", calendar.id, id)
    async with request.work() as work:
        kept = await service.told(
            work, LOCATIONS, owner, request.path["booking_location_id"], source=request.partner.id
        )
        is_new = all(fold(each.id) != fold(id) for each in kept.value.calendars)
        await _keep(request, work, LOCATIONS, _with_calendar(kept.value, calendar), kept.stored.scope)
    return OcpiResponse(http_status=201 if is_new else 200)


async def patch_calendar(request: OcpiRequest) -> OcpiResponse:
    owner, id, wire = _owner(request), request.path["calendar_id"], request.wire()
    change = wire.decode_patch(service.CALENDAR_CODECS, parse_json(request.body))
    async with request.work() as work:
        kept = await service.told(
            work, LOCATIONS, owner, request.path["booking_location_id"], source=request.partner.id
        )
        before = next((each for each in kept.value.calendars if fold(each.id) == fold(id)), None)
        if before is None:
            raise NotFound("the booking location has no such calendar: PUT it first")
        calendar = wire.apply(change, before, last_updated=before.last_updated)
        check_id("id", calendar.id, id)
        await _keep(request, work, LOCATIONS, _with_calendar(kept.value, calendar), kept.stored.scope)
    return OcpiResponse()


def _with_calendar(location: BookingLocation, calendar: Calendar) -> BookingLocation:
    """A calendar moves its booking location along. An older one changes nothing."""
    others = [each for each in location.calendars if fold(each.id) != fold(calendar.id)]
    if any(each.last_updated > calendar.last_updated for each in location.calendars if each not in others):
        return location
    updated = max(location.last_updated, calendar.last_updated)
    return msgspec.structs.replace(location, calendars=(*others, calendar), last_updated=updated)


async def _keep(request: OcpiRequest, work: Any, shelf: Shelf, value: Any, scope: str) -> None:
    await service.take(work, shelf, value, source=request.partner.id, scope=scope, origin=Origin(request.version))


_SENDER, _RECEIVER = InterfaceRole.SENDER, InterfaceRole.RECEIVER
_LOCATION, _BOOKING = Content.of(service.CODECS[LOCATIONS.path]), Content.of(service.CODECS[BOOKINGS.path])
_CALENDAR = Content.of(service.CALENDAR_CODECS)
_TOLD = "/{country_code}/{party_id}"
_TOLD_BOOKING = f"{_TOLD}/{{booking_id}}"
_TOLD_LOCATION = f"{_TOLD}/booking_locations/{{booking_location_id}}"
_TOLD_CALENDAR = f"{_TOLD_LOCATION}/{{calendar_id}}"
_OFFERED = "/booking_locations"
_OFFERED_LOCATION = f"{_OFFERED}/{{booking_location_id}}"
_OFFERED_CALENDAR = f"{_OFFERED_LOCATION}/{{calendar_id}}"
_TIMESLOTS = (
    Parameter(name="timeslot_from", kind=TIMESTAMP, description="Only what is available after this time."),
    Parameter(name="timeslot_to", kind=TIMESTAMP, description="Only what is available before this time."),
)
_NEW: dict[str, Any] = {"successes": (200, 201)}
_SHOWN: dict[str, Any] = {"shown": showing.shown_part}
_BETWEEN: dict[str, Any] = {"clue": Clue.COUNTERPART}


def _route(method: str, path: str, interface: InterfaceRole, handle: Any, summary: str, **more: Any) -> Route:
    return Route(method=method, path=path, interface=interface, handle=handle, summary=summary, **more)


_TOLD_ROUTES: tuple[Route, ...] = (
    _route("GET", _TOLD_LOCATION, _RECEIVER, get_told_location, "A BookingLocation as stored", gives=_LOCATION),
    _route(
        "PUT", _TOLD_LOCATION, _RECEIVER, put_location, "Tell of a BookingLocation", takes=_LOCATION, **_NEW, **_SHOWN
    ),
    _route(
        "PATCH",
        _TOLD_LOCATION,
        _RECEIVER,
        patch_location,
        "Change a BookingLocation",
        takes=_LOCATION.partial,
        **_SHOWN,
    ),
    _route("GET", _TOLD_CALENDAR, _RECEIVER, get_told_location, "A Calendar as stored", gives=_CALENDAR),
    _route("PUT", _TOLD_CALENDAR, _RECEIVER, put_calendar, "Tell of a Calendar", takes=_CALENDAR, **_NEW),
    _route("PATCH", _TOLD_CALENDAR, _RECEIVER, patch_calendar, "Change a Calendar", takes=_CALENDAR.partial),
)


def _as_in_examples(route: Route) -> Route:
    """The same address as the examples of the specification write it, and partners that follow them."""
    ending = route.path.removeprefix(f"{_TOLD}{_OFFERED}")
    return replace(route, path=f"/bookinglocations{_TOLD}{ending}", passed_as=route.path)


ROUTES: tuple[Route, ...] = (
    _route(
        "GET",
        _OFFERED,
        _SENDER,
        list_locations,
        "List BookingLocations",
        gives=_LOCATION.listed,
        parameters=_TIMESLOTS,
    ),
    _route("GET", _OFFERED_LOCATION, _SENDER, get_offered, "A BookingLocation", gives=_LOCATION),
    _route("GET", _OFFERED_CALENDAR, _SENDER, get_offered, "A Calendar", gives=_CALENDAR),
    _route("GET", "", _SENDER, list_bookings, "List Bookings of your eMSPs", gives=_BOOKING.listed),
    _route(
        "POST",
        "",
        _SENDER,
        post_request,
        "Ask for a booking, a change or a cancellation",
        takes=Content.of(service.REQUEST_CODECS),
        gives=_BOOKING,
        clue=Clue.COUNTERPART,
    ),
    *_TOLD_ROUTES,
    *map(_as_in_examples, _TOLD_ROUTES),
    _route("GET", _TOLD_BOOKING, _RECEIVER, get_told_booking, "A Booking as stored", gives=_BOOKING, **_BETWEEN),
    _route("PUT", _TOLD_BOOKING, _RECEIVER, put_booking, "Tell of a Booking", takes=_BOOKING, **_NEW, **_BETWEEN),
    _route("PATCH", _TOLD_BOOKING, _RECEIVER, patch_booking, "Change a Booking", takes=_BOOKING.partial, **_BETWEEN),
)
