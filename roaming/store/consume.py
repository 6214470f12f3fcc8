"""From a batch off the bus to one transaction of a projection.

Inbox row, changed objects and outgoing rows are one commit; the bus is acknowledged afterwards. A message that cannot
be handled goes among the dead letters; when too many in a row do, the reader stops, since then the deployment is
broken and not the message.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from contracts.bus.port import Subscription
from contracts.envelope import Envelope, MalformedEnvelope, UnknownMessage
from contracts.messages import Message
from contracts.topics import Topic
from roaming.store.database import Database, Work
from roaming.store.errors import StoreUnavailable
from roaming.store.inbox import bury, claim_new

logger = structlog.get_logger(__name__)

MAX_DEAD_IN_A_ROW = 25


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
        self._dead_in_a_row = 0

    def subscription(self) -> Subscription:
        """How the bus should feed it."""
        return Subscription(
            group=f"service.{self._projection.consumer}",
            topics=self._projection.topics,
            handler=self.handle,
            max_batch=self._projection.max_batch,
        )

    async def handle(self, envelopes: Sequence[Envelope]) -> None:
        """Handles and commits a batch. Raises when the database is away: the bus offers the batch again."""
        wanted = [envelope for envelope in envelopes if envelope.type in self._wanted]
        if not wanted:
            return
        if self._dead_in_a_row >= MAX_DEAD_IN_A_ROW:
            raise TooManyDeadLetters(self._projection.consumer)
        try:
            await self._handle_together(wanted)
            self._dead_in_a_row = 0
        except StoreUnavailable:
            raise
        except Exception:
            logger.warning("batch_failed_handling_one_by_one", consumer=self._projection.consumer, exc_info=True)
            for envelope in wanted:
                await self._handle_alone(envelope)

    async def _handle_together(self, envelopes: Sequence[Envelope]) -> None:
        async with self._database.work() as work:
            new = await claim_new(work.connection, self._projection.consumer, envelopes, work.now)
            received: list[Received] = []
            for envelope in new:
                try:
                    received.append(Received(envelope, envelope.message()))
                except UnknownMessage as error:
                    logger.warning("message_from_the_future", type=str(error))
                except MalformedEnvelope as error:
                    await bury(work.connection, self._projection.consumer, envelope, str(error), work.now)
            if received:
                await self._projection.handle(work, received)

    async def _handle_alone(self, envelope: Envelope) -> None:
        try:
            await self._handle_together([envelope])
            self._dead_in_a_row = 0
        except StoreUnavailable:
            raise
        except Exception as error:
            self._dead_in_a_row += 1
            logger.exception("message_is_dead", consumer=self._projection.consumer, message_id=envelope.id)
            async with self._database.work() as work:
                if await claim_new(work.connection, self._projection.consumer, [envelope], work.now):
                    reason = f"{type(error).__name__}: {error}"
                    await bury(work.connection, self._projection.consumer, envelope, reason, work.now)
            if self._dead_in_a_row >= MAX_DEAD_IN_A_ROW:
                raise TooManyDeadLetters(self._projection.consumer) from error
