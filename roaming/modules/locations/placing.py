"""Where a location is, as its operator says it piece by piece. What has not been said is never published.
Knows neither stations nor who asks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from roaming.model.identifiers import PartyId
from roaming.model.location import Location
from roaming.model.place import GeoLocation
from roaming.ocpi.forms.time_zones import ALPHA_3, TIME_ZONE_OF_COUNTRY
from roaming.store.database import Work

UNSAID = "unknown"
NOWHERE = GeoLocation(latitude="0.00000", longitude="0.00000")
"""OCPI wants an address and coordinates of every location; with these it is kept to ourselves."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a location is, as far as it is said: what is empty stays as it is."""

    location_id: str
    address: str = ""
    city: str = ""
    postal_code: str = ""
    country: str = ""
    """ISO 3166-1 alpha-3; of a new location empty: the country of its party."""
    latitude: str = ""
    longitude: str = ""
    time_zone: str = ""
    """IANA name; of a new location empty: that of the country, where it has one."""


def missing(location: Location) -> list[str]:
    """What has yet to be said before partners may see the location."""
    said = {
        "address": location.address != UNSAID,
        "city": location.city != UNSAID,
        "coordinates": location.coordinates != NOWHERE,
    }
    return [name for name, is_said in said.items() if not is_said]


def new_location(cpo: PartyId, place: Place, work: Work) -> Location:
    """A location without EVSEs. Raises ``ValueError`` when country or time zone cannot be told."""
    country = (place.country or ALPHA_3.get(cpo.country_code, "")).upper()
    if country and len(country) != 3:
        raise ValueError(f"country: {place.country!r} is not ISO 3166-1 alpha-3; give one such as NLD")
    if not country:
        raise ValueError(f"country: say where {place.location_id} is, as ISO 3166-1 alpha-3 such as NLD")
    time_zone = place.time_zone or TIME_ZONE_OF_COUNTRY.get(country, "")
    if not time_zone:
        raise ValueError(f"time_zone: {country} does not tell it; give an IANA name such as Europe/Amsterdam")
    blank = Location(
        country_code=cpo.country_code,
        party_id=cpo.party_id,
        id=place.location_id,
        publish=False,
        name=place.location_id,
        address=UNSAID,
        city=UNSAID,
        country=country,
        coordinates=NOWHERE,
        time_zone=time_zone,
        last_updated=work.now,
    )
    return placed(blank, place)


def placed(location: Location, place: Place) -> Location:
    """``location`` with what is said now; published from the moment on that nothing is missing any more.
    Raises ``ValueError`` for half a position."""
    given: dict[str, Any] = {
        name: getattr(place, name) or getattr(location, name)
        for name in ("address", "city", "postal_code", "country", "time_zone")
    }
    at = location.coordinates
    coordinates = GeoLocation(latitude=place.latitude or at.latitude, longitude=place.longitude or at.longitude)
    if at == NOWHERE and bool(place.latitude) != bool(place.longitude):
        raise ValueError(f"latitude and longitude of {location.id}: give both")
    changed = msgspec.structs.replace(location, coordinates=coordinates, **given)
    is_whole_now = bool(missing(location)) and not missing(changed)
    return msgspec.structs.replace(changed, publish=changed.publish or is_whole_now)


def publication(location: Location, next_step: Callable[[Location], str]) -> dict[str, Any]:
    """Whether partners see the location, and, as the caller says it, what to do where they do not."""
    if not location.publish and (lacking := missing(location)):
        return {"published": f"no: {', '.join(lacking)} missing", "next": next_step(location)}
    return {"published": "yes" if location.publish else "no: publish is false"}
