"""CDRs, disputes, statements and invoices over HTTP, with the verbs of `roaming cdr`, `dispute` and `settle`.
``GET /api/billing.json`` describes it.

A party's token sees what belongs to that party. It accepts and disputes what the party is to pay, credits what the
party issued, and ends its own disputes; closing, terms and invoices are for the hub's own people.
"""

import json
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from roaming.billing import disputes, receiving, records, selecting
from roaming.billing.correcting import correct, read_replacement
from roaming.billing.disputes import CLOSED_BY_PEOPLE, Dispute, DisputeState
from roaming.billing.receiving import emsp_of
from roaming.billing.standing import standing_of
from roaming.billing.states import State
from roaming.console import billing_forms as forms
from roaming.console import checks_api, exchange_api, ledger_api, pricing_api, rerating_api, settlement_api
from roaming.console.billing_asking import (
    AFTER,
    LIMIT,
    LIMITS,
    NotThere,
    Work,
    after_of,
    checked,
    entry_named,
    listed,
    month_named,
    must_be,
    next_behind,
    own_party,
    party_asked,
    party_named,
    path,
)
from roaming.console.hearing import Unfit, content_of, limit_of, read
from roaming.console.rules_api import AS_CSV, Entry
from roaming.console.saying import answered, committed, given
from roaming.model.identifiers import PartyId
from roaming.modules.cdrs.repository import with_ids
from roaming.ocpi.module import Services
from roaming.store.documents import object_key


async def get_cdrs(services: Services, request: Request, _who: str) -> Response:
    party, query, limit = party_asked(request), request.query_params, limit_of(request, **LIMITS)
    state = query.get("state", "").upper()
    if state and state not in State.__members__:
        raise Unfit(f"one of {', '.join(State)}", "state")
    month = month_named(query.get("month", ""), services)
    page = await selecting.page_of(services, month, party=party, after=after_of(request), limit=limit)
    shown = [records.shown_cdr(each) for each in await standing_of(services, page)]
    shown = [each for each in shown if not state or each.state == state]
    last = (page[-1].cdr.end_date_time, page[-1].key) if len(page) == limit else None
    return listed(request, forms.Cdrs(cdrs=tuple(shown), next=next_behind(last)), shown)


async def post_accept(services: Services, request: Request, _who: str) -> Response:
    wish = await read(request, forms.Note)
    entry = await entry_named(services, request)
    must_be(request, str(emsp_of(entry.cdr)))
    found = await receiving.check_keys(services, [entry.key])
    if not found:
        raise NotThere(f"CDR {entry.cdr.id} is our own: there is nothing to accept")
    async with services.database.work() as work:
        await receiving.accept(work, found[0].entry, wish.note)
    findings = records.shown_findings(found[0])
    return given(forms.Findings(checked=1, findings=tuple(findings)))


async def post_dispute(services: Services, request: Request, _who: str) -> Response:
    wish = await read(request, forms.DisputeWish)
    entry = await entry_named(services, request)
    must_be(request, str(emsp_of(entry.cdr)))
    dispute_id, is_new = await selecting.dispute(services, entry, reason=wish.reason, days=wish.days)
    return given(records.shown_dispute(await _find(services, request, dispute_id)), 201 if is_new else 200)


async def post_credit(services: Services, request: Request, _who: str) -> Response:
    wish = await read(request, forms.CreditWish)
    cpo = party_named("cpo", path(request, "cpo"))
    must_be(request, str(cpo))
    replacement = read_replacement(bytes(wish.replacement)) if wish.replacement else None
    is_replaced = wish.replace or replacement is not None
    async with services.database.work() as work:
        done = await correct(
            work,
            cpo,
            path(request, "cdr_id"),
            reason=wish.reason,
            is_replaced=is_replaced,
            replacement=replacement,
        )
    new = done.replacement.id if done.replacement is not None else ""
    body = forms.Corrected(credit_id=done.credit.id, replacement_id=new, is_new=done.is_new)
    return given(body, 201 if done.is_new else 200)


async def get_disputes(services: Services, request: Request, _who: str) -> Response:
    state, party = request.query_params.get("state", "").upper(), party_asked(request)
    if state and state not in DisputeState.__members__:
        raise Unfit(f"one of {', '.join(DisputeState)}", "state")
    found = await disputes.find_disputes(
        services.database.reader, state=state, party=str(party or ""), limit=limit_of(request, **LIMITS)
    )
    shown = [records.shown_dispute(each) for each in found]
    return listed(request, forms.Disputes(disputes=tuple(shown)), shown)


async def post_disputes(services: Services, request: Request, _who: str) -> Response:
    """The other side's file."""
    content = await content_of(request)
    try:
        body = json.loads(content)
        cdr = body["evidence"]["cdr"]
        key = object_key(PartyId.of(str(cdr["country_code"]), str(cdr["party_id"])), str(cdr["id"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Unfit(f"no dispute of this hub's kind ({error!r}): the other side exports one") from None
    known = await with_ids(services.database.reader, [key])
    for entry in known.values():
        must_be(request, str(receiving.cpo_of(entry.cdr)), str(emsp_of(entry.cdr)))
    async with services.database.work() as work:
        dispute_id, is_new = await disputes.import_dispute(work, body, known)
    return given(records.shown_dispute(await _find(services, request, dispute_id)), 201 if is_new else 200)


async def _find(services: Services, request: Request, dispute_id: str) -> Dispute:
    party = own_party(request)
    found = await disputes.find_disputes(services.database.reader, ids=[dispute_id], party=party)
    if not found:
        raise NotThere(f"no dispute {dispute_id}: GET /api/disputes lists them")
    return found[0]


async def get_dispute(services: Services, request: Request, _who: str) -> Response:
    """The file that the other side imports."""
    dispute = await _find(services, request, path(request, "dispute"))
    evidence = await disputes.evidence_kept(services.database.reader, dispute.id)
    return answered(disputes.exported(dispute, evidence))


async def post_dispute_close(services: Services, request: Request, _who: str) -> Response:
    wish = await read(request, forms.ClosingWish)
    dispute = await _find(services, request, path(request, "dispute"))
    outcome = wish.outcome.upper()
    if outcome not in CLOSED_BY_PEOPLE:
        raise Unfit(f"one of {', '.join(CLOSED_BY_PEOPLE)}", "outcome")
    if outcome == DisputeState.WITHDRAWN:
        must_be(request, dispute.raised_by)
    else:
        must_be(request, dispute.cpo)
    await selecting.end_dispute(services, dispute, DisputeState(outcome), wish.note)
    after = await _find(services, request, dispute.id)
    if after.state != outcome:
        raise disputes.NotDisputable(f"dispute {dispute.id} is {after.state} already")
    return given(records.shown_dispute(after))


async def get_document(_services: Services, _request: Request, _who: str) -> Response:
    """As it is committed."""
    return committed("operators-billing.json")


PARTY = ("party", "What it issued, and what it is to pay")
_CDR = "/api/cdrs/{cpo}/{cdr_id}"
_ANY = (400, 403, 404, 409)
ENTRIES: Sequence[Entry] = (
    Entry(
        method="GET",
        path="/api/cdrs",
        handle=get_cdrs,
        summary="Where the CDRs of a month stand",
        gives=forms.Cdrs,
        refusals=(400, 403),
        query=(
            ("month", "Such as 2026-10 (UTC); this one unless given"),
            PARTY,
            ("state", "Only those in this state, of each page"),
            AFTER,
            LIMIT,
            AS_CSV,
        ),
    ),
    Entry(
        method="POST",
        path=f"{_CDR}/accept",
        handle=post_accept,
        summary="Take a partner's CDR as it is, whatever the check says",
        takes=forms.Note,
        gives=forms.Findings,
        refusals=_ANY,
    ),
    Entry(
        method="POST",
        path=f"{_CDR}/dispute",
        handle=post_dispute,
        summary="Dispute a CDR; 200: it is disputed already",
        takes=forms.DisputeWish,
        gives=records.ShownDispute,
        success=201,
        refusals=_ANY,
    ),
    Entry(
        method="POST",
        path=f"{_CDR}/credit",
        handle=post_credit,
        summary="Take back a CDR of ours, and issue it anew where asked to; 200: it was done before",
        takes=forms.CreditWish,
        gives=forms.Corrected,
        success=201,
        refusals=_ANY,
    ),
    Entry(
        method="GET",
        path="/api/disputes",
        handle=get_disputes,
        summary="Disputes, those due first",
        gives=forms.Disputes,
        refusals=(400, 403),
        query=(("state", "OPEN, CREDITED, WITHDRAWN or REFUSED"), PARTY, LIMIT, AS_CSV),
    ),
    Entry(
        method="POST",
        path="/api/disputes",
        handle=post_disputes,
        summary="Take the other side's file: what GET of a dispute gives there; 200: it is known",
        takes=dict,
        gives=records.ShownDispute,
        success=201,
        refusals=_ANY,
    ),
    Entry(
        method="GET",
        path="/api/disputes/{dispute}",
        handle=get_dispute,
        summary="A dispute with its evidence: the file that the other side imports",
        gives=dict,
        refusals=(404,),
    ),
    Entry(
        method="POST",
        path="/api/disputes/{dispute}/close",
        handle=post_dispute_close,
        summary="End a dispute without a credit",
        takes=forms.ClosingWish,
        gives=records.ShownDispute,
        refusals=_ANY,
    ),
    *checks_api.ENTRIES,
    *pricing_api.ENTRIES,
    *rerating_api.ENTRIES,
    *settlement_api.ENTRIES,
    *exchange_api.ENTRIES,
    *ledger_api.ENTRIES,
)
ROUTES: Sequence[tuple[str, str, Work]] = (
    ("/api/billing.json", "GET", get_document),
    *((entry.path, entry.method, checked(entry.handle)) for entry in ENTRIES),
)
