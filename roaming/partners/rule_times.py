"""Price rules that hold for a time: when one begins or ends, partners are told what they are offered from then on, as
if the rule had been added or removed. Charges do not wait for this: they are priced by the times themselves."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.partners.retelling import changed
from roaming.partners.rules import RULES, rulebook_within
from roaming.store.database import Database, Work
from roaming.store.errors import StoreUnavailable
from roaming.store.locks import Locks

logger = structlog.get_logger(__name__)

LOOK_EVERY: Final = 5.0


async def run(database: Database, locks: Locks) -> None:
    """Looks every few seconds until cancelled. One runs at a time over all processes (lock ``rule-times``)."""
    while True:
        try:
            if await locks.try_acquire("rule-times"):
                await follow(database)
        except StoreUnavailable as error:
            logger.warning("rule_times_wait", reason=str(error))
        await asyncio.sleep(LOOK_EVERY)


async def follow(database: Database) -> int:
    """Puts rules in force that have begun, and out of it those that are over; returns how many. Raises
    ``StoreUnavailable``."""
    async with database.work() as work:
        if not await _due(work.connection, work.now):
            return 0

    async def change(work: Work) -> int:
        due = await _due(work.connection, work.now)
        for number, is_in_force in due:
            statement = update(RULES).where(RULES.c.id == number).values(is_in_force=is_in_force)
            await work.connection.execute(statement)
        return len(due)

    return await changed(database, change)


async def _due(connection: AsyncConnection, now: datetime) -> Sequence[tuple[int, bool]]:
    is_timed = RULES.c.valid_from.is_not(None) | RULES.c.valid_until.is_not(None)
    if (await connection.execute(select(RULES.c.id).where(is_timed).limit(1))).first() is None:
        return ()
    rules = (await rulebook_within(connection)).rules
    return [(rule.id, not rule.is_in_force) for rule in rules if rule.holds_at(now) != rule.is_in_force]
