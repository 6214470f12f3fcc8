"""A month of CDRs priced again over HTTP, a page at a time, as by `roaming cdr rerate`; ``billing_api`` takes it into
its table. Nothing is changed, and nothing is kept: whoever asks adds up the pages, and may go on at any of them."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from roaming.billing.months import bounds_of, percent_of
from roaming.billing.rerating import PAGE, Mark, Outcome, Rerater, Wishes
from roaming.console import pricing_forms as forms
from roaming.console.billing_asking import (
    AFTER,
    LIMIT,
    LIMITS,
    after_of,
    for_own_people,
    listed,
    month_named,
    next_behind,
)
from roaming.console.hearing import Unfit, exact, limit_of, read
from roaming.console.rules_api import AS_CSV, Entry
from roaming.ocpi.module import Services
from roaming.rating import DEFAULT_READINGS, RatingError
from roaming.rating.documents import tariff_of
from roaming.rating.errors import UnknownReading


async def post_rerates(services: Services, request: Request, _who: str) -> Response:
    for_own_people(request)
    wish, left = await read(request, forms.RerateWish), limit_of(request, **LIMITS)
    month = month_named(wish.month, services)
    wishes = _wishes(wish, month)
    rerater, outcome = Rerater(services.database.reader, wishes), Outcome()
    after: Mark | None = max((wishes.since, ""), after_of(request) or (wishes.since, ""))
    while after is not None and left:
        page, after = await rerater.page(after, wishes.until, limit=min(left, PAGE))
        outcome.add(page)
        left -= page.cdrs
    sums = _sums(outcome)
    body = forms.Repriced(
        cdrs=outcome.cdrs,
        sums=sums,
        examples=tuple(_example(*each) for each in outcome.examples),
        percent=100 if after is None else percent_of(month, after[0]),
        next=next_behind(after),
    )
    return listed(request, body, body.examples if request.query_params.get("rows") == "examples" else sums)


def _wishes(wish: forms.RerateWish, month: str) -> Wishes:
    since, until = bounds_of(month)
    try:
        DEFAULT_READINGS.choosing(wish.readings)
    except UnknownReading as error:
        raise Unfit(str(error), "readings") from None
    tariff = None
    if wish.tariff:
        body = exact(wish.tariff, "tariff")
        if not isinstance(body, dict):
            raise Unfit("a JSON object", "tariff")
        try:
            tariff = tariff_of(body)
        except RatingError as error:
            raise Unfit(str(error), "tariff") from None
    return Wishes(since=since, until=until, tariff=tariff, readings=wish.readings)


def _sums(outcome: Outcome) -> tuple[forms.RepricedSum, ...]:
    found = []
    for name, group in sorted(outcome.groups.items()):
        cpo, emsp, currency = name.split(" ", 2)
        found.append(
            forms.RepricedSum(
                cpo=cpo,
                emsp=emsp,
                currency=currency,
                cdrs=group.cdrs,
                changed=group.changed,
                unpriced=group.unpriced,
                stated=group.stated,
                rerated=group.rerated,
                difference=group.rerated - group.stated,
            )
        )
    return tuple(found)


def _example(key: str, text: str) -> forms.RepricedCdr:
    country_code, party_id, cdr_id = key.split("/", 2)
    return forms.RepricedCdr(cpo=f"{country_code}-{party_id}", cdr_id=cdr_id, text=text)


ENTRIES: Sequence[Entry] = (
    Entry(
        method="POST",
        path="/api/cdr-rerates",
        handle=post_rerates,
        summary="Price the CDRs of a month again, a page at a time, and say what would change; nothing is changed",
        takes=forms.RerateWish,
        gives=forms.Repriced,
        refusals=(400, 403),
        query=(AFTER, LIMIT, AS_CSV, ("rows", "In CSV: sums (unless given), or examples")),
    ),
)
