"""The durable way out of the service: messages are written with the change they tell of, and published later."""

from datetime import datetime

from sqlalchemy import BigInteger, Column, Integer, Text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel

from contracts.envelope import Envelope, encode, message_id, wrap
from contracts.messages import Message
from contracts.topics import TOPIC_OF
from roaming.store.bulk import append
from roaming.store.columns import UtcDateTime

_BIG = BigInteger().with_variant(Integer(), "sqlite")


class OutboxRow(SQLModel, table=True):
    """A message that waits for the relay; deleted once it is on the bus."""

    __tablename__ = "outbox"

    id: int | None = Field(default=None, sa_column=Column(_BIG, primary_key=True, autoincrement=True))
    topic: str
    subject: str
    envelope: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class Outbox:
    """Collects the messages of one transaction."""

    def __init__(self, *, source: str, now: datetime) -> None:
        self._source = source
        self._now = now
        self._pending: list[tuple[str, Envelope]] = []

    def add(
        self,
        message: Message,
        *,
        subject: str,
        id: str | None = None,
        correlation_id: str | None = None,
        cause: str | None = None,
        occurred_at: datetime | None = None,
    ) -> str:
        """Publishes ``message`` when the transaction is committed, not before. Returns its id, which is computed from
        ``cause`` and what the message says unless given, so that a repeated handling says the same thing."""
        identity = id or message_id(type(message).__name__, subject, cause or "", repr(message))
        envelope = wrap(
            message,
            id=identity,
            subject=subject,
            sequence=int(self._now.timestamp() * 1_000_000) + len(self._pending),
            occurred_at=occurred_at or self._now,
            recorded_at=self._now,
            correlation_id=correlation_id or identity,
            cause=cause,
            source=self._source,
        )
        self._pending.append((TOPIC_OF[type(message)].name, envelope))
        return identity

    async def flush(self, connection: AsyncConnection) -> bool:
        """Writes what was added; True when there was anything."""
        if not self._pending:
            return False
        rows = [
            {
                "topic": topic,
                "subject": envelope.subject,
                "envelope": encode(envelope).decode(),
                "created_at": self._now,
            }
            for topic, envelope in self._pending
        ]
        await append(connection, OutboxRow.__table__, rows)  # type: ignore[attr-defined]
        self._pending.clear()
        return True
