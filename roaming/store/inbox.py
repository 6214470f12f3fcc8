"""What was handled, and what could not be: written in the transaction of the handling itself."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, delete
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel

from contracts.envelope import Envelope, encode, message_id
from roaming.store.bulk import insert_new
from roaming.store.columns import UtcDateTime, storable_text
from roaming.store.trimming import old_rows

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
    __table_args__ = (
        Index("dead_letters_of_consumer", "consumer", "at"),
        {"sqlite_autoincrement": True},  # people name them by their number
    )

    id: int | None = Field(default=None, sa_column=Column(_BIG, primary_key=True, autoincrement=True))
    consumer: str
    message_id: str
    subject: str
    type: str
    envelope: str = Field(sa_column=Column(Text, nullable=False))
    error: str = Field(sa_column=Column(Text, nullable=False))
    at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    replayed_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True, index=True))


INBOX: Table = InboxRow.__table__  # type: ignore[attr-defined]
DEAD_LETTERS: Table = DeadLetterRow.__table__  # type: ignore[attr-defined]
NOBODY = "-"
"""Consumer of dead letters that are no envelope."""
TRIMMINGS = (
    # Kept longer than any topic keeps messages, so that no repeat is ever taken for new
    old_rows("inbox", INBOX, "handled_at"),
    old_rows("dead_letter", DEAD_LETTERS, "replayed_at"),
    old_rows("dead_letter", DEAD_LETTERS, "at", DEAD_LETTERS.c.consumer == NOBODY),
)
"""Dead letters that nobody replayed wait for people, unless nobody can: what is no envelope goes."""


async def claim_new(
    connection: AsyncConnection, consumer: str, envelopes: Sequence[Envelope], now: datetime
) -> list[Envelope]:
    """The envelopes that ``consumer`` sees for the first time, in their order; they count as handled when the
    transaction commits."""
    first: dict[str, Envelope] = {}
    for envelope in envelopes:
        first.setdefault(storable_text(envelope.id), envelope)
    rows = [{"consumer": consumer, "message_id": id, "handled_at": now} for id in first]
    new = await insert_new(connection, INBOX, rows, key=("consumer", "message_id"))
    return [envelope for id, envelope in first.items() if (consumer, id) in new]


async def unclaim(connection: AsyncConnection, consumer: str, message_id: str) -> None:
    """Lets ``consumer`` handle a message once more."""
    await connection.execute(delete(INBOX).where(INBOX.c.consumer == consumer, INBOX.c.message_id == message_id))


async def bury(connection: AsyncConnection, consumer: str, envelope: Envelope, error: str, now: datetime) -> None:
    """Puts a message among the dead letters of ``consumer``."""
    await connection.execute(
        DEAD_LETTERS.insert().values(
            consumer=consumer,
            message_id=storable_text(envelope.id),
            subject=storable_text(envelope.subject),
            type=storable_text(envelope.type),
            envelope=readable(encode(envelope)),
            error=storable_text(error)[:2000],
            at=now,
        )
    )


async def bury_raw(connection: AsyncConnection, topic: str, raw: bytes, error: str, now: datetime) -> bool:
    """Puts what is no envelope among the dead letters, once however many groups met it; False when it is there.

    Nobody can replay it: its consumer is ``NOBODY``, its subject the topic it came from.
    """
    row = {"consumer": NOBODY, "message_id": message_id(topic, raw.hex()), "handled_at": now}
    if not await insert_new(connection, INBOX, [row], key=("consumer", "message_id")):
        return False
    await connection.execute(
        DEAD_LETTERS.insert().values(
            consumer=NOBODY,
            message_id=row["message_id"],
            subject=topic,
            type="",
            envelope=readable(raw),
            error=storable_text(error)[:2000],
            at=now,
        )
    )
    return True


def readable(raw: bytes) -> str:
    r"""Bytes as text that both databases keep; what is no UTF-8 is written as ``\xff``."""
    return storable_text(raw.decode("utf-8", "backslashreplace"))
