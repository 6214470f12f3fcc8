"""A session that is over and has no CDR gets one, or is shown; all others are left alone."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog

from contracts.envelope import decode
from roaming.cli import doctor
from roaming.model.identifiers import PartyId
from roaming.model.location import Location
from roaming.model.session import Session
from roaming.model.version import Version
from roaming.modules.cdrs import reconciling
from roaming.modules.cdrs.reconciling import LOOK_BACK, Reconciler, find_missing
from roaming.modules.sessions import repository as sessions
from roaming.modules.sessions import service as session_service
from roaming.store.documents import object_key, read_object
from tests.kit import ocpi_bodies
from tests.kit.hub_in_process import HOSTED_CPO, SENDER, HubInProcess, hub_in_process

CPO = PartyId.parse(HOSTED_CPO)


@pytest.fixture
async def hub(database_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with hub_in_process(database_url, tmp_path) as running:
        await running.host_location("OURS")
        yield running


async def a_session(
    hub: HubInProcess, id: str, *, ago: float = 660.0, source: str = "", is_placed: bool = True, **changes: Any
) -> str:
    """A session of an eMSP partner's driver at OURS that changed for the last time so many seconds ago."""
    body = ocpi_bodies.session(
        HOSTED_CPO,
        "DE-AAA",
        id=id,
        **({"status": "COMPLETED", "location_id": "OURS", "evse_uid": "OURS-1"} | changes),
    )
    session: Session = session_service.CODECS[Version.V2_2_1].decode(json.loads(json.dumps(body))).value
    key = sessions.key_of(CPO, id)
    async with hub.services.database.work() as work:
        then = work.now - timedelta(seconds=ago)
        session = msgspec.structs.replace(session, last_updated=then, end_date_time=session.start_date_time)
        await sessions.save(work.connection, None, session, source=source, now=then)
        if is_placed:
            await place(hub, work, key)
    return key


async def place(hub: HubInProcess, work: Any, key: str) -> None:
    location = await read_object(work.connection, "locations", object_key(CPO, "OURS"), Location)
    assert location is not None
    await sessions.keep_snapshot(work.connection, key, "location", location)


async def listed(hub: HubInProcess) -> list[str]:
    answer = await hub.call("aaa", "GET", f"{SENDER}/cdrs?date_from=2020-01-01T00:00:00Z")
    return sorted(entry["session_id"] for entry in answer.data)


async def test_a_session_without_a_cdr_gets_one_and_its_owner_is_told(hub: HubInProcess) -> None:
    await a_session(hub, "LOST")
    assert await Reconciler(hub.services).look() == 1
    assert await listed(hub) == ["LOST"]
    reader = hub.services.database.reader
    assert [tuple(row) for row in await reader.fetch("SELECT module, owner FROM outgoing WHERE module = 'cdrs'")] == [
        ("cdrs", HOSTED_CPO)
    ]
    rows = await reader.fetch("SELECT envelope FROM outbox ORDER BY id")
    assert [decode(row[0].encode()).type for row in rows][-1] == "CdrIssued"
    assert await Reconciler(hub.services).look() == 0, "once"


async def test_who_needs_none_gets_none(hub: HubInProcess) -> None:
    await a_session(hub, "JUST-ENDED", ago=540.0)
    await a_session(hub, "RUNNING", status="ACTIVE")
    await a_session(hub, "OF-A-PARTNER", source="cpo")
    await hub.host_charge("DE-AAA", "BILLED")
    assert await Reconciler(hub.services).look() == 0
    assert await listed(hub) == ["BILLED"]


async def test_what_cannot_be_helped_is_told_once_and_tried_again(hub: HubInProcess) -> None:
    key = await a_session(hub, "NOWHERE", is_placed=False)
    reconciler = Reconciler(hub.services)
    with structlog.testing.capture_logs() as logs:
        assert [await reconciler.look() for _ in range(2)] == [0, 0]
    [told] = [entry for entry in logs if entry["event"] == "session_without_cdr"]
    assert told["session"] == key
    assert "location OURS" in told["reason"]
    assert set(reconciler.unhealed) == {key}
    async with hub.services.database.work() as work:
        await place(hub, work, key)
    assert await reconciler.look() == 1
    assert not reconciler.unhealed


async def test_however_many_there_are_all_are_found(hub: HubInProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciling, "PAGE", 2)
    keys = {await a_session(hub, f"S{number}", ago=660.0 + number // 2) for number in range(5)}
    now = hub.services.clock.now()
    assert set(await find_missing(hub.services.database, after=now - LOOK_BACK, until=now)) == keys


async def test_a_reconciler_that_has_looked_goes_forward(hub: HubInProcess) -> None:
    reconciler = Reconciler(hub.services)
    await reconciler.look()
    await a_session(hub, "NEXT", ago=600.0)
    assert await reconciler.look() == 1


async def test_the_doctor_names_them(hub: HubInProcess, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    key = await a_session(hub, "LOST")
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("ROAMING_SECRET", "5e" * 32)
    [finding] = [entry for entry in await doctor.examine() if entry["check"] == "sessions without a CDR"]
    assert (finding["state"], finding["detail"]) == ("fail", f"1: {key}")
    await Reconciler(hub.services).look()
    [finding] = [entry for entry in await doctor.examine() if entry["check"] == "sessions without a CDR"]
    assert (finding["state"], finding["detail"]) == ("ok", "0")
