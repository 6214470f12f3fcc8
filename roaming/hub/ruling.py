"""What rules say to one request that would be passed on between two partners under agreement."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from roaming.hub.whereabouts import Place, place_of_reservation, place_of_session, place_to_book
from roaming.model.identifiers import PartyId, fold
from roaming.model.party import InterfaceRole
from roaming.ocpi.codec import parse_json
from roaming.ocpi.errors import InvalidParameters
from roaming.ocpi.module import Clue, OcpiModule, OcpiRequest, Route
from roaming.partners.agreements import CHARGING_PROFILE, Kind, Thing

_NOT_ASSIGNED = "#NA"
"""``evse_uid`` of a booking option whose EVSE has yet to be chosen."""


@dataclass(frozen=True, kw_only=True)
class _Named:
    """What a request names, in its address or its body; empty where it does not."""

    location_id: str = ""
    evse_uids: Sequence[str] = ("",)
    tariff_id: str = ""
    session_id: str = ""
    reservation_id: str = ""
    booking_location_id: str = ""


async def permits(request: OcpiRequest, module: OcpiModule, route: Route, *, cpo: PartyId, emsp: PartyId) -> bool:
    """Whether rules let it through. ``cpo`` and ``emsp``: the two sides of the agreement, whoever asks. Raises
    ``OcpiError`` for a body that cannot be read or does not say where it is, and ``StoreUnavailable``."""
    directory, named = request.directory, _named(request, module, route)
    match module.id:
        case "locations" | "tariffs":
            return _shows(request, module, route, named, cpo=cpo, emsp=emsp)
        case "bookings" if is_of_places(module, route):
            return _shows(request, module, route, named, cpo=cpo, emsp=emsp)
        case "bookings" if route.method == "POST":
            return await _may_book(request, named, cpo=cpo, emsp=emsp)
        case "tokens" if route.clue is Clue.DRIVER:
            return directory.may_charge(cpo=cpo, emsp=emsp, location_id=named.location_id, evse_uids=named.evse_uids)
        case "tokens":
            return directory.decide_for(cpo, Thing(kind=Kind.TOKENS, owner=emsp)).is_allowed
        case "commands" | "chargingprofiles" if route.interface == InterfaceRole.RECEIVER:
            return await _may_command(request, named, cpo=cpo, emsp=emsp)
        case _:
            return True


def is_of_places(module: OcpiModule, route: Route) -> bool:
    """Whether it is about what an owner shows to all under agreement, as far as rules let them see it."""
    return module.id in ("locations", "tariffs") or (module.id == "bookings" and "/booking_locations" in route.path)


async def _may_command(request: OcpiRequest, named: _Named, *, cpo: PartyId, emsp: PartyId) -> bool:
    """By the rules of the place that it names, or where its session or reservation is; where nobody has told the hub of
    that, by those of the whole CPO."""
    command = request.path.get("command", CHARGING_PROFILE)
    place = None if named.location_id else await _place_of_target(request, named, cpo=cpo, emsp=emsp)
    where = named if place is None else _Named(location_id=place.location_id, evse_uids=(place.evse_uid,))
    return any(
        request.directory.decide_for(
            emsp, Thing(kind=Kind.COMMANDS, owner=cpo, object_id=where.location_id, evse_uid=uid, command=command)
        ).is_allowed
        and _may_begin(request, command, named, uid, cpo=cpo, emsp=emsp)
        for uid in where.evse_uids
    )


async def _place_of_target(request: OcpiRequest, named: _Named, *, cpo: PartyId, emsp: PartyId) -> Place | None:
    reader = request.services.database.reader
    if named.session_id:
        return await place_of_session(reader, cpo, named.session_id)
    if named.reservation_id:
        return await place_of_reservation(reader, emsp, cpo, named.reservation_id)
    return None


async def _may_book(request: OcpiRequest, named: _Named, *, cpo: PartyId, emsp: PartyId) -> bool:
    """By the rules of the place where the booking location is, of its EVSE and of the one that is asked for. One that
    the hub was not told of is like one that is hidden."""
    for name, id in (("location_id", named.location_id), ("booking_location_id", named.booking_location_id)):
        if not id:
            raise InvalidParameters(f"{name}: required")
    place = await place_to_book(request.services.database.reader, cpo, named.booking_location_id)
    if place is None:
        return False
    where = _Named(location_id=place.location_id)
    asked = "" if named.evse_uids[0].upper() == _NOT_ASSIGNED else named.evse_uids[0]
    uids = [uid for uid in (place.evse_uid, asked) if uid] or [""]
    if not all(_may_begin(request, "RESERVE_NOW", where, uid, cpo=cpo, emsp=emsp) for uid in uids):
        return False
    if fold(named.location_id) != fold(place.location_id):
        raise InvalidParameters("location_id: not that of the booking location")
    return True


def _may_begin(request: OcpiRequest, command: str, named: _Named, uid: str, *, cpo: PartyId, emsp: PartyId) -> bool:
    """Of commands that name a place: it is seen, and its drivers may charge there where it begins a charge."""
    if not named.location_id:
        return True
    directory = request.directory
    place = Thing(kind=Kind.LOCATIONS, owner=cpo, object_id=named.location_id, evse_uid=uid)
    if not directory.decide_for(emsp, place).is_allowed:
        return False
    begins = command in ("START_SESSION", "RESERVE_NOW")
    return not begins or directory.may_charge(cpo=cpo, emsp=emsp, location_id=named.location_id, evse_uids=[uid])


def _shows(
    request: OcpiRequest, module: OcpiModule, route: Route, named: _Named, *, cpo: PartyId, emsp: PartyId
) -> bool:
    """What the eMSP sees passes: answers only where they need no change, since it has the hub's own list else; what
    its owner pushes changed for it (``showing``)."""
    partner = request.directory.partner_of(emsp)
    if partner is None:
        return True
    view = request.directory.view(partner, cpo, emsp)
    if module.id == "tariffs":
        return view.sees_tariff(named.tariff_id) if named.tariff_id else view.sees_all_tariffs
    if not named.location_id:
        return view.is_plain
    if route.interface == InterfaceRole.SENDER or (route.takes is not None and route.shown is None):
        return view.sees_location(named.location_id) and not view.alters_location(named.location_id)
    uid = named.evse_uids[0]
    return view.sees_evse(named.location_id, uid) if uid else view.sees_location(named.location_id)


def showing(request: OcpiRequest, route: Route, *, owner: PartyId, emsp: PartyId) -> Callable[[Any], Any] | None:
    """How the object that ``owner`` pushes looks to ``emsp``; ``None``: as it is."""
    partner = request.directory.partner_of(emsp)
    if route.shown is None or partner is None or not request.directory.rulebook.rules:
        return None
    view = request.directory.view(partner, owner, emsp)
    return partial(route.shown, view, request.path) if view.alters else None


def _named(request: OcpiRequest, module: OcpiModule, route: Route) -> _Named:
    path = request.path
    if "location_id" in path:
        return _Named(location_id=path["location_id"], evse_uids=(path.get("evse_uid", ""),))
    if "tariff_id" in path:
        return _Named(tariff_id=path["tariff_id"])
    body: Any = parse_json(request.body) if request.body.strip() else None
    if not isinstance(body, dict) or not isinstance(body.get("location_id"), str):
        body = body if isinstance(body, dict) else {}
        session_id = path.get("session_id") or body.get("session_id")
        reservation_id = body.get("reservation_id")
        return _Named(
            session_id=session_id if isinstance(session_id, str) else "",
            reservation_id=str(reservation_id) if isinstance(reservation_id, str | int) else "",
        )
    booking_location_id = body.get("booking_location_id")
    return _Named(
        location_id=body["location_id"],
        evse_uids=[uid for uid in _uids(body, module, route) if isinstance(uid, str) and uid] or ("",),
        booking_location_id=booking_location_id if isinstance(booking_location_id, str) else "",
    )


def _uids(body: dict[str, Any], module: OcpiModule, route: Route) -> Sequence[Any]:
    """In the one field that such a body has for them: others are unknown fields, which decide nothing."""
    if route.clue is Clue.DRIVER:
        uids = body.get("evse_uids")
        return uids if isinstance(uids, list) else ()
    if module.id == "bookings":
        option = body.get("booking_option")
        return (option.get("evse_uid"),) if isinstance(option, dict) else ()
    return (body.get("evse_uid"),)
