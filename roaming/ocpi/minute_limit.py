"""How often a party may ask for what costs others something: whoever floods them is told when to go on. In this
process only; knows neither what is asked nor of whom."""

import math
import time
from collections.abc import Callable

import structlog

from roaming.ocpi.errors import LimitReached

logger = structlog.get_logger(__name__)

MINUTE = 60.0


class MinuteLimit:
    """A bucket per party of a partner that fills evenly: ``per_minute`` at once, and as many in each minute after. 0:
    no limit."""

    def __init__(self, per_minute: int, *, of: str, now: Callable[[], float] = time.monotonic) -> None:
        """``of``: what is counted, as people read it."""
        self._per_minute = per_minute
        self._of = of
        self._now = now
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}
        """What is left in each, and when that was. As many as there are parties of partners."""

    def take(self, partner_id: str, party: str) -> None:
        """One more. Raises ``LimitReached``, which says when the next one is taken."""
        if not self._per_minute:
            return
        now, key = self._now(), (partner_id, party)
        left, at = self._buckets.get(key, (float(self._per_minute), now))
        left = min(float(self._per_minute), left + (now - at) * self._per_minute / MINUTE)
        if left >= 1:
            self._buckets[key] = (left - 1, now)
            return
        if at < now - 1 or key not in self._buckets:
            logger.warning("too_many", of=self._of, partner=partner_id, party=party, per_minute=self._per_minute)
        self._buckets[key] = (left, now)
        wait = math.ceil((1 - left) * MINUTE / self._per_minute)
        raise LimitReached(
            f"more than {self._per_minute} {self._of} of {party or partner_id} in a minute: wait {wait} s",
            retry_after=wait,
        )
