"""Webhooks and e-mail over HTTP, for operators: who is sent which events, and how that goes.

``POST /api/webhooks`` answers with the secret, once::

    {"name": "noc", "url": "https://noc.example/hook", "events": ["station.*"], "party": "NL-HUB"}
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from roaming.console.hearing import Unfit, limit_of, taking
from roaming.console.saying import answered, as_csv, said
from roaming.console.stations_api import Work, body_of, text_of, texts_of
from roaming.console.stations_forms import Mail, Webhook
from roaming.console.stations_query import CSV, NOTIFICATION_STATE, asked_by, limit
from roaming.feed import mailing, subscribers, trying
from roaming.feed.kinds import KINDS, NoSuchKind
from roaming.feed.mailing import UnfitAddress
from roaming.feed.signing import UnfitSecret
from roaming.feed.subscribers import NameTaken, NoSuchSubscriber, Subscriber, UnfitName, Wanted
from roaming.model.identifiers import PartyId
from roaming.ocpi.errors import OcpiError
from roaming.ocpi.module import Services

LARGEST_LIST = 1_000
MOST_OF_PARTY = 100
"""That a party adds itself: each costs the hub a message for every event."""


def shown(subscriber: Subscriber, counts: dict[str, int]) -> dict[str, Any]:
    """A subscriber as people and programs see it."""
    values = asdict(subscriber)
    values["events"] = list(values.pop("kinds")) or ["*"]
    address = values.pop("address")
    values["url" if values.pop("channel") == "WEBHOOK" else "address"] = address
    for name, value in values.items():
        values[name] = value.isoformat() if hasattr(value, "isoformat") else value
    return values | {state.lower(): counts.get(state, 0) for state in ("PENDING", "SENT", "DEAD")}


async def get_webhooks(services: Services, request: Request, _who: str) -> Response:
    """All of them, with how many notifications wait, were sent, and were given up."""
    return answered({"webhooks": await _listed(services, request, "WEBHOOK")})


async def get_mails(services: Services, request: Request, _who: str) -> Response:
    """Who gets e-mail, likewise."""
    return answered({"mails": await _listed(services, request, "EMAIL")})


async def _listed(services: Services, request: Request, channel: str) -> list[dict[str, Any]]:
    async with services.database.reading() as connection:
        found = await subscribers.listed(connection, party=request.state.party)
    return [shown(*each) for each in found if each[0].channel == channel]


@taking(Webhook)
async def post_webhooks(services: Services, request: Request, who: str) -> Response:
    """``name``, ``url``, ``events`` (patterns; none: all), ``party``, ``secret`` (none: a new one)."""
    return await _add(services, request, who, channel="WEBHOOK")


@taking(Mail)
async def post_mails(services: Services, request: Request, who: str) -> Response:
    """``name``, ``address``, ``events`` (patterns; none: what goes wrong at stations), ``party``."""
    if request.state.party:
        # The hub's name stands on the message, and whoever reads there has not asked for it
        told = f"`roaming mail add NAME ADDRESS --party {request.state.party}`"
        return said(f"address: the hub's own people add addresses that it writes to: {told}", 403, field="address")
    if services.mail_server is None:
        return said(trying.NO_MAIL_SERVER, 409)
    return await _add(services, request, who, channel="EMAIL")


async def _add(services: Services, request: Request, who: str, *, channel: str) -> Response:
    is_mail = channel == "EMAIL"
    try:
        body = await body_of(request, Mail if is_mail else Webhook)
        if request.state.party and text_of(body, "party") not in ("", request.state.party):
            return said(f"party: this token is for {request.state.party} only", 403, field="party")
        _check_party(text_of(body, "party"))
        wanted = Wanted(
            name=text_of(body, "name"),
            channel=channel,
            address=text_of(body, "address" if is_mail else "url"),
            party=request.state.party or text_of(body, "party"),
            kinds=texts_of(body, "events") or (mailing.USUAL_KINDS if is_mail else ()),
            secret=text_of(body, "secret"),
            who=f"api:{who}",
        )
        async with services.database.work() as work:
            if request.state.party and await subscribers.count_of(work.connection, wanted.party) >= MOST_OF_PARTY:
                return said(f"{wanted.party} has {MOST_OF_PARTY} webhooks and mails already: remove one", 409)
            check = mailing.check_address if is_mail else services.client.check
            secret = await subscribers.add(work, wanted, secrets=services.secrets, check=check)
    except NameTaken as error:
        return said(str(error), 409, field="name")
    except (OcpiError, ValueError) as error:
        return _refused(error, is_mail=is_mail)
    return answered({"name": wanted.name} | ({} if is_mail else {"secret": secret}), 201)


def _check_party(text: str) -> None:
    try:
        PartyId.parse(text or "NL-HUB")
    except ValueError as error:
        raise Unfit(f"party: {error}", "party") from None


def _refused(error: OcpiError | ValueError, *, is_mail: bool) -> Response:
    """What is wrong, with the field of the body."""
    match error:
        case OcpiError() | UnfitAddress():
            field = "address" if is_mail else "url"
            return said(f"{field}: {error}", 400, field=field)
        case NoSuchKind():
            return said(f"events: {error}", 400, field="events")
        case UnfitSecret():
            return said(f"secret: {error}", 400, field="secret")
        case UnfitName():
            return said(f"name: {error}", 400, field="name")
        case _:
            return said(str(error), 400, field=getattr(error, "field", ""))


async def delete_webhook(services: Services, request: Request, _who: str) -> Response:
    """Removes one, and what waits for it."""
    try:
        async with services.database.work() as work:
            await subscribers.remove(work, request.path_params["name"], party=request.state.party)
    except NoSuchSubscriber as error:
        return said(str(error), 404)
    return answered({"removed": request.path_params["name"]})


async def post_webhook(services: Services, request: Request, _who: str) -> Response:
    """``test``, ``on``, ``off``, ``secret`` (a new one; the old is good for a day), ``replay`` (what was given up)."""
    name, what = request.path_params["name"], request.path_params["what"]
    database, party = services.database, request.state.party
    try:
        match what:
            case "test":
                return answered(await trying.tried(services, name, party=party))
            case "on" | "off":
                async with database.work() as work:
                    await subscribers.switch(work, name, is_on=what == "on", party=party)
                return answered({"name": name, "is_on": what == "on"})
            case "secret":
                async with database.work() as work:
                    made = await subscribers.renew_secret(work, name, secrets=services.secrets, party=party)
                return answered({"secret": made})
            case "replay":
                async with database.work() as work:
                    return answered({"replayed": await subscribers.replay(work, name, party=party)})
    except NoSuchSubscriber as error:
        return said(str(error), 404)
    return said("one of test, on, off, secret, replay", 404)


@asked_by(NOTIFICATION_STATE, limit(100, LARGEST_LIST), CSV)
async def get_notifications(services: Services, request: Request, _who: str) -> Response:
    """What was and will be sent to one, the newest first."""
    query = request.query_params
    try:
        limit = limit_of(request, usual=100, largest=LARGEST_LIST)
        async with services.database.reading() as connection:
            rows = await subscribers.notifications(
                connection,
                request.path_params["name"],
                party=request.state.party,
                state=query.get("state", "").upper(),
                limit=limit,
            )
    except Unfit as error:
        return said(f"{error.field}: {error}", 400, field=error.field)
    except NoSuchSubscriber as error:
        return said(str(error), 404)
    return as_csv(rows) if query.get("format") == "csv" else answered({"notifications": rows})


async def get_kinds(_services: Services, _request: Request, _who: str) -> Response:
    """What events there are."""
    return answered({"events": dict(KINDS)})


ROUTES: Sequence[tuple[str, str, Work]] = (
    ("/api/webhooks", "GET", get_webhooks),
    ("/api/webhooks", "POST", post_webhooks),
    ("/api/webhooks/{name}", "DELETE", delete_webhook),
    ("/api/webhooks/{name}/notifications", "GET", get_notifications),
    ("/api/webhooks/{name}/{what}", "POST", post_webhook),
    ("/api/mails", "GET", get_mails),
    ("/api/mails", "POST", post_mails),
    ("/api/mails/{name}", "DELETE", delete_webhook),
    ("/api/mails/{name}/notifications", "GET", get_notifications),
    ("/api/mails/{name}/{what}", "POST", post_webhook),
    ("/api/event-kinds", "GET", get_kinds),
)
