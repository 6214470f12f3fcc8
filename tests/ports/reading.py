"""What the tests of the bus share: envelopes, topics, readers that take notes, and the part of a relay."""

import asyncio
import itertools
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from contracts.bus.port import Bus, BusUnavailable, Subscription
from contracts.envelope import Envelope, wrap
from contracts.messages import ConnectorStatusChanged
from contracts.topics import Topic
from contracts.vocabulary import ConnectorStatus

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
_sequence = itertools.count(1)


def unique(word: str) -> str:
    """A name that no other test uses."""
    return f"{word}-{uuid.uuid4().hex[:12]}"


def a_topic(*, is_compacted: bool = False, partitions: int = 4, name: str = "test") -> Topic:
    """A topic of this test alone."""
    return Topic(
        name=unique(name),
        messages=(ConnectorStatusChanged,),
        writer="the test",
        readers=("the test",),
        retention=None if is_compacted else timedelta(hours=1),
        is_compacted=is_compacted,
        partitions=partitions,
    )


def an_envelope(subject: str = "demo/CS-1", *, connector_id: int = 1, info: str | None = None) -> Envelope:
    """A connector status; ``sequence`` rises with every call."""
    sequence = next(_sequence)
    message = ConnectorStatusChanged(
        network="demo",
        station_id=subject.rpartition("/")[2],
        connector_id=connector_id,
        status=ConnectorStatus.AVAILABLE,
        info=info,
    )
    return wrap(
        message,
        id=f"{subject}#{sequence}",
        subject=subject,
        sequence=sequence,
        occurred_at=NOON,
        recorded_at=NOON,
        correlation_id="test",
        source="test",
    )


def envelopes_of(subjects: Iterable[str]) -> list[Envelope]:
    """One envelope for each subject named, in that order."""
    return [an_envelope(subject) for subject in subjects]


class Notes:
    """A handler that writes down what it was given, and how often to fail first."""

    def __init__(self, *, failures: int = 0, on_batch: Callable[[Sequence[Envelope]], object] | None = None) -> None:
        self.batches: list[list[Envelope]] = []
        """What was handled."""
        self.offered: list[list[Envelope]] = []
        """What was handed over, handled or not."""
        self.failures = failures
        self._on_batch = on_batch
        self._is_running = False

    async def __call__(self, envelopes: Sequence[Envelope]) -> None:
        assert not self._is_running, "a handler runs once at a time"
        self._is_running = True
        try:
            self.offered.append(list(envelopes))
            if self._on_batch is not None:
                answer = self._on_batch(envelopes)
                if asyncio.iscoroutine(answer):
                    await answer
            if self.failures:
                self.failures -= 1
                raise RuntimeError("this handler was told to fail")
            self.batches.append(list(envelopes))
        finally:
            self._is_running = False

    @property
    def ids(self) -> list[str]:
        """Of everything handled, in the order of first appearance."""
        return first_appearances(envelope.id for batch in self.batches for envelope in batch)

    def has(self, envelopes: Sequence[Envelope]) -> bool:
        """Were all of these handled?"""
        return {envelope.id for envelope in envelopes} <= set(self.ids)


def first_appearances(ids: Iterable[str]) -> list[str]:
    """What is left when repeats are ignored, as an inbox does."""
    return list(dict.fromkeys(ids))


def by_subject(envelopes: Iterable[Envelope]) -> dict[str, list[str]]:
    """The ids of each subject, in order, repeats ignored."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for envelope in envelopes:
        found[envelope.subject].append(envelope.id)
    return {subject: first_appearances(ids) for subject, ids in found.items()}


def handled(*notes: Notes) -> list[Envelope]:
    """Everything that was handled, reader by reader."""
    return [envelope for note in notes for batch in note.batches for envelope in batch]


def reads(
    topic: Topic | tuple[Topic, ...],
    handler: Callable[..., object],
    *,
    group: str = "",
    max_batch: int = 500,
    is_from_start: bool = True,
) -> Subscription:
    """A subscription; its group is one of its own unless named."""
    return Subscription(
        group=group or unique("group"),
        topics=topic if isinstance(topic, tuple) else (topic,),
        handler=handler,  # type: ignore[arg-type]
        max_batch=max_batch,
        is_from_start=is_from_start,
    )


async def relay(bus: Bus | Callable[[], Bus], topic: Topic, envelopes: Sequence[Envelope]) -> None:
    """What spool and outbox do: the same messages again until the bus has them."""
    while True:
        try:
            await (bus() if callable(bus) else bus).publish(topic, envelopes)
            return
        except BusUnavailable:
            await asyncio.sleep(0.02)
