"""Stations' certificates over HTTP, for operators: which there are, what is requested, what is not taken any more."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from roaming.console.hearing import Unfit, taking
from roaming.console.saying import answered, as_csv, said
from roaming.console.stations_api import Work, body_of, not_there, text_of
from roaming.console.stations_forms import Revocation
from roaming.console.stations_query import CSV, DAYS_AHEAD, GROUP, NETWORK, STATION, asked_by
from roaming.ocpi.module import Services
from roaming.operations import certificates as requests
from roaming.operations import selecting
from roaming.operations.selecting import NoSuchStation, Selection
from roaming.stations import certificates
from roaming.stations.securing import NoSuchCertificate, revoke_certificates

LONGEST_AHEAD = 36_500


@asked_by(STATION, GROUP, NETWORK, DAYS_AHEAD, CSV)
async def get_certificates(services: Services, request: Request, _who: str) -> Response:
    """Those of the stations meant, or all."""
    query = request.query_params
    days = query.get("days", "")
    if days and not (days.isascii() and days.isdigit() and len(days) < 6 and int(days) <= LONGEST_AHEAD):
        return said(f"days: a number from 0 to {LONGEST_AHEAD}", 400)
    wanted = Selection(
        stations=tuple(query.getlist("station")), group=query.get("group", ""), network=query.get("network", "")
    )
    before = services.clock.now() + timedelta(days=int(days)) if days else None
    async with services.database.reading() as connection:
        try:
            rows = await requests.listed(connection, wanted, before=before)
        except NoSuchStation as error:
            return not_there(request, error)
    return as_csv(rows) if query.get("format") == "csv" else answered({"certificates": rows})


@asked_by(NETWORK)
async def get_request(services: Services, request: Request, _who: str) -> Response:
    """What a station has requested last and waits for, to have it signed elsewhere; ``POST /api/operations`` with
    ``SEND_CERTIFICATE`` brings what came of it."""
    name, network = request.path_params["station_id"], request.query_params.get("network", "")
    async with services.database.reading() as connection:
        try:
            network, station_id = await selecting.select_station(connection, name, network)
        except NoSuchStation as error:
            return not_there(request, error)
        found = await requests.waiting(connection, network=network, station_id=station_id)
    if found is None:
        return said("it waits for no certificate: ask it with TRIGGER, what CERTIFICATE_REQUEST", 404)
    return answered({"station": station_id, "network": network} | asdict(found) | {"at": found.at.isoformat()})


@taking(Revocation)
async def post_revocations(services: Services, request: Request, who: str) -> Response:
    """``certificate``: how the fingerprint begins of what is not taken any more; or ``all``: true. ``why``."""
    try:
        body = await body_of(request, Revocation)
        fingerprint, is_all = text_of(body, "certificate"), body.get("all") is True
        if bool(fingerprint) == is_all:
            return said("certificate: how its fingerprint begins; or all: true", 400)
        name, network = request.path_params["station_id"], text_of(body, "network")
        async with services.database.work() as work:
            network, station_id = await selecting.select_station(work.connection, name, network)
            revoked = await revoke_certificates(
                work,
                network=network,
                station_id=station_id,
                fingerprint=fingerprint,
                who=f"api:{who}",
                why=text_of(body, "why"),
            )
    except (NoSuchStation, NoSuchCertificate) as error:
        return not_there(request, error)
    except Unfit as error:
        return said(str(error), 400)
    return answered({"revoked": [certificates.plain(one) for one in revoked]})


ROUTES: Sequence[tuple[str, str, Work]] = (
    ("/api/certificates", "GET", get_certificates),
    ("/api/stations/{station_id}/certificate-request", "GET", get_request),
    ("/api/stations/{station_id}/revocations", "POST", post_revocations),
)
