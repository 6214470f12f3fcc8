"""What the hub's own people and programs may ask over HTTP, with an operator's token. Partners' tokens are not good
here, and these not there."""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, Response

from roaming.hub.why import NotKnown, why
from roaming.model.identifiers import PartyId
from roaming.ocpi.authorization import FailureLimit
from roaming.ocpi.errors import TooManyAttempts
from roaming.ocpi.module import Services
from roaming.partners.operators import operator_of
from roaming.store.errors import StoreUnavailable

_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_LONGEST = 512
"""Characters of one parameter."""


def mount_api(app: FastAPI, services: Services) -> None:
    """Adds ``/api``."""
    failures = FailureLimit()

    @app.get("/api/why", include_in_schema=False)
    async def get_why(request: Request) -> Response:
        return await _answer(request, services, failures, lambda: _why(services, request))


async def _answer(
    request: Request, services: Services, failures: FailureLimit, work: Callable[[], Awaitable[Response]]
) -> Response:
    """What ``work`` answers to an operator. Whoever guesses tokens is slowed down by address."""
    address = request.client.host if request.client is not None else ""
    try:
        failures.check(address)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        is_known = scheme.lower() == "bearer" and await operator_of(
            services.database.reader, services.secrets.digest(token.strip())
        )
        if not is_known:
            failures.count(address)
            said = "send Authorization: Bearer with an operator's token: roaming operator add NAME prints one"
            return _said(said, 401, {"WWW-Authenticate": "Bearer"})
        return await work()
    except TooManyAttempts as error:
        return _said(str(error), 429, dict(error.headers))
    except StoreUnavailable:
        return _said("the database is away: ask again", 503)


async def _why(services: Services, request: Request) -> Response:
    query = request.query_params
    partner, what = query.get("partner", ""), query.get("what", "")
    if not partner or not what or any(len(value) > _LONGEST or "\0" in value for value in query.values()):
        return _said("partner, what: required, such as ?partner=acme&what=LOC1; kind and party where needed", 400)
    try:
        party = PartyId.parse(query["party"]) if query.get("party") else None
    except ValueError as error:
        return _said(f"party: {error}", 400)
    try:
        reasons = await why(services, partner, what, kind=query.get("kind", "location"), party=party)
    except NotKnown as error:
        return _said(str(error), 404)
    return JSONResponse({"partner": partner, "what": what, "reasons": reasons}, headers=_HEADERS)


def _said(error: str, http_status: int, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": error}, http_status, headers=_HEADERS | (headers or {}))
