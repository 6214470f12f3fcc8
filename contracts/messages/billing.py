"""What is settled between a CPO and an eMSP, for the ERP systems of either. Subject: the parties in the order of the
alphabet, ``DE-EMS/NL-TNM``, so that all between two parties stays in order.

Amounts are in ``currency``, before taxes unless said; a party is ``NL-TNM``.
"""

from datetime import datetime
from decimal import Decimal

import msgspec

from contracts.messages.message import Message


class CdrAccepted(Message, frozen=True, kw_only=True):
    """A CDR is to be paid: a partner's that was checked, or one issued here that the partner of its eMSP took."""

    cpo: str
    emsp: str
    cdr_id: str
    session_id: str | None
    ended_at: datetime
    kwh: Decimal
    currency: str
    net: Decimal
    tax: Decimal | None
    """None: the CDR does not say whether taxes are due."""
    is_by_hand: bool = False
    """A person took it although the check would not."""
    note: str = ""
    is_ours: bool = False
    """Issued here, and taken by the partner, or by the eMSP that is here too; it may dispute it later on."""


class CdrDisputed(Message, frozen=True, kw_only=True):
    """A dispute about a CDR was opened: it is not settled until that is over."""

    cpo: str
    emsp: str
    cdr_id: str
    dispute_id: str
    raised_by: str
    reason: str
    currency: str
    at_stake: Decimal
    due_at: datetime


class DisputeClosed(Message, frozen=True, kw_only=True):
    """A dispute is over."""

    cpo: str
    emsp: str
    cdr_id: str
    dispute_id: str
    outcome: str
    """CREDITED, WITHDRAWN or REFUSED."""
    note: str = ""


class CdrCredited(Message, frozen=True, kw_only=True):
    """A CDR was taken back as a whole, by us or by a partner."""

    cpo: str
    emsp: str
    cdr_id: str
    credit_id: str
    currency: str
    net: Decimal
    """Of the credit: negative."""
    tax: Decimal | None
    replacement_id: str | None = None
    """What was issued in its place at once; a partner's comes as a CDR of its own."""
    reason: str = ""


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """What one party owes another by a statement, taxes and fees included."""

    debtor: str
    creditor: str
    currency: str
    payable: Decimal


class StatementClosed(Message, frozen=True, kw_only=True):
    """A month between two parties is settled."""

    statement_id: str
    one: str
    other: str
    month: str
    """Such as 2026-10."""
    closing: int
    """1; one more each time after it was reopened."""
    digest: str
    cdrs: int
    disputed: int
    due: tuple[Due, ...]


class StatementReopened(Message, frozen=True, kw_only=True):
    """A month that was settled is open again: what ``StatementClosed`` said of this closing does not hold."""

    statement_id: str
    one: str
    other: str
    month: str
    closing: int
    reason: str


class InvoiceIssued(Message, frozen=True, kw_only=True):
    """An invoice or a credit note by a closed statement exists, for good."""

    number: str
    kind: str
    """INVOICE or CREDIT_NOTE; its amounts are positive in both."""
    statement_id: str
    seller: str
    buyer: str
    currency: str
    net: Decimal
    tax: Decimal
    rounding: Decimal
    payable: Decimal
    issued_on: str
    """A date, such as 2026-11-02."""
    due_on: str
    cancels: str = ""
    """Number of the document that it takes back as a whole."""
    reference: str = ""
    """Of statement, parties and currency: both sides find the same, whatever the seller's number is."""
