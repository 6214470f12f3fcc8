"""Taking a CDR of ours back: a credit CDR for the whole amount, once, never for a part (OCPI 2.2.1, CDRs, credits).

Knows nothing of what replaces it: a new CDR of its own is issued for that.
"""

from decimal import Decimal

import msgspec

from roaming.model.cdr import CDR
from roaming.model.identifiers import PartyId
from roaming.model.money import Price
from roaming.modules.cdrs import repository
from roaming.modules.cdrs.service import outgoing_of
from roaming.ocpi.outgoing import tell
from roaming.store.database import Work

MAX_REMARK = 255


class NotCreditable(ValueError):
    """This CDR cannot be taken back. The text says why."""


def credit_of(cdr: CDR, *, reason: str) -> CDR:
    """The credit CDR: as the original, only its total negative. ``last_updated`` is still that of the original."""
    return msgspec.structs.replace(
        cdr,
        id=f"{cdr.id}-C",
        credit=True,
        credit_reference_id=cdr.id,
        total_cost=_negative(cdr.total_cost),
        remark=reason[:MAX_REMARK] or None,
    )


async def credit(work: Work, party: PartyId, cdr_id: str, *, reason: str, correlation_id: str = "") -> CDR:
    """Issues the credit CDR of a CDR of a hosted party and tells whoever was told of that one. Raises
    ``NotCreditable``."""
    kept = await repository.load(work.connection, repository.key_of(party, cdr_id))
    if kept is None or kept.stored.source:
        raise NotCreditable(f"{party} has issued no CDR {cdr_id} here")
    if kept.cdr.credit:
        raise NotCreditable(f"CDR {cdr_id} is a credit itself: issue a new CDR instead")
    issued = msgspec.structs.replace(credit_of(kept.cdr, reason=reason), last_updated=work.now)
    if not await repository.insert(work.connection, issued, source="", now=work.now):
        raise NotCreditable(f"CDR {cdr_id} was credited before, by {issued.id}")
    key = repository.key_of(party, issued.id)
    session_key = repository.key_of(party, issued.session_id) if issued.session_id else key
    await tell(work, [outgoing_of(issued, key, session_key, correlation_id)])
    return issued


def _negative(price: Price) -> Price:
    taxes = price.taxes
    if taxes is not None:
        taxes = tuple(msgspec.structs.replace(tax, amount=_minus(tax.amount)) for tax in taxes)
    return msgspec.structs.replace(price, before_taxes=_minus(price.before_taxes), taxes=taxes)


def _minus(amount: Decimal) -> Decimal:
    """Without a negative zero."""
    return -amount if amount else amount
