"""Asking several parties the same thing at the same time."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


async def race(asked: Iterable[Coroutine[Any, Any, T]], *, is_won: Callable[[T], bool]) -> tuple[T | None, list[T]]:
    """The first answer that wins, of several at the same moment the first in order; the rest is broken off then. And
    all answers there are, in the order of asking. What one raises, this raises."""
    tasks = [asyncio.create_task(each) for each in asked]
    try:
        waiting = set(tasks)
        while waiting:
            _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            answers = [task.result() for task in tasks if task.done()]
            won = next((answer for answer in answers if is_won(answer)), None)
            if won is not None:
                return won, answers
        return None, [task.result() for task in tasks]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
