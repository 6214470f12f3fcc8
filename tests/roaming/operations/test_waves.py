"""Waves: step after step, so many at once, stopped by failures, and taken up again."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from contracts.messages import FirmwareStatusReported, OperationAnswered, OperationRequested, StationBooted
from contracts.messages.operation import Trigger
from contracts.vocabulary import FirmwareStatus, OperationOutcome, TriggeredMessage
from roaming.operations import files, waves
from roaming.operations.files import Addresses
from roaming.operations.projection import handle
from roaming.operations.waves import NoSuchWave, Plan
from roaming.stations import presence
from roaming.store.database import Database
from tests.kit.admitting import NETWORK, admitted, received
from tests.kit.outbox import waiting

ADDRESSES = Addresses(base="https://hub.example", digest=lambda text: f"keyed {text}")
NAMES = [f"CS-{number:02}" for number in range(20)]


async def wave(database: Database, *steps: list[str], **fields: Any) -> str:
    async def content() -> AsyncIterator[bytes]:
        yield b"4.2.1\n"

    file = await files.store(database, content(), kind="FIRMWARE", name="fw", largest=100)
    async with database.work() as work:
        await files.complete(work.connection, file)
        keys = [[(NETWORK, name) for name in step] for step in steps]
        return await waves.begin(work, Plan(name="w", file_id=file, who="api:anna", steps=keys, **fields))


async def asked(database: Database) -> list[str]:
    """Stations that were asked so far, in order, after one more tick."""
    await waves.tick_all(database, ADDRESSES)
    return [message.station_id for _, message in await waiting(database, OperationRequested)]


async def says(database: Database, *names: str, status: FirmwareStatus) -> None:
    batch = [
        received(FirmwareStatusReported(network=NETWORK, station_id=name, status=status, word=status.value))
        for name in names
    ]
    async with database.work() as work:
        await handle(work, batch)


async def answers(database: Database, outcome: OperationOutcome, *names: str) -> None:
    batch = [
        received(
            OperationAnswered(
                operation_id=m.operation_id, network=NETWORK, station_id=m.station_id, outcome=outcome, detail="Word"
            )
        )
        for _, m in await waiting(database, OperationRequested)
        if m.station_id in names
    ]
    async with database.work() as work:
        await handle(work, batch)


async def standing(database: Database, id: str) -> tuple[str, dict[str, int]]:
    async with database.reading() as connection:
        (found,) = await waves.progress(connection, id)
    return found["state"], {name: number for name, number in found["stations"].items() if number}


async def test_so_many_at_once_and_step_after_step(database: Database) -> None:
    await admitted(database, *NAMES[:6])
    id = await wave(database, NAMES[:3], [*NAMES[2:5]], NAMES[5:6], at_once=2)
    assert await asked(database) == NAMES[:2]
    assert await asked(database) == NAMES[:2], "nobody has ended"
    await answers(database, OperationOutcome.ACCEPTED, *NAMES[:2])
    await says(database, NAMES[0], status=FirmwareStatus.DOWNLOADING)
    assert await asked(database) == NAMES[:2]
    await says(database, NAMES[0], status=FirmwareStatus.INSTALLED)
    assert await asked(database) == NAMES[:3]
    await says(database, NAMES[1], status=FirmwareStatus.INSTALLED)
    assert await asked(database) == NAMES[:3], "the next step waits for the whole of this one"
    await says(database, NAMES[2], status=FirmwareStatus.INSTALLED)
    assert await asked(database) == NAMES[:5]
    await says(database, *NAMES[3:5], status=FirmwareStatus.INSTALLED)
    assert await asked(database) == NAMES[:6]
    await says(database, NAMES[5], status=FirmwareStatus.INSTALLED)
    await asked(database)
    assert await standing(database, id) == ("DONE", {"DONE": 6})
    urls = [m.operation.url for _, m in await waiting(database, OperationRequested)]  # type: ignore[union-attr]
    assert len(set(urls)) == 6


async def test_too_many_failures_stop_it_and_it_can_be_resumed(database: Database) -> None:
    await admitted(database, *NAMES)
    id = await wave(database, NAMES, at_once=5, most_failures=20, judged_from=5)
    await asked(database)
    await says(database, *NAMES[:2], status=FirmwareStatus.INSTALL_FAILED)
    await says(database, *NAMES[2:4], status=FirmwareStatus.INSTALLED)
    assert len(await asked(database)) == 9, "four have ended: too few to judge"
    await says(database, NAMES[4], status=FirmwareStatus.INSTALLED)
    assert len(await asked(database)) == 9
    assert await standing(database, id) == ("STOPPED", {"WAITING": 11, "ASKED": 4, "DONE": 3, "FAILED": 2})
    await says(database, *NAMES[5:9], status=FirmwareStatus.INSTALLED)
    assert len(await asked(database)) == 9, "those that were asked go on, nobody else is"
    assert (await standing(database, id))[1] == {"WAITING": 11, "DONE": 7, "FAILED": 2}
    async with database.work() as work:
        await waves.change(work, id, "RUNNING")
    assert len(await asked(database)) == 14
    await says(database, *NAMES[9:], status=FirmwareStatus.INSTALLED)
    for _ in range(4):
        await asked(database)
        await says(database, *NAMES[9:], status=FirmwareStatus.INSTALLED)
    assert await standing(database, id) == ("DONE", {"DONE": 18, "FAILED": 2})


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (OperationOutcome.REJECTED, "FAILED"),
        (OperationOutcome.TIMEOUT, "WAITING"),
        (OperationOutcome.NOT_SUPPORTED, "FAILED"),
        (OperationOutcome.ACCEPTED, "UPDATING"),
        (OperationOutcome.OFFLINE, "WAITING"),
    ],
)
async def test_what_a_station_answers_counts(database: Database, outcome: OperationOutcome, state: str) -> None:
    await admitted(database, *NAMES[:1])
    id = await wave(database, NAMES[:1], most_failures=100)
    await asked(database)
    await answers(database, outcome, *NAMES[:1])
    await asked(database)
    assert (await standing(database, id))[1] == {state: 1}


async def test_a_download_that_failed_is_tried_again_but_not_for_ever(database: Database) -> None:
    await admitted(database, *NAMES[:1])
    id = await wave(database, NAMES[:1], most_failures=100)
    for attempt in range(1, waves.MOST_ATTEMPTS + 1):
        assert await asked(database) == NAMES[:1] * attempt
        await says(database, NAMES[0], status=FirmwareStatus.DOWNLOAD_FAILED)
        assert await asked(database) == NAMES[:1] * attempt, "not at once"
        async with database.work() as work:
            earlier = waves.STATIONS.update().values(asked_at=work.now - waves.AGAIN_AFTER * attempt * 2)
            await work.connection.execute(earlier)
    assert await standing(database, id) == ("DONE", {"FAILED": 1})


async def test_a_station_that_is_away_is_asked_when_it_is_back(database: Database) -> None:
    await admitted(database, *NAMES[:2])
    await admitted(database, NAMES[0], is_connected=False, epoch=2)
    id = await wave(database, NAMES[:1], NAMES[1:2])
    assert await asked(database) == NAMES[1:2], "nobody of the first step is there"
    await says(database, NAMES[1], status=FirmwareStatus.INSTALLED)
    await asked(database)
    assert await standing(database, id) == ("RUNNING", {"WAITING": 1, "DONE": 1})
    await admitted(database, NAMES[0], epoch=3)
    assert await asked(database) == [NAMES[1], NAMES[0]]


async def test_no_word_is_a_failure_in_the_end(database: Database) -> None:
    await admitted(database, *NAMES[:1])
    id = await wave(database, NAMES[:1], most_failures=100, patience=timedelta(seconds=60))
    await asked(database)
    async with database.work() as work:
        earlier = waves.STATIONS.update().values(asked_at=work.now - timedelta(seconds=61))
        await work.connection.execute(earlier)
    await asked(database)
    assert await standing(database, id) == ("DONE", {"FAILED": 1})


async def boots(database: Database, name: str, version: str) -> None:
    booted = StationBooted(network=NETWORK, station_id=name, vendor="v", model="m", firmware_version=version)
    async with database.work() as work:
        await presence.handle(work, [received(booted)])


async def test_a_boot_with_other_firmware_is_as_good_as_its_word(database: Database) -> None:
    await admitted(database, *NAMES[:1])
    await boots(database, NAMES[0], "4.2.0")
    id = await wave(database, NAMES[:1])
    await asked(database)
    await boots(database, NAMES[0], "4.2.0")
    await asked(database)
    assert await standing(database, id) == ("RUNNING", {"ASKED": 1})
    await boots(database, NAMES[0], "4.2.1")
    await asked(database)
    assert await standing(database, id) == ("DONE", {"DONE": 1})


async def test_a_silent_station_is_asked_how_far_it_is(database: Database) -> None:
    await admitted(database, *NAMES[:1])
    await wave(database, NAMES[:1], patience=timedelta(seconds=600))
    await asked(database)
    await answers(database, OperationOutcome.ACCEPTED, *NAMES[:1])
    await asked(database)
    async with database.work() as work:
        earlier = waves.STATIONS.update().values(asked_at=work.now - timedelta(seconds=61))
        await work.connection.execute(earlier)
    assert len(await asked(database)) == 2
    assert len(await asked(database)) == 2, "not at every tick"
    (_, last) = (await waiting(database, OperationRequested))[-1]
    assert last.operation == Trigger(what=TriggeredMessage.FIRMWARE_STATUS)


async def test_a_pause_asks_nobody_and_what_is_over_stays_over(database: Database) -> None:
    await admitted(database, *NAMES[:1])
    id = await wave(database, NAMES[:1])
    async with database.work() as work:
        await waves.change(work, id, "PAUSED")
    assert await asked(database) == []
    async with database.work() as work:
        await waves.change(work, id, "RUNNING")
    await asked(database)
    await says(database, NAMES[0], status=FirmwareStatus.INSTALLED)
    await asked(database)
    for state in ("RUNNING", "PAUSED"):
        async with database.work() as work:
            with pytest.raises(NoSuchWave):
                await waves.change(work, id, state)


async def test_firmware_that_is_gone_stops_it(database: Database) -> None:
    await admitted(database, *NAMES[:1])
    id = await wave(database, NAMES[:1])
    async with database.work() as work:
        await work.connection.execute(files.FILES.delete())
    await asked(database)
    assert await standing(database, id) == ("STOPPED", {"WAITING": 1})
