"""A CDR that is to be paid, as ERP systems are told of it: a partner's that was checked, or one of ours that the
partner of its eMSP took."""

from collections.abc import Sequence
from decimal import Decimal

from contracts.messages import CdrAccepted
from roaming.feed.announcing import Announcement, announce
from roaming.model.canonical import from_document
from roaming.model.cdr import CDR
from roaming.model.identifiers import PartyId
from roaming.modules.cdrs.repository import DOCUMENTS
from roaming.store.bulk import select_rows
from roaming.store.database import Work

KIND = "cdr.accepted"


def announcement_of(
    key: str, cdr: CDR, *, is_ours: bool = False, is_by_hand: bool = False, note: str = ""
) -> Announcement:
    """Of a CDR that is no credit."""
    token, taxes = cdr.cdr_token, cdr.total_cost.taxes
    cpo, emsp = str(PartyId.of(cdr.country_code, cdr.party_id)), str(PartyId.of(token.country_code, token.party_id))
    message = CdrAccepted(
        cpo=cpo,
        emsp=emsp,
        cdr_id=cdr.id,
        session_id=cdr.session_id,
        ended_at=cdr.end_date_time,
        kwh=cdr.total_energy,
        currency=cdr.currency,
        net=cdr.total_cost.before_taxes,
        tax=None if taxes is None else sum((tax.amount for tax in taxes), Decimal(0)),
        is_by_hand=is_by_hand,
        note=note,
        is_ours=is_ours,
    )
    identity = (key, *(("by hand",) if is_by_hand else ()))
    return Announcement(kind=KIND, message=message, parties=(cpo, emsp), identity=identity)


async def taken(work: Work, keys: Sequence[str]) -> None:
    """CDRs of ours that a partner took. Credits are told of when they are issued."""
    columns = ("key", "document")
    rows = await select_rows(work.connection, DOCUMENTS.table, columns, key=("key",), values=[(key,) for key in keys])
    cdrs = {key: from_document(CDR, document) for key, document in rows}
    await announce(
        work, [announcement_of(key, cdrs[key], is_ours=True) for key in sorted(cdrs) if not cdrs[key].credit]
    )
