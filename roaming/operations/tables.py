"""Rows of what was asked of stations, of what they say of their upkeep, and of how they are sorted. They never leave
this folder."""

from datetime import datetime

from sqlalchemy import Column, Index, Text
from sqlmodel import Field, SQLModel

from roaming.store.columns import UtcDateTime


class OperationRow(SQLModel, table=True):
    """One request to one station."""

    __tablename__ = "operations"
    __table_args__ = (
        Index("operations_waiting", "state", "deadline"),
        Index("operations_of_station", "network", "station_id", "created_at"),
        Index("operations_in_order", "created_at", "id"),
        Index("operations_of_batch", "batch_id"),
    )

    id: str = Field(primary_key=True)
    batch_id: str
    """Shared by all that were asked at once."""
    network: str
    station_id: str
    kind: str
    request: str = Field(sa_column=Column(Text, nullable=False))
    """As JSON, secrets masked."""
    digest: str
    """Keyless, of the request before it was masked: tells a repetition from another request under the same key."""
    who: str
    why: str = Field(default="", sa_column=Column(Text, nullable=False))
    state: str
    """REQUESTED, ANSWERED, TIMED_OUT."""
    outcome: str = ""
    detail: str = Field(default="", sa_column=Column(Text, nullable=False))
    told: str = Field(default="", sa_column=Column(Text, nullable=False))
    """What the station told beside the outcome, as JSON."""
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    deadline: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    answered_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))


class StationReportRow(SQLModel, table=True):
    """Something a station said unasked of its upkeep."""

    __tablename__ = "station_reports"
    __table_args__ = (
        Index("station_reports_of_station", "network", "station_id", "at"),
        Index("station_reports_in_order", "at"),
    )

    id: str = Field(primary_key=True)
    """Of the message."""
    network: str
    station_id: str
    at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    kind: str
    """FIRMWARE, LOG, SECURITY, VENDOR_DATA, CERTIFICATE_REQUEST."""
    status: str = ""
    request_id: str = ""
    detail: str = Field(default="", sa_column=Column(Text, nullable=False))


class StationGroupRow(SQLModel, table=True):
    """The one group a station is in: its site, its ring of updates, whatever the operator sorts by first."""

    __tablename__ = "station_groups"
    __table_args__ = (Index("station_groups_by_name", "name"),)

    network: str = Field(primary_key=True)
    station_id: str = Field(primary_key=True)
    name: str


class StationTagRow(SQLModel, table=True):
    """A word that an operator put on a station; it may have many."""

    __tablename__ = "station_tags"
    __table_args__ = (Index("station_tags_by_tag", "tag"),)

    network: str = Field(primary_key=True)
    station_id: str = Field(primary_key=True)
    tag: str = Field(primary_key=True)
