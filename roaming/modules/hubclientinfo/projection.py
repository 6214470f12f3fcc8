"""From the directory and the presence of partners to client info: no messages, since both are tables of our own."""

from collections.abc import Awaitable, Callable, Sequence

import structlog

from roaming.modules.hubclientinfo import service
from roaming.modules.hubclientinfo.asking import HubAsker
from roaming.ocpi.module import Services
from roaming.store.errors import StoreUnavailable

logger = structlog.get_logger(__name__)

LOOK_EVERY = 2.0
ASK_EVERY = 5.0


def tasks(services: Services) -> Sequence[Callable[[], Awaitable[None]]]:
    """Keeping what we say up to date, and asking hubs what they say."""
    asker = HubAsker(services)

    async def watch() -> None:
        while True:
            try:
                await service.keep(services)
            except StoreUnavailable as error:
                logger.warning("client_info_waits", reason=str(error))
            await services.database.wakeups.wait("presence", LOOK_EVERY)

    async def ask() -> None:
        while True:
            try:
                await asker.look()
            except StoreUnavailable as error:
                logger.warning("client_info_waits", reason=str(error))
            await services.database.wakeups.wait("partner", ASK_EVERY)

    return (watch, ask)
