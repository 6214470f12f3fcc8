"""What a station tells of a charge after it was closed: the CDR stays, and nothing is lost."""

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from contracts.messages import MeterValuesTaken
from contracts.messages.metering import MeterSample, SignedReading
from roaming.modules.sessions import applying, late
from roaming.modules.sessions.late import count_unbilled, find_late
from tests.kit.hub_in_process import HubInProcess
from tests.roaming.modules.sessions.charges import (
    NOW,
    after,
    billed,
    ended,
    hub_with_station,
    let_pass,
    metered,
    started,
    states,
    tell,
)


@pytest.fixture
async def hub(database_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with hub_with_station(database_url, tmp_path) as running:
        yield running


async def unbilled(hub: HubInProcess) -> int:
    return await count_unbilled(hub.services.database.reader, now=NOW)


async def test_values_before_the_close_count(hub: HubInProcess) -> None:
    await tell(hub, started("1", 0), metered("1", 30, 4000), started("2", 60, wh=5000))
    await tell(hub, metered("1", 45, 4500))
    await let_pass(hub)
    [cdr] = await billed(hub)
    assert (cdr.total_energy, cdr.end_date_time) == (Decimal("3.5"), after(45))
    assert await find_late(hub.services.database.reader, limit=9) == []


async def test_values_after_the_close_are_kept_and_change_nothing(hub: HubInProcess) -> None:
    await tell(hub, started("1", 0), ended("1", 60, 5000))
    await let_pass(hub)
    [cdr] = await billed(hub)
    signed = MeterSample(at=after(60), signed=(SignedReading(data="OCMF|proof"),))
    proof = MeterValuesTaken(network="main", station_id="GOOD", connector_id=1, transaction_id="1", samples=(signed,))
    await tell(hub, metered("1", 30, 3000), proof)
    assert await unbilled(hub) == 0
    await tell(hub, metered("1", 61, 5040))
    assert await unbilled(hub) == 0, "a meter counts a little after the end"
    await tell(hub, metered("1", 70, 6000), metered("1", 80, 7000))
    assert await unbilled(hub) == 1
    await let_pass(hub)
    assert await billed(hub) == [cdr]
    kept = await find_late(hub.services.database.reader, limit=9)
    assert sorted(fact.register_wh for fact in kept if fact.register_wh) == [3000, 5040, 6000, 7000]
    assert {(fact.session_key, fact.billed_wh) for fact in kept} == {(f"NL/HUB/{cdr.session_id}", 5000)}
    documents = await hub.services.database.reader.fetch("SELECT document FROM late_facts")
    assert any("OCMF|proof" in row[0] for row in documents)


async def test_an_end_after_the_hub_closed_it_is_kept(hub: HubInProcess) -> None:
    await tell(hub, started("1", 0), metered("1", 30, 4000), started("2", 60, wh=5000))
    await let_pass(hub)
    [cdr] = await billed(hub)
    await tell(hub, ended("1", 55, 4800))
    [fact] = await find_late(hub.services.database.reader, limit=9)
    assert (fact.kind, fact.register_wh, fact.billed_wh) == ("TransactionEnded", 4800, 4000)
    assert await unbilled(hub) == 1
    assert await billed(hub) == [cdr]


async def test_a_repeated_end_says_nothing_new(hub: HubInProcess) -> None:
    await tell(hub, started("1", 0), ended("1", 60, 5000))
    await let_pass(hub)
    await tell(hub, ended("1", 61, 5001))
    assert await find_late(hub.services.database.reader, limit=9) == []


async def test_a_station_that_goes_on_for_ever_is_kept_in_bounds(
    hub: HubInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applying, "MAX_LATE", 2)
    await tell(hub, started("1", 0), ended("1", 60, 5000))
    await let_pass(hub)
    for minute in range(61, 66):
        await tell(hub, metered("1", minute, 5000))
    assert len(await find_late(hub.services.database.reader, limit=9)) == 2
    [row] = await hub.services.database.reader.fetch("SELECT document FROM transactions")
    assert '"late":5' in row[0]


async def test_a_charge_that_was_given_up_stays_so(hub: HubInProcess) -> None:
    await tell(hub, started("1", 0), ended("1", 60, 5000))
    async with hub.services.database.work() as work:
        await work.connection.exec_driver_sql("UPDATE transactions SET state = 'GIVEN_UP', session_key = ''")
    await tell(hub, metered("1", 70, 9000))
    assert await states(hub) == {"1": "GIVEN_UP"}
    assert await unbilled(hub) == 0, "it is counted as given up"
    assert len(await find_late(hub.services.database.reader, limit=9)) == 1


async def test_old_ones_are_forgotten(hub: HubInProcess) -> None:
    await tell(hub, started("1", 0), ended("1", 60, 5000))
    await let_pass(hub)
    await tell(hub, metered("1", 70, 9000))
    async with hub.services.database.work() as work:
        (trimming,) = late.TRIMMINGS
        assert await trimming.remove(work.connection, work.now - timedelta(days=1), 10) == 0
        assert await trimming.remove(work.connection, work.now + timedelta(days=1), 10) == 1
    assert await find_late(hub.services.database.reader, limit=9) == []
