"""Gives events their numbers, and each subscriber what is for it. One process does so at a time (lock ``events``)."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import bindparam, func, select, update

from roaming.feed.kinds import fits
from roaming.feed.tables import NotificationRow, SubscriberRow
from roaming.feed.telling import EVENTS, is_for
from roaming.store.bulk import insert_new
from roaming.store.database import Database, Work
from roaming.store.errors import StoreUnavailable
from roaming.store.locks import Locks

logger = structlog.get_logger(__name__)

SUBSCRIBERS = SubscriberRow.__table__  # type: ignore[attr-defined]
NOTIFICATIONS = NotificationRow.__table__  # type: ignore[attr-defined]
BATCH = 500
IDLE_SECONDS = 0.5
PATIENCE = timedelta(days=3)
"""A notification that did not arrive for so long is given up, and lies there for people (DEAD)."""
UNASKED = ("webhook.test",)
"""Kinds that nobody subscribes to."""


async def run(database: Database, locks: Locks) -> None:
    """Numbers what is new until cancelled."""
    while True:
        try:
            if not (await locks.try_acquire("events") and await number_once(database)):
                await database.wakeups.wait("events", IDLE_SECONDS)
        except StoreUnavailable as error:
            logger.warning("events_wait", reason=str(error))
            await asyncio.sleep(IDLE_SECONDS)


async def number_once(database: Database) -> int:
    """One batch, in one transaction; returns how many events."""
    rows = await database.reader.fetch("SELECT 1 FROM events WHERE number IS NULL LIMIT 1")
    if not rows:
        return 0
    async with database.work() as work:
        columns = EVENTS.c
        new = select(columns.seq, columns.kind, columns.parties, columns.created_at).where(columns.number.is_(None))
        found = (await work.connection.execute(new.order_by(columns.seq).limit(BATCH))).all()
        last = (await work.connection.execute(select(func.max(columns.number)))).scalar() or 0
        numbers = []
        for row in found:
            # Not below the one it was written under: numbers rise on when all earlier events have been removed
            last = max(last + 1, row.seq)
            numbers.append({"of": row.seq, "to": last})
        if numbers:
            given = update(EVENTS).where(columns.seq == bindparam("of"), columns.number.is_(None))
            await work.connection.execute(given.values(number=bindparam("to")), numbers)
        await _address(work, found)
        work.wake("numbered_events")
    return len(found)


async def _address(work: Work, events: Any) -> None:
    """A notification for each event and subscriber that it is for."""
    subscribers = (await work.connection.execute(select(SUBSCRIBERS).where(SUBSCRIBERS.c.is_on))).all()
    wanted = [(subscriber, json.loads(subscriber.kinds)) for subscriber in subscribers]
    rows = [
        {
            "subscriber": subscriber.name,
            "seq": event.seq,
            "state": "PENDING",
            "attempts": 0,
            "last_error": "",
            "due_at": work.now,
            "created_at": event.created_at,
            "expires_at": work.now + PATIENCE,
            "done_at": None,
            "http_status": None,
        }
        for event in events
        if event.kind not in UNASKED
        for subscriber, patterns in wanted
        if is_for(subscriber.party, event.parties) and fits(patterns, event.kind)
    ]
    if rows:
        await insert_new(work.connection, NOTIFICATIONS, rows, key=("subscriber", "seq"))
        work.wake("notifications")
