"""The port through which processes exchange messages.

What every body promises, held by one shared suite (``tests/ports/test_bus.py``):

- *At least once.* What ``publish`` returned for is delivered to every group, possibly twice.
- *Order per subject.* A handler sees the messages of one subject in the order they were published.
- *No gap.* When a handler raises, the same messages come again, after a pause that grows; later messages of the
  same subject wait.
- *Acknowledged after the handler returned*, never before: the handler commits its own database first.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from contracts.envelope import Envelope, MalformedEnvelope
from contracts.topics import Topic

Handler = Callable[[Sequence[Envelope]], Awaitable[None]]
"""Handles a batch and commits it. Must be idempotent per envelope id. May block for seconds, not for minutes.
Raising means "not handled": the batch is offered again."""


OnMalformed = Callable[[Topic, bytes, MalformedEnvelope], Awaitable[None]]
"""Keeps a record that is no envelope: its topic, its bytes, what is wrong with them. Called before the record is
acknowledged, and perhaps more than once. Raising means "not kept": the batch is offered again."""


class BusUnavailable(ConnectionError):
    """The bus cannot take messages now. Keep them and try again."""


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """One reader. Members of one ``group`` share the work; different groups each see everything."""

    group: str
    topics: tuple[Topic, ...]
    handler: Handler
    max_batch: int = 500
    is_from_start: bool = True
    """A group that was never here before begins at the oldest message, else at the newest."""
    on_malformed: OnMalformed | None = None
    """Without one, what is no envelope is counted, told in a line of log and passed over."""


class Bus(Protocol):
    """See the module docstring for the promises."""

    async def start(self) -> None:
        """Connects and begins to deliver to the subscriptions. Waits for the other side to appear."""

    async def publish(self, topic: Topic, envelopes: Sequence[Envelope]) -> None:
        """Returns when the messages are durable (Kafka: acks of all) or handled (in process: every group's
        handler returned). Raises ``BusUnavailable``; some of the messages may then have gone out."""

    def subscribe(self, subscription: Subscription) -> None:
        """Adds a reader; before or after ``start``. Returns at once."""

    def is_healthy(self) -> bool:
        """False when a reader has stopped reading or the other side is out of reach: readiness follows it."""

    async def lag(self) -> dict[str, int | None]:
        """How many messages each group has yet to read, of what its members here are to read; ``None``: nobody can
        tell now. Returns within seconds."""

    async def close(self) -> None:
        """Lets running handlers finish (10 s at most), acknowledges what they did, disconnects."""
