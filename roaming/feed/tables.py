"""Rows of events, of who is sent them, and of how that goes. They never leave this folder."""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Text
from sqlmodel import Field, SQLModel

from roaming.store.columns import UtcDateTime

_BIG = BigInteger().with_variant(Integer(), "sqlite")


class EventRow(SQLModel, table=True):
    """Something that happened."""

    __tablename__ = "events"
    __table_args__ = (
        Index("events_by_number", "number", unique=True),
        Index("events_in_order", "created_at"),
        {"sqlite_autoincrement": True},
    )

    seq: int | None = Field(default=None, sa_column=Column(_BIG, primary_key=True, autoincrement=True))
    """Given when it was written: of two transactions the later may have the lower, so that nobody reads by it."""
    id: str = Field(unique=True)
    """Computed by whoever tells it, so that it is told once."""
    number: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    """Given by one process after the commit: who has read up to a number has missed nothing below it."""
    at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    """When it happened."""
    kind: str
    parties: str = Field(default="", sa_column=Column(Text, nullable=False))
    """Whose it is, as `` NL-HUB DE-ABC `` with spaces at both ends; empty: the hub's alone."""
    body: str = Field(sa_column=Column(Text, nullable=False))
    """As JSON."""
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class SubscriberRow(SQLModel, table=True):
    """Who is sent events."""

    __tablename__ = "subscribers"

    name: str = Field(primary_key=True)
    channel: str
    """WEBHOOK, EMAIL."""
    address: str = Field(sa_column=Column(Text, nullable=False))
    party: str = ""
    """Only events of this one; empty: of all, and those of the hub itself."""
    kinds: str = Field(default="[]", sa_column=Column(Text, nullable=False))
    """Patterns, as a JSON list; empty: all."""
    secret: str = Field(default="", sa_column=Column(Text, nullable=False))
    """Sealed, what its messages are signed with."""
    secret_before: str = Field(default="", sa_column=Column(Text, nullable=False))
    """Sealed, the one before, good until ``secret_before_until``."""
    secret_before_until: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    is_on: bool = Field(default=True, sa_column=Column(Boolean, nullable=False))
    who: str = ""
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    failing_since: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    last_error: str = Field(default="", sa_column=Column(Text, nullable=False))
    last_success_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))


class NotificationRow(SQLModel, table=True):
    """One event for one subscriber."""

    __tablename__ = "notifications"
    __table_args__ = (
        Index("notifications_waiting", "state", "subscriber", "due_at"),
        Index("notifications_of_subscriber", "subscriber", "seq"),
        Index("notifications_in_order", "created_at"),
    )

    subscriber: str = Field(primary_key=True)
    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    """Of the event."""
    state: str
    """PENDING, SENT, DEAD (given up: for people to see to)."""
    attempts: int = Field(default=0, sa_column=Column(Integer, nullable=False))
    due_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    """When its event was, so that both go together."""
    expires_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    """Then it is given up."""
    done_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    http_status: int | None = Field(default=None, sa_column=Column(Integer, nullable=True))
    last_error: str = Field(default="", sa_column=Column(Text, nullable=False))
