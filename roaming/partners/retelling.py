"""What a change of agreements, rules or groups means for partners, written down in the transaction of the change: which
objects of whom may look different to whom. ``hub.retelling`` works it off."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from sqlalchemy import insert, select

from contracts.messages import OperatorAgreementsChanged
from roaming.model.identifiers import PartyId
from roaming.model.party import InterfaceRole, Role
from roaming.partners.affected import affected
from roaming.partners.directory import Directory, Partner, directory_within
from roaming.partners.registry import agreements_in, put_agreements, touch
from roaming.partners.tables import DirectoryStateRow, RetellingRow
from roaming.partners.telling import differences
from roaming.partners.views import View, changed_locations, changed_tariffs
from roaming.store.database import Database, Work
from roaming.store.errors import StoreUnavailable
from roaming.store.trimming import old_rows

RETELLINGS = RetellingRow.__table__  # type: ignore[attr-defined]
STATE = DirectoryStateRow.__table__  # type: ignore[attr-defined]
CHANNEL = "retellings"
BOOKINGS = "bookings"
ATTEMPTS = 5
Found = TypeVar("Found")
TRIMMINGS = (old_rows("delivery", RETELLINGS, "finished_at"),)


class _RolledBackError(Exception):
    """Ends a transaction of which nothing is to be kept."""


@dataclass(frozen=True, kw_only=True)
class _Tried:
    """What a change would make of the directory, which is then at ``revision``."""

    revision: int
    before: Directory
    after: Directory


async def changed(database: Database, change: Callable[[Work], Awaitable[Found]]) -> Found:
    """Makes a change of agreements, rules or groups that connected partners are to be told of, and returns what
    ``change`` does. It is called once or more to see what would come of it, which is taken back, and once to keep it;
    what it means for partners is found between the two, when nothing is locked. Raises ``StoreUnavailable``, also when
    others change the directory each time meanwhile."""
    for _ in range(ATTEMPTS):
        tried = await _try(database, change)
        rows, told = await asyncio.to_thread(_meaning, tried)
        try:
            async with database.work() as work:
                await touch(work)
                if await _revision(work) != tried.revision:
                    raise _RolledBackError
                found = await change(work)
                if rows:
                    await work.connection.execute(insert(RETELLINGS), [row | {"created_at": work.now} for row in rows])
                    work.wake(CHANNEL)
                put_agreements(work, told)
            return found
        except _RolledBackError:
            continue
    raise StoreUnavailable("others changed partners, agreements or rules meanwhile: try again")


async def _try(database: Database, change: Callable[[Work], Awaitable[object]]) -> _Tried:
    try:
        async with database.work() as work:
            await touch(work)  # nobody else changes anything between the two pictures
            revision = await _revision(work)
            before = await directory_within(work.connection)
            await change(work)
            after = await directory_within(work.connection)
            raise _RolledBackError
    except _RolledBackError:
        return _Tried(revision=revision, before=before, after=after)


async def _revision(work: Work) -> int:
    return int((await work.connection.execute(select(STATE.c.revision).where(STATE.c.id == 1))).scalar_one())


def _meaning(tried: _Tried) -> tuple[list[dict[str, Any]], list[OperatorAgreementsChanged]]:
    """Rows of what partners are to be told, and what adapters are told."""
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
        }
        for partner_id, owner, was, now in _differences(tried.before, tried.after)
        for module, ids in _modules(tried.after.partners[partner_id], was, now)
    ]
    return rows, agreements_in(tried.after, tried.after.hosted_parties(Role.CPO))


def _differences(before: Directory, after: Directory) -> Iterator[tuple[str, PartyId, View, View]]:
    """Partner, owner, and what the one saw of the other and sees now, where that differs."""
    for partner, owner in affected(before, after):
        for was, now in differences(before, before.partners[partner.id], after, partner, owner):
            yield partner.id, owner, was, now


def _modules(partner: Partner, was: View, now: View) -> Iterator[tuple[str, frozenset[str] | None]]:
    """Which objects of which modules may differ: folded ids, or ``None`` for all of the owner; of what can be booked
    the ids of the Locations where it is."""
    places = changed_locations(was, now)
    for module, ids in (("locations", places), ("tariffs", changed_tariffs(was, now))):
        if ids is None or ids:
            yield module, ids
    if partner.endpoint(BOOKINGS, InterfaceRole.RECEIVER) is not None and (places is None or places):
        yield BOOKINGS, places
    if was.are_tokens_open != now.are_tokens_open:
        yield "tokens", None


async def is_still(work: Work, revision: int) -> bool:
    """Whether the directory is at this revision, and stays there until the commit."""
    statement = select(STATE.c.revision).where(STATE.c.id == 1).with_for_update(read=True)
    return ((await work.connection.execute(statement)).scalar_one_or_none() or 0) == revision
