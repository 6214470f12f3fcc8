"""How fast calls to one partner may follow each other."""


class Pace:
    """So many calls a second, evenly spread; without a limit until one is set. Times are of a monotonic clock, in
    seconds."""

    def __init__(self) -> None:
        self._interval = 0.0
        self._free_at = 0.0

    def limit(self, per_second: int | None) -> None:
        """From the next call on."""
        self._interval = 1 / per_second if per_second else 0.0

    def wait(self, now: float) -> float:
        """Seconds until the next call may begin."""
        return max(0.0, self._free_at - now) if self._interval else 0.0

    def room(self, now: float, most: int) -> int:
        """How many calls may begin now, of ``most``."""
        if not self._interval:
            return most
        return min(most, 1) if self._free_at <= now else 0

    def began(self, now: float) -> None:
        """A call has begun. What was not used before is not made up for: a partner that returns is not flooded."""
        self._free_at = max(self._free_at, now) + self._interval
