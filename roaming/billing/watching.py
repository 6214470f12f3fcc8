"""Checks partners' CDRs by itself, soon after they came: what is wrong waits for people as a verdict. Disputes whose
CDR was taken back are closed, whoever looks at them or not."""

import asyncio
from datetime import timedelta

import structlog

from roaming.billing import repository
from roaming.billing.checks import Outcome
from roaming.billing.disputes import close_credited
from roaming.billing.receiving import check_keys
from roaming.ocpi.module import Services
from roaming.store.errors import StoreUnavailable
from roaming.store.locks import Locks

logger = structlog.get_logger(__name__)

LOOK_EVERY = 60.0
GRACE = timedelta(minutes=2)
"""A session or a location may come shortly after its CDR."""
AT_ONCE = 200


class Watcher:
    """One works at a time over all processes (lock ``cdr-checks``); two would do no harm."""

    def __init__(self, services: Services, locks: Locks) -> None:
        self._services = services
        self._locks = locks

    async def look(self) -> int:
        """Checks what has not been checked; returns how many. Closes disputes whose CDR was taken back. Raises
        ``StoreUnavailable``; nothing is passed over."""
        services, total = self._services, 0
        await close_credited(services.database)
        while True:
            until = services.clock.now() - GRACE
            keys = await repository.unchecked(services.database.reader, until=until, limit=AT_ONCE)
            checked = await check_keys(services, keys)
            for each in checked:
                if each.verdict.outcome is not Outcome.ACCEPT:
                    logger.info(
                        "cdr_not_accepted",
                        cdr=each.entry.key,
                        partner=each.entry.source,
                        outcome=each.verdict.outcome.value,
                        kinds=sorted({finding.kind.value for finding in each.verdict.findings}),
                    )
            total += len(checked)
            if len(keys) < AT_ONCE or not checked:
                return total

    async def run(self) -> None:
        """Looks once in ``LOOK_EVERY`` seconds until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            if not await self._locks.try_acquire("cdr-checks"):
                continue
            try:
                await self.look()
            except StoreUnavailable as error:
                logger.warning("cdr_checks_wait", reason=str(error))
            finally:
                await self._locks.release("cdr-checks")
