"""Statements, terms, parties on invoices, and invoices over HTTP; ``billing_api`` takes them into its table."""

import asyncio
from collections.abc import Sequence
from datetime import date

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from roaming.billing import records, settling
from roaming.billing import settlement_repository as statements
from roaming.billing.exports import exported
from roaming.billing.invoices import issuing
from roaming.billing.invoices import repository as invoices
from roaming.billing.invoices.invoice import Invoice
from roaming.billing.invoices.parties import BillingParty, read_party
from roaming.billing.invoices.showing import form_of
from roaming.billing.statement import statement_id
from roaming.billing.terms import read_exchange, read_invoicing, read_since, read_terms
from roaming.console import billing_forms as forms
from roaming.console.billing_asking import (
    LIMITS,
    NotThere,
    for_own_people,
    listed,
    must_be,
    own_party,
    pair_named,
    party_asked,
    party_named,
    path,
)
from roaming.console.hearing import Unfit, limit_of, read
from roaming.console.rules_api import AS_CSV, Entry
from roaming.console.saying import HEADERS, given
from roaming.ocpi.module import Services

_MEDIA = {
    "csv": "text/csv",
    "html": "text/html; charset=utf-8",
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "parquet": "application/vnd.apache.parquet",
}


async def get_statements(services: Services, request: Request, _who: str) -> Response:
    party = party_asked(request)
    kept = await statements.statements_of(services.database.reader, party=str(party or ""))
    shown = [records.shown_statement(each) for each in kept]
    return listed(request, forms.Statements(statements=tuple(shown)), shown)


async def get_statement(services: Services, request: Request, _who: str) -> Response:
    pair, month = pair_named(services, request)
    form = request.query_params.get("format", "json").lower()
    if form != "json" and form not in _MEDIA:
        raise Unfit(f"json, {', '.join(_MEDIA)}", "format")
    statement, edition = await settling.version_of(services, pair, month, _version(request))
    number = edition.number(statement)
    if form == "json":
        return given(forms.WholeStatement(**edition._asdict(), number=number, statement=statement))
    name = f"{number}.{form}"
    content = await asyncio.to_thread(exported, statement, edition, name)
    return _file(content, name, _MEDIA[form])


def _version(request: Request) -> int:
    text = request.query_params.get("version", "0")
    if not (text.isascii() and text.isdigit() and len(text) < 5):
        raise Unfit("a whole number, such as 1", "version")
    return int(text)


def _file(content: bytes, name: str, media_type: str) -> Response:
    """To be saved, never shown in a browser."""
    disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=media_type, headers=HEADERS | disposition)


async def post_close(services: Services, request: Request, _who: str) -> Response:
    for_own_people(request)
    pair, month = pair_named(services, request)
    is_held_paid = request.query_params.get("pay_held", "").lower() == "true"
    statement, is_new = await settling.close(services, pair, month, is_held_paid=is_held_paid)
    kept = await statements.statements_of(services.database.reader, pair)
    shown = next(records.shown_statement(each) for each in kept if each.statement.id == statement.id)
    return given(shown, 201 if is_new else 200)


async def post_reopen(services: Services, request: Request, _who: str) -> Response:
    for_own_people(request)
    pair, month = pair_named(services, request)
    wish = await read(request, forms.ReasonWish)
    statement = await settling.reopen(services, pair, month, wish.reason)
    kept = await statements.statements_of(services.database.reader, pair)
    return given(next(records.shown_statement(each) for each in kept if each.statement.id == statement.id))


async def get_statement_history(services: Services, request: Request, _who: str) -> Response:
    pair, month = pair_named(services, request)
    events = await statements.events_of(services.database.reader, statement_id(pair, month))
    shown = [forms.StatementEvent(at=at, what=what, reason=why, digest=digest) for at, what, why, digest in events]
    return listed(request, forms.StatementEvents(events=tuple(shown)), shown)


async def post_invoices(services: Services, request: Request, _who: str) -> Response:
    for_own_people(request)
    pair, month = pair_named(services, request)
    wish = await read(request, forms.IssueWish)
    try:
        issued_on = date.fromisoformat(wish.issued_on) if wish.issued_on else None
    except ValueError:
        raise Unfit("a day, such as 2026-11-02", "issued_on") from None
    issued = await issuing.issue(services, pair, month, issued_on=issued_on)
    shown = [records.shown_invoice(each) for each in issued.invoices]
    return given(forms.Invoices(invoices=tuple(shown)), 201 if issued.new else 200)


async def get_invoices(services: Services, request: Request, _who: str) -> Response:
    party = party_asked(request)
    found = await invoices.find_invoices(
        services.database.reader, party=str(party or ""), limit=limit_of(request, **LIMITS)
    )
    shown = [records.shown_invoice(each) for each in found]
    return listed(request, forms.Invoices(invoices=tuple(shown)), shown)


async def get_invoice(services: Services, request: Request, _who: str) -> Response:
    number, party = path(request, "number"), own_party(request)
    invoice = await invoices.load_invoice(services.database.reader, number)
    if invoice is None or (party and party not in (invoice.seller_id, invoice.buyer_id)):
        raise NotThere(f"no invoice {number}: GET /api/invoices lists them")
    form = request.query_params.get("form", "json")
    if form == "json":
        return given(invoice)
    ending, media_type, write = form_of(form)
    return _file(await asyncio.to_thread(write, invoice), f"{invoice.number}{ending}", media_type)


async def get_terms(services: Services, request: Request, _who: str) -> Response:
    party = own_party(request)
    kept = await statements.terms_of(services.database.reader)
    shown = [
        records.shown_terms(*pair, version)
        for pair, terms in kept.items()
        if not party or party in pair
        for version in terms.versions
    ]
    return listed(request, forms.AllTerms(terms=tuple(shown)), shown)


async def put_terms(services: Services, request: Request, _who: str) -> Response:
    for_own_people(request)
    cpo, emsp = (party_named(name, path(request, name)) for name in ("cpo", "emsp"))
    wish = await read(request, records.TermsWish)
    terms = read_terms(
        wish.fees,
        currencies=wish.currencies,
        disputed=wish.disputed,
        rounding=wish.rounding,
        hub=str(party_named("hub", wish.hub)) if wish.hub else "",
        invoicing=read_invoicing(
            untaxed=wish.untaxed,
            reason=wish.untaxed_reason,
            buyer_reference=wish.buyer_reference,
            lines=wish.invoice_lines,
        ),
        exchange=read_exchange(settle_in=wish.settle_in, rates=wish.rates, rate_day=wish.rate_day),
    )
    since = read_since(wish.since)
    async with services.database.work() as work:
        terms = await statements.set_terms(work, cpo, emsp, terms, since=since)
    return given(records.shown_terms(str(cpo), str(emsp), terms))


async def delete_terms(services: Services, request: Request, _who: str) -> Response:
    for_own_people(request)
    cpo, emsp = (party_named(name, path(request, name)) for name in ("cpo", "emsp"))
    async with services.database.work() as work:
        is_gone = await statements.drop_terms(work, cpo, emsp)
    if not is_gone:
        raise NotThere(f"{cpo} and {emsp} have no terms: GET /api/settlement-terms lists them")
    return Response(status_code=204, headers=HEADERS)


async def get_parties(services: Services, request: Request, _who: str) -> Response:
    """Of a party's token only its own: an account is for whoever is sent an invoice."""
    party = own_party(request)
    kept = await invoices.parties_of(services.database.reader)
    return given(forms.Parties(parties={name: data for name, data in kept.items() if not party or name == party}))


async def put_party(services: Services, request: Request, _who: str) -> Response:
    party = party_named("party", path(request, "party"))
    must_be(request, str(party))
    data = read_party(msgspec.structs.asdict(await read(request, BillingParty)))
    async with services.database.work() as work:
        await invoices.set_party(work, party, data)
    return given(data)


_STATEMENT = "/api/statements/{one}/{other}/{month}"
_PARTY = ("party", "Only those of this party")
_ANY = (400, 403, 409)
ENTRIES: Sequence[Entry] = (
    Entry(
        method="GET",
        path="/api/statements",
        handle=get_statements,
        summary="Statements that were closed",
        gives=forms.Statements,
        refusals=(400, 403),
        query=(_PARTY, AS_CSV),
    ),
    Entry(
        method="GET",
        path=_STATEMENT,
        handle=get_statement,
        summary="A statement as it was closed, or as it would be now",
        gives=forms.WholeStatement,
        refusals=(400, 403, 404),
        query=(
            ("format", "json, csv, html, pdf, xlsx or parquet"),
            ("version", "As it was closed the first time: 1, and so on"),
        ),
    ),
    Entry(
        method="POST",
        path=f"{_STATEMENT}/close",
        handle=post_close,
        summary="Close a month; 200: it was closed before; 409: the check holds CDRs of it",
        gives=records.ShownStatement,
        success=201,
        refusals=_ANY,
        query=(("pay_held", "true: also with CDRs that the check holds"),),
    ),
    Entry(
        method="POST",
        path=f"{_STATEMENT}/reopen",
        handle=post_reopen,
        summary="Reopen a month that was closed",
        takes=forms.ReasonWish,
        gives=records.ShownStatement,
        refusals=_ANY,
    ),
    Entry(
        method="GET",
        path=f"{_STATEMENT}/history",
        handle=get_statement_history,
        summary="When it was closed and reopened, and why",
        gives=forms.StatementEvents,
        refusals=(400, 403),
        query=(AS_CSV,),
    ),
    Entry(
        method="POST",
        path=f"{_STATEMENT}/invoices",
        handle=post_invoices,
        summary="Issue the invoices of a closed month; 200: all were issued before",
        takes=forms.IssueWish,
        gives=forms.Invoices,
        success=201,
        refusals=_ANY,
    ),
    Entry(
        method="GET",
        path="/api/invoices",
        handle=get_invoices,
        summary="Invoices and credit notes, the newest first",
        gives=forms.Invoices,
        refusals=(400, 403),
        query=(_PARTY, ("limit", "At most 10000; 1000 unless given"), AS_CSV),
    ),
    Entry(
        method="GET",
        path="/api/invoices/{number}",
        handle=get_invoice,
        summary="One of them, with its lines",
        gives=Invoice,
        refusals=(400, 404),
        query=(("form", "json, cii, ubl (EN 16931) or pdf (Factur-X)"),),
    ),
    Entry(
        method="GET",
        path="/api/settlement-terms",
        handle=get_terms,
        summary="What CPOs and eMSPs agreed on beside prices, the latest of two parties first",
        gives=forms.AllTerms,
        query=(AS_CSV,),
    ),
    Entry(
        method="PUT",
        path="/api/settlement-terms/{cpo}/{emsp}",
        handle=put_terms,
        summary="Set them from a month on, or in place of all earlier ones",
        takes=records.TermsWish,
        gives=records.ShownTerms,
        refusals=(400, 403),
    ),
    Entry(
        method="DELETE",
        path="/api/settlement-terms/{cpo}/{emsp}",
        handle=delete_terms,
        summary="Forget them; closed statements stay as they are",
        success=204,
        refusals=(400, 403, 404),
    ),
    Entry(
        method="GET",
        path="/api/billing-parties",
        handle=get_parties,
        summary="Who parties are on invoices",
        gives=forms.Parties,
    ),
    Entry(
        method="PUT",
        path="/api/billing-parties/{party}",
        handle=put_party,
        summary="Set who a party is, in place of what was said before",
        takes=BillingParty,
        gives=BillingParty,
        refusals=(400, 403),
    ),
)
