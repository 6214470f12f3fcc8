"""Issues the invoices of a closed statement: once, checked before they are kept, and taken back by documents of their
own when the statement was reopened and closed anew."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from contracts.messages import InvoiceIssued
from roaming.billing import announcing
from roaming.billing import settlement_repository as statements
from roaming.billing.exchange.rates import Rates
from roaming.billing.exchange.repository import rates_of
from roaming.billing.invoices import en16931, repository
from roaming.billing.invoices.invoice import Invoice, Kind, NotInvoiceable, Preceding, reversal_of
from roaming.billing.invoices.making import invoices_of
from roaming.billing.invoices.numbering import number_of, numbered, series_of
from roaming.billing.invoices.parties import BillingParty
from roaming.billing.months import bounds_of
from roaming.billing.statement import Pair, Statement, Status, statement_id
from roaming.model.identifiers import PartyId
from roaming.ocpi.module import Services
from roaming.store.database import Work
from roaming.store.documents import object_key


class Issued(NamedTuple):
    """All documents of a statement, taken back ones too, oldest first."""

    invoices: list[Invoice]
    new: frozenset[str]
    """Numbers of those that this call issued."""


async def issue(services: Services, pair: Pair, month: str, *, issued_on: date | None = None) -> Issued:
    """Issues what is not issued yet of a closed statement; ``issued_on``: today (UTC) unless said. Raises
    ``NotInvoiceable``, ``en16931.InvalidInvoice``, ``exports.CannotExport`` and ``StoreUnavailable``."""
    reader = services.database.reader
    id = statement_id(pair, month)
    kept = next((each for each in await statements.statements_of(reader, pair) if each.statement.id == id), None)
    if kept is None or not kept.is_closed:
        raise NotInvoiceable(
            f"{month} of {pair.one} and {pair.other} is not closed: `roaming settle close` (POST …/close) does it"
        )
    today = issued_on or services.clock.now().date()
    earlier = await repository.invoices_of_statements(reader, [id])
    made = _taken_back(earlier, kept.closings, today)
    if not any(each.closing == kept.closings and not each.cancels for each in earlier):
        parties = await repository.parties_of(reader)
        # Not here: a statement of a hundred thousand CDRs would hold up all that this process serves
        made += await asyncio.to_thread(
            invoices_of,
            kept.statement,
            parties,
            await statements.terms_of(reader, kept.statement.month),
            issued_on=today,
            closing=kept.closings,
            preceding=await _preceding(services, kept.statement),
            rates=await _rates(services, parties.values(), month),
        )
    for invoice in made:
        await asyncio.to_thread(en16931.written, invoice, en16931.Syntax.CII)
    new: list[str] = []
    series = await _series(services, made)
    if made:
        async with services.database.work() as work:
            held = await statements.hold_statement(work, id)
            if held is None or not held.is_closed or held.closings != kept.closings:
                raise NotInvoiceable(f"{month} of {pair.one} and {pair.other} was reopened meanwhile: look at it again")
            made = await _counted(work, made, series)
            if taken := {each.number for each in made} - set(new := await repository.add_invoices(work, made)):
                raise NotInvoiceable(
                    f"{min(taken)} is the number of another seller's document: give this one a series of its own with"
                    " `roaming settle party set … --series '{seller}-{year}-'` (`series` over HTTP)"
                )
            for invoice in made:
                await _tell(work, invoice)
    return Issued(await repository.invoices_of_statements(reader, [id]), frozenset(new))


async def _series(services: Services, made: Sequence[Invoice]) -> dict[str, str]:
    """By reference."""
    directory = await services.directory.current()
    parties = await repository.parties_of(services.database.reader)
    return {
        each.reference: series_of(
            each, parties.get(each.seller_id, each.seller), is_hosted=directory.is_hosted(PartyId.parse(each.seller_id))
        )
        for each in made
    }


async def _counted(work: Work, made: Sequence[Invoice], series: Mapping[str, str]) -> list[Invoice]:
    """Those that nobody issued meanwhile, with their numbers. The statement is held: no other call is at this."""
    known = await repository.references_of(work, made[0].statement)
    new = [each for each in made if each.reference not in known]
    places = {each.reference: (each.seller_id, series[each.reference]) for each in new if series[each.reference]}
    last = await repository.count_on(work, Counter(places.values()))
    numbers: dict[str, str] = {}
    for place in last:
        own = [reference for reference, its_place in places.items() if its_place == place]
        for count, reference in enumerate(own, start=last[place] - len(own) + 1):
            numbers[reference] = number_of(place[1], count)
    return numbered(new, numbers)


async def _rates(services: Services, parties: Iterable[BillingParty], month: str) -> Rates:
    sources = {party.vat_rates for party in parties if party.vat_currency}
    last = bounds_of(month)[1].date() - timedelta(days=1)
    return Rates(await rates_of(services.database.reader, sources=sources, since=last, until=last) if sources else ())


async def _tell(work: Work, invoice: Invoice) -> None:
    message = InvoiceIssued(
        number=invoice.number,
        kind=invoice.kind.value,
        statement_id=invoice.statement,
        seller=invoice.seller_id,
        buyer=invoice.buyer_id,
        currency=invoice.currency,
        net=invoice.net,
        tax=invoice.tax,
        rounding=invoice.rounding,
        payable=invoice.payable,
        issued_on=invoice.issued_on.isoformat(),
        due_on=invoice.due_on.isoformat(),
        cancels=invoice.cancels,
        reference=invoice.reference,
    )
    await announcing.announce(work, message, (invoice.seller_id, invoice.buyer_id), invoice.number)


def _taken_back(earlier: Sequence[Invoice], closing: int, today: date) -> list[Invoice]:
    """Documents that take back those of closings that do not hold any more."""
    over = {each.cancels for each in earlier}
    return [
        reversal_of(each, issued_on=today, why="its statement was reopened")
        for each in earlier
        if each.closing < closing and not each.cancels and each.number not in over
    ]


async def _preceding(services: Services, statement: Statement) -> dict[tuple[str, str], list[Preceding]]:
    """By CDR that this statement takes back, the invoices of earlier statements that it was on."""
    reader = services.database.reader
    credited = {
        object_key(PartyId.parse(line.cpo), line.credits): (line.cpo, line.credits)
        for line in statement.lines
        if line.credits and line.status is Status.COUNTED
    }
    settled = await statements.settled_by(reader, credited)
    of_statement = defaultdict(set)
    for key, id in settled.items():
        if id != statement.id:
            of_statement[id].add(credited[key])
    found = defaultdict(list)
    invoices = await repository.invoices_of_statements(reader, of_statement)
    over = {each.cancels for each in invoices}
    for invoice in invoices:
        if invoice.kind is Kind.INVOICE and not invoice.cancels and invoice.number not in over:
            on_it = {(invoice.seller_id, cdr_id) for line in invoice.lines for cdr_id in line.cdr_ids}
            for place in of_statement[invoice.statement] & on_it:
                found[place].append(Preceding(number=invoice.number, issued_on=invoice.issued_on))
    return found
