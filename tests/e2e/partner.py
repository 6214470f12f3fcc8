"""The sandbox eMSP behind a real HTTP server of the test process: it can go down and come up again on the same port."""

import asyncio
from collections.abc import Sequence
from typing import Any

import uvicorn

from roaming.cli.http import QuietServer
from roaming.model.identifiers import PartyId
from roaming.ocpi.addresses import AddressPolicy
from roaming.ocpi.client import OcpiClient
from roaming.sandbox.emsp import Delivery, Driver, SandboxEmsp, sample_drivers
from tests.kit.server_process import free_port

ADA, GRACE, MALLORY = "04A1B2C3D4", "04E5F60718", "04BADBAD01"
"""Asked about each time; on the whitelist; blocked."""


class Partner:
    """``async with`` it; ``emsp`` is the eMSP itself."""

    def __init__(self, party: str = "DE-SBX", drivers: Sequence[Driver] = (), version: str = "2.2.1") -> None:
        self._client = OcpiClient(AddressPolicy.of("127.0.0.0/8", is_http_allowed=True))
        self._port = free_port()
        owner = PartyId.parse(party)
        known = {driver.uid: driver for driver in drivers} or sample_drivers(owner)
        url = f"http://127.0.0.1:{self._port}"
        self.emsp = SandboxEmsp(url=url, party=owner, client=self._client, drivers=known, version=version)
        self._server: QuietServer | None = None
        self._serving: asyncio.Task[None] | None = None

    async def up(self) -> None:
        """Listens."""
        config = uvicorn.Config(
            self.emsp.app(),
            host="127.0.0.1",
            port=self._port,
            log_level="critical",
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=1,
        )
        self._server = QuietServer(config)
        self._serving = asyncio.create_task(self._server.serve())
        while not self._server.started:
            if self._serving.done():
                await self._serving
            await asyncio.sleep(0.01)

    async def down(self) -> None:
        """Connections are refused from now on."""
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await self._serving
            self._server = None

    async def __aenter__(self) -> "Partner":
        await self.up()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.down()
        await self._client.aclose()

    @property
    def cdrs(self) -> list[dict[str, Any]]:
        """What it holds, each CDR once."""
        return list(self.emsp.objects["cdrs"].values())

    @property
    def sessions(self) -> list[dict[str, Any]]:
        """What it holds, in the last state told."""
        return list(self.emsp.objects["sessions"].values())

    def told(self, module: str) -> list[Delivery]:
        """What was told of ``module``, in order."""
        return [delivery for delivery in self.emsp.history if delivery.module == module]

    def story(self, session_id: str) -> list[Any]:
        """The bodies told of one session, in order."""
        return [told.body for told in self.told("sessions") if told.key.endswith(f"/{session_id.upper()}")]
