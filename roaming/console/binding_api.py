"""Stations let in over HTTP, for operators: bound to EVSEs of a location, and the least security profile of each.

``POST /api/stations/CS-001/binding`` does what ``roaming station bind`` does, by the columns of ``station import``::

    {"party": "NL-ABC", "location": "SITE-1", "connectors": 2, "tariff": "STANDARD"}
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from roaming.console.hearing import Unfit, taking
from roaming.console.saying import answered, said
from roaming.console.stations_api import Work, body_of, flag_of, text_of
from roaming.console.stations_forms import BindingForm, SecurityProfile
from roaming.model.location import Location
from roaming.modules.locations.binding import Unbindable, bind_wanted, wanted_of
from roaming.modules.locations.placing import missing
from roaming.ocpi.errors import OcpiError
from roaming.ocpi.module import Services
from roaming.stations.bindings import KnownStations, UnknownStation
from roaming.stations.securing import want_profile

_FIRST: Final = {
    "party": "whoever runs the hub adds it",
    "tariff": "POST /api/tariffs first, or leave the field out",
}
_FIELDS: Final = {"address": "address", "city": "city", "coordinates": "latitude, longitude"}


def _say_the_rest(location: Location) -> str:
    fields = ", ".join(_FIELDS[name] for name in missing(location))
    return f"POST the same again with {fields}"


@taking(BindingForm)
async def post_binding(services: Services, request: Request, _who: str) -> Response:
    """Lets a station in and says which EVSEs of which location its connectors are: `party`, `location`, `connectors`,
    `evse`, `password` or `no_password`, `tariff`, and of a location that does not exist `address`, `city`,
    `postal_code`, `country`, `latitude`, `longitude`, `time_zone`; `dry_run`. 201; a password that is made for it is
    shown this once."""
    try:
        body = await body_of(request, BindingForm)
        is_dry_run = flag_of(body, "dry_run")
        entry = {name: value for name, value in body.items() if name != "dry_run"}
        wanted = wanted_of(entry | {"station": request.path_params["station_id"]})
        done = await bind_wanted(services, wanted, next_step=_say_the_rest, is_dry_run=is_dry_run)
    except Unbindable as error:
        text = f"{error}: {_FIRST[error.lacks]}" if error.lacks else str(error)
        return said(text, 400, field=error.fields[0])
    except OcpiError as error:
        return said(error.message, 400)
    except ValueError as error:
        return said(str(error), 400)
    if is_dry_run:
        # It is made anew when it is bound
        return answered({"dry_run": True} | {name: value for name, value in done.items() if name != "password"})
    return answered(done, 201)


@taking(SecurityProfile)
async def post_security_profile(services: Services, request: Request, _who: str) -> Response:
    """Refuses a station that comes with less than `profile` (0 to 3), from when it has come with it once."""
    try:
        body = await body_of(request, SecurityProfile)
        profile = body.get("profile")
        if type(profile) is not int:
            raise Unfit("profile: 0 to 3", "profile")
        network = text_of(body, "network") or services.network
        station_id = await KnownStations(services.database.reader).name(network, request.path_params["station_id"])
        async with services.database.work() as work:
            demand = await want_profile(work, network=network, station_id=station_id, profile=profile)
    except UnknownStation as error:
        return said(str(error), 404)
    except ValueError as error:
        return said(str(error), 400, field="profile")
    return answered({"station": station_id, "demanded": demand.minimum} | asdict(demand))


ROUTES: Sequence[tuple[str, str, Work]] = (
    ("/api/stations/{station_id}/binding", "POST", post_binding),
    ("/api/stations/{station_id}/security-profile", "POST", post_security_profile),
)
