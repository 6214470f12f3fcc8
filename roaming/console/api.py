"""What the hub's own people and programs may ask over HTTP, with an operator's token. Partners' tokens are not good
here, and these not there. What is asked of stations is in ``stations_api``, agreements and rules
are in ``rules_api``, tariffs in ``tariffs_api``."""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from roaming.console import (
    billing_api,
    feed_api,
    monitoring_api,
    rules_api,
    stations_api,
    stations_openapi,
    tariffs_api,
    webhooks_api,
)
from roaming.console.saying import HEADERS, said
from roaming.hub.why import NotKnown, why
from roaming.model.identifiers import PartyId
from roaming.ocpi.authorization import FailureLimit
from roaming.ocpi.errors import TooManyAttempts
from roaming.ocpi.module import Services
from roaming.partners.operators import operator_of
from roaming.store.errors import StoreUnavailable

_FOR_PARTIES = (webhooks_api, feed_api, billing_api, monitoring_api)
_APIS = (*(api for api, _ in stations_openapi.APIS), rules_api, tariffs_api, billing_api)
ROUTES = tuple(route for api in _APIS for route in api.ROUTES)
FOR_PARTIES = frozenset((path, method) for api in _FOR_PARTIES for path, method, _ in api.ROUTES)
"""What an operator whose token is one party's may ask: these look at ``request.state.party``, the others do not."""
_LONGEST = 512
"""Characters of one parameter."""


def mount_api(app: FastAPI, services: Services) -> None:
    """Adds ``/api``."""
    failures = FailureLimit()

    @app.get("/api/why", include_in_schema=False)
    async def get_why(request: Request) -> Response:
        return await _answer(request, services, failures, lambda _: _why(services, request))

    def routed(path: str, method: str, work: stations_api.Work) -> None:
        is_for_parties = (path, method) in FOR_PARTIES

        async def route(request: Request) -> Response:
            def answer(who: str) -> Awaitable[Response]:
                return work(services, request, who)

            return await _answer(request, services, failures, answer, is_for_parties=is_for_parties)

        # Starlette's: what FastAPI looks for in signatures is not here, and there are a hundred of these
        added = Route(path, route, methods=[method])
        added.methods = {method}  # no HEAD of its own accord
        app.router.routes.append(added)

    for path, method, work in ROUTES:
        routed(path, method, work)


async def _answer(
    request: Request,
    services: Services,
    failures: FailureLimit,
    work: Callable[[str], Awaitable[Response]],
    *,
    is_for_parties: bool = False,
) -> Response:
    """What ``work`` answers to an operator, whose name it is given. Who guesses is slowed down by address."""
    address = request.client.host if request.client is not None else ""
    try:
        failures.check(address)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        digest = services.secrets.digest(token.strip())
        who = await operator_of(services.database.reader, digest) if scheme.lower() == "bearer" else None
        if who is None:
            failures.count(address)
            text = "send Authorization: Bearer with an operator's token: roaming operator add NAME prints one"
            return said(text, 401, {"WWW-Authenticate": "Bearer"})
        if who.party and not is_for_parties:
            return said(f"this token is for what belongs to {who.party}: this is for the hub's own people", 403)

        async def may_stay() -> bool:
            return await operator_of(services.database.reader, digest) == who

        request.state.party, request.state.may_stay = who.party, may_stay
        return await work(who.name)
    except TooManyAttempts as error:
        return said(str(error), 429, dict(error.headers))
    except StoreUnavailable:
        return said("the database is away: ask again", 503)


async def _why(services: Services, request: Request) -> Response:
    query = request.query_params
    partner, what = query.get("partner", ""), query.get("what", "")
    if not partner or not what or any(len(value) > _LONGEST or "\0" in value for value in query.values()):
        return said("partner, what: required, such as ?partner=acme&what=LOC1; kind and party where needed", 400)
    try:
        party = PartyId.parse(query["party"]) if query.get("party") else None
    except ValueError as error:
        return said(f"party: {error}", 400)
    try:
        reasons = await why(services, partner, what, kind=query.get("kind", "location"), party=party)
    except NotKnown as error:
        return said(str(error), 404)
    return JSONResponse({"partner": partner, "what": what, "reasons": reasons}, headers=HEADERS)
