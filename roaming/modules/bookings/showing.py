"""What a partner is shown of what can be booked: only where its rules let it see the place, at the tariffs that it is
offered there."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from roaming.model.identifiers import PartyId
from roaming.modules.bookings.model import BookingLocation
from roaming.modules.bookings.repository import Place, evse_of
from roaming.ocpi.codec import Patch
from roaming.ocpi.listing import Shown, Sight
from roaming.ocpi.module import GONE
from roaming.partners.views import View
from roaming.store.documents import owner_of_key

Views = Mapping[PartyId, View]


def sees(view: View, location_id: str, evse_uid: str) -> bool:
    """Whether the EVSE is seen or, where none is named, the location."""
    return view.sees_evse(location_id, evse_uid) if evse_uid else view.sees_location(location_id)


def is_shown(view: View, location: BookingLocation) -> bool:
    """The same of a booking location."""
    return sees(view, location.location_id, evse_of(location))


def shown_to(view: View, location: BookingLocation) -> BookingLocation:
    """As it is seen, with the tariffs that are offered there. ``last_updated`` stays the owner's."""
    tariff_ids = view.tariffs_at(location.location_id, evse_of(location))
    return location if tariff_ids is None else msgspec.structs.replace(location, tariff_ids=tariff_ids)


def retold(location: BookingLocation, before: View, now: View) -> Sequence[tuple[str, str]]:
    """``DeliveryRules.retell`` of one."""
    was, is_now = is_shown(before, location), is_shown(now, location)
    if not is_now:
        return [("", GONE)] if was else []
    return [] if was and shown_to(before, location) == shown_to(now, location) else [("", "")]


def withdrawn(location: BookingLocation) -> BookingLocation:
    """One that is out of sight: there is no DELETE, so that nothing of it can be booked. No more than its required
    fields."""
    return BookingLocation(
        country_code=location.country_code,
        party_id=location.party_id,
        id=location.id,
        location_id=location.location_id,
        last_updated=location.last_updated,
    )


def shown_part(view: View, _path: Mapping[str, str], value: Any) -> Any:
    """``Route.shown``. A change that does not say where it is passes a plain view only."""
    if isinstance(value, BookingLocation):
        return shown_to(view, value)
    if not isinstance(value, Patch) or "tariff_ids" not in value.changes:
        return value
    tariff_ids = view.tariffs_at(str(value.changes.get("location_id", "")), "")
    return value if tariff_ids is None else replace(value, changes={**value.changes, "tariff_ids": tariff_ids})


def named_places(views: Views) -> set[str]:
    """Locations at which something is seen, hidden or offered otherwise than at others. Ids are folded."""
    return {id for view in views.values() for named in (view.locations, view.evses, view.tariff_ids_at) for id in named}


def sight(owners: Iterable[PartyId], views: Views, places: Iterable[Place], *, is_all: bool) -> Sight:
    """Of ``owners`` what is seen. ``is_all``: ``places`` are all there are to be shown, else those that views name."""
    found: dict[PartyId, list[Place]] = {owner: [] for owner in owners}
    for place in places:
        if place.owner in found:
            found[place.owner].append(place)
    only: dict[PartyId, list[str]] = {}
    without: dict[PartyId, list[str]] = {}
    for owner, mine in found.items():
        view = views.get(owner)
        seen = [place.key for place in mine if view is None or sees(view, place.location_id, place.evse_uid)]
        if is_all or (view is not None and not view.is_open):
            only[owner] = seen
        elif view is not None:
            known = set(seen)
            without[owner] = [place.key for place in mine if place.key not in known]
    return Sight(only=only, without=without)


def shown(views: Views, places: Iterable[Place]) -> Shown[BookingLocation] | None:
    """Which of them look different, and how; ``None``: none does."""
    if not any(view.alters for view in views.values()):
        return None
    named = {place.key for place in places}
    return Shown(
        is_different=lambda key: key in named or views[owner_of_key(key)].tariff_ids is not None,
        change=lambda location: shown_to(views[PartyId.of(location.country_code, location.party_id)], location),
    )
