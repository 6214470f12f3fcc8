"""What ERP systems are told of CDRs, disputes, statements and invoices: on the bus (topic ``roaming.billing``) and to
those who watch (webhooks), in the transaction of what it tells of, and once.

An id is computed from what happened, so whoever is told twice by the bus knows it.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from contracts.messages import (
    CdrCredited,
    CdrDisputed,
    DisputeClosed,
    Due,
    InvoiceIssued,
    Message,
    StatementClosed,
    StatementReopened,
)
from roaming.billing.checks.amounts import ZERO
from roaming.billing.statement import Statement, Status
from roaming.feed import announcing as feed
from roaming.model.cdr import CDR
from roaming.model.identifiers import PartyId
from roaming.modules.cdrs.accepted import announcement_of
from roaming.store.database import Work

_KINDS: Mapping[type[Message], str] = {
    CdrDisputed: "cdr.disputed",
    DisputeClosed: "dispute.closed",
    CdrCredited: "cdr.credited",
    StatementClosed: "statement.closed",
    StatementReopened: "statement.reopened",
    InvoiceIssued: "invoice.issued",
}


async def announce(work: Work, message: Message, parties: Iterable[str], *identity: object) -> None:
    """Publishes ``message`` of what ``identity`` names, between ``parties``, when the transaction is committed."""
    kind = _KINDS[type(message)]
    told = feed.Announcement(kind=kind, message=message, parties=tuple(parties), identity=identity)
    await feed.announce(work, [told])


def _pair(cdr: CDR) -> tuple[str, str]:
    token = cdr.cdr_token
    return str(PartyId.of(cdr.country_code, cdr.party_id)), str(PartyId.of(token.country_code, token.party_id))


def _tax(cdr: CDR) -> Decimal | None:
    taxes = cdr.total_cost.taxes
    return None if taxes is None else sum((tax.amount for tax in taxes), ZERO)


async def accepted(
    work: Work, key: str, cdr: CDR, *, is_ours: bool = False, is_by_hand: bool = False, note: str = ""
) -> None:
    """A partner's CDR was taken, or one of ours that a hosted eMSP is to pay."""
    await feed.announce(work, [announcement_of(key, cdr, is_ours=is_ours, is_by_hand=is_by_hand, note=note)])


async def credited(work: Work, credit: CDR, *, replacement_id: str | None = None) -> None:
    """A CDR was taken back."""
    cpo, emsp = _pair(credit)
    message = CdrCredited(
        cpo=cpo,
        emsp=emsp,
        cdr_id=credit.credit_reference_id or "",
        credit_id=credit.id,
        currency=credit.currency,
        net=credit.total_cost.before_taxes,
        tax=_tax(credit),
        replacement_id=replacement_id,
        reason=credit.remark or "",
    )
    await announce(work, message, (cpo, emsp), cpo, credit.id)


async def disputed(work: Work, message: CdrDisputed) -> None:
    """A dispute was opened."""
    await announce(work, message, (message.cpo, message.emsp), message.dispute_id)


async def dispute_closed(work: Work, message: DisputeClosed) -> None:
    """A dispute is over."""
    await announce(work, message, (message.cpo, message.emsp), message.dispute_id)


async def statement_closed(work: Work, statement: Statement, closing: int) -> None:
    """A month is settled."""
    message = StatementClosed(
        statement_id=statement.id,
        one=statement.one,
        other=statement.other,
        month=statement.month,
        closing=closing,
        digest=statement.digest,
        cdrs=len(statement.lines),
        disputed=sum(line.status is Status.DISPUTED for line in statement.lines),
        due=tuple(
            Due(debtor=each.debtor, creditor=each.creditor, currency=each.currency, payable=each.payable)
            for each in statement.balances
        ),
    )
    await announce(work, message, (statement.one, statement.other), statement.id, closing)


async def statement_reopened(work: Work, statement: Statement, closing: int, reason: str) -> None:
    """A month is open again."""
    message = StatementReopened(
        statement_id=statement.id,
        one=statement.one,
        other=statement.other,
        month=statement.month,
        closing=closing,
        reason=reason,
    )
    await announce(work, message, (statement.one, statement.other), statement.id, closing)
