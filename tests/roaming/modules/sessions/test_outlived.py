"""A charge whose station began another one on the connector and never told the end of the first."""

from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from itertools import permutations
from pathlib import Path

import pytest

from contracts.messages import Message
from roaming.modules.sessions.projection import Sessions
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
    assert "never told" not in (cdr.remark or "")


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
