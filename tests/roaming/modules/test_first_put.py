"""Two first PUTs of one object at the same time: what the second said is not lost, whichever commits first."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from roaming.model.identifiers import PartyId
from roaming.model.version import Version
from roaming.modules.locations import service as locations
from roaming.modules.sessions import service as sessions
from roaming.modules.tariffs import service as tariffs
from roaming.modules.tokens import service as tokens
from roaming.ocpi.wire import Wire
from roaming.store.database import Database, Work
from tests.kit import ocpi_bodies
from tests.kit.hub_in_process import HOSTED_EMSP, RECEIVER, HubInProcess, hub_in_process
from tests.kit.wait import until

CPO, EMSP = PartyId("FR", "CPO"), PartyId("DE", "AAA")
EARLIER, LATER = "2026-11-23T10:00:00Z", "2026-11-23T11:00:00Z"
WIRE = Wire(version=Version.V2_2_1, received_at=datetime(2026, 11, 23, tzinfo=UTC))
Put = Callable[[Work, dict[str, Any]], Awaitable[bool]]
CASES: dict[str, tuple[str, Callable[..., dict[str, Any]], tuple[str, Any, Any], Put]] = {
    "tokens/DE/AAA/TOKEN1": (
        "aaa",
        ocpi_bodies.token,
        ("valid", True, False),
        lambda work, body: tokens.put(work, WIRE, EMSP, "TOKEN1", None, body, source="aaa"),
    ),
    "tariffs/FR/CPO/T1": (
        "cpo",
        ocpi_bodies.tariff,
        ("currency", "EUR", "SEK"),
        lambda work, body: tariffs.put(work, WIRE, CPO, "T1", body, source="cpo"),
    ),
    "locations/FR/CPO/L1": (
        "cpo",
        ocpi_bodies.location,
        ("city", "Lyon", "Paris"),
        lambda work, body: locations.put(work, WIRE, CPO, ["L1"], body, source="cpo"),
    ),
    "sessions/FR/CPO/S1": (
        "cpo",
        ocpi_bodies.session,
        ("status", "ACTIVE", "COMPLETED"),
        lambda work, body: sessions.put(work, WIRE, CPO, "S1", body, source="cpo", owners=[PartyId.parse(HOSTED_EMSP)]),
    ),
}


@pytest.fixture
async def hub(database_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with hub_in_process(database_url, tmp_path) as running:
        yield running


async def wait_until_blocked(database: Database, request: "asyncio.Task[Any]") -> None:
    """Until the request waits for the open transaction: for its row on PostgreSQL, for its turn on SQLite."""
    if database.is_sqlite:
        await until(lambda: bool(database._writer._waiters))
        return
    blocked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    while not (await database.reader.fetch(blocked))[0][0]:
        assert not request.done(), "it waited for nobody"
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("is_second_newer", [True, False])
@pytest.mark.parametrize("path", CASES)
async def test_the_second_is_applied_as_a_change(hub: HubInProcess, path: str, is_second_newer: bool) -> None:
    partner, make, (field, one, other), put = CASES[path]
    first = make(**{field: one, "last_updated": EARLIER if is_second_newer else LATER})
    second = make(**{field: other, "last_updated": LATER if is_second_newer else EARLIER})
    database = hub.services.database
    async with database.work() as work:
        assert await put(work, json.loads(json.dumps(first)))
        request = asyncio.create_task(hub.call(partner, "PUT", f"{RECEIVER}/{path}", body=second))
        await wait_until_blocked(database, request)
    assert (await request).outcome == (200, 1000)
    stored = (await hub.call(partner, "GET", f"{RECEIVER}/{path}")).data
    assert stored == (second if is_second_newer else first)


async def test_a_second_of_somebody_else_is_refused(hub: HubInProcess) -> None:
    database = hub.services.database
    async with database.work() as work:
        assert await tariffs.put(work, WIRE, CPO, "T1", json.loads(json.dumps(ocpi_bodies.tariff())), source="riv")
        request = asyncio.create_task(
            hub.call("cpo", "PUT", f"{RECEIVER}/tariffs/FR/CPO/T1", body=ocpi_bodies.tariff())
        )
        await wait_until_blocked(database, request)
    assert (await request).outcome == (200, 2001)
