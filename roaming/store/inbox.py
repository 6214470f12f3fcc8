"""What was handled, and what could not be: written in the transaction of the handling itself."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import BigInteger, Column, Integer, Text, delete
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel

from contracts.envelope import Envelope, encode
from roaming.store.bulk import insert_new
from roaming.store.columns import UtcDateTime

_BIG = BigInteger().with_variant(Integer(), "sqlite")


class InboxRow(SQLModel, table=True):
    """A consumer has handled a message: a repeat ends here."""

    __tablename__ = "inbox"

    consumer: str = Field(primary_key=True)
    message_id: str = Field(primary_key=True)
    handled_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False, index=True))


class DeadLetterRow(SQLModel, table=True):
    """A message that a consumer could not handle, kept for people: shown, mended, replayed."""

    __tablename__ = "dead_letters"

    id: int | None = Field(default=None, sa_column=Column(_BIG, primary_key=True, autoincrement=True))
    consumer: str
    message_id: str
    subject: str
    type: str
    envelope: str = Field(sa_column=Column(Text, nullable=False))
    error: str = Field(sa_column=Column(Text, nullable=False))
    at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    replayed_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))


async def claim_new(
    connection: AsyncConnection, consumer: str, envelopes: Sequence[Envelope], now: datetime
) -> list[Envelope]:
    """The envelopes that ``consumer`` sees for the first time, in their order; they count as handled when the
    transaction commits."""
    first: dict[str, Envelope] = {}
    for envelope in envelopes:
        first.setdefault(envelope.id, envelope)
    rows = [{"consumer": consumer, "message_id": id, "handled_at": now} for id in first]
    table = InboxRow.__table__  # type: ignore[attr-defined]
    new = await insert_new(connection, table, rows, key=("consumer", "message_id"))
    return [envelope for id, envelope in first.items() if (consumer, id) in new]


async def bury(connection: AsyncConnection, consumer: str, envelope: Envelope, error: str, now: datetime) -> None:
    """Puts a message among the dead letters of ``consumer``."""
    await connection.execute(
        DeadLetterRow.__table__.insert().values(  # type: ignore[attr-defined]
            consumer=consumer,
            message_id=envelope.id,
            subject=envelope.subject,
            type=envelope.type,
            envelope=encode(envelope).decode(),
            error=error[:2000],
            at=now,
        )
    )


async def prune(connection: AsyncConnection, older_than: datetime) -> None:
    """Forgets what was handled before ``older_than``; keep it longer than the bus keeps messages."""
    await connection.execute(delete(InboxRow).where(InboxRow.__table__.c.handled_at < older_than))  # type: ignore[attr-defined]
