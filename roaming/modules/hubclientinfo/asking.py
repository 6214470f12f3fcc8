"""Asking a hub that we are connected with whom it can reach: once after each registration and each start; from then on
it tells by PUT. (OCPI 2.2.1, mod_hub_client_info 9.4: the list is for start-up and doubt)"""

from dataclasses import replace
from datetime import datetime

import structlog

from roaming.model.identifiers import PartyId
from roaming.model.party import InterfaceRole
from roaming.modules.hubclientinfo import service
from roaming.ocpi.codec import DecodeError
from roaming.ocpi.errors import OcpiError
from roaming.ocpi.fetching import FetchLimits, get_all_pages
from roaming.ocpi.module import Services
from roaming.ocpi.partner_call import call_to, note_call
from roaming.ocpi.wire import Wire
from roaming.partners.directory import Partner

logger = structlog.get_logger(__name__)

LIMITS = FetchLimits(pages=1_000, total_bytes=64 * 1024 * 1024, seconds=600)


class HubAsker:
    """Remembers whom it has asked; what is lost at an end of the process is asked again."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._asked: dict[str, datetime | None] = {}

    async def look(self) -> None:
        """Asks the hubs that have registered since. Raises ``StoreUnavailable``."""
        directory = await self._services.directory.current()
        for partner in directory.partners.values():
            is_asked = partner.id in self._asked and self._asked[partner.id] == partner.connected_at
            if partner.is_connected and partner.hub_party is not None and not is_asked and await self._ask(partner):
                self._asked[partner.id] = partner.connected_at

    async def _ask(self, partner: Partner) -> bool:
        """False when the list did not come to its end."""
        services = self._services
        endpoint = partner.endpoint("hubclientinfo", InterfaceRole.SENDER)
        if endpoint is None or partner.version not in service.CODECS:
            return True
        call, at = call_to(services, partner, "GET", endpoint), services.clock.now()
        async for page in get_all_pages(services.client, call, LIMITS):
            note_call(services, replace(call, url=page.url), page.answer, at=at, module="hubclientinfo")
            for item in page.items:
                await self._take(partner, item)
            if page.stopped is not None:
                return False
        return True

    async def _take(self, partner: Partner, item: object) -> None:
        services, version = self._services, partner.version
        assert version is not None
        wire = Wire(version=version, received_at=services.clock.now())
        try:
            if not isinstance(item, dict):
                raise DecodeError("", "expected an object")
            party = PartyId.of(str(item.get("country_code")), str(item.get("party_id")))
            async with services.database.work() as work:
                await service.put(work, wire, partner, party, item, hub_party=services.hub_party)
        except (DecodeError, OcpiError, ValueError) as error:
            logger.warning("client_info_unreadable", partner=partner.id, reason=str(error)[:200])
