"""A bus under the test's control: it can be away, fail now and then, or keep its publishers waiting."""

import asyncio
from collections.abc import Callable, Sequence

from contracts.bus.port import BusUnavailable, Subscription
from contracts.envelope import Envelope
from contracts.topics import Topic


class ScriptedBus:
    """Implements ``Bus``. Takes messages at once and delivers to its subscribers before ``publish`` returns."""

    def __init__(self, *, fails: Callable[[], bool] = lambda: False) -> None:
        self.published: list[tuple[str, Envelope]] = []
        """Topic and envelope, in order; those of a failed publish too, where ``is_partial``."""
        self.calls = 0
        self.is_away = False
        self.is_partial = False
        """A failing publish loses its answer, not its messages."""
        self.refuses: Callable[[Envelope], bool] = lambda envelope: False
        """Messages that it would never take (``ValueError``)."""
        self.gate = asyncio.Event()
        self.gate.set()
        self._fails = fails
        self.subscriptions: list[Subscription] = []

    async def start(self) -> None:
        return None

    async def publish(self, topic: Topic, envelopes: Sequence[Envelope]) -> None:
        self.calls += 1
        await self.gate.wait()
        if any(self.refuses(envelope) for envelope in envelopes):
            raise ValueError("too large")
        is_failing = self.is_away or self._fails()
        if not is_failing or self.is_partial:
            self.published.extend((topic.name, envelope) for envelope in envelopes)
        if is_failing:
            raise BusUnavailable("told to fail")
        for subscription in self.subscriptions:
            if topic in subscription.topics:
                await subscription.handler(envelopes)

    def subscribe(self, subscription: Subscription) -> None:
        self.subscriptions.append(subscription)

    async def lag(self) -> dict[str, int | None]:
        return {}

    def is_healthy(self) -> bool:
        return not self.is_away

    async def close(self) -> None:
        return None

    def ids(self) -> list[str]:
        """Ids of what was published, in order, repeats included."""
        return [envelope.id for _, envelope in self.published]
