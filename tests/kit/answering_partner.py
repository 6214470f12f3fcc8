"""A partner on a real socket that takes everything and remembers it, and a hub that delivers to it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from contracts.messages import Message
from roaming.hub.deliver import Deliverer
from roaming.hub.fan_out import FanOut
from roaming.store.consume import Received as Read
from roaming.store.locks import locks_of
from tests.kit.hub_in_process import HubInProcess
from tests.kit.scripted_partner import Received, ScriptedPartner, enveloped, http_answer
from tests.kit.speaking import envelope_of


@dataclass(frozen=True)
class Taken:
    """One request as a partner sees it."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]


@dataclass
class AnsweringPartner:
    """A ``Script``: says yes to all. ``answers``: data by the end of the path, such as ``commands/STOP_SESSION``."""

    answers: dict[str, Any] = field(default_factory=dict)
    taken: list[Taken] = field(default_factory=list)
    url: str = ""

    async def __call__(self, request: Received, writer: asyncio.StreamWriter) -> None:
        parts = urlsplit(request.target)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        body = json.loads(request.body) if request.body else None
        self.taken.append(Taken(request.method, parts.path, query, body, request.headers))
        data = next((data for end, data in self.answers.items() if parts.path.endswith(end)), None)
        writer.write(http_answer(enveloped(data)))

    def of(self, method: str, end: str = "") -> list[Taken]:
        """The requests of this method whose path has this end."""
        return [entry for entry in self.taken if entry.method == method and entry.path.endswith(end)]


@asynccontextmanager
async def answering_partner(
    hub: HubInProcess, partner_id: str, party: str, role: str
) -> AsyncIterator[AnsweringPartner]:
    """Connected to ``hub`` as ``partner_id``, with the modules that not everybody has."""
    script = AnsweringPartner()
    async with ScriptedPartner(script) as partner:
        script.url = partner.url
        modules = ("chargingprofiles", "hubclientinfo", "payments", "bookings")
        await hub.connect(partner_id, party, role, url=partner.url, more_modules=modules)
        yield script


@asynccontextmanager
async def delivering(hub: HubInProcess) -> AsyncIterator[None]:
    """What changes is told to partners, as in a worker."""
    locks = locks_of(hub.services.database)
    tasks = [
        asyncio.create_task(FanOut(hub.services, hub.services.modules, locks).run()),
        asyncio.create_task(Deliverer(hub.services, hub.services.modules, locks).run()),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await locks.close()


async def hear(hub: HubInProcess, message: Message, *, only: tuple[str, ...] = ()) -> None:
    """Every module of ``hub`` (or ``only`` these) reads the message, as off the bus."""
    for module in hub.services.modules:
        if only and module.id not in only:
            continue
        for projection in module.projections(hub.services):
            if isinstance(message, projection.messages):
                async with hub.services.database.work() as work:
                    await projection.handle(work, [Read(envelope_of(message), message)])
