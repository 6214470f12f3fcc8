"""Takes messages from the outbox to the bus, in order, and deletes them once they are there."""

import asyncio

import structlog
from sqlalchemy import Table

from contracts.bus.port import Bus, BusUnavailable
from contracts.envelope import Envelope, MalformedEnvelope, decode, encode
from contracts.topics import TOPIC_BY_NAME, Topic
from roaming.store.bulk import delete_keys
from roaming.store.database import Database, Work
from roaming.store.errors import StoreUnavailable
from roaming.store.inbox import DEAD_LETTERS
from roaming.store.locks import Locks
from roaming.store.outbox import OutboxRow

logger = structlog.get_logger(__name__)

OUTBOX: Table = OutboxRow.__table__  # type: ignore[attr-defined]

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
        by_topic: dict[Topic, list[Envelope]] = {}
        unsendable: list[tuple[str, str]] = []
        for _, topic, text in rows:
            try:
                by_topic.setdefault(TOPIC_BY_NAME[topic], []).append(decode(text.encode()))
            except (KeyError, MalformedEnvelope) as error:
                unsendable.append((text, f"topic {topic}: {error!r}"))
        for to, envelopes in by_topic.items():
            unsendable += await self._publish(to, envelopes)
        async with self._database.work() as work:
            for text, reason in unsendable:
                await self._bury(work, text, reason)
            await delete_keys(work.connection, OUTBOX, "id", [row[0] for row in rows])
        return len(rows)

    async def _publish(self, to: Topic, envelopes: list[Envelope]) -> list[tuple[str, str]]:
        """Publishes in order and returns (envelope, reason) of those that the bus will never take, such as one too
        large: it must not hold up everything behind it."""
        try:
            await self._bus.publish(to, envelopes)
        except ValueError as error:
            if len(envelopes) == 1:
                return [(encode(envelopes[0]).decode(), f"topic {to.name}: {error}")]
            return [refused for envelope in envelopes for refused in await self._publish(to, [envelope])]
        return []

    async def _bury(self, work: Work, text: str, reason: str) -> None:
        """A row of another release must not hold up everything behind it."""
        logger.error("outbox_row_is_unsendable", reason=reason)
        fields = {"message_id": "", "subject": "", "type": "", "envelope": text, "error": reason, "at": work.now}
        await work.connection.execute(DEAD_LETTERS.insert().values(consumer="relay", **fields))
