"""A partner's list beside a statement, and parties' books, over HTTP; ``billing_api`` takes them into its table."""

import asyncio
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from roaming.billing import records, settling
from roaming.billing import settlement_repository as repository
from roaming.billing.matching import Match
from roaming.billing.reconciling import balances_of_book, reconcile
from roaming.console import billing_forms as forms
from roaming.console.billing_asking import (
    AFTER,
    LIMIT,
    LIMITS,
    for_own_people,
    listed,
    month_named,
    must_be,
    number_after,
    pair_named,
    party_named,
    path,
)
from roaming.console.hearing import content_of, limit_of, read
from roaming.console.rules_api import AS_CSV, Entry
from roaming.console.saying import given
from roaming.ocpi.module import Services

LARGEST_LIST = 32 * 1024 * 1024
"""Of a partner: a hundred thousand CDRs as JSON without their periods."""


async def post_reconciliation(services: Services, request: Request, _who: str) -> Response:
    pair, month = pair_named(services, request)
    query = request.query_params
    content = await content_of(request, largest=LARGEST_LIST)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    found = await reconcile(services, pair, month, text, tolerance=query.get("tolerance", "0"))
    rows = await asyncio.to_thread(records.shown_matches, found, is_all=query.get("all", "").lower() == "true")
    body = forms.Reconciled(
        is_clean=all(each.match is Match.MATCHED for each in found),
        sums=tuple(records.match_sums(found)),
        cdrs=tuple(rows),
    )
    return listed(request, body, rows)


def _book(request: Request) -> str:
    party = str(party_named("party", path(request, "party")))
    must_be(request, party)
    return party


async def get_ledger(services: Services, request: Request, _who: str) -> Response:
    book = _book(request)
    rows = records.shown_balances(await balances_of_book(services, book))
    return listed(request, forms.LedgerBalances(party=book, balances=tuple(rows)), rows)


async def get_ledger_entries(services: Services, request: Request, _who: str) -> Response:
    book, limit = _book(request), limit_of(request, **LIMITS)
    page = await repository.entries_after(services.database.reader, book, after=number_after(request), limit=limit)
    rows = [records.shown_entry(each.at, each.posting, each.entry) for each in page]
    last = str(page[-1].id) if len(page) == limit else ""
    return listed(request, forms.LedgerEntries(party=book, entries=tuple(rows), next=last), rows)


async def post_ledger(services: Services, request: Request, _who: str) -> Response:
    for_own_people(request)
    wish = await read(request, forms.MonthWish)
    new = await settling.post_month(services, month_named(wish.month, services))
    return given(forms.Posted(new=new), 201 if new else 200)


ENTRIES: Sequence[Entry] = (
    Entry(
        method="POST",
        path="/api/statements/{one}/{other}/{month}/reconciliation",
        handle=post_reconciliation,
        summary="Set a partner's list beside ours: CSV, OCPI CDRs as JSON, or its own statement; nothing is kept",
        takes=str,
        media=("text/csv", "application/json"),
        gives=forms.Reconciled,
        refusals=(400, 403, 409),
        query=(
            ("tolerance", "Differences up to this amount count as none; 0 unless given"),
            ("all", "true: also CDRs on which both agree"),
            AS_CSV,
        ),
    ),
    Entry(
        method="GET",
        path="/api/ledger/{party}",
        handle=get_ledger,
        summary="The book of a party: the balance of each account",
        gives=forms.LedgerBalances,
        refusals=(400, 403),
        query=(AS_CSV,),
    ),
    Entry(
        method="GET",
        path="/api/ledger/{party}/entries",
        handle=get_ledger_entries,
        summary="Every entry of it, in the order they were written",
        gives=forms.LedgerEntries,
        refusals=(400, 403),
        query=(AFTER, LIMIT, AS_CSV),
    ),
    Entry(
        method="POST",
        path="/api/ledger",
        handle=post_ledger,
        summary="Write the CDRs of a month into the books; closing writes the rest. 200: all were there",
        takes=forms.MonthWish,
        gives=forms.Posted,
        success=201,
        refusals=(400, 403),
    ),
)
