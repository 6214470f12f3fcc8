"""What of a location a partner is shown: EVSEs that it sees, with the tariffs that it is offered. Pure."""

import msgspec

from roaming.model.location import EVSE, Location
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
