"""What a caller sees of the owners it has an agreement with, in the form that lists are chosen by.

All of it comes from ``Directory.view``: lists, single objects and pushes cannot disagree.
"""

from collections.abc import Mapping

from roaming.model.identifiers import PartyId
from roaming.ocpi.listing import EVERYTHING, Sight
from roaming.ocpi.module import OcpiRequest
from roaming.partners.views import View
from roaming.store.documents import object_key

Views = Mapping[PartyId, View]


def views_of(request: OcpiRequest, owners: Mapping[PartyId, str]) -> Views:
    """What the caller, or the one of its parties that it names in OCPI-from, sees of each of ``owners``; empty while
    there are no rules, when it sees all as it is."""
    if not request.directory.rulebook.rules:
        return {}
    return {owner: request.directory.view(request.partner, owner, request.routing.from_party) for owner in owners}


def locations_in_sight(views: Views) -> Sight:
    """Of each owner the locations that are seen, at least an EVSE of them."""
    if not views:
        return EVERYTHING
    return Sight(
        only={
            owner: [object_key(owner, id) for id in view.named_locations(is_seen=True)]
            for owner, view in views.items()
            if not view.is_open
        },
        without={
            owner: [object_key(owner, id) for id in view.named_locations(is_seen=False)]
            for owner, view in views.items()
            if view.is_open
        },
    )


def tariffs_in_sight(views: Views) -> Sight:
    """Of each owner the tariffs that are seen."""
    if not views:
        return EVERYTHING
    return Sight(
        only={
            owner: [object_key(owner, id) for id in view.named_tariffs(is_seen=True)]
            for owner, view in views.items()
            if not view.are_tariffs_open
        },
        without={
            owner: [object_key(owner, id) for id in view.named_tariffs(is_seen=False)]
            for owner, view in views.items()
            if view.are_tariffs_open
        },
    )


def with_tokens_in_sight(request: OcpiRequest, owners: Mapping[PartyId, str]) -> Mapping[PartyId, str]:
    """Those of ``owners`` whose tokens the caller sees."""
    views = views_of(request, owners)
    return {owner: source for owner, source in owners.items() if not views or views[owner].are_tokens_open}
