"""Taking a CDR of ours back: a credit CDR for the whole amount, once, never for a part, and a new CDR of its own in its
place where there is one (OCPI 2.2.1, CDRs, credits).

What the new one says is for whoever asks: here it gets its id.
"""

import re
from decimal import Decimal

import msgspec

from contracts.envelope import message_id
from roaming.model.cdr import CDR
from roaming.model.identifiers import PartyId, fold
from roaming.model.money import Price
from roaming.model.time import next_update
from roaming.modules.cdrs import repository
from roaming.modules.cdrs.bounds import MAX_ID, must_be_bounded
from roaming.modules.cdrs.service import outgoing_of
from roaming.modules.cdrs.telling import said_of
from roaming.ocpi.errors import InvalidParameters
from roaming.ocpi.outgoing import tell
from roaming.partners.directory import directory_within
from roaming.store.database import Work

MAX_REMARK = 255
_NUMBERED = re.compile(r"(.+)-([2-9]|[1-9]\d)\Z", re.ASCII)


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


def replacement_id(cdr_id: str) -> str:
    """The id of the CDR that takes the place of this one, the same however often it is asked for.

    >>> replacement_id("A17"), replacement_id("A17-2"), replacement_id("x" * 36)
    ('A17-2', 'A17-3', '22ef9cc358e0de3e7d31ee55b89cfb7c')
    """
    stem, number = (found[1], int(found[2])) if (found := _NUMBERED.match(cdr_id)) else (cdr_id, 1)
    following = f"{stem}-{number + 1}"
    return following if len(following) <= MAX_ID else message_id("cdr-after", fold(cdr_id))


async def reissue(work: Work, party: PartyId, cdr_id: str, replacement: CDR, *, correlation_id: str = "") -> CDR:
    """Issues ``replacement`` in place of a CDR of a hosted party that was credited, under an id of its own and without
    a credit's fields, and tells whoever was told of that one. Raises ``NotCreditable``, also where it is for another
    eMSP or more than a CDR can say."""
    kept = await repository.load(work.connection, repository.key_of(party, cdr_id))
    if kept is None or kept.stored.source:
        raise NotCreditable(f"{party} has issued no CDR {cdr_id} here")
    original = kept.cdr
    new = msgspec.structs.replace(
        replacement,
        country_code=original.country_code,
        party_id=original.party_id,
        id=replacement_id(original.id),
        session_id=original.session_id,
        credit=None,
        credit_reference_id=None,
        remark="; ".join(filter(None, (f"in place of CDR {original.id}", replacement.remark)))[:MAX_REMARK],
        # Behind the credit, which goes out in the same moment
        last_updated=next_update(next_update(None, work.now), work.now),
    )
    _must_be_for(original, new)
    said = said_of(new, await directory_within(work.connection), source="")
    if not await repository.insert(work.connection, new, source="", now=work.now, texts=said.texts):
        raise NotCreditable(f"there is a CDR {new.id} already: look whether it replaces {original.id}")
    key = repository.key_of(party, new.id)
    session_key = repository.key_of(party, new.session_id) if new.session_id else key
    await tell(work, [outgoing_of(new, key, session_key, correlation_id, said.detail)])
    return new


def _must_be_for(original: CDR, new: CDR) -> None:
    """Whoever pays the one pays the other: an eMSP that was never told of a charge is not billed for it."""
    before, after = (PartyId.of(cdr.cdr_token.country_code, cdr.cdr_token.party_id) for cdr in (original, new))
    if before != after:
        raise NotCreditable(
            f"cdr_token.party_id: CDR {original.id} is for {before}, what comes in its place cannot be for {after}:"
            " leave the token as it is"
        )
    try:
        must_be_bounded(new)
    except InvalidParameters as error:
        raise NotCreditable(f"{error}: mend it in what is to come in place of CDR {original.id}") from error


async def credit(work: Work, party: PartyId, cdr_id: str, *, reason: str, correlation_id: str = "") -> CDR:
    """Issues the credit CDR of a CDR of a hosted party and tells whoever was told of that one. Raises
    ``NotCreditable``."""
    kept = await repository.load(work.connection, repository.key_of(party, cdr_id))
    if kept is None or kept.stored.source:
        raise NotCreditable(f"{party} has issued no CDR {cdr_id} here")
    if kept.cdr.credit:
        raise NotCreditable(f"CDR {cdr_id} is a credit itself: issue a new CDR instead")
    issued = msgspec.structs.replace(credit_of(kept.cdr, reason=reason), last_updated=work.now)
    said = said_of(issued, await directory_within(work.connection), source="")
    if not await repository.insert(work.connection, issued, source="", now=work.now, texts=said.texts):
        raise NotCreditable(f"CDR {cdr_id} was credited before, by {issued.id}")
    key = repository.key_of(party, issued.id)
    session_key = repository.key_of(party, issued.session_id) if issued.session_id else key
    await tell(work, [outgoing_of(issued, key, session_key, correlation_id, said.detail)])
    return issued


def _negative(price: Price) -> Price:
    taxes = price.taxes
    if taxes is not None:
        taxes = tuple(msgspec.structs.replace(tax, amount=_minus(tax.amount)) for tax in taxes)
    return msgspec.structs.replace(price, before_taxes=_minus(price.before_taxes), taxes=taxes)


def _minus(amount: Decimal) -> Decimal:
    """Without a negative zero."""
    return -amount if amount else amount
