"""Rows of sessions and of the transactions they are made from. They never leave ``repository``."""

from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from sqlalchemy import Column, Index, Text
from sqlmodel import Field, SQLModel

from roaming.store.columns import Exact, UtcDateTime
from roaming.store.documents import DocumentRow


class SessionRow(DocumentRow, table=True):
    """A session as one document, with what is searched and summed."""

    __tablename__ = "sessions"
    MODULE: ClassVar[str] = "sessions"

    status: str
    kwh: Decimal = Field(sa_column=Column(Exact, nullable=False))
    started_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


Index("sessions_started", SessionRow.source, SessionRow.started_at)  # type: ignore[arg-type]
Index("sessions_of_status", SessionRow.status)


class TransactionRow(SQLModel, table=True):
    """What a station told of one charge, start and end each possibly still to come.

    Not the adapters' ``transactions``: theirs, in a database of their own, gives numbers to charges of OCPP 1.6. The
    course stays when the CDR is made: a dispute asks for it.
    """

    __tablename__ = "transactions"
    __table_args__ = (
        Index("transactions_open", "network", "station_id", "state"),
        Index("transactions_closing", "state", "close_at"),
    )

    network: str = Field(primary_key=True)
    station_id: str = Field(primary_key=True)
    transaction_id: str = Field(primary_key=True)
    state: str
    """``model.TransactionState``."""
    session_key: str = Field(default="", index=True)
    close_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    """When its grace is over, or was; of one without a start, when it was first heard of. Empty again once its readings
    are removed (``trimming``)."""
    pushed_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    trouble: str = Field(default="", sa_column=Column(Text, nullable=False))
    """Why it is not further, for people to read (``model.trouble_of``); empty: nothing is in its way."""
    held_since: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    """Since when its closing is put off because of ``trouble``."""
    document: str = Field(sa_column=Column(Text, nullable=False))
    """``course.Course`` as JSON, without the readings."""


class ReadingRow(SQLModel, table=True):
    """One reading of the meter of a charge. A row each: rewriting hundreds for every new one would cost the more the
    longer a charge takes."""

    __tablename__ = "transaction_readings"

    network: str = Field(primary_key=True)
    station_id: str = Field(primary_key=True)
    transaction_id: str = Field(primary_key=True)
    at: datetime = Field(sa_column=Column(UtcDateTime, primary_key=True))
    register_wh: str
    """A decimal as the station gave it, so that nothing of it is rounded."""
    power_w: str | None = None


class LateFactRow(SQLModel, table=True):
    """What a station told of a charge that was closed already: it changes nothing any more, and is kept."""

    __tablename__ = "late_facts"
    __table_args__ = (Index("late_facts_of_charge", "network", "station_id", "transaction_id"),)

    message_id: str = Field(primary_key=True)
    network: str
    station_id: str
    transaction_id: str
    received_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False, index=True))
    kind: str
    """The message's type."""
    is_unbilled: bool
    """It says that more was charged than the CDR says, or something else."""
    is_within: bool
    """It has a reading of before the end, without which the energy was priced."""
    register_wh: str | None = None
    """The highest it names."""
    document: str = Field(sa_column=Column(Text, nullable=False))
    """The message as JSON."""


class SnapshotRow(SQLModel, table=True):
    """An object as it was when a session began: its tariff and its place, so that the CDR says what held then."""

    __tablename__ = "session_snapshots"

    key: str = Field(primary_key=True)
    document: str = Field(sa_column=Column(Text, nullable=False))


class ChargingPreferencesRow(SQLModel, table=True):
    """What the driver of a session wants of it; the latest that was accepted."""

    __tablename__ = "charging_preferences"

    session_key: str = Field(primary_key=True)
    document: str = Field(sa_column=Column(Text, nullable=False))
    """``ChargingPreferences`` as JSON."""
    accepted_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    profiles: str = Field(default="[]", sa_column=Column(Text, nullable=False, server_default="[]"))
    """Each profile that was accepted and when, in the order of time, as JSON: what the session is priced by."""
