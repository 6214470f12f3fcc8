"""Waiting for what the running hub, another process than this, brings."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from roaming.cli.output import Tell

LOOK_SECONDS = 0.25
TELL_SECONDS = 5.0

Found = TypeVar("Found")


def now_and_then(tell: Tell) -> Tell:
    """``tell``, but for what comes sooner than ``TELL_SECONDS`` after the last line."""
    told_at = time.monotonic()

    def maybe(line: str) -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= TELL_SECONDS:
            told_at = time.monotonic()
            tell(line)

    return maybe


async def wait_until(
    look: Callable[[], Awaitable[Found]],
    is_over: Callable[[Found], bool],
    seconds: float,
    *,
    tell: Tell = lambda _: None,
    say: Callable[[Found], str] = lambda _: "waiting",
) -> Found:
    """What ``look`` finds once ``is_over``, or after ``seconds``. What ``say`` makes of it is told now and then."""
    began = told_at = time.monotonic()
    while True:
        found = await look()
        now = time.monotonic()
        if is_over(found) or now - began >= seconds:
            return found
        if now - told_at >= TELL_SECONDS:
            tell(f"{say(found)}, {now - began:.0f} of {seconds:g} s")
            told_at = now
        await asyncio.sleep(LOOK_SECONDS)
