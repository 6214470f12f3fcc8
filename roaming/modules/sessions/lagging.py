"""How far the reading of facts is behind, and how long a charge that ends meanwhile waits for its meter values.

Knows nothing of the bus but when what it hands over was recorded. Events and meter values are topics of their own:
after an outage the few events are read long before the many meter values, and a charge that closed at once would be
priced without them, its energy spread evenly over its time.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from contracts.messages import MeterValuesTaken
from roaming.store.consume import Received

ON_TIME = timedelta(seconds=5)
"""What is read so soon after it was recorded is no sign of a backlog."""
LONGEST_WAIT = timedelta(minutes=15)
"""After it a charge closes whatever is missing; what comes then is a late fact (decision 0096)."""
LAG_KNOWN = timedelta(seconds=5)
"""A reader that works off a backlog sees meter values all the time."""


class ReadingLag:
    """Of one reader, by what it last read."""

    def __init__(self) -> None:
        self._lag = timedelta(0)
        self._read_at: datetime | None = None

    def observe(self, batch: Sequence[Received], *, now: datetime) -> None:
        """Takes note of when the meter values of a batch were recorded."""
        lags = [now - fact.envelope.recorded_at for fact in batch if isinstance(fact.message, MeterValuesTaken)]
        if lags:
            self._lag, self._read_at = max(lags), now

    def wait(self, received: Received, *, now: datetime) -> timedelta:
        """How long what this fact ends waits for meter values of before it, besides the usual grace: a backlog that
        shrinks at all has reached its time after as long as it is behind now."""
        is_known = self._read_at is not None and now - self._read_at <= LAG_KNOWN
        lag = max(now - received.envelope.recorded_at, self._lag if is_known else timedelta(0))
        return min(lag, LONGEST_WAIT) if lag > ON_TIME else timedelta(0)
