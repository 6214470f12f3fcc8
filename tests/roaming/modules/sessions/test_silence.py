"""A charge that nobody hears of any more: closed by time, unless its station comes back or says otherwise."""

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from contracts.messages import TransactionUpdated
from contracts.vocabulary import ConnectorStatus
from roaming.modules.cdrs.projection import END_ASSUMED
from roaming.modules.sessions.repository import TRANSACTIONS
from roaming.modules.sessions.silence import Silence
from roaming.stations.connectors import Report, record
from roaming.stations.presence import STATIONS
from tests.kit.hub_in_process import HubInProcess
from tests.roaming.modules.sessions.charges import (
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

LAST_HEARD, NOT_THERE_SINCE = after(30), after(45)
"""Both more than an hour ago."""


@pytest.fixture
async def hub(database_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with hub_with_station(database_url, tmp_path) as running:
        running.services = replace(running.services, silent_charge_hours=1.0)
        await tell(running, started("1", 0), metered("1", 30, 4000))
        yield running


async def fall_silent(hub: HubInProcess, *, is_gone: bool = True, is_free: bool = False) -> None:
    """An hour and a half pass without a word of the charge; its station is gone, or its connector is free."""
    async with hub.services.database.work() as work:
        await work.connection.execute(TRANSACTIONS.update().values(pushed_at=LAST_HEARD))
        values = {"is_connected": not is_gone, "disconnected_at": NOT_THERE_SINCE if is_gone else None}
        await work.connection.execute(STATIONS.update().values(**values))
        status = ConnectorStatus.AVAILABLE if is_free else ConnectorStatus.CHARGING
        told = Report(network="main", station_id="GOOD", connector_id=1, status=status, at=NOT_THERE_SINCE)
        await record(work.connection, [told])


async def look(hub: HubInProcess) -> int:
    return await Silence(hub.services).close_silent()


async def test_it_is_closed_with_its_last_reading_and_flagged(hub: HubInProcess) -> None:
    assert await look(hub) == 0, "heard of just now"
    await fall_silent(hub)
    assert await look(hub) == 1
    assert await look(hub) == 0
    assert await states(hub) == {"1": "ENDING"}
    await let_pass(hub)
    assert await states(hub) == {"1": "CLOSED"}
    [cdr] = await billed(hub)
    assert (cdr.total_energy, cdr.end_date_time) == (Decimal(3), after(30))
    assert END_ASSUMED in (cdr.remark or "")


async def test_a_connector_that_has_become_free_ends_it_too(hub: HubInProcess) -> None:
    await fall_silent(hub, is_gone=False, is_free=True)
    assert await look(hub) == 1
    await let_pass(hub)
    assert await states(hub) == {"1": "CLOSED"}


@pytest.mark.parametrize(
    ("hours", "is_gone"), [(1.0, False), (0.0, True), (3.0, True)], ids=["station is there", "rule is off", "too soon"]
)
async def test_it_goes_on(hub: HubInProcess, hours: float, is_gone: bool) -> None:
    hub.services = replace(hub.services, silent_charge_hours=hours)
    await fall_silent(hub, is_gone=is_gone)
    assert await look(hub) == 0
    assert await states(hub) == {"1": "OPEN"}


async def test_its_own_end_counts_until_then(hub: HubInProcess) -> None:
    await fall_silent(hub)
    assert await look(hub) == 1
    await tell(hub, ended("1", 55, 4800))
    await let_pass(hub)
    [cdr] = await billed(hub)
    assert (cdr.total_energy, cdr.end_date_time) == (Decimal("3.8"), after(55))
    assert END_ASSUMED not in (cdr.remark or "")


async def test_a_word_of_it_takes_the_end_back(hub: HubInProcess) -> None:
    state = TransactionUpdated(
        network="main",
        station_id="GOOD",
        connector_id=1,
        transaction_id="1",
        at=after(71),
        state=ConnectorStatus.SUSPENDED_EV,
    )
    for fact in (metered("1", 70, 6000), state):
        await fall_silent(hub)
        assert await look(hub) == 1
        await tell(hub, fact)
        assert await states(hub) == {"1": "OPEN"}


async def test_a_station_that_is_back_is_waited_for(hub: HubInProcess) -> None:
    """The hub itself was away, say: stations come back within the grace."""
    await fall_silent(hub)
    assert await look(hub) == 1
    async with hub.services.database.work() as work:
        await work.connection.execute(STATIONS.update().values(is_connected=True))
    await let_pass(hub)
    assert await states(hub) == {"1": "OPEN"}
    assert await look(hub) == 0, "it has the same time again"
