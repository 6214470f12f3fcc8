"""Lists of a partner that are read once: when it has registered, and at each start of ours."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from roaming.ocpi.codec import DecodeError
from roaming.ocpi.errors import OcpiError
from roaming.ocpi.fetching import FetchLimits, get_all_pages
from roaming.ocpi.headers import RoutingHeaders
from roaming.ocpi.module import Services
from roaming.ocpi.partner_call import call_to, note_call, parties_of
from roaming.partners.directory import Partner
from roaming.store.errors import StoreUnavailable

logger = structlog.get_logger(__name__)

LIMITS = FetchLimits(pages=1_000, total_bytes=64 * 1024 * 1024, seconds=600)
LOOK_EVERY = 5.0


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """What came of a list."""

    stored: int = 0
    refused: tuple[str, ...] = ()
    is_whole: bool = True

    def __add__(self, other: "Fetched") -> "Fetched":
        return Fetched(
            stored=self.stored + other.stored,
            refused=self.refused + other.refused,
            is_whole=self.is_whole and other.is_whole,
        )


Take = Callable[[object, datetime], Awaitable[None]]
"""Decodes one object, which was asked for at that time, and stores it. Raises ``DecodeError``, ``OcpiError``."""


async def fetch_list(
    services: Services, partner: Partner, url: str, *, module: str, routing: RoutingHeaders, take: Take
) -> Fetched:
    """Reads one list to its end. Raises ``StoreUnavailable``."""
    at = services.clock.now()
    call = call_to(services, partner, "GET", url, routing=routing)
    stored, refused, is_whole = 0, list[str](), True
    async for page in get_all_pages(services.client, call, LIMITS):
        note_call(
            services,
            replace(call, url=page.url),
            page.answer,
            at=at,
            module=module,
            parties=parties_of(routing),
            notes=[*page.findings, f"{len(page.items)} objects"],
        )
        for item in page.items:
            try:
                await take(item, at)
                stored += 1
            except (DecodeError, OcpiError) as error:
                refused.append(str(error)[:200])
        is_whole = page.stopped is None
    return Fetched(stored=stored, refused=tuple(refused), is_whole=is_whole)


class FirstReading:
    """Remembers whose lists it has read; what is lost at an end of the process is read again. ``fetch`` reads all lists
    of ``module`` at a partner, by path, and raises ``StoreUnavailable``."""

    def __init__(
        self, services: Services, module: str, fetch: Callable[[Services, Partner], Awaitable[Mapping[str, Fetched]]]
    ) -> None:
        self._services = services
        self._module = module
        self._fetch = fetch
        self._read: dict[str, datetime | None] = {}

    async def look(self) -> None:
        """Reads the lists of partners that have registered since. Raises ``StoreUnavailable``."""
        for partner in (await self._services.directory.current()).partners.values():
            is_read = partner.id in self._read and self._read[partner.id] == partner.connected_at
            if not partner.is_connected or is_read:
                continue
            fetched = await self._fetch(self._services, partner)
            for path, list_ in fetched.items():
                if list_.refused:
                    logger.warning(f"{self._module}_refused", partner=partner.id, list=path, reason=list_.refused[0])
            if all(list_.is_whole for list_ in fetched.values()):
                self._read[partner.id] = partner.connected_at

    async def run(self) -> None:
        """Looks until cancelled, unless pulling is off."""
        while True:
            try:
                if self._services.pulling.is_on:
                    await self.look()
            except StoreUnavailable as error:
                logger.warning(f"{self._module}_wait", reason=str(error))
            await asyncio.sleep(LOOK_EVERY)
