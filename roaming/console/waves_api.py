"""Updates of many stations over HTTP, for operators: begun, watched, held and taken up again."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from roaming.console.hearing import Unfit, taking
from roaming.console.saying import answered, as_csv, said
from roaming.console.stations_api import Work, body_of, flag_of, not_there, text_of, texts_of
from roaming.console.stations_forms import Wave, WaveChange
from roaming.console.stations_query import CSV, asked_by
from roaming.ocpi.module import Services
from roaming.operations import selecting, waves
from roaming.operations.files import NoSuchFile
from roaming.operations.selecting import NoSuchStation, Selection
from roaming.operations.waves import NoSuchWave, Plan

_STATES = {"pause": "PAUSED", "stop": "STOPPED", "resume": "RUNNING"}


@taking(Wave)
async def post_waves(services: Services, request: Request, who: str) -> Response:
    """``name``, ``file_id``, ``groups`` (a step each, in this order), or ``tags`` and ``stations`` as one step;
    ``at_once``, ``most_failures`` (percent), ``judged_from``, ``patience`` (seconds), ``why``; ``dry_run``: 200 with
    the stations by steps, and nobody is asked."""
    try:
        body = await body_of(request, Wave)
        numbers = {name: _number(body, name) for name in ("at_once", "most_failures", "judged_from") if name in body}
        patience = timedelta(seconds=_number(body, "patience")) if "patience" in body else Plan.patience
        async with services.database.work() as work:
            selections = [Selection(group=group, tags=texts_of(body, "tags")) for group in texts_of(body, "groups")]
            selections = selections or [Selection(stations=texts_of(body, "stations"), tags=texts_of(body, "tags"))]
            steps = [await selecting.select_stations(work.connection, selection) for selection in selections]
            plan = Plan(
                name=text_of(body, "name") or "update",
                file_id=text_of(body, "file_id"),
                who=f"api:{who}",
                why=text_of(body, "why"),
                steps=steps,
                patience=patience,
                **numbers,
            )
            if flag_of(body, "dry_run"):
                return answered({"dry_run": True, "steps": [[name for _, name in step] for step in plan.steps]})
            id = await waves.begin(work, plan)
            (wave,) = await waves.progress(work.connection, id)
    except (NoSuchStation, NoSuchFile) as error:
        return not_there(request, error, group="groups")
    except ValueError as error:
        return said(str(error), 400)
    return answered(wave, 201)


@asked_by(CSV)
async def get_waves(services: Services, request: Request, _who: str) -> Response:
    """All, the newest first."""
    async with services.database.reading() as connection:
        rows = await waves.progress(connection)
    return as_csv(rows) if request.query_params.get("format") == "csv" else answered({"waves": rows})


@asked_by(CSV)
async def get_wave(services: Services, request: Request, _who: str) -> Response:
    """One, with each of its stations; for a spreadsheet these alone."""
    id = request.path_params["id"]
    async with services.database.reading() as connection:
        found = await waves.progress(connection, id)
        if not found:
            return said("no such wave: GET /api/waves lists them", 404)
        each = await waves.stations_of(connection, id)
    return as_csv(each) if request.query_params.get("format") == "csv" else answered(found[0] | {"each": each})


@taking(WaveChange)
async def post_wave(services: Services, request: Request, _who: str) -> Response:
    """``pause``, ``stop`` or ``resume``, the last with another ``most_failures`` if need be."""
    id, state = request.path_params["id"], _STATES.get(request.path_params["what"])
    if state is None:
        return said(f"one of {', '.join(_STATES)}", 404)
    try:
        body = await body_of(request, WaveChange) if int(request.headers.get("content-length", "0") or 0) else {}
        most = _number(body, "most_failures") if "most_failures" in body else None
        async with services.database.work() as work:
            await waves.change(work, id, state, most_failures=most)
            (wave,) = await waves.progress(work.connection, id)
    except NoSuchWave as error:
        return said(str(error), 404)
    except ValueError as error:
        return said(str(error), 400)
    return answered(wave)


def _number(body: dict[str, Any], name: str) -> int:
    value = body[name]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 10**6:
        raise Unfit(f"{name}: a whole number")
    return value


ROUTES: Sequence[tuple[str, str, Work]] = (
    ("/api/waves", "GET", get_waves),
    ("/api/waves", "POST", post_waves),
    ("/api/waves/{id}", "GET", get_wave),
    ("/api/waves/{id}/{what}", "POST", post_wave),
)
