"""Places of locations from the command line."""

from typing import Any

from roaming.cli.database import services_of_now
from roaming.cli.output import fail
from roaming.cli.registering import party_of
from roaming.model.canonical import from_document
from roaming.model.location import Location
from roaming.modules.locations.placing import Place, missing, placed, publication
from roaming.modules.locations.service import publish
from roaming.ocpi.errors import OcpiError
from roaming.ocpi.module import Services
from roaming.store.documents import object_key, read_object


def options_for(location: Location) -> str:
    """The command that says the rest."""
    wanted = {
        "address": "--address 'STREET 1'",
        "city": "--city CITY",
        "coordinates": "--latitude 51.90500 --longitude 4.48600",
    }
    options = " ".join(wanted[name] for name in missing(location))
    return f"roaming location place {location.id} --party {location.country_code}-{location.party_id} {options}"


async def place_location(party: str, place: Place) -> dict[str, Any]:
    """Says where one of our locations is."""
    cpo = party_of(party)
    async with services_of_now() as services, services.database.work() as work:
        key = object_key(cpo, place.location_id)
        known = await read_object(work.connection, "locations", key, Location)
        if known is None:
            fail(f"{cpo} has no location {place.location_id}: see `roaming location list --party {cpo}`")
        try:
            location = await publish(work, placed(known, place))
        except (OcpiError, ValueError) as error:
            fail(str(error))
    return {"location": f"{cpo} {location.id}", **publication(location, options_for)}


async def find_unplaced(services: Services) -> list[Location]:
    """Hosted locations that are kept from partners since nobody has said where they are."""
    rows = await services.database.reader.fetch(
        "SELECT document FROM locations WHERE source = '' AND NOT is_listed ORDER BY key"
    )
    unlisted = [from_document(Location, row[0]) for row in rows]
    return [location for location in unlisted if missing(location)]
