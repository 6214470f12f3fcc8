"""Sends deliveries to partners: in order per object, paced by what the partner can take, never two at a time.

Claim, send, then record. A record whose answer was lost is looked up at the partner before it is sent again. Partners
do not wait for each other.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from roaming.hub.gathering import Gathering
from roaming.hub.lane import Lane
from roaming.hub.recording import Recorder
from roaming.ocpi.module import DeliveryRules, OcpiModule, Services
from roaming.store.errors import StoreUnavailable
from roaming.store.locks import Locks

logger = structlog.get_logger(__name__)

IDLE_SECONDS = 0.5
DUE_PARTNERS = (
    "SELECT p.id FROM partners p WHERE"
    " (SELECT d.due_at FROM deliveries d WHERE d.state = 'PENDING' AND d.partner_id = p.id ORDER BY d.due_at LIMIT 1)"
    " <= $1"
)
"""One step in an index for each partner, however much waits for one that is away; with EXISTS both databases go through
all of that."""


class Deliverer:
    """Serves all partners that this process holds the lock of."""

    def __init__(self, services: Services, modules: Sequence[OcpiModule], locks: Locks) -> None:
        self._services = services
        self._rules: Mapping[str, DeliveryRules[Any]] = {m.id: m.delivery for m in modules if m.delivery is not None}
        self._locks = locks
        self._recorder = Recorder(services)
        self._gathering = Gathering(services, self._rules)
        self._lanes: dict[str, Lane] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Delivers until cancelled."""
        database = self._services.database
        try:
            while True:
                try:
                    rows = await database.reader.fetch(DUE_PARTNERS, self._services.clock.now())
                    for (partner_id,) in rows:
                        await self._serve(partner_id)
                except StoreUnavailable as error:
                    logger.warning("deliveries_wait", reason=str(error))
                    await asyncio.sleep(0.5)
                await database.wakeups.wait("deliveries", IDLE_SECONDS)
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
            await self._recorder.close()

    async def _serve(self, partner_id: str) -> None:
        if (lane := self._lanes.get(partner_id)) is not None:
            lane.poke()
        elif await self._locks.try_acquire(f"partner:{partner_id}"):
            shared = (self._services, self._rules, self._locks, self._recorder, self._gathering)
            self._lanes[partner_id] = Lane(*shared, partner_id)
            self._tasks[partner_id] = asyncio.create_task(self._keep(partner_id), name=f"deliver:{partner_id}")

    async def _keep(self, partner_id: str) -> None:
        lane = self._lanes[partner_id]
        try:
            await lane.run()
        finally:
            del self._lanes[partner_id], self._tasks[partner_id]
            if lane.was_poked:  # while it ended: nobody else would look before the next idle tick
                self._services.database.wakeups.committed(["deliveries"])
