"""Rows of pulls: how far each list of each partner has come. They never leave ``state``."""

from datetime import datetime

from sqlalchemy import Column, Index, Integer, Text
from sqlmodel import Field, SQLModel

from roaming.store.columns import UtcDateTime


class PullRow(SQLModel, table=True):
    """One side of one module of one partner: the pull under way or the last one, and when the next is due."""

    __tablename__ = "pulls"
    __table_args__ = (Index("pulls_due", "due_at"),)

    partner_id: str = Field(primary_key=True)
    module: str = Field(primary_key=True)
    interface: str = Field(primary_key=True)
    state: str
    """NEW, RUNNING, WAITING (a page failed and is asked for again, or others have their turn), DONE, FAILED (until the
    next is due), OFF."""
    kind: str = "FULL"
    """FULL or DELTA: of the pull under way, or of the last one."""
    wanted: str = ""
    """The kind that somebody asked for and that has not begun."""
    due_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    connected_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    """The registration that this belongs to."""
    started_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    finished_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    """End of the last pull that came to its end."""
    full_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    """End of the last full pull that came to its end."""
    mark: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    """The newest ``last_updated`` of pulls that came to their end."""
    last_error: str = Field(default="", sa_column=Column(Text, nullable=False))
    progress: str = Field(default="{}", sa_column=Column(Text, nullable=False))
    """``state.Progress`` as JSON."""
    holder: str = ""
    """Which process pulls."""
    held_until: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))


class PullSeenRow(SQLModel, table=True):
    """An object that the pull under way has seen: what is not among them at its end, the partner lists no more."""

    __tablename__ = "pull_seen"

    partner_id: str = Field(primary_key=True)
    module: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    line: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
