"""A charge whose station began another one on the connector and never told the end of the first."""

from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from itertools import permutations
from pathlib import Path

import pytest

from contracts.messages import Message
from roaming.modules.cdrs.projection import END_ASSUMED
from roaming.modules.sessions.projection import Sessions
from roaming.store.consume import Received
from tests.kit.hub_in_process import HubInProcess
from tests.kit.speaking import envelope_of
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

FORGOTTEN = (started("1", 0), metered("1", 30, 4000), started("2", 60, wh=5000))


@pytest.fixture
async def hub(database_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with hub_with_station(database_url, tmp_path) as running:
        yield running


@pytest.mark.parametrize("facts", list(permutations(FORGOTTEN))[::2])
async def test_it_is_closed_with_its_last_reading(hub: HubInProcess, facts: Sequence[Message]) -> None:
    for fact in facts:
        await tell(hub, fact)
    assert await states(hub) == {"1": "ENDING", "2": "OPEN"}
    await let_pass(hub)
    assert await states(hub) == {"1": "CLOSED", "2": "OPEN"}
    [cdr] = await billed(hub)
    assert (cdr.total_energy, cdr.end_date_time) == (Decimal(3), after(30))
    assert cdr.remark is not None
    assert "the station never told the end" in cdr.remark


async def test_one_batch_tells_all(hub: HubInProcess) -> None:
    await tell(hub, *FORGOTTEN)
    assert await states(hub) == {"1": "ENDING", "2": "OPEN"}


async def test_its_station_is_waited_for_and_believed(hub: HubInProcess) -> None:
    await tell(hub, *FORGOTTEN)
    assert await Sessions(hub.services).close_due() == 0
    await tell(hub, ended("1", 55, 4800))
    await let_pass(hub)
    [cdr] = await billed(hub)
    assert (cdr.total_energy, cdr.end_date_time) == (Decimal("3.8"), after(55))
    assert END_ASSUMED not in (cdr.remark or "")


async def test_an_end_told_after_the_cdr_doubles_nothing(hub: HubInProcess) -> None:
    await tell(hub, *FORGOTTEN)
    await let_pass(hub)
    [cdr] = await billed(hub)
    await tell(hub, ended("1", 55, 4800))
    await let_pass(hub)
    assert await states(hub) == {"1": "CLOSED", "2": "OPEN"}
    assert await billed(hub) == [cdr]


async def test_without_a_reading_nothing_is_billed(hub: HubInProcess) -> None:
    await tell(hub, started("1", 0), started("2", 60, wh=5000))
    await let_pass(hub)
    [cdr] = await billed(hub)
    assert (cdr.total_energy, cdr.end_date_time) == (Decimal(0), after(0))


async def test_one_that_went_on_elsewhere_is_left_alone(hub: HubInProcess) -> None:
    """Told late, and over: it does not end what began after it."""
    await tell(hub, started("2", 60, wh=5000))
    await tell(hub, started("1", 0), ended("1", 50, 4500))
    await let_pass(hub)
    assert await states(hub) == {"1": "CLOSED", "2": "OPEN"}
    [cdr] = await billed(hub)
    assert cdr.total_energy == Decimal("3.5")


@pytest.mark.parametrize("began", [-55, -6_000_000], ids=["an hour", "eleven years"])
@pytest.mark.parametrize("wh", [5000, 1000], ids=["a meter that goes on", "a meter of each charge"])
async def test_a_clock_set_back_ends_what_it_finds(hub: HubInProcess, began: float, wh: int) -> None:
    """The end of the first is lost, the station is started again, and its clock is behind from then on."""
    await tell(hub, started("1", 0), metered("1", 30, 4000))
    await tell(hub, started("2", began, wh=wh))
    assert await states(hub) == {"1": "ENDING", "2": "OPEN"}
    await let_pass(hub)
    await tell(hub, metered("2", began + 60, wh + 3000), ended("2", began + 120, wh + 6000))
    await let_pass(hub)
    assert await states(hub) == {"1": "CLOSED", "2": "CLOSED"}
    second, first = await billed(hub)
    assert (first.total_energy, first.end_date_time) == (Decimal(3), after(30))
    assert (second.total_energy, second.end_date_time) == (Decimal(6), after(began + 120))


@pytest.mark.parametrize("began", [5, 29, 30])
async def test_a_clock_set_back_by_less_than_the_charge_loses_no_reading(hub: HubInProcess, began: float) -> None:
    """The next charge is dated amid the readings of the first; its register says whose they are. What is read at that
    register or above under the first one's name is not the first one's."""
    await tell(hub, started("1", 0), metered("1", 15, 3000), metered("1", 30, 4000))
    await tell(hub, started("2", began, wh=5000))
    await tell(hub, metered("1", began + 40, 5000), metered("1", began + 50, 6000), metered("1", began + 55, 900))
    await let_pass(hub)
    [cdr] = await billed(hub)
    assert (cdr.total_energy, cdr.end_date_time) == (Decimal(3), after(30))
    assert END_ASSUMED in (cdr.remark or "")


async def test_two_clocks_in_whatever_order_they_are_read(hub: HubInProcess) -> None:
    """Two adapters heard them: what counts is when they did, not whose bus was faster."""
    first, second = started("1", 0), started("2", -55, wh=5000)
    heard_first, heard_last = envelope_of(first), envelope_of(second)
    assert heard_first.recorded_at < heard_last.recorded_at
    async with hub.services.database.work() as work:
        await Sessions(hub.services).handle(work, [Received(heard_last, second), Received(heard_first, first)])
    assert await states(hub) == {"1": "ENDING", "2": "OPEN"}


async def test_what_was_queued_and_told_last_keeps_its_time(hub: HubInProcess) -> None:
    """The meter had counted less then, so the clock is right."""
    await tell(hub, started("2", 60, wh=5000))
    await tell(hub, started("1", 0))
    assert await states(hub) == {"1": "ENDING", "2": "OPEN"}
