"""Rows of commands, reservations and running sessions. They never leave ``repository``."""

from datetime import datetime

from sqlalchemy import Column, Index, Text
from sqlmodel import Field, SQLModel

from roaming.store.columns import UtcDateTime


class CommandRow(SQLModel, table=True):
    """A partner's command on its way to a station and back."""

    __tablename__ = "commands"
    __table_args__ = (Index("commands_waiting", "state", "deadline"),)

    id: str = Field(primary_key=True)
    state: str
    """REQUESTED, ANSWERED (by the station), TIMED_OUT."""
    name: str
    partner_id: str
    emsp: str
    cpo: str
    version: str
    response_url: str = Field(sa_column=Column(Text, nullable=False))
    network: str
    station_id: str
    outcome: str = ""
    detail: str = Field(default="", sa_column=Column(Text, nullable=False))
    correlation_id: str = ""
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    deadline: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    answered_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))


class ReservationRow(SQLModel, table=True):
    """An eMSP's reservation with a CPO and what it is called at the station; two eMSPs may use the same id, and one may
    use it with two CPOs."""

    __tablename__ = "reservations"

    emsp: str = Field(primary_key=True)
    cpo: str = Field(primary_key=True)
    reservation_id: str = Field(primary_key=True)
    """Folded: ids compare without case."""
    station_reservation_id: str
    network: str
    station_id: str
    connector_id: int
    expires_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class RunningSessionRow(SQLModel, table=True):
    """Where a session takes place, so that it can be stopped."""

    __tablename__ = "running_sessions"

    session_key: str = Field(primary_key=True)
    scope: str
    """The token's owner: nobody else may stop it."""
    network: str
    station_id: str
    transaction_id: str


class SentCommandRow(SQLModel, table=True):
    """A command that a hosted eMSP sent to a partner CPO."""

    __tablename__ = "sent_commands"

    id: str = Field(primary_key=True)
    """Part of the response_url: cannot be guessed, works once."""
    partner_id: str
    name: str
    response: str = ""
    result: str = ""
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    expires_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    answered_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
