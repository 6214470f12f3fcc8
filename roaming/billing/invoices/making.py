"""Invoices and credit notes from a statement. Pure.

For every two parties and currency that a statement has a balance of there are at most four documents: an invoice and a
credit note of either party. What they come to together is the balance to the cent: what rounding by line and by rate
(EN 16931-1, BR-CO-10 to BR-CO-17) makes different from the one rounding of the statement is the rounding amount
(BT-114), and a note says so.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, timedelta
from decimal import Decimal, localcontext
from typing import NamedTuple

from roaming.billing.checks.amounts import SUMS, ZERO, shown
from roaming.billing.exchange.rates import MissingRate, Rate, Rates, converted, told
from roaming.billing.invoices.invoice import (
    CENT,
    Invoice,
    InvoiceLine,
    Kind,
    NotInvoiceable,
    Preceding,
    VatPart,
    rounded,
)
from roaming.billing.invoices.parties import BillingParty, missing_of
from roaming.billing.months import bounds_of
from roaming.billing.rows import rows_of, to_csv_of
from roaming.billing.statement import (
    NOT_STATED,
    UNKNOWN,
    Balance,
    Conversion,
    FeeLine,
    Line,
    Statement,
    Status,
    TaxPart,
    minor_unit,
)
from roaming.billing.terms import InvoiceLines, Invoicing, Terms, VatCategory

REVERSE_CHARGE = "Reverse charge"
MOST_SHOWN = 10
Earlier = Mapping[tuple[str, str], Sequence[Preceding]]


class _Part(NamedTuple):
    """What one CDR or fee puts on a document, of one rate."""

    source: Line | FeeLine
    net: Decimal
    tax: Decimal
    category: VatCategory
    rate: Decimal
    invoicing: Invoicing

    @property
    def gross(self) -> Decimal:
        return self.net + self.tax


class _Draft(NamedTuple):
    seller: str
    buyer: str
    kind: Kind
    parts: list[_Part]

    @property
    def exact(self) -> Decimal:
        return sum((part.gross for part in self.parts), ZERO) * (1 if self.kind is Kind.INVOICE else -1)

    def sign(self, balance: Balance) -> int:
        """+1: what it comes to is owed by the debtor."""
        return (1 if self.seller == balance.creditor else -1) * (1 if self.kind is Kind.INVOICE else -1)


def invoices_of(
    statement: Statement,
    parties: Mapping[str, BillingParty],
    terms: Mapping[tuple[str, str], Terms],
    *,
    issued_on: date,
    closing: int = 1,
    preceding: Earlier | None = None,
    rates: Rates | None = None,
) -> list[Invoice]:
    """All documents of a statement, in a fixed order. ``terms`` by (CPO, eMSP); ``preceding``: by CPO and id of a CDR
    that is taken back, the invoices it was on before this statement; ``rates``: for tax in a seller's own currency.
    Raises ``NotInvoiceable`` with all that is missing."""
    lacks: list[str] = []
    made: list[Invoice] = []
    about = _About(statement, parties, issued_on, closing, preceding or {}, rates or Rates())
    with localcontext(SUMS):
        for balance in statement.balances:
            drafts = _drafts(statement, balance, terms, lacks)
            for seller, buyer in dict.fromkeys((draft.seller, draft.buyer) for draft in drafts):
                lacks += missing_of(seller, parties.get(seller), buyer, parties.get(buyer))
            if minor_unit(balance.currency) < CENT:
                lacks.append(f"{balance.currency}: EN 16931 knows no amounts of three decimals; invoice it by hand")
            if not lacks:
                made += _numbered(about, balance, drafts, lacks)
    if lacks:
        shown_lacks = list(dict.fromkeys(lacks))
        more = [f"and {len(shown_lacks) - MOST_SHOWN} more"] if len(shown_lacks) > MOST_SHOWN else []
        raise NotInvoiceable("\n".join(shown_lacks[:MOST_SHOWN] + more))
    return made


def _drafts(
    statement: Statement, balance: Balance, terms: Mapping[tuple[str, str], Terms], lacks: list[str]
) -> list[_Draft]:
    drafts: dict[tuple[str, Kind], _Draft] = {}
    both = (balance.creditor, balance.debtor)
    sources: list[tuple[str, str, Line | FeeLine, Sequence[TaxPart]]] = [
        (line.cpo, line.emsp, line, line.taxes) for line in statement.lines if line.status is Status.COUNTED
    ]
    sources += [
        (fee.payee, fee.payer, fee, (TaxPart(fee.rate, fee.net, fee.tax),)) for fee in statement.fees if fee.net
    ]
    for seller, buyer, source, taxes in sources:
        if source.currency != balance.currency or (seller, buyer) not in (both, both[::-1]):
            continue
        invoicing = terms.get((source.cpo, source.emsp), Terms()).invoicing
        parts = [part for each in taxes if (part := _part(source, each, invoicing, lacks)) is not None]
        if isinstance(source, Line):
            parts += _untaxed_rest(source, parts, invoicing, lacks)
        worth = sum((part.gross for part in parts), ZERO)
        is_credit = worth < 0 or (worth == 0 and isinstance(source, Line) and source.is_credit)
        kind = Kind.CREDIT_NOTE if is_credit else Kind.INVOICE
        drafts.setdefault((seller, kind), _Draft(seller, buyer, kind, [])).parts.extend(parts)
    order = {(seller, kind): n for n, (seller, kind) in enumerate((s, k) for s in both for k in Kind)}
    return [draft for place, draft in sorted(drafts.items(), key=lambda each: order[each[0]]) if _is_worth(draft)]


def _is_worth(draft: _Draft) -> bool:
    return any(part.net or part.tax for part in draft.parts)


def _part(source: Line | FeeLine, part: TaxPart, invoicing: Invoicing, lacks: list[str]) -> _Part | None:
    if part.rate == NOT_STATED:
        lacks.append(
            f"CDR {_id(source)} states tax of {shown(part.amount)} {source.currency} without its rate: have it issued"
            " anew with one, or dispute it"
        )
        return None
    rate = ZERO if part.rate == UNKNOWN else Decimal(part.rate)
    if rate:
        return _Part(source, part.base, part.amount, VatCategory.S, rate, invoicing)
    if part.amount:
        lacks.append(f"CDR {_id(source)} states tax of {shown(part.amount)} {source.currency} at 0 %: dispute it")
        return None
    if invoicing.untaxed is None:
        lacks.append(
            f"{source.cpo} to {source.emsp}: {_id(source)} is billed without tax and nobody said why; say"
            f" `roaming settle terms set {source.cpo} {source.emsp} --untaxed z` (`untaxed` over HTTP), e or ae, with"
            " the rest of the terms"
        )
        return None
    return _Part(source, part.base, ZERO, invoicing.untaxed, ZERO, invoicing)


def _untaxed_rest(line: Line, parts: Sequence[_Part], invoicing: Invoicing, lacks: list[str]) -> list[_Part]:
    """What a CDR with several taxes bills under none of them: bases are reckoned back from taxes, so up to a cent of it
    is no more than that."""
    if not parts or (rest := line.net - sum((part.net for part in parts), ZERO)) == 0:
        return []
    if abs(rest) <= CENT:
        first = parts[0]
        return [first._replace(net=rest, tax=ZERO)]
    found = _part(line, TaxPart("0", rest, ZERO), invoicing, lacks)
    return [] if found is None else [found]


def _id(source: Line | FeeLine) -> str:
    return source.cdr_id if isinstance(source, Line) else source.fee


class _About(NamedTuple):
    """What all documents of a statement share."""

    statement: Statement
    parties: Mapping[str, BillingParty]
    issued_on: date
    closing: int
    preceding: Earlier
    rates: Rates


def _numbered(about: _About, balance: Balance, drafts: Sequence[_Draft], lacks: list[str]) -> list[Invoice]:
    sums = [rounded(draft.exact, balance.currency) for draft in drafts]
    together = sum((amount * draft.sign(balance) for amount, draft in zip(sums, drafts, strict=True)), ZERO)
    if drafts and (less := balance.payable - together):
        sums[0] += less * drafts[0].sign(balance)
    made: list[Invoice] = []
    for draft, payable in zip(drafts, sums, strict=True):
        made.append(_made(about, balance, draft, payable, made, lacks))
    return made


def _made(
    about: _About, balance: Balance, draft: _Draft, payable: Decimal, made: Sequence[Invoice], lacks: list[str]
) -> Invoice:
    statement, seller, buyer = about.statement, about.parties[draft.seller], about.parties[draft.buyer]
    again = f"-{about.closing}" if about.closing > 1 else ""
    # A hub gets fees from one payer by several statements: the third party tells those apart
    third = [party for party in (statement.one, statement.other) if party not in (draft.seller, draft.buyer)]
    stem = "-".join((statement.month, draft.seller, draft.buyer, balance.currency, *third))
    earlier = _earlier(draft, about.preceding)
    if draft.kind is Kind.CREDIT_NOTE and _is_about(draft, made):
        earlier.append(Preceding(number=f"{stem}{again}", issued_on=about.issued_on))
    lines = _lines(draft, statement.month)
    vat = _vat(draft, lines, lacks)
    net, tax = sum((line.net for line in lines), ZERO), sum((part.tax for part in vat), ZERO)
    if any(part.category is VatCategory.AE for part in vat) and not (seller.vat_id and buyer.vat_id):
        without = draft.buyer if seller.vat_id else draft.seller
        lacks.append(f"{without}: reverse charge needs vat_id of both (EN 16931, BR-AE-02)")
    since, until = bounds_of(statement.month)
    last = until.date() - timedelta(days=1)
    accounted = _accounted(about.rates, seller, balance.currency, tax, last, lacks)
    reference = f"{stem}{'-C' if draft.kind is Kind.CREDIT_NOTE else ''}{again}"
    return Invoice(
        number=reference,
        reference=reference,
        kind=draft.kind,
        statement=statement.id,
        digest=statement.digest,
        closing=about.closing,
        seller_id=draft.seller,
        buyer_id=draft.buyer,
        seller=seller,
        buyer=buyer,
        currency=balance.currency,
        issued_on=about.issued_on,
        due_on=about.issued_on + timedelta(days=seller.payment_days),
        since=since.date(),
        until=last,
        lines=tuple(lines),
        vat=tuple(vat),
        net=net,
        tax=tax,
        rounding=payable - net - tax,
        payable=payable,
        exact=draft.exact,
        notes=(*_notes(statement, balance, draft, payable - net - tax), *accounted.notes),
        preceding=tuple(dict.fromkeys(earlier)),
        buyer_reference=draft.parts[0].invoicing.buyer_reference,
        cdr_list=_listed(draft),
        vat_currency=accounted.currency,
        vat_total=accounted.total,
        vat_rates=accounted.rates,
    )


class _Accounted(NamedTuple):
    """Tax in the currency in which the seller accounts for it, where that is another one."""

    currency: str = ""
    total: Decimal | None = None
    rates: tuple[Rate, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        if self.total is None:
            return ()
        return (f"Tax in {self.currency}: {shown(self.total)}, {_quoted(self.rates)}.",)


def _accounted(
    rates: Rates, seller: BillingParty, currency: str, tax: Decimal, day: date, lacks: list[str]
) -> _Accounted:
    """By the rate of the last day of the month: when what is supplied all along is taxed."""
    own = seller.vat_currency
    if own in ("", currency) or not tax:
        return _Accounted()
    try:
        found = rates.between(seller.vat_rates, currency, own, day)
    except MissingRate as error:
        lacks.extend(str(error).splitlines())
        return _Accounted()
    return _Accounted(own, converted(tax, found, own, max(minor_unit(own), CENT)), found)


def _quoted(rates: Iterable[Rate]) -> str:
    words = told(rates)
    return f"{words['rate']} ({words['rate source']}, {words['rate date']})"


def _earlier(draft: _Draft, preceding: Earlier) -> list[Preceding]:
    credited = {part.source.credits for part in draft.parts if isinstance(part.source, Line) and part.source.is_credit}
    return [earlier for cdr_id in sorted(credited) for earlier in preceding.get((draft.seller, cdr_id), ())]


def _is_about(draft: _Draft, made: Iterable[Invoice]) -> bool:
    """It takes back CDRs of an invoice of the same statement."""
    credited = {part.source.credits for part in draft.parts if isinstance(part.source, Line)}
    return any(
        credited & {cdr_id for line in invoice.lines for cdr_id in line.cdr_ids}
        for invoice in made
        if (invoice.seller_id, invoice.kind) == (draft.seller, Kind.INVOICE)
    )


def _lines(draft: _Draft, month: str) -> list[InvoiceLine]:
    sign = 1 if draft.kind is Kind.INVOICE else -1
    groups: dict[tuple[object, ...], list[_Part]] = {}
    for part in draft.parts:
        if isinstance(part.source, FeeLine):
            place: tuple[object, ...] = (1, part.source.fee, part.source.cpo, part.category, part.rate)
        elif part.invoicing.lines is InvoiceLines.CDR:
            place = (0, part.source.key, "", part.category, part.rate)
        else:
            place = (0, "", "", part.category, part.rate)
        groups.setdefault(place, []).append(part)
    return [_line(parts, sign, month) for parts in groups.values()]


def _line(parts: Sequence[_Part], sign: int, month: str) -> InvoiceLine:
    sources = {id(part.source): part.source for part in parts}
    cdrs = [source for source in sources.values() if isinstance(source, Line)]
    first = parts[0].source
    if isinstance(first, FeeLine):
        name = f"Fee {first.fee} on {shown(first.quantity)}, {month}"
    elif len(cdrs) == 1:
        name = f"{'Credit of charging' if sign < 0 else 'Charging'} {first.ended:%Y-%m-%d}, CDR {first.cdr_id}"
    else:
        name = f"{'Credits of charging' if sign < 0 else 'Charging'} {month}, {len(cdrs)} CDRs"
    days = sorted(line.ended.astimezone(UTC).date() for line in cdrs)
    return InvoiceLine(
        name=name,
        cdrs=len(cdrs),
        kwh=sum((line.kwh for line in cdrs), ZERO) * sign,
        net=rounded(sum((part.net for part in parts), ZERO) * sign, first.currency),
        category=parts[0].category,
        rate=parts[0].rate,
        cdr_ids=tuple(line.cdr_id for line in cdrs),
        since=days[0] if days else None,
        until=days[-1] if days else None,
        note=_converted_by(cdrs),
    )


def _converted_by(cdrs: Iterable[Line]) -> str:
    """The rates of a line, or where to find them."""
    found = [line.conversion for line in cdrs if line.conversion is not None]
    if not found:
        return ""
    rates = dict.fromkeys(_quoted(each.rates) for each in found)
    if len(rates) == 1:
        return f"Billed as {' and '.join(_sums(found))}, converted at {next(iter(rates))}."
    return f"Billed as {' and '.join(_sums(found))}, converted CDR by CDR: the list of CDRs has each rate and its date."


def _sums(found: Iterable[Conversion]) -> list[str]:
    sums: dict[str, Decimal] = {}
    for each in found:
        sums[each.currency] = sums.get(each.currency, ZERO) + each.net
    return [f"{shown(amount)} {currency}" for currency, amount in sorted(sums.items())]


def _vat(draft: _Draft, lines: Sequence[InvoiceLine], lacks: list[str]) -> list[VatPart]:
    """Tax of the rounded lines by category and rate (BR-CO-17), beside what the CDRs say: more than rounding of every
    CDR between the two is an error of theirs."""
    sign = 1 if draft.kind is Kind.INVOICE else -1
    found: list[VatPart] = []
    for category, rate in dict.fromkeys((line.category, line.rate) for line in lines):
        own = [part for part in draft.parts if (part.category, part.rate) == (category, rate)]
        stated = sum((part.tax for part in own), ZERO) * sign
        due = sum((part.net for part in own), ZERO) * sign * rate / 100
        worst = max(own, key=lambda part: abs(part.tax - part.net * rate / 100))
        currency = worst.source.currency
        if abs(stated - due) > minor_unit(currency) * (len(own) + 1):
            lacks.append(
                f"tax at {shown(rate)} % is {shown(rounded(due, currency))} {currency}, the CDRs say {shown(stated)}:"
                f" look at {_id(worst.source)} first, dispute it or have it issued anew"
            )
        base = sum((line.net for line in lines if (line.category, line.rate) == (category, rate)), ZERO)
        reason = ""
        if category in (VatCategory.E, VatCategory.AE):
            reason = own[0].invoicing.untaxed_reason or REVERSE_CHARGE
        tax = rounded(base * rate / 100, currency)
        found.append(VatPart(category=category, rate=rate, base=base, tax=tax, reason=reason))
    return found


def _listed(draft: _Draft) -> str:
    lines = {part.source.key: part.source for part in draft.parts if isinstance(part.source, Line)}
    return to_csv_of(rows_of(lines.values())).decode() if lines else ""


def _notes(statement: Statement, balance: Balance, draft: _Draft, rounding: Decimal) -> list[str]:
    notes = [
        f"Statement {statement.id} of OCPI CDRs, digest {statement.digest}. It is settled there with all else between"
        f" both: {balance.words}."
    ]
    if any(isinstance(part.source, Line) and part.source.taxes[0].rate == UNKNOWN for part in draft.parts):
        notes.append("Some CDRs do not say whether taxes are due: the statement settles them without.")
    if rounding:
        notes.append(
            f"Rounding amount {shown(rounding)} {balance.currency}: the statement adds exact amounts and rounds once"
            f" ({shown(draft.exact)} here); the lines and the tax of each rate are rounded by themselves (EN 16931,"
            " BR-CO-10 to BR-CO-17)."
        )
    return notes
