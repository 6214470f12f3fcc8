"""Bodies of the API of CDRs, disputes, statements and invoices. The OpenAPI document is made from these.

Amounts are text: decimals to the last digit, before taxes unless said.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import msgspec

from roaming.billing.invoices.parties import BillingParty
from roaming.billing.records import (
    MatchSum,
    ShownBalance,
    ShownCdr,
    ShownDispute,
    ShownEntry,
    ShownFinding,
    ShownInvoice,
    ShownMatch,
    ShownStatement,
    ShownTerms,
    Text,
    Word,
)
from roaming.billing.statement import Statement


class Cdrs(msgspec.Struct, frozen=True, kw_only=True):
    """CDRs by their end. ``next``: ``after`` of the next page; empty: there is none."""

    cdrs: tuple[ShownCdr, ...]
    next: str = ""


class CheckWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which of partners' CDRs are checked: those of a month, or of one partner in it. ``tries``: rules on top of those
    that hold, such as `late_days=3` or `LATE=dispute`. With these, and with ``dry_run``, no verdict is kept.
    ``passed``: those instead that the hub passed on, by when they came, from its journal."""

    month: Word
    partner: Word = ""
    tries: tuple[Word, ...] = ()
    dry_run: bool = False
    passed: bool = False


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found. ``checked``: how many CDRs it looked at; ``percent``: how much of the month's time; ``next``:
    ``after`` of the next page, empty: it is done."""

    checked: int
    findings: tuple[ShownFinding, ...]
    percent: int = 100
    next: str = ""


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
    """A CDR of ours is taken back; ``replace``: and issued anew as its session comes to, or, with ``replacement``, as
    that OCPI CDR says: of the same token, currency and place, in its own numbers."""

    reason: Text
    replace: bool = False
    replacement: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)


class Corrected(msgspec.Struct, frozen=True, kw_only=True):
    """What was issued. ``is_new``: it was not before."""

    credit_id: str
    replacement_id: str
    is_new: bool


class Disputes(msgspec.Struct, frozen=True, kw_only=True):
    """Disputes, those due first."""

    disputes: tuple[ShownDispute, ...]


class ReasonWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why; it is kept for ever."""

    reason: Text


class StatementEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A statement was CLOSED or REOPENED."""

    at: datetime
    what: str
    reason: str
    digest: str


class StatementEvents(msgspec.Struct, frozen=True, kw_only=True):
    """In the order of time."""

    events: tuple[StatementEvent, ...]


class Statements(msgspec.Struct, frozen=True, kw_only=True):
    """Statements that were closed."""

    statements: tuple[ShownStatement, ...]


class WholeStatement(msgspec.Struct, frozen=True, kw_only=True):
    """A statement with every line. ``state``: OPEN (as it would be now), CLOSED or REOPENED; ``version``: one more for
    each time that it was closed before."""

    state: str
    number: str
    version: int
    statement: Statement


class AllTerms(msgspec.Struct, frozen=True, kw_only=True):
    """All terms."""

    terms: tuple[ShownTerms, ...]


class Parties(msgspec.Struct, frozen=True, kw_only=True):
    """Who parties are on invoices, by party."""

    parties: dict[str, BillingParty]


class IssueWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``issued_on``: such as 2026-11-02; today (UTC) unless given."""

    issued_on: Word = ""


class Reconciled(msgspec.Struct, frozen=True, kw_only=True):
    """A partner's list beside the statement. ``is_clean``: nothing differs."""

    is_clean: bool
    sums: tuple[MatchSum, ...]
    cdrs: tuple[ShownMatch, ...]


class LedgerBalances(msgspec.Struct, frozen=True, kw_only=True):
    """A party's book by account."""

    party: str
    balances: tuple[ShownBalance, ...]


class LedgerEntries(msgspec.Struct, frozen=True, kw_only=True):
    """A party's book in the order it was written. ``next``: ``after`` of the next page; empty: there is none."""

    party: str
    entries: tuple[ShownEntry, ...]
    next: str = ""


class MonthWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Such as 2026-10 (UTC)."""

    month: Word


class Posted(msgspec.Struct, frozen=True, kw_only=True):
    """How many entries are new."""

    new: int


class Invoices(msgspec.Struct, frozen=True, kw_only=True):
    """Invoices and credit notes."""

    invoices: tuple[ShownInvoice, ...]


def rows_of(shown: Sequence[msgspec.Struct]) -> list[Mapping[str, Any]]:
    """For a spreadsheet: amounts stay numbers."""
    rows: list[Mapping[str, Any]] = []
    for each in shown:
        row = msgspec.structs.asdict(each)
        plain = {n: v if isinstance(v, Decimal | str | int) else msgspec.to_builtins(v) for n, v in row.items()}
        rows.append(plain)
    return rows
