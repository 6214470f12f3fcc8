"""Meter values that are read long after the end of their charge, as after an outage of the worker."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from contracts.messages import Message
from contracts.topics import EVENTS, METER
from roaming.modules.sessions.lagging import LAG_KNOWN, LONGEST_WAIT, ON_TIME, ReadingLag
from roaming.modules.sessions.late import count_without_readings, find_late
from roaming.modules.sessions.projection import Sessions
from roaming.store.consume import Received
from tests.kit.hub_in_process import HubInProcess
from tests.kit.speaking import envelope_of
from tests.roaming.modules.sessions.charges import (
    NOW,
    ended,
    hub_with_station,
    let_pass,
    metered,
    started,
    states,
    tell,
)

LAG = timedelta(minutes=10)


@pytest.fixture
async def hub(database_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with hub_with_station(database_url, tmp_path) as running:
        yield running


def recorded(ago: timedelta, message: Message) -> Received:
    """A fact that an adapter made durable so long before now."""
    return Received(msgspec.structs.replace(envelope_of(message), recorded_at=NOW - ago), message)


async def without_readings(hub: HubInProcess) -> int:
    return await count_without_readings(hub.services.database.reader, now=NOW)


async def read(hub: HubInProcess, sessions: Sessions, *facts: Received) -> None:
    async with hub.services.database.work() as work:
        await sessions.handle(work, facts)


async def test_an_end_that_is_read_late_waits_for_its_meter_values(hub: HubInProcess) -> None:
    sessions = Sessions(hub.services)
    await read(hub, sessions, recorded(LAG, started("1", 0)), recorded(LAG, ended("1", 60, 5000)))
    assert await sessions.close_due() == 0
    await read(hub, sessions, recorded(LAG, metered("1", 10, 4900)))
    await let_pass(hub)
    assert await states(hub) == {"1": "CLOSED"}
    assert await find_late(hub.services.database.reader, limit=9) == []


async def test_an_end_of_now_waits_while_meter_values_of_earlier_are_read(hub: HubInProcess) -> None:
    sessions = Sessions(hub.services)
    await read(hub, sessions, Received(envelope_of(started("1", 0)), started("1", 0)))
    await read(hub, sessions, recorded(LAG, metered("another", 10, 4900)))
    await read(hub, sessions, Received(envelope_of(ended("1", 60, 5000)), ended("1", 60, 5000)))
    assert await sessions.close_due() == 0
    assert (await states(hub))["1"] == "ENDING"


async def test_what_was_priced_without_its_readings_is_counted(hub: HubInProcess) -> None:
    await tell(hub, started("1", 0), ended("1", 60, 5000))
    await let_pass(hub)
    await tell(hub, metered("1", 60, 5000), metered("1", 61, 5040))
    assert await without_readings(hub) == 0, "they are of its end"
    await tell(hub, metered("1", 10, 4900), metered("1", 20, 4950))
    assert await without_readings(hub) == 1


def test_the_wait_is_as_long_as_the_reader_is_behind_and_ends() -> None:
    lag = ReadingLag()
    end = ended("1", 60, 5000)
    assert lag.wait(recorded(ON_TIME, end), now=NOW) == timedelta(0)
    assert lag.wait(recorded(LAG, end), now=NOW) == LAG
    assert lag.wait(recorded(timedelta(days=1), end), now=NOW) == LONGEST_WAIT
    lag.observe([recorded(LAG, metered("1", 10, 4900))], now=NOW)
    assert lag.wait(recorded(timedelta(0), end), now=NOW) == LAG
    later = NOW + LAG_KNOWN + timedelta(seconds=1)
    assert lag.wait(recorded(NOW - later, end), now=later) == timedelta(0), "there were no more of them"


def test_meter_values_are_kept_as_long_as_the_events_of_their_charge() -> None:
    assert METER.retention == EVENTS.retention
