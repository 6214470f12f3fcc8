import asyncio
from pathlib import Path

import pytest

from contracts.envelope import MalformedEnvelope
from roaming import worker
from roaming.store.dead_letters import list_dead
from tests.kit.bus import ScriptedBus
from tests.kit.hub_in_process import hub_in_process
from tests.kit.wait import until


async def test_a_task_that_fails_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "RESTART_SECONDS", 0.01)
    starts: list[int] = []

    async def work() -> None:
        starts.append(len(starts))
        if len(starts) < 3:
            raise RuntimeError("nobody foresaw this")
        await asyncio.Event().wait()

    task = asyncio.create_task(worker.kept_running("closing", work))
    await until(lambda: len(starts) == 3)
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()


async def test_a_task_that_ends_is_left_alone() -> None:
    starts: list[int] = []

    async def work() -> None:
        starts.append(1)

    await worker.kept_running("once", work)
    assert starts == [1]


async def test_every_reader_keeps_what_is_no_envelope(sqlite_url: str, tmp_path: Path) -> None:
    async with hub_in_process(sqlite_url, tmp_path) as hub:
        bus = ScriptedBus()
        running = worker.Worker(hub.services, bus)
        await running.start()
        groups = {subscription.group for subscription in bus.subscriptions}
        assert {"service.sessions", "service.cdrs", "service.authorizations"} <= groups
        for subscription in bus.subscriptions:
            assert subscription.on_malformed is not None, subscription.group
            await subscription.on_malformed(subscription.topics[0], b"\xff", MalformedEnvelope("no envelope"))
        await running.stop()
        topics = {subscription.topics[0].name for subscription in bus.subscriptions}
        assert {letter.subject for letter in await list_dead(hub.services.database.reader)} == topics
