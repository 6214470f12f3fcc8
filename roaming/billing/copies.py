"""Our CDRs beside the copies that the partner of their eMSP holds, and those it lacks sent again.

Only what a partner says it does not have, or would not take, goes out again: nothing is sent twice.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import update

from roaming.billing.receiving import cpo_of, emsp_of
from roaming.billing.standing import Standing, standing_of
from roaming.hub.pulling.compare import differing
from roaming.model.party import InterfaceRole, Role
from roaming.modules.cdrs.repository import Ended
from roaming.modules.cdrs.service import CODECS, look_up_copy, outgoing_of
from roaming.ocpi.codec import DecodeError
from roaming.ocpi.module import CopyUnknown, DeliveryJob, Recipient, Services
from roaming.ocpi.outgoing import DELIVERIES, tell
from roaming.partners.directory import Directory
from roaming.store.database import Work
from roaming.store.documents import object_key

AT_ONCE = 8
"""How many copies are asked for at a time."""
IGNORED = frozenset({"last_updated"})
SENT_AGAIN = ("REFUSED", "DEAD", "DROPPED")


class Copy(StrEnum):
    """What the partner holds."""

    SAME = "SAME"
    DIFFERS = "DIFFERS"
    MISSING = "MISSING"
    UNKNOWN = "UNKNOWN"
    """The partner could not say."""
    NOBODY = "NOBODY"
    """No connected partner speaks for the eMSP."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One CDR of ours and its copy."""

    entry: Ended
    partner_id: str
    copy: Copy
    fields: tuple[str, ...] = ()
    """That differ, or why nothing is known."""
    address: str = ""


async def compare_copies(services: Services, entries: Sequence[Ended]) -> list[Compared]:
    """Asks the partners for their copies of these CDRs of hosted CPOs. Raises ``StoreUnavailable``."""
    directory = await services.directory.current()
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(entry: Ended) -> Compared:
        async with turn:
            return await _compare(services, directory, entry)

    return list(await asyncio.gather(*(one(entry) for entry in entries)))


async def _compare(services: Services, directory: Directory, entry: Ended) -> Compared:
    cdr, emsp = entry.cdr, emsp_of(entry.cdr)
    partner = directory.partner_of(emsp, Role.EMSP)
    endpoint = partner.endpoint("cdrs", InterfaceRole.RECEIVER) if partner is not None else None
    if partner is None or partner.version is None or not endpoint:
        return Compared(entry=entry, partner_id=partner.id if partner else "", copy=Copy.NOBODY)
    job = DeliveryJob(
        id=0,
        module="cdrs",
        object_key=entry.key,
        owner=cpo_of(cdr),
        part="",
        detail="",
        partner=partner,
        recipient=Recipient(partner_id=partner.id, to_party=emsp, from_party=cpo_of(cdr)),
        attempts=0,
        is_full=True,
    )
    try:
        found = await look_up_copy(services, job, endpoint)
    except CopyUnknown as error:
        return Compared(entry=entry, partner_id=partner.id, copy=Copy.UNKNOWN, fields=(str(error),))
    if found is None:
        return Compared(entry=entry, partner_id=partner.id, copy=Copy.MISSING)
    address, body = found
    codec = CODECS[partner.version]
    try:
        theirs = codec.encode(codec.decode(body).value, extra=False).body
        ours = codec.encode(cdr, extra=False).body
    except (DecodeError, ValueError) as error:
        return Compared(
            entry=entry, partner_id=partner.id, copy=Copy.UNKNOWN, fields=(f"unreadable: {error}",), address=address
        )
    fields = tuple(name for name in differing(ours, theirs) if name.split(".")[0].split("[")[0] not in IGNORED)
    copy = Copy.DIFFERS if fields else Copy.SAME
    return Compared(entry=entry, partner_id=partner.id, copy=copy, fields=fields, address=address)


async def send_missing(services: Services, compared: Sequence[Compared]) -> list[str]:
    """Sends again what partners say they do not have; returns the keys of what goes out."""
    lacking = [each.entry for each in compared if each.copy == Copy.MISSING]
    if not lacking:
        return []
    standings = await standing_of(services, lacking)
    async with services.database.work() as work:
        return await send_again(work, standings, is_lacking=True)


async def send_again(work: Work, standings: Sequence[Standing], *, is_lacking: bool) -> list[str]:
    """Sends these CDRs of hosted CPOs again and returns the keys of those that go out: those whose delivery was refused
    or given up; with ``is_lacking`` those that were delivered too, since the partner says it does not have them."""
    gone: list[str] = []
    for standing in standings:
        if standing.entry.source or standing.facts.delivery == "PENDING":
            continue
        if standing.delivery_ids and standing.facts.delivery in SENT_AGAIN:
            await work.connection.execute(
                update(DELIVERIES)
                .where(DELIVERIES.c.id == standing.delivery_ids[-1], DELIVERIES.c.state.in_(SENT_AGAIN))
                .values(state="PENDING", attempts=0, due_at=work.now, created_at=work.now, last_error="", is_full=True)
            )
            work.wake("deliveries")
        elif is_lacking or not standing.delivery_ids:
            if standing.facts.is_waiting or standing.facts.is_told_here:
                continue
            cdr = standing.entry.cdr
            session_key = object_key(cpo_of(cdr), cdr.session_id) if cdr.session_id else standing.entry.key
            await tell(work, [outgoing_of(cdr, standing.entry.key, session_key, "")])
        else:
            continue
        gone.append(standing.entry.key)
    return gone
