"""What a change of agreements, rules or groups means for partners, written down in the transaction of the change: which
objects of whom may look different to whom. ``hub.retelling`` works it off."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import msgspec
from sqlalchemy import insert, select

from roaming.model.identifiers import PartyId
from roaming.model.party import Role
from roaming.partners.directory import Directory, directory_within
from roaming.partners.registry import tell_adapters, touch
from roaming.partners.tables import DirectoryStateRow, RetellingRow
from roaming.partners.views import View, changed_locations, changed_tariffs
from roaming.store.database import Work
from roaming.store.trimming import old_rows

RETELLINGS = RetellingRow.__table__  # type: ignore[attr-defined]
STATE = DirectoryStateRow.__table__  # type: ignore[attr-defined]
CHANNEL = "retellings"
TRIMMINGS = (old_rows("delivery", RETELLINGS, "finished_at"),)


@asynccontextmanager
async def changing(work: Work) -> AsyncIterator[None]:
    """Around any change of agreements, rules and groups that connected partners are to be told of. From its begin to
    the commit nobody else changes the directory."""
    await touch(work)
    before = await directory_within(work.connection)
    yield
    after = await directory_within(work.connection)
    rows = [
        {
            "partner_id": partner_id,
            "module": module,
            "owner": str(owner),
            "before": msgspec.json.encode(was).decode(),
            "keys": json.dumps(sorted(ids)) if ids is not None else "",
            "cursor": "",
            "looked_at": 0,
            "told": 0,
            "is_done": False,
            "created_at": work.now,
        }
        for partner_id, owner, was, now in _differences(before, after)
        for module, ids in _modules(was, now)
    ]
    if rows:
        await work.connection.execute(insert(RETELLINGS), rows)
        work.wake(CHANNEL)
    await tell_adapters(work, after.hosted_parties(Role.CPO))


def _differences(before: Directory, after: Directory) -> Iterator[tuple[str, PartyId, View, View]]:
    """Partner, owner, and what the one saw of the other and sees now, where that differs."""
    owners = {
        *after.hosted_parties(Role.CPO, Role.EMSP),
        *(party for partner in after.partners.values() for party in partner.parties(Role.CPO, Role.EMSP)),
    }
    for partner in after.partners.values():
        known = before.partners.get(partner.id)
        if not partner.is_connected or known is None:
            continue
        for owner in sorted(owners - {*partner.parties()}):
            was, now = before.view(known, owner), after.view(partner, owner)
            if was != now:
                yield partner.id, owner, was, now


def _modules(was: View, now: View) -> Iterator[tuple[str, frozenset[str] | None]]:
    """Which objects of which modules may differ: folded ids, or ``None`` for all of the owner."""
    for module, ids in (("locations", changed_locations(was, now)), ("tariffs", changed_tariffs(was, now))):
        if ids is None or ids:
            yield module, ids
    if was.are_tokens_open != now.are_tokens_open:
        yield "tokens", None


async def is_still(work: Work, revision: int) -> bool:
    """Whether the directory is at this revision, and stays there until the commit."""
    statement = select(STATE.c.revision).where(STATE.c.id == 1).with_for_update(read=True)
    return ((await work.connection.execute(statement)).scalar_one_or_none() or 0) == revision
