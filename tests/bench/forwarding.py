"""A request for another partner's party: through the hub, beside a plain reverse proxy to the same far side."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from roaming.app import open_services
from roaming.model.party import InterfaceRole, Role
from roaming.ocpi.module import Services
from roaming.partners import registry
from roaming.partners.directory import Endpoint, PartyRole
from roaming.settings import Settings
from tests.bench.data import FAR, THEIR_EMSP
from tests.bench.load import Line, closed_loop, http
from tests.bench.serving import HEADERS, Limited, server
from tests.kit.server_process import ServerProcess, free_port

PATH = "/ocpi/2.2.1/sender/locations/LOC-1"


@contextlib.contextmanager
def _process(folder: Path, kind: str, *arguments: str) -> Iterator[tuple[int, int]]:
    """(port, pid)."""
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.far_side", kind, str(port), *arguments]
    process = ServerProcess(command, log=folder / f"{kind}.log")
    process.start(lambda text: "ready" in text, seconds=60)
    try:
        yield port, process.pid
    finally:
        process.stop()


async def _connect(services: Services, port: int) -> None:
    async with services.database.work() as work:
        await registry.add_partner(work, id="far", name="far")
        await registry.agree(work, cpo=FAR, emsp=THEIR_EMSP)
    directory = await services.directory.current()
    url = f"http://127.0.0.1:{port}"
    sender = f"{url}{PATH.rpartition('/')[0]}"
    async with services.database.work() as work:
        await registry.connect_partner(
            work,
            directory,
            directory.partners["far"],
            version="2.2.1",
            versions_url=f"{url}/versions",
            endpoints=[Endpoint(module="locations", role=InterfaceRole.SENDER, url=sender)],
            roles=[PartyRole(party=FAR, role=Role.CPO, name="far")],
            sealed_token=services.secrets.seal("their-token", partner_id="far"),
        )


async def forwarding(settings: Settings, folder: Path, *, seconds: float) -> Limited:
    """GET of one location of 3.5 kB, eight at once."""
    headers = {**HEADERS, "OCPI-to-country-code": FAR.country_code, "OCPI-to-party-id": FAR.party_id}
    request = http("GET", PATH, headers)
    with _process(folder, "answer") as (far, _), _process(folder, "proxy", str(far)) as (proxy, proxy_pid):
        async with open_services(settings) as services:
            await _connect(services, far)
        with server(settings.effective_database_url, folder) as (hub, hub_pid):
            line = Line(hub)
            status, through = await line.send(request)
            line.close()
            assert (status, b'"LOC-000001"' in through) == (200, True), through
            limit = await closed_loop(proxy, proxy_pid, request, seconds=seconds)
            return Limited(limit, await closed_loop(hub, hub_pid, request, seconds=seconds), len(through))
