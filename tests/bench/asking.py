"""A driver's card at a station: the adapter's question over the bus, the eMSP's answer, and back."""

import asyncio
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from adapters.kit.authorization import TokenAuthorizer
from adapters.kit.database import Database
from adapters.kit.tokens import TokenCache
from contracts.bus.memory import MemoryBus
from contracts.collector import spare_collector
from contracts.vocabulary import AuthorizationBasis, AuthorizationStatus
from roaming.app import open_services
from roaming.partners.drivers import Driver, touch_driver
from roaming.settings import Settings
from roaming.worker import Worker
from tests.bench.data import CPO, THEIR_EMSP
from tests.bench.facts import Door
from tests.bench.load import percentile

DRIVERS = 500


class EmspDoor(Door):
    """A partner that allows every token, too."""

    def answer_to(self, target: str) -> bytes:
        if "/authorize" not in target:
            return super().answer_to(target)
        uid = target.split("?")[0].split("/")[-2]
        token = {
            "country_code": THEIR_EMSP.country_code,
            "party_id": THEIR_EMSP.party_id,
            "uid": uid,
            "type": "RFID",
            "contract_id": f"DE-EMS-C{uid}",
            "issuer": "Bench eMSP",
            "valid": True,
            "whitelist": "NEVER",
            "last_updated": "2026-01-01T00:00:00Z",
        }
        info = {"allowed": "ALLOWED", "token": token, "authorization_reference": uid}
        return json.dumps({"status_code": 1000, "data": info, "timestamp": "2026-01-01T00:00:00Z"}).encode()


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Milliseconds from when a question was due to its answer; ``refused`` counts what the eMSP did not allow."""

    p50: float
    p95: float
    p99: float
    refused: int


async def asked_over_the_bus(settings: Settings, folder: Path, *, rate: float, seconds: float) -> Asked:
    """Every question is about a driver whose eMSP must be asked, at a station of its own. The partner of ``settings``
    is an ``EmspDoor``."""
    async with open_services(settings) as services:
        now = datetime.now(UTC)
        async with services.database.work() as work:
            for number in range(DRIVERS):
                await touch_driver(work, _driver(number, now))
        bus = MemoryBus()
        worker = Worker(services, bus)
        await worker.start()
        kept = Database(folder / "adapter.db")
        tokens = TokenCache(kept, group="bench.tokens")
        await tokens.start()
        authorizer = TokenAuthorizer(
            tokens,
            bus,
            network="main",
            instance="bench",
            now=lambda: datetime.now(UTC),
            operator_of=lambda _: str(CPO),
        )
        bus.subscribe(authorizer.subscription())
        await bus.start()
        spare_collector()  # as every process of the service does
        took: list[float] = []
        refused = 0

        async def ask(number: int, due: float) -> None:
            nonlocal refused
            uid = _uid(number % DRIVERS)
            answer = await authorizer.authorize(station_id=f"CS-{number}", connector_id=1, token_uid=uid, timeout=10.0)
            is_asked = (answer.status, answer.basis) == (AuthorizationStatus.ACCEPTED, AuthorizationBasis.REAL_TIME)
            refused += not is_asked
            took.append((time.perf_counter() - due) * 1000)

        start = time.perf_counter() + 0.2
        asking: list[asyncio.Task[None]] = []
        for number in range(int(rate * seconds)):
            due = start + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            asking.append(asyncio.create_task(ask(number, due)))
        await asyncio.gather(*asking)
        await worker.stop()
        await bus.close()
        await kept.close()
    return Asked(p50=percentile(took, 50), p95=percentile(took, 95), p99=percentile(took, 99), refused=refused)


def _uid(number: int) -> str:
    return f"A{number:013X}"


def _driver(number: int, now: datetime) -> Driver:
    return Driver(
        uid=_uid(number),
        owner=THEIR_EMSP,
        type="RFID",
        contract_id=f"DE-EMS-C{_uid(number)}",
        group_id=None,
        whitelist="NEVER",
        is_valid=True,
        source="bench",
        used_at=now,
    )
