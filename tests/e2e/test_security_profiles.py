"""Stations that are not ours come with security profiles 1, 2 and 3 in OCPP 1.6, 2.0.1 and 2.1, all at one hub: an
operator updates and resets each of them, each charges to a CDR at a partner, and those of one client of each version
are configured, started and stopped too."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from roaming.operations.authority import Authority, create_authority
from tests.e2e.fleets import set_up
from tests.e2e.hub import Hub
from tests.e2e.outside import package_station
from tests.e2e.outside.package_upkeep import HEARTBEAT, Memory
from tests.e2e.outside.rpc_station import ENERGY_KWH, RpcStation
from tests.e2e.partner import ADA, Partner
from tests.e2e.test_outside import PASSWORD, check_story
from tests.kit.certificates import make_certificate, make_signing_request, write_key
from tests.kit.server_process import free_port
from tests.kit.wait import until

PATIENCE = 60.0
OPERATOR = "anna"
FIRMWARE = "4.2.1"

pytestmark = [pytest.mark.outside, pytest.mark.slow, pytest.mark.timeout(240)]


@dataclass(frozen=True)
class Case:
    """One station."""

    version: str
    profile: int
    is_rpc: bool
    """On ocpp-rpc, where it charges by itself once it was commanded; else on the ocpp package."""

    @property
    def id(self) -> str:
        return f"{'RPC' if self.is_rpc else 'PKG'}-{self.version[4:]}-{self.profile}"


CASES = [
    Case(version, profile, is_rpc=(row + profile) % 2 == 0)
    for row, version in enumerate(("ocpp1.6", "ocpp2.0.1", "ocpp2.1"))
    for profile in (1, 2, 3)
]
ALL = [case.id for case in CASES]
PACKAGE = [case.id for case in CASES if not case.is_rpc]
RPC = [case.id for case in CASES if case.is_rpc]


class Secured:
    """A hub with TLS beside clear text, and what its stations are set up with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        certificate, key = create_authority(folder / "authority", "Hub Charging", now=datetime.now(UTC))
        self._authority = Authority(certificate=str(certificate), key=str(key))
        self._tls_port = free_port()
        self.server, server_key = make_certificate(folder, "server")
        tls = {
            "tls_certificate": str(self.server),
            "tls_key": str(server_key),
            "tls_port": self._tls_port,
            "tls_client_authorities": str(certificate),
        }
        self.hub = Hub("embedded", folder, settings={"ROAMING_OCPP": json.dumps(tls)})

    def url(self, case: Case) -> str:
        return self.hub.ocpp_url() if case.profile == 1 else f"wss://127.0.0.1:{self._tls_port}"

    def issue(self, station_id: str) -> tuple[Path, Path]:
        """A certificate as the hub's own authority makes it, and its key."""
        request, key = make_signing_request(station_id)
        path = self.folder / f"{station_id}.pem"
        path.write_text(self._authority.sign(request, station_id=station_id, now=datetime.now(UTC)))
        return path, write_key(self.folder / f"{station_id}.key", key)


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[Secured]:
    made = Secured(tmp_path)
    try:
        made.hub.start()
        yield made
    finally:
        made.hub.stop()


class Operator:
    """Speaks to the hub's HTTP interface."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def get(self, path: str, **query: Any) -> Any:
        return (await self._client.get(path, params=query)).raise_for_status().json()

    async def post(self, path: str, **how: Any) -> Any:
        return (await self._client.post(path, **how)).raise_for_status().json()

    async def ask(self, stations: Sequence[str], kind: str, **order: Any) -> dict[str, Any]:
        """All of them at once; what they told, once each has accepted."""
        body = {"stations": list(stations), "kind": kind, "seconds": PATIENCE, **order}
        batch = (await self.post("/api/operations", json=body))["batch"]
        rows: list[dict[str, Any]] = []

        async def are_over() -> bool:
            rows[:] = (await self.get("/api/operations", batch=batch))["operations"]
            return all(row["outcome"] for row in rows)

        await until(are_over, seconds=2 * PATIENCE, every=0.1)
        outcomes = {row["station_id"]: row["outcome"] for row in rows}
        assert outcomes == dict.fromkeys(stations, "ACCEPTED"), (kind, rows)
        return {row["station_id"]: row["told"] for row in rows}

    async def stations(self) -> dict[str, dict[str, Any]]:
        return {row["station"]: row for row in (await self.get("/api/stations"))["stations"]}

    async def show(self, station_id: str) -> dict[str, Any]:
        shown: dict[str, Any] = await self.get(f"/api/stations/{station_id}")
        return shown


@dataclass
class Outside:
    """The stations as they run."""

    rpc: dict[str, RpcStation] = field(default_factory=dict)
    package: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    memories: dict[str, Memory] = field(default_factory=dict)

    def check(self) -> None:
        """None has broken off."""
        for task in self.package.values():
            if task.done():
                task.result()
        failed = {id: station.said for id, station in self.rpc.items() if station.words("failed")}
        assert not failed, failed


@asynccontextmanager
async def stations_of(secured: Secured) -> AsyncIterator[Outside]:
    """All of them, each with what its profile needs."""
    outside = Outside()
    async with AsyncExitStack() as stack:
        for case in CASES:
            password = "" if case.profile == 3 else PASSWORD
            if case.is_rpc:
                environment = {"WAITS_FOR_COMMAND": "yes", "NODE_EXTRA_CA_CERTS": str(secured.server)}
                if case.profile == 3:
                    certificate, key = secured.issue(case.id)
                    environment |= {"STATION_CERTIFICATE": str(certificate), "STATION_KEY": str(key)}
                station = RpcStation(
                    secured.url(case),
                    case.id,
                    password=password,
                    token_uid=ADA,
                    version=case.version,
                    environment=environment,
                )
                outside.rpc[case.id] = await stack.enter_async_context(station)
                continue
            trust = ssl.create_default_context(cafile=str(secured.server)) if case.profile > 1 else None
            if trust is not None and case.profile == 3:
                trust.load_cert_chain(*secured.issue(case.id))
            memory = outside.memories[case.id] = Memory()
            running = package_station.run(
                secured.url(case),
                case.id,
                password=password,
                version=case.version,
                is_ready=asyncio.Event(),
                trust=trust,
                memory=memory,
            )
            task = outside.package[case.id] = asyncio.create_task(running)
            stack.callback(task.cancel)
        yield outside


async def test_each_profile_in_each_version(secured: Secured) -> None:
    hub = secured.hub
    async with Partner() as partner:
        token = await set_up(hub, partner, ALL, operator=OPERATOR)
        await partner.emsp.push_tokens()
        headers = {"Authorization": f"Bearer {token}"}
        client = httpx.AsyncClient(base_url=hub.url, headers=headers, trust_env=False, timeout=PATIENCE)
        async with client, stations_of(secured) as outside:
            operator = Operator(client)
            await check_online(operator, outside)
            file = await operator.post("/api/firmware", content=f"{FIRMWARE}\n".encode() + bytes(100_000))
            await update(operator, outside, RPC, f"hub:{file['id']}")
            # Those on ocpp-rpc charge from here on
            await operator.ask(ALL, "TRIGGER", what="HEARTBEAT")
            await configure(operator, outside)
            await charge(operator, outside)
            await update(operator, outside, PACKAGE, f"hub:{file['id']}")
            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(*outside.package.values())
            await until(lambda: all(station.has_ended_well for station in outside.rpc.values()), seconds=PATIENCE)
            for station in outside.rpc.values():
                check_story(station)
        await until(lambda: len(partner.cdrs) == len(CASES), seconds=PATIENCE)
        charged = {cdr["cdr_location"]["evse_uid"]: Decimal(str(cdr["total_energy"])) for cdr in partner.cdrs}
        assert charged == dict.fromkeys(ALL, Decimal(ENERGY_KWH))


async def check_online(operator: Operator, outside: Outside) -> None:
    """Each has come, in its version and with its profile."""
    rows: dict[str, dict[str, Any]] = {}

    async def have_booted() -> bool:
        outside.check()
        rows.update(await operator.stations())
        return all(rows[id]["online"] and rows[id]["booted_at"] for id in ALL)

    await until(have_booted, seconds=PATIENCE, every=0.2)
    said = {id: (rows[id]["protocol"], rows[id]["security_profile"]) for id in ALL}
    assert said == {case.id: (case.version, case.profile) for case in CASES}


async def configure(operator: Operator, outside: Outside) -> None:
    """A setting is changed, and read again."""
    await operator.ask(PACKAGE, "SET_CONFIGURATION", entries=[{"key": HEARTBEAT, "value": "123"}])
    assert {id: memory.settings[HEARTBEAT] for id, memory in outside.memories.items()} == dict.fromkeys(PACKAGE, "123")
    told = await operator.ask(PACKAGE, "GET_CONFIGURATION", keys=[HEARTBEAT])
    read = {id: [(value["key"].split(".")[-1], value["value"]) for value in told[id]["values"]] for id in PACKAGE}
    assert read == {id: [(HEARTBEAT, "123")] for id in PACKAGE}


async def charge(operator: Operator, outside: Outside) -> None:
    """Charges are started and stopped."""
    await operator.ask(PACKAGE, "START_CHARGING", token_uid=ADA, connector_id=1)

    async def are_charging() -> bool:
        outside.check()
        return all([(await operator.show(id))["transactions"] for id in PACKAGE])

    await until(are_charging, seconds=PATIENCE, every=0.2)
    await operator.ask(PACKAGE, "STOP_CHARGING")


async def update(operator: Operator, outside: Outside, stations: Sequence[str], url: str) -> None:
    """Firmware is fetched from the hub, and runs after a reset."""
    await operator.ask(stations, "UPDATE_FIRMWARE", url=url)

    async def have_installed() -> bool:
        outside.check()
        reports = [(await operator.show(id))["reports"] for id in stations]
        return all("INSTALLED" in {report["status"] for report in of_one} for of_one in reports)

    await until(have_installed, seconds=PATIENCE, every=0.2)
    await operator.ask(stations, "RESET")

    async def run_it() -> bool:
        outside.check()
        rows = await operator.stations()
        return all(rows[id]["firmware_version"] == FIRMWARE for id in stations)

    await until(run_it, seconds=PATIENCE, every=0.2)
