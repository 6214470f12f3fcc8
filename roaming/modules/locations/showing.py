"""What of a location a partner is shown, and what it is told when that changes: EVSEs that it sees, with the tariffs
that it is offered. Pure."""

import json
from collections.abc import Sequence

import msgspec

from roaming.model.location import EVSE, Location
from roaming.ocpi.module import GONE
from roaming.partners.views import View


def shown_to(view: View, location: Location) -> Location:
    """The location as the partner of ``view`` sees it, which sees it or an EVSE of it. ``last_updated`` stays the
    owner's: a hub does not change it (OCPI 2.2.1, transport_and_format 4.3.2)."""
    if not view.alters_location(location.id):
        return location
    evses = tuple(_offered(view, location.id, evse) for evse in location.evses if view.sees_evse(location.id, evse.uid))
    return msgspec.structs.replace(location, evses=evses)


def _offered(view: View, location_id: str, evse: EVSE) -> EVSE:
    tariff_ids = view.tariffs_at(location_id, evse.uid)
    if tariff_ids is None:
        return evse
    connectors = tuple(msgspec.structs.replace(connector, tariff_ids=tariff_ids) for connector in evse.connectors)
    return msgspec.structs.replace(evse, connectors=connectors)


def retold(location: Location, before: View, now: View) -> Sequence[tuple[str, str]]:
    """(part, detail) of what is told: the location where it comes or looks different, EVSEs that go with a part each,
    so that no later change of the location takes their place."""
    id = location.id
    if not now.sees_location(id):
        seen = [evse.uid for evse in location.evses if before.sees_evse(id, evse.uid)]
        return [("", GONE + json.dumps(seen))] if before.sees_location(id) else []
    if not before.sees_location(id):
        return [("", "")]
    if shown_to(before, location) == shown_to(now, location):
        return []
    uids = [evse.uid for evse in location.evses if before.sees_evse(id, evse.uid) and not now.sees_evse(id, evse.uid)]
    return [("", ""), *((uid, GONE) for uid in uids)]


def removed_evse(evse: EVSE) -> EVSE:
    """An EVSE that is out of sight: there is no DELETE, its status says so (OCPI 2.2.1, locations 8.2.2.2). No more
    than its required fields."""
    return EVSE(
        uid=evse.uid,
        evse_id=evse.evse_id,
        status="REMOVED",
        connectors=tuple(msgspec.structs.replace(connector, tariff_ids=()) for connector in evse.connectors),
        last_updated=evse.last_updated,
    )


def removed(location: Location, detail: str) -> Location:
    """A location that is out of sight: not to be published, and nothing there to charge at. No more than its required
    fields and the EVSEs that were seen (``detail``): what has changed meanwhile is not the partner's to know."""
    seen = json.loads(detail.removeprefix(GONE))
    return Location(
        country_code=location.country_code,
        party_id=location.party_id,
        id=location.id,
        publish=False,
        address=location.address,
        city=location.city,
        country=location.country,
        coordinates=location.coordinates,
        time_zone=location.time_zone,
        evses=tuple(removed_evse(evse) for evse in location.evses if evse.uid in seen),
        last_updated=location.last_updated,
    )
