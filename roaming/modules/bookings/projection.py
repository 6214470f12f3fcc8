"""From the directory to partners' lists: a CPO's are fetched when it has registered, and once at each start."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import structlog

from roaming.modules.bookings import asking
from roaming.ocpi.module import Services
from roaming.store.errors import StoreUnavailable

logger = structlog.get_logger(__name__)

LOOK_EVERY = 5.0


class Fetcher:
    """Remembers whose lists it has read; what is lost at an end of the process is read again."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._read: dict[str, datetime | None] = {}

    async def look(self) -> None:
        """Reads the lists of partners that have registered since. Raises ``StoreUnavailable``."""
        for partner in (await self._services.directory.current()).partners.values():
            is_read = partner.id in self._read and self._read[partner.id] == partner.connected_at
            if not partner.is_connected or is_read:
                continue
            fetched = await asking.fetch(self._services, partner)
            for path, list_ in fetched.items():
                if list_.refused:
                    logger.warning("bookings_refused", partner=partner.id, list=path, reason=list_.refused[0])
            if all(list_.is_whole for list_ in fetched.values()):
                self._read[partner.id] = partner.connected_at


def tasks(services: Services) -> Sequence[Callable[[], Awaitable[None]]]:
    """Fetching partners' lists, unless pulling is off."""
    fetcher = Fetcher(services)

    async def work() -> None:
        while True:
            try:
                if services.pulling.is_on:
                    await fetcher.look()
            except StoreUnavailable as error:
                logger.warning("bookings_wait", reason=str(error))
            await asyncio.sleep(LOOK_EVERY)

    return (work,)
