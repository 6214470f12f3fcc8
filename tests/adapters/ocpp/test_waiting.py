"""Items come out in the order in which they went in, never more than so many wait, and whoever waits is woken."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from adapters.ocpp.waiting import Waiting


@given(st.integers(1, 4), st.lists(st.sampled_from(["put", "take", "turn"]), max_size=40))
def test_order_and_bound(most: int, steps: list[str]) -> None:
    async def play() -> None:
        waiting: Waiting[int] = Waiting(most)
        number, taken = 0, list[int]()
        putting: asyncio.Future[None] | None = None
        taking: asyncio.Task[None] | None = None

        async def take() -> None:
            taken.append(await waiting.take())

        for step in steps:
            if step == "put" and (putting is None or putting.done()):
                pending = waiting.put(number)
                putting = None if pending is None else asyncio.ensure_future(pending)
                number += 1
            elif step == "take" and (taking is None or taking.done()):
                taking = asyncio.create_task(take())
            else:
                for _ in range(3):
                    await asyncio.sleep(0)
            assert len(waiting) <= most
        while len(taken) < number:
            if taking is None or taking.done():
                taking = asyncio.create_task(take())
            await asyncio.sleep(0)
        assert taken == list(range(number))
        if taking is not None:
            taking.cancel()

    asyncio.run(play())


async def test_who_gave_up_loses_nothing() -> None:
    waiting: Waiting[int] = Waiting(1)
    taking = asyncio.create_task(waiting.take())
    await asyncio.sleep(0)
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)
    assert waiting.put(1) is None
    pending = waiting.put(2)
    assert pending is not None
    putting = asyncio.ensure_future(pending)
    assert await waiting.take() == 1
    assert await waiting.take() == 2
    await putting
