"""From a batch off the bus to one transaction of a projection.

Inbox row, changed objects and outgoing rows are one commit; the bus is acknowledged afterwards. A message that cannot
be handled goes among the dead letters; when those of too many subjects in a row do, the reader stops, since then the
deployment is broken and not the message. One subject alone, a station or a partner, stops nobody.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from contracts.bus.port import Subscription
from contracts.envelope import Envelope, MalformedEnvelope, UnknownMessage
from contracts.messages import Message
from contracts.topics import Topic
from roaming.store.database import Database, Work
from roaming.store.errors import StoreUnavailable
from roaming.store.inbox import bury, bury_raw, claim_new

logger = structlog.get_logger(__name__)

MAX_DEAD_IN_A_ROW = 25
"""Subjects whose messages died since the last one that could be handled."""


@dataclass(frozen=True)
class Received:
    """One message for the first time."""

    envelope: Envelope
    message: Message


Handle = Callable[[Work, Sequence[Received]], Awaitable[None]]
"""Turns messages into changes inside ``work``; never commits. Raises for a message it cannot handle."""


@dataclass(frozen=True, kw_only=True)
class Projection:
    """What turns facts into canonical objects: its consumer name, what it reads, and its one function."""

    consumer: str
    topics: tuple[Topic, ...]
    messages: tuple[type[Message], ...]
    handle: Handle
    max_batch: int = 500


class TooManyDeadLetters(RuntimeError):
    """The reader has stopped; look at the dead letters (``roaming dead-letter list``) and mend the cause."""


class Consumer:
    """Runs one projection over what the bus hands it."""

    def __init__(self, database: Database, projection: Projection) -> None:
        self._database = database
        self._projection = projection
        self._wanted = {cls.__name__ for cls in projection.messages}
        self._dead_in_a_row: set[str] = set()
        """Subjects."""

    @property
    def name(self) -> str:
        """Of the projection's consumer."""
        return self._projection.consumer

    @property
    def is_stopped(self) -> bool:
        """Whether it handles nothing any more: the dead letters say why; mend it and start the process again."""
        return len(self._dead_in_a_row) >= MAX_DEAD_IN_A_ROW

    def subscription(self) -> Subscription:
        """How the bus should feed it."""
        return Subscription(
            group=f"service.{self._projection.consumer}",
            topics=self._projection.topics,
            handler=self.handle,
            max_batch=self._projection.max_batch,
            on_malformed=partial(keep_malformed, self._database),
        )

    async def handle(self, envelopes: Sequence[Envelope]) -> None:
        """Handles and commits a batch. Raises when the database is away (the bus offers the batch again) and, from
        then on, when messages of ``MAX_DEAD_IN_A_ROW`` subjects in a row were dead."""
        wanted = [envelope for envelope in envelopes if envelope.type in self._wanted]
        if wanted:
            await self._handle(wanted)

    async def _handle(self, envelopes: Sequence[Envelope]) -> None:
        """Together if they can be; otherwise the halves, first half first, until the bad message stands alone."""
        if self.is_stopped:
            raise TooManyDeadLetters(self._projection.consumer)
        try:
            await self._handle_together(envelopes)
        except StoreUnavailable:
            raise
        except Exception as error:
            if len(envelopes) == 1:
                await self._bury(envelopes[0], error)
                return
            logger.warning(
                "batch_is_split", consumer=self._projection.consumer, size=len(envelopes), reason=repr(error)
            )
            middle = len(envelopes) // 2
            await self._handle(envelopes[:middle])
            await self._handle(envelopes[middle:])
        else:
            self._dead_in_a_row.clear()

    async def _handle_together(self, envelopes: Sequence[Envelope]) -> None:
        async with self._database.work() as work:
            received: list[Received] = []
            for envelope in await claim_new(work.connection, self._projection.consumer, envelopes, work.now):
                try:
                    received.append(Received(envelope, envelope.message()))
                except UnknownMessage as error:
                    logger.warning("message_from_the_future", type=str(error), message_id=envelope.id)
            if received:
                await self._projection.handle(work, received)

    async def _bury(self, envelope: Envelope, error: Exception) -> None:
        consumer = self._projection.consumer
        if not isinstance(error, MalformedEnvelope):
            logger.error("message_is_dead", consumer=consumer, message_id=envelope.id, exc_info=error)
        async with self._database.work() as work:
            if not await claim_new(work.connection, consumer, [envelope], work.now):
                return  # another process has handled it meanwhile
            await bury(work.connection, consumer, envelope, reason_of(error), work.now)
        self._dead_in_a_row.add(envelope.subject)
        if self.is_stopped:
            raise TooManyDeadLetters(consumer) from error


async def keep_malformed(database: Database, topic: Topic, raw: bytes, error: MalformedEnvelope) -> None:
    """What a ``Subscription`` does with a record that is no envelope: it lies among the dead letters, and the reader
    goes on. Raises ``StoreUnavailable`` (the bus offers it again)."""
    async with database.work() as work:
        await bury_raw(work.connection, topic.name, raw, reason_of(error), work.now)


def reason_of(error: Exception) -> str:
    """What people read beside a dead letter."""
    return f"{type(error).__name__}: {error}"
