"""Checks of partners' CDRs, the rules they are checked by, and partners' copies of ours over HTTP; ``billing_api``
takes them into its table."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from roaming.billing import copies, passing, records, repository, selecting
from roaming.billing.check_records import EVERYBODY, shown_copy, shown_rules
from roaming.billing.checks import CheckRules, rules_with
from roaming.billing.months import bounds_of, percent_of
from roaming.billing.receiving import Checked
from roaming.billing.states import State
from roaming.console import billing_forms, pricing_forms
from roaming.console.billing_asking import (
    AFTER,
    LIMIT,
    LIMITS,
    NotThere,
    after_of,
    for_own_people,
    listed,
    month_named,
    must_be,
    next_behind,
    number_after,
    own_party,
    partner_named,
    party_named,
    path,
)
from roaming.console.hearing import Unfit, limit_of, read
from roaming.console.rules_api import AS_CSV, Entry
from roaming.model.identifiers import PartyId
from roaming.modules.cdrs.repository import Ended
from roaming.ocpi.module import Services


async def post_checks(services: Services, request: Request, _who: str) -> Response:
    wish = await read(request, billing_forms.CheckWish)
    limit, month = limit_of(request, **LIMITS), month_named(wish.month, services)
    partner_id = await partner_named(services, wish.partner)
    stored = await repository.rules_of(services.database.reader)
    rules_with(CheckRules(), wish.tries)

    def tried(partner: str) -> CheckRules:
        return rules_with(repository.rules_for(stored, partner), wish.tries)

    asked = _Asked(month, partner_id, tried, not (wish.dry_run or wish.tries))
    look = _check_passed if wish.passed else _check_received
    found: list[records.ShownFinding] = []
    count, page = 0, _Page([], 100, "")
    async for page in look(services, request, asked, limit):
        count += len(page.checked)
        keys = [each.entry.key for each in page.checked] if wish.tries else []
        before = await repository.verdicts_of(services.database.reader, keys)
        for each in page.checked:
            kept = before.get(each.entry.key)
            found += records.shown_findings(each, before=kept.verdict.outcome.value if kept is not None else "")
    body = billing_forms.Findings(checked=count, findings=tuple(found), percent=page.percent, next=page.next)
    return listed(request, body, found)


class _Asked(NamedTuple):
    month: str
    partner_id: str
    rules: Callable[[str], CheckRules]
    is_kept: bool


class _Page(NamedTuple):
    """What was checked, how much of the month that is with all before, and where the next page begins."""

    checked: list[Checked]
    percent: int
    next: str


async def _check_received(services: Services, request: Request, asked: _Asked, left: int) -> AsyncIterator[_Page]:
    emsp = PartyId.parse(own_party(request)) if own_party(request) else None
    after = after_of(request)
    while left:
        page = await selecting.check_page(
            services,
            asked.month,
            partner_id=asked.partner_id,
            emsp=emsp,
            rules=asked.rules,
            is_kept=asked.is_kept,
            after=after,
            limit=min(left, selecting.PAGE),
        )
        left -= page.looked_at
        after = page.after
        if after is None:
            yield _Page(page.checked, 100, "")
            return
        yield _Page(page.checked, percent_of(asked.month, after[0]), next_behind(after))


async def _check_passed(services: Services, request: Request, asked: _Asked, left: int) -> AsyncIterator[_Page]:
    for_own_people(request)
    after, seen = number_after(request), set[str]()
    while left:
        limit = min(left, passing.PAGE)
        page = await passing.check_passed_page(
            services,
            *bounds_of(asked.month),
            partner_id=asked.partner_id,
            rules=asked.rules,
            is_kept=asked.is_kept,
            after=after,
            limit=limit,
            seen=seen,
        )
        left -= page.looked_at
        after = page.last
        if page.looked_at < limit:
            yield _Page(page.checked, 100, "")
            return
        yield _Page(page.checked, percent_of(asked.month, page.at), str(after))


async def get_check_rules(services: Services, request: Request, _who: str) -> Response:
    for_own_people(request)
    rows = shown_rules(await repository.rules_of(services.database.reader))
    return listed(request, pricing_forms.CheckRuleList(rules=tuple(rows)), rows)


async def put_check_rules(services: Services, request: Request, _who: str) -> Response:
    for_own_people(request)
    wish, partner_id = await read(request, pricing_forms.RulesWish), await _rules_of(services, request)
    stored = await repository.rules_of(services.database.reader)
    rules = rules_with(repository.rules_for(stored, partner_id), wish.rules)
    async with services.database.work() as work:
        await repository.set_rules(work, partner_id, rules)
    return await _rules_shown(services, request, partner_id)


async def delete_check_rules(services: Services, request: Request, _who: str) -> Response:
    for_own_people(request)
    partner_id = await _rules_of(services, request)
    async with services.database.work() as work:
        is_gone = await repository.drop_rules(work, partner_id)
    if not is_gone:
        raise NotThere(f"{path(request, 'partner')} has no rules of its own: GET /api/check-rules lists those in force")
    return await _rules_shown(services, request, "")


async def _rules_of(services: Services, request: Request) -> str:
    name = path(request, "partner")
    return "" if name == EVERYBODY else await partner_named(services, name)


async def _rules_shown(services: Services, request: Request, partner_id: str) -> Response:
    rows = shown_rules(await repository.rules_of(services.database.reader))
    mine = [each for each in rows if each.partner == (partner_id or EVERYBODY)]
    return listed(request, pricing_forms.CheckRuleList(rules=tuple(mine)), mine)


async def post_copies(services: Services, request: Request, _who: str) -> Response:
    wish = await read(request, pricing_forms.CopiesWish)
    entries = await _ours(services, request, wish, most=MOST_COPIES + 1)
    if len(entries) > MOST_COPIES:
        raise Unfit(
            f"more than {MOST_COPIES} CDRs, and partners are asked for each: name `cpo` or `partner`, or take `roaming"
            " cdr compare`",
            "month",
        )
    compared = await copies.compare_copies(services, entries)
    gone = await copies.send_missing(services, compared) if wish.mend else []
    rows = [shown_copy(each, is_sent_again=each.entry.key in gone) for each in compared]
    return listed(request, pricing_forms.Copies(copies=tuple(rows)), rows)


async def post_resends(services: Services, request: Request, _who: str) -> Response:
    wish, left, after = (
        await read(request, pricing_forms.MonthOfPartner),
        limit_of(request, **LIMITS),
        after_of(request),
    )
    month, cpo, partner_id = await _whose(services, request, wish)
    rows: list[records.ShownCdr] = []
    while left:
        page = await selecting.resend_page(
            services, month, cpo=cpo, partner_id=partner_id, after=after, limit=min(left, selecting.PAGE)
        )
        rows += [msgspec.structs.replace(records.shown_cdr(each), state=State.SENT.value) for each in page.sent]
        left -= page.looked_at
        after = page.after
        if after is None:
            break
    body = pricing_forms.SentAgain(
        cdrs=tuple(rows),
        percent=100 if after is None else percent_of(month, after[0]),
        next=next_behind(after),
    )
    return listed(request, body, rows)


async def _ours(services: Services, request: Request, wish: pricing_forms.MonthOfPartner, *, most: int) -> list[Ended]:
    """CDRs that were issued here, by the party of the token where it is one's."""
    month, cpo, partner_id = await _whose(services, request, wish)
    return await selecting.entries_of_month(services, month, cpo=cpo, partner_id=partner_id, is_ours=True, most=most)


async def _whose(
    services: Services, request: Request, wish: pricing_forms.MonthOfPartner
) -> tuple[str, PartyId | None, str]:
    """Month, issuer and partner."""
    cpo = party_named("cpo", wish.cpo or own_party(request)) if wish.cpo or own_party(request) else None
    if cpo is not None:
        must_be(request, str(cpo))
    return month_named(wish.month, services), cpo, await partner_named(services, wish.partner)


MOST_COPIES = 1_000
"""CDRs of one request whose copies partners are asked for, one by one."""
ENTRIES: Sequence[Entry] = (
    Entry(
        method="POST",
        path="/api/cdr-checks",
        handle=post_checks,
        summary="Check partners' CDRs of a month, a page at a time, and keep the verdicts unless rules are tried",
        takes=billing_forms.CheckWish,
        gives=billing_forms.Findings,
        refusals=(400, 403),
        query=(AFTER, LIMIT, AS_CSV),
    ),
    Entry(
        method="GET",
        path="/api/check-rules",
        handle=get_check_rules,
        summary="How strict partners' CDRs are looked at",
        gives=pricing_forms.CheckRuleList,
        refusals=(403,),
        query=(AS_CSV,),
    ),
    Entry(
        method="PUT",
        path="/api/check-rules/{partner}",
        handle=put_check_rules,
        summary="Change rules of a partner, or with `all` of everybody who has none of its own",
        takes=pricing_forms.RulesWish,
        gives=pricing_forms.CheckRuleList,
        refusals=(400, 403),
        query=(AS_CSV,),
    ),
    Entry(
        method="DELETE",
        path="/api/check-rules/{partner}",
        handle=delete_check_rules,
        summary="Forget the rules of a partner: those of everybody hold for it",
        gives=pricing_forms.CheckRuleList,
        refusals=(400, 403, 404),
        query=(AS_CSV,),
    ),
    Entry(
        method="POST",
        path="/api/cdr-copies",
        handle=post_copies,
        summary=f"Ask partners for their copies of our CDRs, at most {MOST_COPIES}: what is missing there or differs",
        takes=pricing_forms.CopiesWish,
        gives=pricing_forms.Copies,
        refusals=(400, 403),
        query=(AS_CSV,),
    ),
    Entry(
        method="POST",
        path="/api/cdr-resends",
        handle=post_resends,
        summary="Send again the CDRs of a month that a partner would not take, or that were given up, a page at a time",
        takes=pricing_forms.MonthOfPartner,
        gives=pricing_forms.SentAgain,
        refusals=(400, 403),
        query=(AFTER, LIMIT, AS_CSV),
    ),
)
