"""All deliveries to one partner: so many calls at once as it can take, one at a time for each order key.

A call that ends makes room for the next at once; nobody waits for the slowest of a batch. No transaction is open
while we wait for a partner.
"""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import structlog
from sqlalchemy import update

from roaming.hub import judging
from roaming.hub.gathering import Gathering
from roaming.hub.judging import COLUMNS, Pending, Prepared, Result, prepare
from roaming.hub.pace import Pace
from roaming.hub.recording import NotAsRead, Recorder
from roaming.hub.sending import Sender
from roaming.model.version import Version
from roaming.ocpi.codec import EncodeContext
from roaming.ocpi.module import DeliveryRules, Services, Verdict, dialect_of
from roaming.ocpi.outgoing import DELIVERIES
from roaming.store.columns import text_to_time
from roaming.store.errors import StoreUnavailable
from roaming.store.locks import Locks

logger = structlog.get_logger(__name__)

MOST_UNRECORDED = 200
"""Calls that have ended and wait for the store: a slow commit must not keep the partner waiting."""
FEW, MANY = 40, 1000
"""Rows looked at for something to send, besides those under way; many only where the few are all held up."""
LINGER_SECONDS = 2.0
"""A lane with nothing to do keeps the partner's lock for so long: most partners soon have something new."""
REST_SECONDS = 0.5
_PENDING = (
    f"SELECT {COLUMNS} FROM deliveries WHERE partner_id = $1 AND state = 'PENDING'"  # noqa: S608 - names of our own
    " ORDER BY id LIMIT $2"
)


class _Attempt(NamedTuple):
    """A delivery that is calling, or has ended and is not recorded yet."""

    pending: Pending
    task: asyncio.Task[None]


class Lane:
    """One partner, while this process holds its lock."""

    def __init__(
        self,
        services: Services,
        rules: Mapping[str, DeliveryRules[Any]],
        locks: Locks,
        recorder: Recorder,
        gathering: Gathering,
        partner_id: str,
    ) -> None:
        self._services = services
        self._gathering = gathering
        self._rules = rules
        self._locks = locks
        self._partner_id = partner_id
        self._recorder = recorder
        self._sender = Sender(services, recorder)
        self._news = asyncio.Event()
        self._may_have_more = True
        self._ready: list[Prepared] = []
        """Claimed and built, of different order keys, none of which is under way."""
        self._under_way: dict[str, _Attempt] = {}
        """By order key."""
        self._held_up: set[str] = set()
        """Order keys with something more to send once what is under way has ended."""
        self._calling = 0
        self._at_once = 1
        self._agreed = Pace()
        self._pause = 0.0
        self._paused_at = 0.0
        self._resumes_at = 0.0

    def poke(self) -> None:
        """There may be something new to deliver."""
        self._may_have_more = True
        self._news.set()

    @property
    def was_poked(self) -> bool:
        """Since it last looked."""
        return self._may_have_more

    async def run(self) -> None:
        """Delivers until nothing has been due for a while; then gives the partner's lock back."""
        name = f"partner:{self._partner_id}"
        try:
            try:
                await self._work(name)
            except Exception:
                logger.exception("delivery_lane_failed", partner=self._partner_id)
                await asyncio.sleep(1.0)
            await asyncio.gather(*(attempt.task for attempt in self._under_way.values()))
        finally:
            tasks = [attempt.task for attempt in self._under_way.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._locks.release(name)

    async def _work(self, lock: str) -> None:
        while await self._locks.try_acquire(lock):
            self._news.clear()
            try:
                await self._fill()
            except StoreUnavailable as error:
                logger.warning("delivery_waits", partner=self._partner_id, reason=str(error))
                self.poke()
                await asyncio.sleep(REST_SECONDS)
            now = time.monotonic()
            rest = max(self._resumes_at - now, self._agreed.wait(now))
            if self._under_way or rest > 0:
                await self._news_within(rest if rest > 0 else None)
            elif not await self._news_within(LINGER_SECONDS):
                return

    async def _news_within(self, seconds: float | None) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return False
        return True

    async def _fill(self) -> None:
        """Begins as many attempts as there is room for."""
        if self._room() and not self._ready and self._may_have_more:
            await self._claim()
        room = self._room()
        begun, self._ready = self._ready[:room], self._ready[room:]
        for prepared in begun:
            now = time.monotonic()
            self._agreed.began(now)
            task = asyncio.create_task(self._attempt(prepared, now))
            self._calling += 1
            self._under_way[prepared.pending.order_key] = _Attempt(prepared.pending, task)

    def _room(self) -> int:
        """How many more calls may begin; one alone while the partner is being spared."""
        now = time.monotonic()
        if not self._pause:
            unrecorded = len(self._under_way) - self._calling
            most = 0 if unrecorded >= MOST_UNRECORDED else max(0, self._at_once - self._calling)
            return self._agreed.room(now, most)
        is_time = now >= self._resumes_at
        return 1 if is_time and not self._under_way else 0

    async def _claim(self) -> None:
        """Looks for what can be sent next and builds it. Should an object change before its call leaves, its delivery
        has another revision by then or soon, and is sent once more."""
        self._may_have_more = False
        directory = await self._gathering.directory()
        partner = directory.partners.get(self._partner_id)
        if partner is None or not partner.is_connected:
            await self._postpone("the partner is not registered")
            return
        dialect = dialect_of(partner)
        self._at_once = int(dialect.at_once)
        self._agreed.limit(dialect.most_per_second)
        for limit in (FEW + len(self._under_way), MANY):
            rows = await self._services.database.reader.fetch(_PENDING, self._partner_id, limit)
            chosen = self._choose([row for row in rows if row[1] in self._rules])
            if chosen or len(rows) < limit:
                break
        # Two rounds of calls, not more: what waits here grows old
        most = 1 if self._pause else 2 * self._at_once
        if len(rows) == limit or len(chosen) > most:
            self._may_have_more = True
        claimed = [Pending.of(row, partner, self._rules, directory) for row in chosen[:most]]
        self._ready = await self._prepare(claimed)

    def _choose(self, rows: Sequence[Sequence[Any]]) -> list[Sequence[Any]]:
        """The first delivery of each order key that is not under way, if it is due."""
        now = self._services.clock.now()
        heads: dict[str, Sequence[Any]] = {}
        for row in rows:
            order_key, under_way = row[5], self._under_way.get(row[5])
            if under_way is not None and under_way.pending.is_row(row):
                continue  # nothing new: it has not been recorded yet
            if under_way is not None or order_key in heads:
                self._held_up.add(order_key)
            else:
                heads[order_key] = row
        return [row for row in heads.values() if text_to_time(row[15]) <= now]

    async def _prepare(self, batch: Sequence[Pending]) -> list[Prepared]:
        """Builds all calls from one read a module."""
        prepared: list[Prepared] = []
        for module in dict.fromkeys(pending.job.module for pending in batch):
            mine = [pending for pending in batch if pending.job.module == module]
            keys = [pending.job.object_key for pending in mine]
            found = await self._gathering.objects(module, keys)
            contexts = await self._surroundings(mine[0], found)
            for pending in mine:
                key = pending.job.object_key
                prepared.append(prepare(pending, found.get(key), contexts.get(key)))
        return prepared

    async def _surroundings(self, pending: Pending, found: Mapping[str, Any]) -> Mapping[str, EncodeContext]:
        if pending.job.partner.version != Version.V2_1_1 or pending.rules.surroundings is None:
            return {}
        return await pending.rules.surroundings(self._services.database.reader, found)

    async def _attempt(self, prepared: Prepared, began: float) -> None:
        try:
            try:
                result = await self._sender.attempt(prepared)
            finally:
                self._calling -= 1
                self._news.set()
            self._pace(result, began)
            self._may_have_more |= result.verdict != Verdict.DELIVERED
            await self._record(result)
        except NotAsRead:
            self._may_have_more = True  # as it stands now; another process may have it
        except StoreUnavailable as error:
            logger.warning("delivery_waits", partner=self._partner_id, reason=str(error))
            await asyncio.sleep(REST_SECONDS)
            self._may_have_more = True
        except Exception:
            logger.exception("delivery_failed", delivery=prepared.pending.job.id)
            await asyncio.sleep(1.0)
            self._may_have_more = True
        finally:
            order_key = prepared.pending.order_key
            del self._under_way[order_key]
            if order_key in self._held_up:
                self._held_up.discard(order_key)
                self._may_have_more = True
            self._news.set()

    async def _record(self, result: Result) -> None:
        """Stores it, however long the store is away: forgotten, it would be sent again."""
        while True:
            try:
                return await self._recorder.record(result)
            except StoreUnavailable as error:
                logger.warning("delivery_unrecorded", partner=self._partner_id, reason=str(error))
                await asyncio.sleep(REST_SECONDS)

    def _pace(self, result: Result, began: float) -> None:
        """Spares a partner in trouble, longer each time, until it answers again. What began before the last pause tells
        nothing new."""
        now = time.monotonic()
        if not result.is_partner_trouble:
            if began >= self._paused_at:
                self._pause = self._resumes_at = 0.0
            return
        self._ready, self._may_have_more = [], True
        if began >= self._paused_at:
            self._pause = min(max(self._pause * 2, judging.FIRST_PAUSE), judging.LONGEST_PAUSE)
            self._paused_at = now
            self._resumes_at = now + self._pause * random.uniform(1.0, 1.2)  # noqa: S311 - jitter, no secret
        if result.retry_after:
            self._resumes_at = max(self._resumes_at, now + min(result.retry_after, judging.LONGEST_PAUSE))

    async def _postpone(self, reason: str) -> None:
        now = self._services.clock.now()
        async with self._services.database.work() as work:
            await work.connection.execute(
                update(DELIVERIES)
                .where(
                    DELIVERIES.c.partner_id == self._partner_id,
                    DELIVERIES.c.state == "PENDING",
                    DELIVERIES.c.due_at <= now,
                )
                .values(due_at=now + timedelta(seconds=5), last_error=reason)
            )
