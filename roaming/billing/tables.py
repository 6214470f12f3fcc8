"""Rows of checks, disputes, statements and the ledger. They never leave the repositories of this folder.

Amounts are decimal text: a partner's CDR may have more decimals than a column of either database keeps.
"""

from datetime import datetime

from sqlalchemy import BigInteger, Column, Index, Integer, String, Text, text
from sqlmodel import Field, SQLModel

from roaming.store.columns import UtcDateTime

_BIG = BigInteger().with_variant(Integer(), "sqlite")


class CheckRulesRow(SQLModel, table=True):
    """How strict the CDRs of one partner are looked at."""

    __tablename__ = "check_rules"

    partner_id: str = Field(primary_key=True)
    """Empty: of everybody who has none of its own."""
    document: str = Field(sa_column=Column(Text, nullable=False))
    """``checks.CheckRules`` as JSON."""
    changed_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class CdrVerdictRow(SQLModel, table=True):
    """What the last check of a partner's CDR found, and what a person decided."""

    __tablename__ = "cdr_verdicts"
    __table_args__ = (Index("cdr_verdicts_by_outcome", "outcome", "partner_id"),)

    cdr_key: str = Field(primary_key=True)
    partner_id: str
    cpo: str
    emsp: str
    outcome: str
    at_stake: str
    currency: str
    findings: str = Field(sa_column=Column(Text, nullable=False))
    """JSON list of ``checks.Finding``."""
    checked_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    decision: str = ""
    """ACCEPT: a person took it as it is; a later check does not change that."""
    note: str = Field(default="", sa_column=Column(Text, nullable=False))
    decided_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))


class DisputeRow(SQLModel, table=True):
    """A dispute about one CDR. Of one CDR at most one is open at a time."""

    __tablename__ = "disputes"
    __table_args__ = (Index("disputes_of_cdr", "cdr_key", "state"),)

    id: str = Field(primary_key=True)
    cdr_key: str
    cpo: str
    emsp: str
    raised_by: str
    """The party that does not want to pay, or to have paid."""
    state: str
    reason: str = Field(sa_column=Column(Text, nullable=False))
    at_stake: str
    currency: str
    opened_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    due_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    closed_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    resolution: str = Field(default="", sa_column=Column(Text, nullable=False))
    evidence: str = Field(sa_column=Column(Text, nullable=False))
    """JSON, as it was when the dispute was opened."""


class SettlementTermsRow(SQLModel, table=True):
    """What two parties agreed on beside the prices of the CDRs."""

    __tablename__ = "settlement_terms"

    cpo: str = Field(primary_key=True)
    emsp: str = Field(primary_key=True)
    document: str = Field(sa_column=Column(Text, nullable=False))
    """``terms.Terms`` as JSON."""
    changed_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class ExchangeRateRow(SQLModel, table=True):
    """What a source says one piece of its base was worth on a day. Closed statements hold what they were reckoned
    by."""

    __tablename__ = "exchange_rates"

    source: str = Field(primary_key=True)
    currency: str = Field(primary_key=True)
    day: str = Field(primary_key=True)
    """Such as 2026-10-30: a day of the source's, no moment."""
    base: str
    value: str
    changed_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class BillingPartyRow(SQLModel, table=True):
    """Who a party is on an invoice."""

    __tablename__ = "billing_parties"

    party: str = Field(primary_key=True)
    document: str = Field(sa_column=Column(Text, nullable=False))
    """``invoices.parties.BillingParty`` as JSON."""
    changed_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class InvoiceRow(SQLModel, table=True):
    """An invoice or credit note that was issued. Never changed, never deleted: another one takes it back."""

    __tablename__ = "invoices"
    __table_args__ = (
        Index(
            "invoices_by_reference",
            "reference",
            unique=True,
            sqlite_where=text("reference <> ''"),
            postgresql_where=text("reference <> ''"),
        ),
    )

    number: str = Field(primary_key=True)
    reference: str = Field(default="", sa_column=Column(String, nullable=False, server_default=""))
    """By statement, parties and currency, the same on both sides; empty: it is the number."""
    statement_id: str = Field(index=True)
    closing: int = Field(sa_column=Column(Integer, nullable=False))
    seller: str = Field(index=True)
    buyer: str = Field(index=True)
    position: int = Field(sa_column=Column(Integer, nullable=False))
    """Among those of its statement and closing."""
    cancels: str = ""
    issued_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    document: str = Field(sa_column=Column(Text, nullable=False))
    """``invoices.invoice.Invoice`` as JSON."""


class NumberSeriesRow(SQLModel, table=True):
    """How many documents of a series were issued. It is changed in the transaction that issues them: what does not
    become one takes no number."""

    __tablename__ = "number_series"

    seller: str = Field(primary_key=True)
    series: str = Field(primary_key=True)
    """What stands before the count, such as ``NL-TNM-2026-``."""
    last: int = Field(sa_column=Column(Integer, nullable=False))


class StatementRow(SQLModel, table=True):
    """A statement that was closed, as it stands."""

    __tablename__ = "statements"

    id: str = Field(primary_key=True)
    """``DE-EMS_NL-TNM_2026-10``: the parties in the order of the alphabet."""
    one: str
    other: str
    month: str
    state: str
    """CLOSED or REOPENED."""
    digest: str
    document: str = Field(sa_column=Column(Text, nullable=False))
    closings: int = Field(sa_column=Column(Integer, nullable=False))
    """How often it was closed."""
    changed_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class StatementEventRow(SQLModel, table=True):
    """Who closed and reopened a statement when and why. Never changed, never deleted."""

    __tablename__ = "statement_events"
    __table_args__ = {"sqlite_autoincrement": True}

    id: int | None = Field(default=None, sa_column=Column(_BIG, primary_key=True, autoincrement=True))
    statement_id: str = Field(index=True)
    at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    what: str
    reason: str = Field(sa_column=Column(Text, nullable=False))
    digest: str
    document: str | None = Field(default=None, sa_column=Column(Text))
    """REOPENED: the statement as it was closed before, which the next closing takes the place of."""


class SettledCdrRow(SQLModel, table=True):
    """A CDR that a closed statement settles: no other one does."""

    __tablename__ = "settled_cdrs"

    cdr_key: str = Field(primary_key=True)
    statement_id: str = Field(index=True)


class LedgerEntryRow(SQLModel, table=True):
    """One side of a posting. Never changed, never deleted: what was wrong is reversed by a posting of its own."""

    __tablename__ = "ledger_entries"
    __table_args__ = (
        Index("ledger_entries_once", "posting", "line", unique=True),
        Index("ledger_entries_of_book", "book", "id"),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, sa_column=Column(_BIG, primary_key=True, autoincrement=True))
    posting: str
    """``cdr/NL/TNM/folded-id`` and the like: entries of one posting balance by currency."""
    line: int = Field(sa_column=Column(Integer, nullable=False))
    at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    book: str
    """The party whose account it is."""
    account: str
    counterparty: str
    currency: str
    debit: str
    credit: str
    cdr_key: str = Field(default="", index=True)
    statement_id: str = ""
