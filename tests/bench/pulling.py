"""Pulling a long list of a partner: objects a second, processor time, and how much memory it takes.

``python -m tests.bench.pulling COUNT`` is the partner: a process of its own, so that its memory is not counted.
"""

import asyncio
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from roaming.app import open_services
from roaming.hub.pulling.puller import Puller
from roaming.hub.pulling.state import Pull, all_pulls, ask
from roaming.model.identifiers import PartyId
from roaming.model.party import InterfaceRole, Role
from roaming.model.version import Version
from roaming.modules.locations.service import LOCATION_CODECS
from roaming.ocpi.codec import dump_json
from roaming.ocpi.module import Services
from roaming.partners import registry
from roaming.partners.directory import Endpoint, PartyRole
from roaming.settings import Settings
from tests.bench.data import location

LISTED = PartyId("FR", "LST")
PAGE = 100


@dataclass(frozen=True)
class Pulled:
    """One pull of the whole list."""

    per_second: float
    cpu_us: float
    """An object."""
    growth: float
    """MB of resident memory, from the tenth page to the most that was seen."""
    objects: int
    state: str


async def serve(count: int) -> None:
    """Lists ``count`` locations, each made as it is asked for, in pages of a hundred."""
    entry = msgspec.structs.replace(location(0), country_code=LISTED.country_code, party_id=LISTED.party_id, id="@@@")
    template = dump_json(LOCATION_CODECS[Version.V2_2_1].encode(entry).body)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                target = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1].decode()
                offset = int(target.partition("offset=")[2].partition("&")[0] or 0)
                items = [template.replace(b"@@@", b"LOC-%d" % n) for n in range(offset, min(offset + PAGE, count))]
                body = b'{"data":[' + b",".join(items) + b'],"status_code":1000,"timestamp":"2026-01-01T00:00:00Z"}'
                head = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), b"X-Total-Count: %d" % count]
                if offset + PAGE < count:
                    head.append(b'Link: </locations?offset=%d>; rel="next"' % (offset + PAGE))
                writer.write(b"\r\n".join(head) + b"\r\n\r\n" + body)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def pull_list(settings: Settings, *, count: int) -> tuple[Pulled, Pulled]:
    """(first, again): everything is new; everything is known."""
    command = [sys.executable, "-m", "tests.bench.pulling", str(count)]
    partner = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert partner.stdout is not None
    try:
        url = f"http://127.0.0.1:{int(await partner.stdout.readline())}/locations"
        async with open_services(settings) as opened:
            services = replace(opened, pulling=replace(opened.pulling, requests_per_second=1e6, page_size=PAGE))
            await _connect(services, url)
            first = await _pull(services)
            return first, await _pull(services)
    finally:
        partner.kill()
        await partner.wait()


async def _connect(services: Services, url: str) -> None:
    async with services.database.work() as work:
        await registry.add_partner(work, id="lister", name="A long list")
    directory = await services.directory.current()
    async with services.database.work() as work:
        await registry.connect_partner(
            work,
            directory,
            directory.partners["lister"],
            version="2.2.1",
            versions_url=url,
            endpoints=[Endpoint(module="locations", role=InterfaceRole.SENDER, url=url)],
            roles=[PartyRole(party=LISTED, role=Role.CPO, name="A long list")],
            sealed_token=services.secrets.seal("their-token", partner_id="lister"),
        )


async def _pull(services: Services) -> Pulled:
    puller = Puller(services, services.modules)
    await puller.look_at_directory()
    async with services.database.work() as work:
        await ask(work, "lister", "locations", "FULL")
    sizes: list[float] = []

    def on_page(_pull: Pull) -> None:
        sizes.append(resident_mb())

    journal = asyncio.create_task(_flushing(services))
    began, cpu = time.perf_counter(), time.process_time()
    await puller.pull_next("lister", on_page=on_page)
    took, spent = time.perf_counter() - began, time.process_time() - cpu
    journal.cancel()
    (pull,) = await all_pulls(services.database.reader, "lister")
    settled = sizes[min(10, len(sizes) - 1)]
    return Pulled(
        per_second=pull.progress.objects / took,
        cpu_us=spent / max(pull.progress.objects, 1) * 1e6,
        growth=max(sizes) - settled,
        objects=pull.progress.new + pull.progress.same,
        state=pull.state,
    )


async def _flushing(services: Services) -> None:
    while True:
        await asyncio.sleep(0.2)
        await services.journal.flush()


def resident_mb() -> float:
    """Of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
