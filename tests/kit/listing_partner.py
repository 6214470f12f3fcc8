"""A partner on a real socket that lists objects in pages, well or badly, for tests of pulling."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from roaming.hub.pulling import state
from roaming.hub.pulling.puller import Puller
from roaming.hub.pulling.state import Pull
from roaming.model.party import InterfaceRole
from roaming.ocpi.pulling import PullPace
from roaming.partners import registry
from roaming.partners.directory import Endpoint
from tests.kit.hub_in_process import HubInProcess
from tests.kit.scripted_partner import Received, enveloped, http_answer

MODULES = ("locations", "tariffs", "tokens", "sessions", "cdrs")


@dataclass
class ListingPartner:
    """A ``Script``: GET below ``/sender/<module>`` answers a page of ``objects[module]``, in their order."""

    objects: dict[str, list[Any]] = field(default_factory=dict)
    page_size: int = 2
    plan: list[bytes] = field(default_factory=list)
    """Answers of the next requests, whatever they ask for; then all is well."""
    link: str = '<http://{host}{path}?{query}offset={next}&limit={limit}>; rel="next"'
    total: Callable[[int], int | None] = lambda count: count
    """What X-Total-Count says of so many objects."""
    on_page: Callable[["ListingPartner", int], None] = lambda _partner, _offset: None
    """Before a page is made."""
    asked: list[Received] = field(default_factory=list)

    async def __call__(self, request: Received, writer: asyncio.StreamWriter) -> None:
        self.asked.append(request)
        writer.write(self.plan.pop(0) if self.plan else self.page(request))

    def page(self, request: Received) -> bytes:
        """The page that the request asks for."""
        parts = urlsplit(request.target)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        offset = int(query.get("offset", 0))
        self.on_page(self, offset)
        since = query.get("date_from", "")
        every = [
            item
            for item in self.objects.get(parts.path.rsplit("/", 1)[-1], [])
            if not since or not isinstance(item, dict) or _time(item["last_updated"]) >= _time(since)
        ]
        limit = min(int(query.get("limit", self.page_size)), self.page_size)
        headers = {"X_Limit": str(self.page_size)}
        if (total := self.total(len(every))) is not None:
            headers["X_Total_Count"] = str(total)
        if offset + limit < len(every) and self.link:
            kept = f"date_from={since}&" if since else ""
            headers["Link"] = (
                self.link.replace("{host}", request.headers["host"])
                .replace("{path}", parts.path)
                .replace("{query}", kept)
                .replace("{next}", str(offset + limit))
                .replace("{limit}", str(limit))
            )
        return http_answer(enveloped(every[offset : offset + limit]), **headers)

    @property
    def targets(self) -> list[str]:
        return [request.target for request in self.asked]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("%3A", ":"))


def broken(status: str = "503 Service Unavailable", **headers: str) -> bytes:
    """An answer without an envelope."""
    return http_answer(b"down", status=status, **headers)


async def listen_at(
    hub: HubInProcess, partner_id: str, url: str, modules: tuple[str, ...] = MODULES, *, version: str = "2.2.1"
) -> None:
    """The partner registers again, with its lists at ``url``."""
    directory = await hub.services.directory.current()
    partner = directory.partners[partner_id]
    endpoints = [Endpoint(module=module, role=InterfaceRole.SENDER, url=f"{url}/sender/{module}") for module in modules]
    async with hub.services.database.work() as work:
        await registry.connect_partner(
            work,
            directory,
            partner,
            version=version,
            versions_url=f"{url}/versions",
            endpoints=endpoints,
            roles=partner.roles,
            sealed_token=hub.services.secrets.seal("their-token", partner_id=partner_id),
        )


async def stored(hub: HubInProcess, module: str, partner_id: str) -> dict[str, dict[str, Any]]:
    """Documents of this partner, by object id."""
    rows = await hub.services.database.reader.fetch(
        f"SELECT object_id, document FROM {module} WHERE source = $1 ORDER BY key", partner_id
    )
    return {row[0]: json.loads(row[1]) for row in rows}


async def pull_lists(hub: HubInProcess, partner_id: str, *names: str) -> list[Pull]:
    """Pulls the lists of these names now, each to its end; how far each is then."""
    services = replace(
        hub.services, pulling=PullPace(requests_per_second=10_000, page_size=2, first_delay=timedelta(0))
    )
    puller = Puller(services, services.modules)
    await puller.look_at_directory()
    for name in names:
        await puller.pull_next(partner_id, modules=[name])
    pulls = {pull.module: pull for pull in await state.all_pulls(services.database.reader, partner_id)}
    return [pulls[name] for name in names]
