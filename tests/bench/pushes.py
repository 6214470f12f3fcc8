"""Pushes: what one costs beside a bare client, and what a partner that hangs costs its neighbours."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx

from contracts.collector import spare_collector
from roaming.app import open_services
from roaming.hub.deliver import Deliverer
from roaming.hub.fan_out import FanOut
from roaming.model.identifiers import PartyId
from roaming.model.party import InterfaceRole, Role
from roaming.model.version import Version
from roaming.modules.locations import repository as locations
from roaming.modules.locations.service import LOCATION_CODECS
from roaming.ocpi.codec import dump_json
from roaming.ocpi.module import Outgoing, Services
from roaming.ocpi.outgoing import tell
from roaming.partners import registry
from roaming.partners.directory import Endpoint, PartyRole
from roaming.settings import Settings
from roaming.store.locks import locks_of
from tests.bench.data import CPO, location
from tests.bench.facts import Door, open_door
from tests.bench.load import percentile

FIRST = 8000
"""Locations that nothing else changes."""


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """What a run of pushes came to. Processor time is of this process, the doors' included."""

    per_second: float
    cpu_ms: float


class HangingDoor(Door):
    """Accepts everything and never answers."""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            pass
        writer.close()


async def connect(services: Services, number: int, url: str) -> None:
    """One more partner with an eMSP, called ``N<number>``."""
    party = PartyId("FR", f"N{number:02d}")
    async with services.database.work() as work:
        await registry.add_partner(work, id=str(party), name=str(party))
    directory = await services.directory.current()
    async with services.database.work() as work:
        await registry.connect_partner(
            work,
            directory,
            directory.partners[str(party)],
            version="2.2.1",
            versions_url=f"{url}/versions",
            endpoints=[Endpoint(module="locations", role=InterfaceRole.RECEIVER, url=f"{url}/locations")],
            roles=[PartyRole(party=party, role=Role.EMSP, name="eMSP")],
            sealed_token=services.secrets.seal("their-token", partner_id=str(party)),
        )


def _changed(number: int) -> Outgoing:
    return Outgoing(module="locations", object_key=locations.key_of(CPO, _id(number)), owner=CPO)


def _id(number: int) -> str:
    return f"LOC-{FIRST + number:06d}"


@asynccontextmanager
async def _delivering(services: Services) -> AsyncIterator[None]:
    locks = locks_of(services.database)
    tasks = [
        asyncio.create_task(FanOut(services, services.modules, locks).run()),
        asyncio.create_task(Deliverer(services, services.modules, locks).run()),
        asyncio.create_task(services.journal.run()),
    ]
    spare_collector()  # as every process of the service does
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await locks.close()


async def _arrived(door: Door, amount: int, seconds: float = 60.0) -> None:
    end = time.perf_counter() + seconds
    while len(door.came) < amount and time.perf_counter() < end:
        await asyncio.sleep(0.01)


async def push(settings: Settings, door: Door, *, pushes: int) -> tuple[Pushed, Pushed]:
    """Whole locations to the one partner from outgoing rows to recorded deliveries; and a bare ``httpx`` client that
    sends the same bodies to the same door, as many at once."""
    door.came.clear()
    async with open_services(settings) as services:
        async with services.database.work() as work:
            await tell(work, [_changed(number) for number in range(pushes)])
        began, cpu = time.perf_counter(), time.process_time()
        async with _delivering(services):
            await _arrived(door, pushes)
            took, spent = time.perf_counter() - began, time.process_time() - cpu
        came = len(door.came)
    bare = await _bare(door, pushes)
    return Pushed(per_second=came / took, cpu_ms=spent / max(came, 1) * 1000), bare


async def _bare(door: Door, pushes: int) -> Pushed:
    body = dump_json(LOCATION_CODECS[Version.V2_2_1].encode(location(FIRST)).body)
    headers = {f"OCPI-{name}": "x" * 8 for name in ("to-party-id", "to-country-code", "from-party-id", "from-country")}
    numbers = iter(range(pushes))
    async with httpx.AsyncClient(headers=headers, trust_env=False) as client:

        async def work() -> None:
            for number in numbers:
                await client.put(f"{door.url}/locations/NL/BEN/{number}", content=body)

        began, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(work() for _ in range(8)))
        took, spent = time.perf_counter() - began, time.process_time() - cpu
    return Pushed(per_second=pushes / took, cpu_ms=spent / pushes * 1000)


class Crowd:
    """A hub of its own with ``partners`` partners, and one more that hangs if ``has_hanging``; what their doors saw."""

    def __init__(self, settings: Settings, partners: int, *, has_hanging: bool) -> None:
        self._settings = settings
        self._partners = partners
        self._has_hanging = has_hanging
        self._doors: list[Door] = []
        self._told: dict[str, float] = {}

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["Crowd"]:
        async with AsyncExitStack() as stack:
            self._services = await stack.enter_async_context(open_services(self._settings))
            for number in range(self._partners):
                self._doors.append(await stack.enter_async_context(open_door()))
                await connect(self._services, number, self._doors[-1].url)
            if self._has_hanging:
                hanging = HangingDoor()
                await hanging.open()
                stack.callback(hanging.close)
                await connect(self._services, self._partners, hanging.url)
            yield self

    async def hear(self, numbers: range, rate: float) -> None:
        """Tells of one location after the other, so many a second; the first one makes connections and is not
        counted."""
        async with _delivering(self._services):
            await self._change(numbers[0])
            await self._all_came(numbers[0])
            start = time.perf_counter()
            for turn, number in enumerate(numbers[1:]):
                await asyncio.sleep(max(0.0, start + turn / rate - time.perf_counter()))
                self._told[_id(number)] = time.perf_counter()
                await self._change(number)
            await self._all_came(numbers[-1])

    async def _change(self, number: int) -> None:
        async with self._services.database.work() as work:
            await tell(work, [_changed(number)])

    async def _all_came(self, number: int, seconds: float = 20.0) -> None:
        end = time.perf_counter() + seconds
        while any(_id(number) not in door.came for door in self._doors) and time.perf_counter() < end:
            await asyncio.sleep(0.01)

    def heard(self) -> "Heard":
        waits = [
            (door.came[name] - at) * 1000
            for door in self._doors
            for name, at in self._told.items()
            if name in door.came
        ]
        missing = len(self._told) * len(self._doors) - len(waits)
        return Heard(p50=percentile(waits, 50), p99=percentile(waits, 99), missing=missing)


@dataclass(frozen=True, kw_only=True)
class Heard:
    """From a change to the doors of partners, in ms, and how many of them never heard of it."""

    p50: float
    p99: float
    missing: int


async def neighbours(without: Crowd, beside: Crowd, *, rate: float, changes: int, turns: int) -> tuple[Heard, Heard]:
    """One hub without and one with a partner that hangs, in turns: what the machine does meanwhile befalls both."""
    async with without.opened(), beside.opened():
        for turn in range(turns):
            first = turn * (changes + 1)
            for crowd in (without, beside):
                await crowd.hear(range(first, first + changes + 1), rate)
        return without.heard(), beside.heard()
