"""Waiting for something to become true, without sleeping longer than needed."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable


async def until(
    predicate: Callable[[], object | Awaitable[object]], *, seconds: float = 5.0, every: float = 0.02
) -> object:
    """Polls ``predicate`` until it is truthy and returns its value; fails the test after ``seconds``."""
    end = time.monotonic() + seconds
    while True:
        value = predicate()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not true within {seconds} s: {inspect.getsource(predicate).strip()}")
        await asyncio.sleep(every)
