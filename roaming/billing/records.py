"""What is shown of billing, one record a row: to people by commands, to programs over HTTP, in JSON and CSV alike.

Amounts are decimals to the last digit, before taxes unless said.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import msgspec

from roaming.billing.checks.amounts import ZERO
from roaming.billing.disputes import Dispute
from roaming.billing.exchange.rates import Rate
from roaming.billing.invoices.invoice import Invoice
from roaming.billing.ledger import Entry
from roaming.billing.matching import Match, Matched, sums_of
from roaming.billing.receiving import Checked, cpo_of, emsp_of
from roaming.billing.settlement_repository import KeptStatement
from roaming.billing.standing import Standing
from roaming.billing.statement import Balance
from roaming.billing.terms import Terms

Text = Annotated[str, msgspec.Meta(max_length=2000)]
Word = Annotated[str, msgspec.Meta(max_length=100)]


class ShownCdr(msgspec.Struct, frozen=True, kw_only=True):
    """A CDR and where it stands. ``source``: the partner that gave it; empty: issued here."""

    cpo: str
    emsp: str
    cdr_id: str
    source: str
    state: str
    ended_at: datetime
    kwh: Decimal
    net: Decimal
    currency: str
    credits: str
    dispute_id: str
    statement_id: str
    last_error: str


class ShownFinding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is wrong with a CDR. ``outcome``: of the CDR; ``reading``: the one that explains the
    difference."""

    cpo: str
    emsp: str
    cdr_id: str
    outcome: str
    kind: str
    field: str
    text: str
    at_stake: Decimal
    currency: str
    reading: str
    stored_outcome: str = ""
    """Where rules are tried: that of the check before; empty: there was none."""


class ShownDispute(msgspec.Struct, frozen=True, kw_only=True):
    """A dispute. ``settled_by``: the closed statement that pays the CDR all the same; its credit goes to the next month
    that is open."""

    id: str
    cpo: str
    emsp: str
    cdr_id: str
    raised_by: str
    state: str
    reason: str
    at_stake: Decimal
    currency: str
    opened_at: datetime
    due_at: datetime
    closed_at: datetime | None
    resolution: str
    settled_by: str = ""


class ShownStatement(msgspec.Struct, frozen=True, kw_only=True):
    """A statement that was closed. ``closings``: how often; ``number``: of the version of the last closing."""

    id: str
    number: str
    one: str
    other: str
    month: str
    state: str
    changed_at: datetime
    closings: int
    cdrs: int
    digest: str
    balances: tuple[Balance, ...]


class TermsWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """In the words of `roaming settle terms set`."""

    fees: tuple[Word, ...] = ()
    currencies: tuple[Word, ...] = ()
    disputed: Word = "withheld"
    rounding: Word = "half_up"
    hub: Word = ""
    untaxed: Word = ""
    untaxed_reason: Text = ""
    buyer_reference: Text = ""
    invoice_lines: Word = "rate"
    settle_in: Word = ""
    rates: Word = "ECB"
    rate_day: Word = "charge"
    since: Word = ""
    """The first month that they hold for; empty: they take the place of all earlier ones."""


class ShownTerms(TermsWish, frozen=True, kw_only=True):
    """What a CPO and an eMSP agreed on."""

    cpo: str
    emsp: str


class ShownInvoice(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice or credit note without its lines; ``reference``: by which both sides find it; ``about``: earlier
    documents that it names."""

    number: str
    reference: str
    kind: str
    statement_id: str
    seller: str
    buyer: str
    currency: str
    issued_on: str
    due_on: str
    net: Decimal
    tax: Decimal
    rounding: Decimal
    payable: Decimal
    about: str
    cancels: str


class ShownMatch(msgspec.Struct, frozen=True, kw_only=True):
    """A CDR of ours or of a partner's list, in the currency it was billed in. ``difference``: theirs less ours."""

    cdr_id: str
    result: str
    currency: str
    ours: Decimal | None
    theirs: Decimal | None
    difference: Decimal
    text: str


class MatchSum(msgspec.Struct, frozen=True, kw_only=True):
    """How many CDRs of a currency came out so, and what they differ by together."""

    currency: str
    result: str
    cdrs: int
    difference: Decimal


class ShownBalance(msgspec.Struct, frozen=True, kw_only=True):
    """What an account of a book has come to, on the side where it stands."""

    account: str
    counterparty: str
    currency: str
    debit: Decimal
    credit: Decimal


class ShownEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One side of a posting in a book."""

    at: datetime
    posting: str
    account: str
    counterparty: str
    currency: str
    debit: Decimal
    credit: Decimal
    statement_id: str


class ShownRate(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of ``base`` was worth ``rate`` of ``currency``, as ``source`` says."""

    source: str
    day: str
    base: str
    currency: str
    rate: Decimal


def shown_cdr(standing: Standing) -> ShownCdr:
    """A CDR."""
    cdr = standing.entry.cdr
    return ShownCdr(
        cpo=str(cpo_of(cdr)),
        emsp=str(emsp_of(cdr)),
        cdr_id=cdr.id,
        source=standing.entry.source,
        state=standing.state.value,
        ended_at=cdr.end_date_time,
        kwh=cdr.total_energy,
        net=cdr.total_cost.before_taxes,
        currency=cdr.currency,
        credits=cdr.credit_reference_id or "",
        dispute_id=standing.dispute_id,
        statement_id=standing.statement_id,
        last_error=standing.error,
    )


def shown_findings(checked: Checked, *, is_all: bool = False, before: str = "") -> list[ShownFinding]:
    """A row for each finding that keeps a CDR from being accepted; ``is_all``: for each. ``before``: the stored
    outcome, where rules are tried."""
    return [
        ShownFinding(
            cpo=str(checked.cpo),
            emsp=str(checked.emsp),
            cdr_id=checked.entry.cdr.id,
            outcome=checked.verdict.outcome.value,
            kind=finding.kind.value,
            field=finding.field,
            text=finding.text,
            at_stake=finding.at_stake,
            currency=checked.verdict.currency,
            reading=finding.reading,
            stored_outcome=before,
        )
        for finding in checked.verdict.findings
        if is_all or finding.outcome != "ACCEPT"
    ]


def shown_dispute(dispute: Dispute) -> ShownDispute:
    """A dispute."""
    return ShownDispute(**{name: getattr(dispute, name) for name in ShownDispute.__struct_fields__})


def shown_statement(kept: KeptStatement) -> ShownStatement:
    """A statement without its lines."""
    statement = kept.statement
    return ShownStatement(
        id=statement.id,
        number=kept.edition.number(statement),
        one=statement.one,
        other=statement.other,
        month=statement.month,
        state=kept.state,
        changed_at=kept.changed_at,
        closings=kept.closings,
        cdrs=len(statement.lines),
        digest=statement.digest,
        balances=statement.balances,
    )


def shown_terms(cpo: str, emsp: str, terms: Terms) -> ShownTerms:
    """Terms in the words they are set by."""
    how = terms.invoicing
    return ShownTerms(
        cpo=cpo,
        emsp=emsp,
        fees=tuple(str(fee) for fee in terms.fees),
        currencies=terms.currencies,
        disputed=terms.disputed.value.lower(),
        rounding=terms.rounding.value.lower(),
        hub=terms.hub,
        untaxed=(how.untaxed or "").lower(),
        untaxed_reason=how.untaxed_reason,
        buyer_reference=how.buyer_reference,
        invoice_lines=how.lines.value.lower(),
        settle_in=terms.exchange.currency,
        rates=terms.exchange.source,
        rate_day=terms.exchange.day.value.lower(),
        since=terms.since,
    )


def shown_invoice(invoice: Invoice) -> ShownInvoice:
    """An invoice without its lines."""
    return ShownInvoice(
        number=invoice.number,
        reference=invoice.reference or invoice.number,
        kind=invoice.kind.value,
        statement_id=invoice.statement,
        seller=invoice.seller_id,
        buyer=invoice.buyer_id,
        currency=invoice.currency,
        issued_on=invoice.issued_on.isoformat(),
        due_on=invoice.due_on.isoformat(),
        net=invoice.net,
        tax=invoice.tax,
        rounding=invoice.rounding,
        payable=invoice.payable,
        about=" ".join(earlier.number for earlier in invoice.preceding),
        cancels=invoice.cancels,
    )


def shown_matches(found: Iterable[Matched], *, is_all: bool) -> list[ShownMatch]:
    """What differs; ``is_all``: also what both agree on."""
    return [
        ShownMatch(
            cdr_id=each.cdr_id,
            result=each.match.value,
            currency=each.currency,
            ours=each.ours,
            theirs=each.theirs,
            difference=each.difference,
            text=each.text,
        )
        for each in found
        if is_all or each.match is not Match.MATCHED
    ]


def match_sums(found: Iterable[Matched]) -> list[MatchSum]:
    """By currency and result."""
    return [
        MatchSum(currency=currency, result=result.value, cdrs=count, difference=difference)
        for currency, result, count, difference in sums_of(list(found))
    ]


def shown_balances(balances: Mapping[tuple[str, str, str, str], Decimal]) -> list[ShownBalance]:
    """As ``ledger.balances_of`` gives them for one book."""
    return [
        ShownBalance(
            account=account,
            counterparty=other,
            currency=currency,
            debit=max(balance, ZERO),
            credit=max(-balance, ZERO),
        )
        for (_, account, other, currency), balance in sorted(balances.items())
    ]


def shown_entry(at: datetime, posting: str, entry: Entry) -> ShownEntry:
    """An entry as ``entries_of`` gives it."""
    return ShownEntry(
        at=at,
        posting=posting,
        account=entry.account,
        counterparty=entry.counterparty,
        currency=entry.currency,
        debit=entry.debit,
        credit=entry.credit,
        statement_id=entry.statement_id,
    )


def shown_rate(rate: Rate) -> ShownRate:
    """A rate of exchange."""
    return ShownRate(
        source=rate.source, day=rate.day.isoformat(), base=rate.base, currency=rate.currency, rate=rate.value
    )


def titled(shown: msgspec.Struct, titles: Mapping[str, str]) -> dict[str, Any]:
    """A record as a row for people: what ``titles`` names, by those, in their order."""
    return {title: getattr(shown, name) for name, title in titles.items()}
