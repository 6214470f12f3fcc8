"""Takes messages from the outbox to the bus, in order, and deletes them once they are there."""

import asyncio

import structlog
from sqlalchemy import delete

from contracts.bus.port import Bus, BusUnavailable
from contracts.envelope import Envelope, decode
from contracts.topics import TOPIC_BY_NAME
from roaming.store.database import Database
from roaming.store.errors import StoreUnavailable
from roaming.store.locks import Locks
from roaming.store.outbox import OutboxRow

logger = structlog.get_logger(__name__)

BATCH = 500
IDLE_SECONDS = 0.5


class Relay:
    """One runs at a time over all processes (lock ``outbox``), so that order per subject is kept."""

    def __init__(self, database: Database, bus: Bus, locks: Locks) -> None:
        self._database = database
        self._bus = bus
        self._locks = locks

    async def run(self) -> None:
        """Relays until cancelled."""
        pause = 0.1
        while True:
            try:
                moved = await self._locks.try_acquire("outbox") and await self.relay_once()
                pause = 0.1
                if not moved:
                    await self._database.wakeups.wait("outbox", IDLE_SECONDS)
            except (BusUnavailable, StoreUnavailable) as error:
                logger.warning("relay_waits", reason=str(error), seconds=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 5.0)

    async def relay_once(self) -> int:
        """Publishes one batch and deletes it; returns how many. A crash in between publishes again, with the same
        ids, and readers' inboxes take care of it."""
        rows = await self._database.reader.fetch("SELECT id, topic, envelope FROM outbox ORDER BY id LIMIT $1", BATCH)
        if not rows:
            return 0
        batches: list[tuple[str, list[Envelope]]] = []
        for _, topic, text in rows:
            if not batches or batches[-1][0] != topic:
                batches.append((topic, []))
            batches[-1][1].append(decode(text.encode()))
        for topic, envelopes in batches:
            await self._bus.publish(TOPIC_BY_NAME[topic], envelopes)
        table = OutboxRow.__table__  # type: ignore[attr-defined]
        async with self._database.work() as work:
            await work.connection.execute(delete(table).where(table.c.id.in_([row[0] for row in rows])))
        return len(rows)
