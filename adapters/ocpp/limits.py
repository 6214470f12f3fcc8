"""Bounds on what anybody may do to us: a bucket of tokens, and back-off for guessing. Knows no protocol."""

import math
import random
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

SOONEST, LATEST = 15, 45
"""Seconds."""


def retry_after() -> tuple[str, str]:
    """The header that tells a station that is turned away when to come again: each another time, lest those that came
    together come together again."""
    return "Retry-After", str(random.randint(SOONEST, LATEST))  # noqa: S311


class Bucket:
    """Lets ``burst`` through at once and ``rate`` a second in the long run."""

    __slots__ = ("_at", "_burst", "_clock", "_left", "_rate")

    def __init__(self, *, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._clock = clock
        self._at = clock()

    def take(self, *, longest: float = math.inf) -> float:
        """Takes one; returns the seconds to wait before going on (0: none). Nothing is taken when that is longer
        than ``longest``."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._at) * self._rate) - 1
        self._at = now
        if self._left >= 0:
            return 0.0
        wait = -self._left / self._rate
        if wait > longest:
            self._left += 1
        return wait


class Failures:
    """Counts failures per key and says how long a key must wait. Bounded: the longest untouched keys go first."""

    _LARGEST: Final = 20_000

    def __init__(
        self,
        *,
        allowed: int,
        window: float,
        longest: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``allowed`` failures within ``window`` seconds are free; each further one doubles the wait from one second
        up to ``longest``."""
        self._allowed = allowed
        self._window = window
        self._longest = longest
        self._clock = clock
        self._counts: OrderedDict[Hashable, tuple[int, float]] = OrderedDict()

    def wait(self, key: Hashable) -> float:
        """Seconds until ``key`` may try again; 0 when it may now."""
        count, last = self._counts.get(key, (0, 0.0))
        excess = count - self._allowed
        if excess <= 0:
            return 0.0
        pause = min(self._longest, 2.0 ** min(excess - 1, 30))
        return max(0.0, last + pause - self._clock())

    def add(self, key: Hashable) -> int:
        """Notes a failure; returns how many there are now."""
        now = self._clock()
        count, last = self._counts.pop(key, (0, now))
        quiet = now - last
        count = 1 if quiet > max(self._window, self._longest) else count + 1
        self._counts[key] = (count, now)
        if len(self._counts) > self._LARGEST:
            self._counts.popitem(last=False)
        return count

    def clear(self, key: Hashable) -> None:
        """It got it right."""
        self._counts.pop(key, None)
