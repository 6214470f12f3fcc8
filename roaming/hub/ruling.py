"""What rules say to one request that would be passed on between two partners under agreement."""

from collections.abc import Callable
from functools import partial
from typing import Any

from roaming.hub.named import ENDING, PLACED, Named, named
from roaming.hub.whereabouts import Place, emsp_of_session, place_of_reservation, place_of_session, place_to_book
from roaming.model.identifiers import PartyId, fold
from roaming.model.party import InterfaceRole
from roaming.ocpi.errors import InvalidParameters
from roaming.ocpi.module import Clue, OcpiModule, OcpiRequest, Route
from roaming.partners.agreements import CHARGING_PROFILE, Kind, Thing
from roaming.partners.views import View


async def permits(request: OcpiRequest, module: OcpiModule, route: Route, *, cpo: PartyId, emsp: PartyId) -> bool:
    """Whether rules let it through. ``cpo`` and ``emsp``: the two sides of the agreement, whoever asks. Raises
    ``OcpiError`` for a body that cannot be read or does not say where it is, and ``StoreUnavailable``."""
    directory = request.directory
    match module.id:
        case "locations" | "tariffs":
            return await _shows(request, module, route, cpo=cpo, emsp=emsp)
        case "bookings" if is_of_places(module, route):
            return await _shows(request, module, route, cpo=cpo, emsp=emsp)
        case "bookings" if route.method == "POST":
            return await _may_book(request, named(request, route), cpo=cpo, emsp=emsp)
        case "tokens" if route.clue is Clue.DRIVER:
            what = named(request, route)
            return directory.may_charge(cpo=cpo, emsp=emsp, location_id=what.location_id, evse_uids=what.evse_uids)
        case "tokens":
            return directory.decide_for(cpo, Thing(kind=Kind.TOKENS, owner=emsp)).is_allowed
        case "commands" | "chargingprofiles" if route.interface == InterfaceRole.RECEIVER:
            return await _may_command(request, named(request, route), cpo=cpo, emsp=emsp)
        case "sessions" if route.clue is Clue.TARGET:
            return await _may_command(request, named(request, route), cpo=cpo, emsp=emsp)
        case _:
            return True


def is_of_places(module: OcpiModule, route: Route) -> bool:
    """Whether it is about what an owner shows to all under agreement, as far as rules let them see it."""
    path = route.passed_as or route.path
    return module.id in ("locations", "tariffs") or (module.id == "bookings" and "/booking_locations" in path)


async def _may_command(request: OcpiRequest, what: Named, *, cpo: PartyId, emsp: PartyId) -> bool:
    """By the rules of the place that it names, or where its session or reservation is; where nobody has told the hub of
    that, by those of the whole CPO. Preferences of a driver are asked about like charging profiles."""
    command = request.path.get("command", CHARGING_PROFILE)
    where, driver = what, emsp
    if command not in PLACED:
        place = await _place_of_target(request, what, cpo=cpo, emsp=emsp)
        where = Named() if place is None else Named(location_id=place.location_id, evse_uids=(place.evse_uid,))
    if what.session_id:
        driver = await emsp_of_session(request.services.database.reader, cpo, what.session_id) or emsp
    return any(
        request.directory.decide_for(
            emsp, Thing(kind=Kind.COMMANDS, owner=cpo, object_id=where.location_id, evse_uid=uid, command=command)
        ).is_allowed
        and (command not in PLACED or _sees(request, where, uid, cpo=cpo, emsp=emsp))
        and (
            command in ENDING
            or request.directory.may_charge(cpo=cpo, emsp=driver, location_id=where.location_id, evse_uids=[uid])
        )
        for uid in where.evse_uids
    )


async def _place_of_target(request: OcpiRequest, what: Named, *, cpo: PartyId, emsp: PartyId) -> Place | None:
    reader = request.services.database.reader
    if what.session_id:
        return await place_of_session(reader, cpo, what.session_id)
    if what.reservation_id:
        return await place_of_reservation(reader, emsp, cpo, what.reservation_id)
    return None


async def _may_book(request: OcpiRequest, what: Named, *, cpo: PartyId, emsp: PartyId) -> bool:
    """By the rules of the place where the booking location is, of its EVSE and of the one that is asked for. One that
    neither the hub nor through it this eMSP was told of is like one that is hidden."""
    for name, id in (("location_id", what.location_id), ("booking_location_id", what.booking_location_id)):
        if not id:
            raise InvalidParameters(f"{name}: required")
    place = await place_to_book(request.services.database.reader, emsp, cpo, what.booking_location_id)
    if place is None:
        return False
    where = Named(location_id=place.location_id)
    uids = [uid for uid in (place.evse_uid, what.evse_uids[0]) if uid] or [""]
    directory = request.directory
    if not all(
        _sees(request, where, uid, cpo=cpo, emsp=emsp)
        and directory.may_charge(cpo=cpo, emsp=emsp, location_id=where.location_id, evse_uids=[uid])
        for uid in uids
    ):
        return False
    if fold(what.location_id) != fold(place.location_id):
        raise InvalidParameters("location_id: not that of the booking location")
    return True


def _sees(request: OcpiRequest, where: Named, uid: str, *, cpo: PartyId, emsp: PartyId) -> bool:
    place = Thing(kind=Kind.LOCATIONS, owner=cpo, object_id=where.location_id, evse_uid=uid)
    return request.directory.decide_for(emsp, place).is_allowed


async def _shows(request: OcpiRequest, module: OcpiModule, route: Route, *, cpo: PartyId, emsp: PartyId) -> bool:
    """What the eMSP sees passes: answers only where they need no change, since it has the hub's own list else; what
    its owner pushes changed for it (``showing``)."""
    partner = request.directory.partner_of(emsp)
    if partner is None:
        return True
    view = request.directory.view(partner, cpo, emsp)
    if module.id == "bookings":
        return await _shows_to_book(request, route, view, cpo=cpo, emsp=emsp)
    what = named(request, route)
    if module.id == "tariffs":
        return view.sees_tariff(what.tariff_id) if what.tariff_id else view.sees_all_tariffs
    if not what.location_id:
        return view.is_plain
    if route.interface == InterfaceRole.SENDER:
        return view.sees_location(what.location_id) and not view.alters_location(what.location_id)
    uid = what.evse_uids[0]
    return view.sees_evse(what.location_id, uid) if uid else view.sees_location(what.location_id)


async def _shows_to_book(request: OcpiRequest, route: Route, view: View, *, cpo: PartyId, emsp: PartyId) -> bool:
    """A booking location is seen where its place is; of one that is nowhere a change or an answer passes a plain view
    only."""
    id = request.path.get("booking_location_id")
    if id is None:
        return view.is_plain
    place = place_told(request, route)
    is_said = place.location_id != ""
    if not is_said:
        known = await place_to_book(request.services.database.reader, emsp, cpo, id)
        if known is None:
            return view.is_plain
        place = Place(location_id=known.location_id, evse_uid=place.evse_uid or known.evse_uid)
    if not is_said and view.alters_location(place.location_id):
        return False
    if not place.evse_uid:
        return view.sees_location(place.location_id)
    return view.sees_evse(place.location_id, place.evse_uid)


def place_told(request: OcpiRequest, route: Route) -> Place:
    """Where a booking location is by the body that its owner pushes, as far as it says so. Raises
    ``InvalidParameters``."""
    if not is_told_to_book(request, route):
        return Place(location_id="")
    what = named(request, route)
    return Place(location_id=what.location_id, evse_uid=what.evse_uids[0])


def is_told_to_book(request: OcpiRequest, route: Route) -> bool:
    """Whether an owner pushes a booking location, or a change of it, but no calendar."""
    is_one = "booking_location_id" in request.path and "calendar_id" not in request.path
    return is_one and route.interface == InterfaceRole.RECEIVER and route.takes is not None


def showing(request: OcpiRequest, route: Route, *, owner: PartyId, emsp: PartyId) -> Callable[[Any], Any] | None:
    """How the object that ``owner`` pushes looks to ``emsp``; ``None``: as it is."""
    partner = request.directory.partner_of(emsp)
    if route.shown is None or partner is None or not request.directory.rulebook.rules:
        return None
    view = request.directory.view(partner, owner, emsp)
    return partial(route.shown, view, request.path) if view.alters else None
