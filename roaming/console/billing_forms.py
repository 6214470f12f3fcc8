"""Bodies of the API of CDRs, disputes, statements and invoices. The OpenAPI document is made from these.

Amounts are text: decimals to the last digit, before taxes unless said.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import msgspec

from roaming.billing.disputes import Dispute
from roaming.billing.invoices.invoice import Invoice
from roaming.billing.invoices.parties import BillingParty
from roaming.billing.receiving import Checked, cpo_of, emsp_of
from roaming.billing.settlement_repository import KeptStatement
from roaming.billing.standing import Standing
from roaming.billing.statement import Balance, Statement
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


class Cdrs(msgspec.Struct, frozen=True, kw_only=True):
    """CDRs by their end. ``next``: ``after`` of the next page; empty: there is none."""

    cdrs: tuple[ShownCdr, ...]
    next: str = ""


class CheckWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which of partners' CDRs are checked: those of a month, or of one partner in it."""

    month: Word
    partner: Word = ""


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


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found. ``checked``: how many CDRs it looked at."""

    checked: int
    findings: tuple[ShownFinding, ...]


class Note(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why."""

    note: Text = ""


class DisputeWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Without ``reason``: for what the check finds."""

    reason: Text = ""
    days: Annotated[int, msgspec.Meta(ge=1, le=3650)] = 30


class ClosingWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a dispute ends without a credit: WITHDRAWN or REFUSED."""

    outcome: Word
    note: Text = ""


class CreditWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A CDR of ours is taken back; ``replace``: and issued anew, as its session comes to."""

    reason: Text
    replace: bool = False


class Corrected(msgspec.Struct, frozen=True, kw_only=True):
    """What was issued. ``is_new``: it was not before."""

    credit_id: str
    replacement_id: str
    is_new: bool


class ShownDispute(msgspec.Struct, frozen=True, kw_only=True):
    """A dispute."""

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


class Disputes(msgspec.Struct, frozen=True, kw_only=True):
    """Disputes, those due first."""

    disputes: tuple[ShownDispute, ...]


class ReasonWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why; it is kept for ever."""

    reason: Text


class ShownStatement(msgspec.Struct, frozen=True, kw_only=True):
    """A statement that was closed. ``closings``: how often."""

    id: str
    one: str
    other: str
    month: str
    state: str
    changed_at: datetime
    closings: int
    cdrs: int
    digest: str
    balances: tuple[Balance, ...]


class Statements(msgspec.Struct, frozen=True, kw_only=True):
    """Statements that were closed."""

    statements: tuple[ShownStatement, ...]


class WholeStatement(msgspec.Struct, frozen=True, kw_only=True):
    """A statement with every line. ``state``: OPEN (as it would be now), CLOSED or REOPENED."""

    state: str
    statement: Statement


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


class ShownTerms(TermsWish, frozen=True, kw_only=True):
    """What a CPO and an eMSP agreed on."""

    cpo: str
    emsp: str


class AllTerms(msgspec.Struct, frozen=True, kw_only=True):
    """All terms."""

    terms: tuple[ShownTerms, ...]


class Parties(msgspec.Struct, frozen=True, kw_only=True):
    """Who parties are on invoices, by party."""

    parties: dict[str, BillingParty]


class IssueWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``issued_on``: such as 2026-11-02; today (UTC) unless given."""

    issued_on: Word = ""


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


class Invoices(msgspec.Struct, frozen=True, kw_only=True):
    """Invoices and credit notes."""

    invoices: tuple[ShownInvoice, ...]


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


def shown_findings(checked: Checked) -> list[ShownFinding]:
    """A row for each finding that keeps a CDR from being accepted."""
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
        )
        for finding in checked.verdict.findings
        if finding.outcome != "ACCEPT"
    ]


def shown_dispute(dispute: Dispute) -> ShownDispute:
    """A dispute."""
    values = {name: getattr(dispute, name) for name in ShownDispute.__struct_fields__ if name != "cdr_id"}
    return ShownDispute(cdr_id=dispute.cdr_key.split("/", 2)[2], **values)


def shown_statement(kept: KeptStatement) -> ShownStatement:
    """A statement without its lines."""
    statement = kept.statement
    return ShownStatement(
        id=statement.id,
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


def rows_of(shown: Sequence[msgspec.Struct]) -> list[Mapping[str, Any]]:
    """For a spreadsheet: amounts stay numbers."""
    rows: list[Mapping[str, Any]] = []
    for each in shown:
        row = msgspec.structs.asdict(each)
        plain = {n: v if isinstance(v, Decimal | str | int) else msgspec.to_builtins(v) for n, v in row.items()}
        rows.append(plain)
    return rows
