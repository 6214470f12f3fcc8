"""Stations over HTTP, for operators: how they are, what is asked of them and what they said.

``POST /api/operations`` asks one, a group or a tag::

    {"group": "depot", "kind": "RESET", "is_immediate": false, "why": "ticket 4711", "dry_run": false}

with ``Idempotency-Key`` where it may have to be said twice. ``GET /api/kinds`` tells every ``kind`` and its fields,
``GET /api/stations.json`` describes all of it.
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from contracts.configuration import KNOWN_KEYS
from roaming.console.hearing import Unfit, content_of, limit_of, taking
from roaming.console.saying import answered, as_csv, committed, said
from roaming.console.stations_forms import Labels, LocalLists
from roaming.console.stations_query import (
    AFTER_NAME,
    BATCH,
    BEFORE,
    CSV,
    GROUP,
    KIND,
    NETWORK,
    ONE_STATION,
    ONLINE,
    OUTCOME,
    STATE,
    STATION,
    TAG,
    WHO,
    asked_by,
    limit,
)
from roaming.monitoring.lines import lines_of, since_and_why
from roaming.ocpi.module import Services
from roaming.operations import local_lists, records, selecting, showing
from roaming.operations.asking import LONGEST_WAIT, KeyTaken, Wish, ask, make_ready
from roaming.operations.authority import authority_of
from roaming.operations.files import Addresses, NoSuchFile
from roaming.operations.local_lists import Syncing
from roaming.operations.orders import KINDS, Unreadable, read
from roaming.operations.selecting import NoSuchStation, Selection
from roaming.stations.presence import presences_of

Work = Callable[[Services, Request, str], Awaitable[Response]]
LARGEST_LIST = 1_000
MOST_STATIONS = 10_000
_SELECTING = ("stations", "group", "tags", "network")
_BESIDE = (*_SELECTING, "why", "seconds", "dry_run")
_LONGEST = 512
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


async def post_operations(services: Services, request: Request, who: str) -> Response:
    """Asks stations for what `kind` says. 202 with the records; with ``dry_run`` 200 with those that would be asked."""
    try:
        body = await body_of(request)
        if "station_id" in request.path_params:
            body["stations"] = [request.path_params["station_id"]]
        selection = _selection(body)
        number = secrets.randbelow(2**31 - 1) + 1
        order = read({k: v for k, v in body.items() if k not in _BESIDE}, request_id=number, now=services.clock.now())
        wish = Wish(
            order=order,
            who=f"api:{who}",
            why=text_of(body, "why"),
            key=_key(request),
            wait=_wait(body, services.command_timeout),
        )
        await make_ready(services.database, order)
        async with services.database.work() as work:
            keys = await selecting.select_stations(work.connection, selection)
            if flag_of(body, "dry_run"):
                return answered({"dry_run": True, "stations": await showing.stations(work.connection, keys)})
            addresses = Addresses(base=services.files_url, digest=services.secrets.digest)
            done = await ask(
                work,
                keys,
                wish,
                addresses=addresses,
                authority=authority_of(services),
                digest_password=services.secrets.station_digest,
            )
    except KeyTaken as error:
        return said(str(error), 409)
    except (NoSuchStation, NoSuchFile) as error:
        return not_there(request, error)
    except (Unfit, Unreadable) as error:
        return said(str(error), 400, field=getattr(error, "field", ""))
    return answered({"batch": done[0].batch_id, "operations": [showing.shown(record) for record in done]}, 202)


@taking(Labels)
async def post_labels(services: Services, request: Request, _who: str) -> Response:
    """``group`` as it shall be in ``set_group`` (empty: none), ``add_tags``, ``remove_tags``."""
    try:
        body = await body_of(request, Labels)
        selection = _selection(body)
        async with services.database.work() as work:
            keys = await selecting.select_stations(work.connection, selection)
            if not flag_of(body, "dry_run"):
                if "set_group" in body:
                    await selecting.set_group(work.connection, keys, text_of(body, "set_group"))
                tags = {name: texts_of(body, f"{name}_tags") for name in ("add", "remove")}
                await selecting.change_tags(work.connection, keys, **tags)
            rows = await showing.stations(work.connection, keys)
    except NoSuchStation as error:
        return not_there(request, error)
    except ValueError as error:
        return said(str(error), 400)
    return answered({"stations": rows})


@taking(LocalLists)
async def post_local_lists(services: Services, request: Request, who: str) -> Response:
    """Brings local lists in line with the token store. ``is_full``: all of it anew; ``per_message``, ``most``."""
    try:
        body = await body_of(request, LocalLists)
        sizes = {"per_message": 1_000, "most": local_lists.MOST}
        given = {name: body[name] for name in sizes if name in body}
        if any(type(value) is not int or not 1 <= value <= sizes[name] for name, value in given.items()):
            return said(f"per_message, most: whole numbers from 1, at most {sizes}", 400)
        how = Syncing(who=f"api:{who}", why=text_of(body, "why"), is_full=flag_of(body, "is_full"), **given)
        directory = await services.directory.current()
        async with services.database.work() as work:
            keys = await selecting.select_stations(work.connection, _selection(body))
            wanted = await local_lists.wanted_at(work.connection, directory, keys, how.most)
            if flag_of(body, "dry_run"):
                rows = [{"station": key[1], "wanted": len(entries)} for key, entries in wanted.items()]
                return answered({"dry_run": True, "lists": rows})
            return answered({"lists": await local_lists.sync(work, wanted, how)}, 202)
    except NoSuchStation as error:
        return not_there(request, error)
    except Unfit as error:
        return said(str(error), 400)


@asked_by(STATION, GROUP, CSV)
async def get_local_lists(services: Services, request: Request, _who: str) -> Response:
    """How the lists of stations stand."""
    query = request.query_params
    selection = Selection(stations=tuple(query.getlist("station")), group=query.get("group", ""))
    async with services.database.reading() as connection:
        try:
            keys = await selecting.select_stations(connection, selection, is_all_meant=True)
        except NoSuchStation as error:
            return not_there(request, error)
        rows = await local_lists.standing(connection, keys)
    return as_csv(rows) if query.get("format") == "csv" else answered({"lists": rows})


@asked_by(limit(100, LARGEST_LIST), CSV)
async def get_inbox(services: Services, request: Request, _who: str) -> Response:
    """Stations that have connected and nobody has bound yet, those that came last first. `POST
    /api/stations/{station_id}/binding` lets them in."""
    try:
        limit = limit_of(request, usual=100, largest=LARGEST_LIST)
    except Unfit as error:
        return said(f"{error.field}: {error}", 400, field=error.field)
    async with services.database.reading() as connection:
        rows = await showing.inbox(connection, limit=limit)
    return as_csv(rows) if request.query_params.get("format") == "csv" else answered({"stations": rows})


@asked_by(CSV)
async def get_groups(services: Services, request: Request, _who: str) -> Response:
    """Groups, and how many stations are in each."""
    async with services.database.reading() as connection:
        rows = [{"group": name, "stations": count} for name, count in await selecting.list_groups(connection)]
    return as_csv(rows) if request.query_params.get("format") == "csv" else answered({"groups": rows})


@asked_by(STATION, GROUP, TAG, NETWORK, ONLINE, AFTER_NAME, limit(MOST_STATIONS, MOST_STATIONS), CSV)
async def get_stations(services: Services, request: Request, _who: str) -> Response:
    """All that are admitted, or those to which all applies that is said. A page ends with all networks' stations of its
    last name."""
    query = request.query_params
    try:
        limit = limit_of(request, usual=MOST_STATIONS, largest=MOST_STATIONS)
        is_online = {"": None, "yes": True, "no": False}[query.get("online", "")]
    except KeyError:
        return said("online: yes or no", 400, field="online")
    except Unfit as error:
        return said(f"{error.field}: {error}", 400, field=error.field)
    selection = Selection(
        stations=tuple(query.getlist("station")),
        group=query.get("group", ""),
        tags=tuple(query.getlist("tag")),
        network=query.get("network", ""),
    )
    async with services.database.reading() as connection:
        try:
            keys = await selecting.select_stations(connection, selection, is_all_meant=True)
        except NoSuchStation as error:
            return not_there(request, error)
        keys = [key for key in keys if key[1] > query.get("after", "")]
        if is_online is not None:
            present = await presences_of(connection, keys)
            keys = [key for key in keys if present[key].is_connected is is_online]
        page = selecting.page(keys, limit=limit)
        rows = await showing.stations(connection, page)
        lines = await lines_of(connection, page)
    rows = [row | since_and_why(lines.get((row["network"], row["station"]))) for row in rows]
    return as_csv(rows) if query.get("format") == "csv" else answered({"stations": rows})


@asked_by(NETWORK)
async def get_station(services: Services, request: Request, _who: str) -> Response:
    """One station, with its last operations and reports."""
    name, network = request.path_params["station_id"], request.query_params.get("network", "")
    async with services.database.reading() as connection:
        try:
            key = await selecting.select_station(connection, name, network)
        except NoSuchStation as error:
            return not_there(request, error)
        return answered(await showing.station(connection, key))


@asked_by(ONE_STATION, NETWORK, BATCH, KIND, STATE, OUTCOME, WHO, limit(100, LARGEST_LIST), BEFORE, CSV)
async def get_operations(services: Services, request: Request, _who: str) -> Response:
    """What stations were asked, the newest first."""
    query, names = request.query_params, {"station": "station_id", "batch": "batch_id"}
    wanted = {
        names.get(name, name): query[name]
        for name in ("station", "network", "batch", "kind", "state", "outcome", "who")
        if query.get(name)
    }
    try:
        limit = limit_of(request, usual=100, largest=LARGEST_LIST)
    except Unfit as error:
        return said(f"{error.field}: {error}", 400, field=error.field)
    async with services.database.reading() as connection:
        found = await records.list_records(connection, limit=limit, before=query.get("before"), **wanted)
    if query.get("format") == "csv":
        return as_csv([showing.row_of(record) for record in found])
    return answered({"operations": [showing.shown(record) for record in found]})


async def get_operation(services: Services, request: Request, _who: str) -> Response:
    """One request and what came of it."""
    async with services.database.reading() as connection:
        found = await records.load(connection, [request.path_params["id"]])
    if not found:
        return said("no such operation: GET /api/operations lists them", 404)
    return answered(showing.shown(next(iter(found.values()))))


async def get_kinds(_services: Services, _request: Request, _who: str) -> Response:
    """What can be asked, each with the JSON Schema of its fields."""
    (_, parts) = msgspec.json.schema_components(KINDS.values())
    return answered({"kinds": {kind: parts[struct.__name__] for kind, struct in KINDS.items()}, "parts": parts})


async def get_document(_services: Services, _request: Request, _who: str) -> Response:
    """All that operators can ask about stations, as OpenAPI."""
    return committed("operators-stations.json")


async def get_configuration_keys(_services: Services, _request: Request, _who: str) -> Response:
    """Settings of stations that are known, by both versions' names, and what they mean."""
    return answered({"keys": [asdict(known) for known in KNOWN_KEYS]})


ROUTES: Sequence[tuple[str, str, Work]] = (
    ("/api/inbox", "GET", get_inbox),
    ("/api/station-groups", "GET", get_groups),
    ("/api/stations", "GET", get_stations),
    ("/api/stations/{station_id}", "GET", get_station),
    ("/api/stations/{station_id}/operations", "POST", post_operations),
    ("/api/labels", "POST", post_labels),
    ("/api/local-lists", "GET", get_local_lists),
    ("/api/local-lists", "POST", post_local_lists),
    ("/api/operations", "GET", get_operations),
    ("/api/operations", "POST", post_operations),
    ("/api/operations/{id}", "GET", get_operation),
    ("/api/kinds", "GET", get_kinds),
    ("/api/stations.json", "GET", get_document),
    ("/api/configuration-keys", "GET", get_configuration_keys),
)


def not_there(request: Request, error: LookupError, *, group: str = "group") -> Response:
    """404; of a station that is not, with the part of the request that says which. ``group``: what the body calls
    it."""
    if not isinstance(error, NoSuchStation):
        return said(str(error), 404)
    field, is_in_path = error.field, "station_id" in request.path_params
    if field == "stations" and is_in_path:
        field = "station_id"
    elif request.method == "GET":
        field = field.removesuffix("s")  # each by itself, as often as need be
    elif field == "group":
        field = group
    return said(f"{error}: GET /api/stations lists them", 404, field=field)


async def body_of(request: Request, form: type[msgspec.Struct] | None = None) -> dict[str, Any]:
    """A JSON object, with fields of ``form`` alone. Raises ``Unfit``; so do the next ones."""
    content = await content_of(request)
    try:
        body = _DECODER.decode(content)
    except (msgspec.DecodeError, ValueError, ArithmeticError, RecursionError) as error:
        raise Unfit(f"the body is no JSON: {error}") from None
    if not isinstance(body, dict):
        raise Unfit("the body: a JSON object")
    names = form.__struct_fields__ if form is not None else tuple(body)
    if unknown := [name for name in body if name not in names]:
        raise Unfit(f"{unknown[0][:40]}: no such field; there are {', '.join(names)}", unknown[0][:40])
    return body


def _selection(body: Mapping[str, Any]) -> Selection:
    return Selection(
        stations=texts_of(body, "stations"),
        group=text_of(body, "group"),
        tags=texts_of(body, "tags"),
        network=text_of(body, "network"),
    )


def text_of(body: Mapping[str, Any], name: str) -> str:
    """A text; empty where there is none."""
    value = body.get(name, "")
    if not isinstance(value, str) or len(value) > _LONGEST or "\0" in value:
        raise Unfit(f"{name}: a text of at most {_LONGEST} characters", name)
    return value


def texts_of(body: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """A list of texts."""
    values = body.get(name, [])
    if not isinstance(values, list):
        raise Unfit(f"{name}: a list of texts", name)
    return tuple(text_of({name: value}, name) for value in values)


def flag_of(body: Mapping[str, Any], name: str) -> bool:
    """True or false; false where it is not said."""
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise Unfit(f"{name}: true or false", name)
    return value


def _wait(body: Mapping[str, Any], usual: float) -> timedelta:
    seconds = body.get("seconds", usual)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float | Decimal):
        raise Unfit("seconds: a number")
    if not 0 < seconds <= LONGEST_WAIT.total_seconds():
        raise Unfit(f"seconds: more than 0, at most {LONGEST_WAIT.total_seconds():.0f}")
    return timedelta(seconds=float(seconds))


def _key(request: Request) -> str:
    key: str = request.headers.get("idempotency-key", "")
    if len(key) > _LONGEST:
        raise Unfit(f"Idempotency-Key: at most {_LONGEST} characters")
    return key
