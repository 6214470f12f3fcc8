"""The still-alive check (OCPI 2.2.1, mod_hub_client_info): a partner that has been silent for a while is asked for its
versions; one that does not answer several times in a row is offline until it is heard again.

A word from it is any exchange of the journal: a request of its own, or an answer below 500 to one of ours. Knows
nothing of who is told.
"""

import asyncio
from datetime import datetime, timedelta
from functools import partial

import structlog

from roaming.ocpi.module import Services
from roaming.ocpi.outgoing import tell_again
from roaming.ocpi.partner_call import ask_partner, call_to
from roaming.partners.directory import Partner
from roaming.partners.presence import note_presence, offline_partners
from roaming.store.columns import text_to_time
from roaming.store.errors import StoreUnavailable
from roaming.store.locks import Locks

logger = structlog.get_logger(__name__)

LOOK_EVERY = 5.0
TRIES = 3
RETRY_SECONDS = 10.0
OFFLINE_RETRY_SECONDS = 60.0
TIMEOUT_SECONDS = 10.0
AT_ONCE = 50
"""Of those that are asked for the first time, and as many of those that did not answer last time: partners that are
gone, however many, keep nobody waiting who is there."""
LATE = timedelta(seconds=30)
"""An exchange stands in the journal when it is over, under the time of its beginning."""
_HEARD = (
    "SELECT partner_id, MAX(at) FROM journal WHERE at >= $1 AND partner_id <> ''"
    " AND (direction = 'in' OR http_status < 500) GROUP BY partner_id"
)


class Alive:
    """One runs at a time over all processes (lock ``alive``)."""

    def __init__(self, services: Services, locks: Locks, *, retry_seconds: float = RETRY_SECONDS) -> None:
        self._services = services
        self._locks = locks
        self._retry = timedelta(seconds=retry_seconds)
        self._heard: dict[str, datetime] = {}
        self._heard_until: datetime | None = None
        self._failures: dict[str, int] = {}
        self._next: dict[str, datetime] = {}
        self._asked: dict[str, asyncio.Task[None]] = {}
        self._first, self._again = asyncio.Semaphore(AT_ONCE), asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """Looks until cancelled. Nobody waits for a partner that takes its time to answer."""
        try:
            while True:
                await asyncio.sleep(LOOK_EVERY)
                try:
                    if await self._locks.try_acquire("alive"):
                        await self.begin()
                except StoreUnavailable as error:
                    logger.warning("alive_check_waits", reason=str(error))
        finally:
            await self.stop()

    async def stop(self) -> None:
        """Waits for no answer any more."""
        asked = list(self._asked.values())
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)

    async def look(self) -> None:
        """``begin``, and the answers to all that is asked. Raises ``StoreUnavailable``."""
        await self.begin()
        await asyncio.gather(*self._asked.values())

    async def begin(self) -> None:
        """Begins to ask the silent partners that are due and not being asked, and records who is back. Who fell silent
        is recorded when its answer is there, or has failed to come. Raises ``StoreUnavailable``."""
        services, now = self._services, self._services.clock.now()
        silence = timedelta(seconds=services.partner_silence)
        directory = await services.directory.current()
        await self._listen(now, silence)
        offline = await offline_partners(services.database.reader)
        for partner in directory.partners.values():
            if not partner.is_connected or not partner.versions_url:
                continue
            heard = self._heard.get(partner.id)
            if heard is not None and now - heard < silence:
                await self._is_there(partner, offline)
            elif self._next.get(partner.id, now) <= now and partner.id not in self._asked:
                task = self._asked[partner.id] = asyncio.create_task(self._check(partner))
                task.add_done_callback(partial(self._checked, partner.id))

    async def _check(self, partner: Partner) -> None:
        """Asks one, and records what comes of it."""
        try:
            has_answered = await self._ask(partner)
            offline = await offline_partners(self._services.database.reader)
            if has_answered:
                self._heard[partner.id] = self._services.clock.now()
                await self._is_there(partner, offline)
            else:
                await self._is_silent(partner, offline)
        except StoreUnavailable as error:
            logger.warning("alive_check_waits", reason=str(error))

    def _checked(self, partner_id: str, task: asyncio.Task[None]) -> None:
        del self._asked[partner_id]
        if not task.cancelled() and task.exception() is not None:
            logger.error("alive_check_failed", partner=partner_id, exc_info=task.exception())

    async def _listen(self, now: datetime, silence: timedelta) -> None:
        since = now - silence
        if self._heard_until is not None:
            since = max(since, self._heard_until - LATE)
        for partner_id, at in await self._services.database.reader.fetch(_HEARD, since):
            self._heard[partner_id] = text_to_time(at)
        self._heard_until = now

    async def _is_there(self, partner: Partner, offline: frozenset[str]) -> None:
        self._failures.pop(partner.id, None)
        self._next.pop(partner.id, None)
        if partner.id in offline:
            logger.info("partner_is_back", partner=partner.id)
            await self._note(partner, is_offline=False)

    async def _is_silent(self, partner: Partner, offline: frozenset[str]) -> None:
        failures = self._failures[partner.id] = self._failures.get(partner.id, 0) + 1
        pause = self._retry if failures < TRIES else max(self._retry, timedelta(seconds=OFFLINE_RETRY_SECONDS))
        self._next[partner.id] = self._services.clock.now() + pause
        if failures >= TRIES and partner.id not in offline:
            logger.warning("partner_is_offline", partner=partner.id, asked=failures)
            await self._note(partner, is_offline=True)

    async def _note(self, partner: Partner, *, is_offline: bool) -> None:
        async with self._services.database.work() as work:
            await note_presence(work, partner.id, is_offline=is_offline)
            if not is_offline:
                await tell_again(work, partner.id)

    async def _ask(self, partner: Partner) -> bool:
        """GET of its versions. Whatever a platform answers below 500, it is there."""
        call = call_to(self._services, partner, "GET", partner.versions_url, timeout=TIMEOUT_SECONDS)
        async with self._again if self._failures.get(partner.id) else self._first:
            answer = await ask_partner(self._services, call, module="versions")
        return answer.http_status is not None and answer.http_status < 500
