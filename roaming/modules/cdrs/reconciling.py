"""Sessions that were completed long ago and have no CDR. ``SessionEnded`` is in the outbox, so there should be none:
this proves it, and where there is one after all it issues the CDR or says why it cannot. Knows no way of its own to
make one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

import structlog

from roaming.model.session import Session, SessionStatus
from roaming.modules.cdrs import repository, service
from roaming.ocpi.module import Services
from roaming.store.database import Database
from roaming.store.documents import keys_in_order, read_object
from roaming.store.errors import StoreUnavailable

logger = structlog.get_logger(__name__)

LOOK_EVERY = 60.0
LOOK_BACK = timedelta(days=7)
"""How far back a process looks when it starts; from then on it goes forward."""
PAGE = 1_000


async def find_missing(database: Database, *, after: datetime, until: datetime) -> list[str]:
    """Keys of the COMPLETED sessions of hosted CPOs that changed for the last time in this window and have no CDR.
    Raises ``StoreUnavailable``."""
    missing: list[str] = []
    place = (after, "")
    while True:
        page = await keys_in_order(database.reader, "sessions", after=place, until=until, limit=PAGE)
        if not page:
            return missing
        keys = [key for _, key in page]
        async with database.reading() as connection:
            closed = await repository.sessions_with_cdr(connection, keys)
            for key in keys:
                if key not in closed:
                    session = await read_object(connection, "sessions", key, Session)
                    if session is not None and session.status == SessionStatus.COMPLETED:
                        missing.append(key)
        place = page[-1]


class Reconciler:
    """Looks at every session once, and again at those that it could not help."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._looked_until: datetime | None = None
        self.unhealed: dict[str, str] = {}
        """Session key and why it has no CDR."""

    async def look(self) -> int:
        """Issues what is missing; returns how many CDRs were. Raises ``StoreUnavailable``; nothing is passed over."""
        now = self._services.clock.now()
        until = now - timedelta(seconds=self._services.cdr_grace)
        after = self._looked_until or now - LOOK_BACK
        missing = await find_missing(self._services.database, after=after, until=until)
        healed = 0
        for key in dict.fromkeys([*self.unhealed, *missing]):
            healed += await self._heal(key)
        self._looked_until = until
        return healed

    async def _heal(self, key: str) -> bool:
        try:
            directory = await self._services.directory.current()
            async with self._services.database.work() as work:
                session = await read_object(work.connection, "sessions", key, Session)
                if session is None:
                    raise LookupError("the session is gone")
                cause = f"reconciled-{key}"
                is_new = await service.issue_once(work, directory, key, session, correlation_id=cause, cause=cause)
        except StoreUnavailable:
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            if self.unhealed.get(key) != reason:
                logger.error("session_without_cdr", session=key, reason=reason)
            self.unhealed[key] = reason
            return False
        self.unhealed.pop(key, None)
        if is_new:
            logger.error("session_had_no_cdr", session=key, healed=True)
        return is_new

    async def run(self) -> None:
        """Looks until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                await self.look()
            except StoreUnavailable as error:
                logger.warning("reconciling_waits", reason=str(error))


def tasks(services: Services) -> Sequence[Callable[[], Awaitable[None]]]:
    """Reconciling."""
    return (Reconciler(services).run,)
