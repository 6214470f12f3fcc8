import asyncio

import pytest

from roaming import worker
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
