"""How stations are and have been, over HTTP, for operators: health, variables, ribbons, faults by cause, firmware.

An operator whose token is one party's sees the stations that have a connector bound to that party.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from roaming.console.saying import HEADERS, answered, as_csv, said
from roaming.console.stations_api import Work, not_there
from roaming.console.stations_query import (
    CONNECTOR,
    CSV,
    GREP,
    NETWORK,
    RIBBON_FORMAT,
    SINCE,
    UNTIL,
    WAY,
    asked_by,
    limit,
)
from roaming.console.stations_query import (
    days as span_of,
)
from roaming.model.identifiers import PartyId
from roaming.monitoring import days, drawing, knowing, showing, wire
from roaming.monitoring.moments import moment_of
from roaming.monitoring.places import places_of, stations_of_party
from roaming.monitoring.ribbon import CONNECTION, STATION
from roaming.monitoring.wire import Search
from roaming.ocpi.module import Services
from roaming.operations import selecting
from roaming.operations.selecting import NoSuchStation, StationKey

MOST_DAYS = 400
MOST_FRAMES = 10_000


async def key_of(connection: AsyncConnection, request: Request) -> tuple[StationKey, Collection[int] | None]:
    """The station that the path names, and which of its connectors may be seen (``None``: all). Raises
    ``NoSuchStation``, with the same words for one that is not this party's and one that is nobody's."""
    name, party = request.path_params["station_id"], request.state.party
    network = request.query_params.get("network", "")
    if not party:
        return await selecting.select_station(connection, name, network), None
    unknown = NoSuchStation(f"{party} has no station {name}")
    try:
        key = await selecting.select_station(connection, name, network)
    except NoSuchStation:
        raise unknown from None
    connectors = (await stations_of_party(connection, party)).get(key)
    if connectors is None:
        raise unknown
    return key, connectors | {CONNECTION, STATION}


async def own_keys(connection: AsyncConnection, request: Request) -> Mapping[StationKey, Collection[int]] | None:
    """The stations that whoever asks may see, with those of their connectors; ``None``: all."""
    return await stations_of_party(connection, request.state.party) if request.state.party else None


@asked_by(NETWORK)
async def get_health(services: Services, request: Request, _who: str) -> Response:
    """One station, all told."""
    async with services.database.reading() as connection:
        try:
            key, seen = await key_of(connection, request)
        except NoSuchStation as error:
            return not_there(request, error)
        return answered(await showing.health(connection, *key, services.clock.now(), seen=seen))


@asked_by(NETWORK, CSV)
async def get_variables(services: Services, request: Request, _who: str) -> Response:
    """Variables (OCPP 2.x) or configuration (1.6) as last told."""
    async with services.database.reading() as connection:
        try:
            key, _ = await key_of(connection, request)
        except NoSuchStation as error:
            return not_there(request, error)
        rows = await knowing.variables(connection, *key)
    return as_csv(rows) if request.query_params.get("format") == "csv" else answered({"variables": rows})


@asked_by(NETWORK, span_of(showing.RIBBON_DAYS), RIBBON_FORMAT, CONNECTOR)
async def get_ribbon(services: Services, request: Request, _who: str) -> Response:
    """The states of the last days."""
    query = request.query_params
    try:
        span = _days(request, showing.RIBBON_DAYS)
        part = int(query.get("connector", "-1")[:6])
    except ValueError:
        return said(f"days: a number from 1 to {MOST_DAYS}; connector: a number", 400)
    start, end = days.window(services.clock.now(), span)
    async with services.database.reading() as connection:
        try:
            key, seen = await key_of(connection, request)
        except NoSuchStation as error:
            return not_there(request, error)
        found = await days.ribbons(connection, *key, start=start, end=end)
    found = {number: each for number, each in found.items() if seen is None or number in seen}
    match query.get("format", "json"):
        case "json":
            return answered({"station": key[1], "intervals": showing.interval_rows(found)})
        case "csv":
            return as_csv(showing.interval_rows(found))
        case "svg":
            if part not in found:
                return said("nothing is known of this connector", 404)
            name = f"{key[1]} {days.part_name(part)}"
            return Response(drawing.svg(found[part], name), media_type="image/svg+xml", headers=HEADERS)
        case "html":
            ribbons = [(days.part_name(part), each) for part, each in found.items()]
            drawn, headers = drawing.page(key[1], ribbons), {**HEADERS, **drawing.HEADERS}
            return Response(drawn, media_type="text/html; charset=utf-8", headers=headers)
    return said("format: json, csv, svg or html", 400)


@asked_by(span_of(30), CSV)
async def get_faults(services: Services, request: Request, _who: str) -> Response:
    """Faults by cause, make and firmware."""
    try:
        since = services.clock.now() - timedelta(days=_days(request, 30))
    except ValueError:
        return said(f"days: a number from 1 to {MOST_DAYS}", 400)
    async with services.database.reading() as connection:
        rows = await knowing.faults_by_cause(connection, since, keys=await own_keys(connection, request))
    return as_csv(rows) if request.query_params.get("format") == "csv" else answered({"faults": rows})


@asked_by(CSV)
async def get_inventory(services: Services, request: Request, _who: str) -> Response:
    """How many stations of which make run which firmware."""
    async with services.database.reading() as connection:
        rows = await knowing.inventory(connection, keys=await own_keys(connection, request))
    return as_csv(rows) if request.query_params.get("format") == "csv" else answered({"firmware": rows})


@asked_by(NETWORK, limit(200, MOST_FRAMES), SINCE, UNTIL, GREP, WAY, CSV)
async def get_wire(services: Services, request: Request, _who: str) -> Response:
    """Frames as they went, the newest ones in the order of time. Of a station that several parties share, for the
    hub's own people only: frames are about all connectors."""
    query, now = request.query_params, services.clock.now()
    try:
        search = Search(
            since=moment_of(query.get("since", "1h"), now),
            until=moment_of(query.get("until", "0s"), now),
            text=query.get("grep", ""),
            is_from_station={"": None, "in": True, "out": False}[query.get("way", "")],
        )
        limit = int(query.get("limit", "200")[:6])
    except KeyError:
        return said("way: in or out", 400, field="way")
    except ValueError as error:
        return said(str(error), 400)
    if not 1 <= limit <= MOST_FRAMES:
        return said(f"limit: a number from 1 to {MOST_FRAMES}", 400, field="limit")
    async with services.database.reading() as connection:
        try:
            key, _ = await key_of(connection, request)
        except NoSuchStation as error:
            return not_there(request, error)
        party = request.state.party
        if party and (await places_of(connection, [key])).parties(*key) != (PartyId.parse(party),):
            return said("others have connectors there too: ask the hub's own people", 403)
        found = await wire.find(connection, *key, search, limit=limit)
    rows = [{"at": frame.at.isoformat(), "way": frame.way, "text": frame.text} for frame in found]
    return as_csv(rows) if query.get("format") == "csv" else answered({"station": key[1], "frames": rows})


def _days(request: Request, usual: int) -> int:
    span = int(request.query_params.get("days", str(usual))[:6])
    if not 1 <= span <= MOST_DAYS:
        raise ValueError
    return span


ROUTES: Sequence[tuple[str, str, Work]] = (
    ("/api/stations/{station_id}/health", "GET", get_health),
    ("/api/stations/{station_id}/variables", "GET", get_variables),
    ("/api/stations/{station_id}/ribbon", "GET", get_ribbon),
    ("/api/stations/{station_id}/wire", "GET", get_wire),
    ("/api/faults", "GET", get_faults),
    ("/api/firmware-inventory", "GET", get_inventory),
)
