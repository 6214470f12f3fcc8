"""When a simulated station is on the line, and when it is not. Knows the time, and no frames."""

import asyncio
import random


class Presence:
    """One station's; this one is there for as long as the hub lets it."""

    boots_once = False
    """Comes again without introducing itself."""

    async def until_back(self) -> None:
        """Until it may dial."""

    async def until_gone(self) -> None:
        """Until it drops its connection by itself."""
        await asyncio.Event().wait()

    async def until_hung(self) -> None:
        """Until it hangs: it neither says nor reads anything any more, and its connection stays."""
        await asyncio.Event().wait()

    def was_answered(self, action: str) -> None:
        """The hub has answered this about a charge."""


class Storm(Presence):
    """Goes every so many seconds, all stations at the same moment, and comes again at once."""

    def __init__(self, seconds: float, *, boots_once: bool = False) -> None:
        self._seconds = seconds
        self.boots_once = boots_once

    async def until_gone(self) -> None:
        """See ``Presence``; so are the others."""
        await asyncio.sleep(self._seconds - asyncio.get_running_loop().time() % self._seconds)


class Away(Presence):
    """Is there for some hours, and away for some; what it did meanwhile it tells later."""

    def __init__(self, hours: tuple[float, float], *, speed: float, chance: random.Random) -> None:
        """``hours`` of simulated time: the shortest and the longest."""
        self._hours = hours
        self._speed = speed
        self._chance = chance
        self._back_at = 0.0

    async def until_back(self) -> None:
        await asyncio.sleep(max(0.0, self._back_at - asyncio.get_running_loop().time()))

    async def until_gone(self) -> None:
        await asyncio.sleep(self._some_hours())
        self._back_at = asyncio.get_running_loop().time() + self._some_hours()

    def _some_hours(self) -> float:
        """In seconds of ours."""
        return self._chance.uniform(*self._hours) * 3600 / self._speed


class Hanging(Presence):
    """Hangs once it has told a meter value of its first charge, for good."""

    def __init__(self) -> None:
        self._is_hung = asyncio.Event()

    async def until_hung(self) -> None:
        await self._is_hung.wait()

    def was_answered(self, action: str) -> None:
        if action == "MeterValues":
            self._is_hung.set()
