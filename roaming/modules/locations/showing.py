"""What of a location a partner is shown, and what it is told when that changes: EVSEs that it sees, with the tariffs
that it is offered. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec

from roaming.model.location import EVSE, Connector, Location
from roaming.ocpi.codec import Patch
from roaming.ocpi.module import GONE
from roaming.partners.views import TariffIds, View


def shown_to(view: View, location: Location) -> Location:
    """The location as the partner of ``view`` sees it, which sees it or an EVSE of it. ``last_updated`` stays the
    owner's: a hub does not change it (OCPI 2.2.1, transport_and_format 4.3.2)."""
    if not view.alters_location(location.id):
        return location
    return msgspec.structs.replace(location, evses=_seen(view, location.id, location.evses))


def shown_part(view: View, path: Mapping[str, str], value: Any) -> Any:
    """``Route.shown``: a Location, EVSE or Connector at its address, or a change of it, as it is passed on."""
    location_id = path["location_id"]
    if not view.alters_location(location_id):
        return value
    if "connector_id" in path:
        return _at_price(view.tariffs_at(location_id, path["evse_uid"]), value)
    if "evse_uid" in path:
        return _offered(view, location_id, path["evse_uid"], value)
    if not isinstance(value, Patch):
        return shown_to(view, value)
    evses = _seen(view, location_id, value.changes.get("evses", ()))
    # An empty list of EVSEs would say that there are none
    kept = {name: each for name, each in value.changes.items() if name != "evses"}
    return replace(value, changes=kept | ({"evses": evses} if evses else {}))


def _seen(view: View, location_id: str, evses: Sequence[EVSE | Patch[EVSE]]) -> tuple[Any, ...]:
    uids = [evse.changes["uid"] if isinstance(evse, Patch) else evse.uid for evse in evses]
    return tuple(
        _offered(view, location_id, uid, evse)
        for uid, evse in zip(uids, evses, strict=True)
        if view.sees_evse(location_id, uid)
    )


def _offered(view: View, location_id: str, uid: str, evse: Any) -> Any:
    offer = partial(_at_price, view.tariffs_at(location_id, uid))
    if not isinstance(evse, Patch):
        return msgspec.structs.replace(evse, connectors=tuple(map(offer, evse.connectors)))
    changes = dict(evse.changes)
    if "connectors" in changes:
        changes["connectors"] = tuple(map(offer, changes["connectors"]))
    return replace(evse, changes=changes)


def _at_price(tariff_ids: TariffIds | None, connector: Connector | Patch[Connector]) -> Any:
    if tariff_ids is None:
        return connector
    if not isinstance(connector, Patch):
        return msgspec.structs.replace(connector, tariff_ids=tariff_ids)
    if "tariff_ids" not in connector.changes:
        return connector
    return replace(connector, changes={**connector.changes, "tariff_ids": tariff_ids})


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
