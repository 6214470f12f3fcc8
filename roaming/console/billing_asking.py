"""What the operations of billing share: who may see and do what, how errors are told, lists with their CSV twin."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from roaming.billing.checks import MalformedRule
from roaming.billing.disputes import NotDisputable
from roaming.billing.exchange.rates import MissingRate
from roaming.billing.exchange.reading import MalformedRates
from roaming.billing.explaining import NotExplainable
from roaming.billing.invoices.en16931 import InvalidInvoice
from roaming.billing.invoices.invoice import NotInvoiceable
from roaming.billing.invoices.parties import MalformedParty
from roaming.billing.matching import MalformedList
from roaming.billing.months import bounds_of, month_of
from roaming.billing.rows import CannotExport
from roaming.billing.selecting import NoSuchCdr, entry_of
from roaming.billing.settling import NoSuchVersion, NotClosable
from roaming.billing.statement import Pair, pair_of
from roaming.billing.terms import MalformedTerms
from roaming.console.billing_forms import rows_of
from roaming.console.hearing import Unfit
from roaming.console.saying import as_csv, given, said
from roaming.model.identifiers import PartyId
from roaming.modules.cdrs.crediting import NotCreditable
from roaming.modules.cdrs.repository import Ended
from roaming.ocpi.module import Services
from roaming.rating import RatingError

Work = Callable[[Services, Request, str], Awaitable[Response]]
LIMITS = {"usual": 1000, "largest": 10_000}
"""Of lists."""
LIMIT = ("limit", "At most 10000; 1000 unless given")
AFTER = ("after", "What `next` of the page before says; the Link header has its whole address")


class NotAllowed(ValueError):
    """Not with this token."""


class NotThere(LookupError):
    """There is nothing of the kind, or nothing that this token may see."""


_STATUS: dict[type[Exception], int] = {
    NotAllowed: 403,
    NotThere: 404,
    NoSuchCdr: 404,
    NoSuchVersion: 404,
    NotDisputable: 409,
    NotCreditable: 409,
    NotClosable: 409,
    NotInvoiceable: 409,
    InvalidInvoice: 409,
    CannotExport: 400,
    MalformedTerms: 400,
    MalformedParty: 400,
    MalformedRates: 400,
    MalformedList: 400,
    MalformedRule: 400,
    RatingError: 400,
    NotExplainable: 409,
    MissingRate: 409,
}


def checked(handle: Work) -> Work:
    """The same, with errors told."""

    async def work(services: Services, request: Request, who: str) -> Response:
        try:
            return await handle(services, request, f"api:{who}")
        except Unfit as error:
            return said(str(error), 400, field=error.field)
        except tuple(_STATUS) as error:
            return said(str(error), next(status for kind, status in _STATUS.items() if isinstance(error, kind)))

    return work


def own_party(request: Request) -> str:
    """What belongs to this party is all that the token may see; empty: everything."""
    return str(request.state.party)


def for_own_people(request: Request) -> None:
    """Raises ``NotAllowed`` for a party's token: what changes things for others is done by the hub's own people."""
    if party := own_party(request):
        raise NotAllowed(f"this token is for what belongs to {party}: this is for the hub's own people")


def must_be(request: Request, *parties: str) -> None:
    """Raises ``NotAllowed`` for the token of a party that is none of these."""
    if (party := own_party(request)) and party not in parties:
        raise NotAllowed(f"this token is for what belongs to {party}: this is for {' and '.join(parties)}")


def party_named(field: str, text: str) -> PartyId:
    """Raises ``Unfit``."""
    try:
        return PartyId.parse(text)
    except ValueError as error:
        raise Unfit(str(error), field) from None


def party_asked(request: Request) -> PartyId | None:
    """That of ``party``; with a party's token it is that one, whatever is asked for. Raises ``NotAllowed``."""
    text = request.query_params.get("party", "") or own_party(request)
    if not text:
        return None
    party = party_named("party", text)
    must_be(request, str(party))
    return party


def month_named(text: str, services: Services) -> str:
    """A month; this one where none is named. Raises ``Unfit``."""
    try:
        return month_of(bounds_of(text)[0]) if text else month_of(services.clock.now())
    except ValueError as error:
        raise Unfit(str(error), "month") from None


def after_of(request: Request) -> tuple[datetime, str] | None:
    """Behind which end and key a page begins. Raises ``Unfit``."""
    text = request.query_params.get("after", "")
    if not text:
        return None
    at, _, key = text.partition(" ")
    try:
        moment = datetime.fromisoformat(at)
        is_clear = moment.tzinfo is not None  # with a + that nobody encoded it is not
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        is_clear = False
    if not is_clear or not key or "\0" in key:
        raise Unfit("what `next` of the page before says, percent-encoded; or follow its Link header", "after")
    return moment, key


def next_behind(mark: tuple[datetime, str] | None) -> str:
    """What ``after_of`` reads; empty: there is no further page. No + in it, which in a query means a space."""
    return "" if mark is None else f"{mark[0].astimezone(UTC).isoformat().replace('+00:00', 'Z')} {mark[1]}"


def number_after(request: Request) -> int:
    """Behind which number a page begins. Raises ``Unfit``."""
    text = request.query_params.get("after", "0")
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise Unfit("what `next` of the page before says", "after")
    return int(text)


def listed(request: Request, body: msgspec.Struct, rows: Sequence[msgspec.Struct]) -> Response:
    """A JSON body; with ``format=csv`` its rows for a spreadsheet. The ``next`` of a body is a link (RFC 8288) too: a
    spreadsheet has no place for it."""
    answer = as_csv(rows_of(rows)) if request.query_params.get("format") == "csv" else given(body)
    if following := getattr(body, "next", ""):
        query = urlencode({**request.query_params, "after": following})
        answer.headers["Link"] = f'<{request.url.path}?{query}>; rel="next"'
    return answer


def pair_named(services: Services, request: Request) -> tuple[Pair, str]:
    """The two parties and the month of the address, for the hub's own people and these two. Raises ``Unfit`` and
    ``NotAllowed``."""
    pair = pair_of(party_named("one", path(request, "one")), party_named("other", path(request, "other")))
    if pair.one == pair.other:
        raise Unfit(f"{pair.one} has no statement with itself", "other")
    must_be(request, str(pair.one), str(pair.other))
    return pair, month_named(path(request, "month"), services)


def path(request: Request, name: str) -> Any:
    """A part of the address."""
    return request.path_params[name]


async def entry_named(services: Services, request: Request) -> Ended:
    """The CDR of the address, for the hub's own people and its two parties. Raises ``Unfit`` and ``NoSuchCdr``."""
    cpo = party_named("cpo", path(request, "cpo"))
    return await entry_of(services, cpo, path(request, "cdr_id"), seen_by=own_party(request))


async def partner_named(services: Services, name: str) -> str:
    """The id of a partner; empty where none is named. Raises ``Unfit``."""
    if not name:
        return ""
    partner = (await services.directory.current()).find_partner(name)
    if partner is None:
        raise Unfit(f"no partner {name}", "partner")
    return partner.id
