"""Rows of how stations are and have been. They never leave this folder."""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Text
from sqlmodel import Field, SQLModel

from roaming.store.columns import UtcDateTime

_BIG = BigInteger().with_variant(Integer(), "sqlite")


class StationDayRow(SQLModel, table=True):
    """What a part of a station was on one day (UTC)."""

    __tablename__ = "station_days"
    __table_args__ = (Index("station_days_by_day", "day"),)

    network: str = Field(primary_key=True)
    station_id: str = Field(primary_key=True)
    part: int = Field(primary_key=True)
    """A connector as the station counts, 0 for the station itself, -1 for its connection."""
    day: str = Field(primary_key=True)
    """Such as ``2026-11-29``."""
    before: str = ""
    """What it was when the day began; empty: nobody knows."""
    changes: str = Field(default="[]", sa_column=Column(Text, nullable=False))
    """JSON: ``[[seconds since midnight, state, why], …]`` in the order of time, to the millisecond; ``why`` may be
    missing."""


class StationFaultRow(SQLModel, table=True):
    """A cause that a connector reported faults of."""

    __tablename__ = "station_faults"
    __table_args__ = (Index("station_faults_by_time", "last_at"), Index("station_faults_by_cause", "cause", "last_at"))

    network: str = Field(primary_key=True)
    station_id: str = Field(primary_key=True)
    connector_id: int = Field(primary_key=True)
    cause: str = Field(primary_key=True)
    """The error code, and the maker's own behind a slash where it gave one."""
    times: int = Field(default=0, sa_column=Column(Integer, nullable=False))
    first_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    last_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    info: str = Field(default="", sa_column=Column(Text, nullable=False))
    """What it said last."""


class StationVariableRow(SQLModel, table=True):
    """A variable of a component (OCPP 2.x) or a configuration key (1.6) as it was last told."""

    __tablename__ = "station_variables"

    network: str = Field(primary_key=True)
    station_id: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    """``Component.Variable``, with instances and EVSE in brackets, or the key."""
    value: str = Field(default="", sa_column=Column(Text, nullable=False))
    """Masked where it is a secret; empty where the station keeps it to itself."""
    mutability: str = ""
    """ReadOnly, WriteOnly, ReadWrite; empty: not told."""
    at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class StationMeterRow(SQLModel, table=True):
    """What a connector's meter said last."""

    __tablename__ = "station_meters"
    __table_args__ = (Index("station_meters_by_time", "at"),)

    network: str = Field(primary_key=True)
    station_id: str = Field(primary_key=True)
    connector_id: int = Field(primary_key=True)
    at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    transaction_id: str = ""
    readings: str = Field(default="[]", sa_column=Column(Text, nullable=False))
    """JSON: ``[{"measurand", "value", "unit", "phase"}]``."""


class StationLineRow(SQLModel, table=True):
    """The connection of a station: since when it stands, or is gone and why."""

    __tablename__ = "station_lines"
    __table_args__ = (Index("station_lines_gone", "is_online", "is_told", "at"),)

    network: str = Field(primary_key=True)
    station_id: str = Field(primary_key=True)
    epoch: int = Field(sa_column=Column(BigInteger, nullable=False))
    is_online: bool = Field(sa_column=Column(Boolean, nullable=False))
    at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    why: str = Field(default="", sa_column=Column(Text, nullable=False))
    """How the last connection ended."""
    is_told: bool = Field(default=False, sa_column=Column(Boolean, nullable=False))
    """Whether those who watch have been told that it is offline."""


class WireChunkRow(SQLModel, table=True):
    """Frames of a station in their order."""

    __tablename__ = "wire_chunks"
    __table_args__ = (
        Index("wire_chunks_of_station", "network", "station_id", "last_at"),
        Index("wire_chunks_by_time", "last_at"),
        {"sqlite_autoincrement": True},
    )

    seq: int | None = Field(default=None, sa_column=Column(_BIG, primary_key=True, autoincrement=True))
    network: str
    station_id: str
    first_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    last_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    octets: int = Field(sa_column=Column(Integer, nullable=False))
    """Of ``frames``."""
    missed: int = Field(default=0, sa_column=Column(Integer, nullable=False))
    """Frames before these that nobody has kept."""
    frames: str = Field(sa_column=Column(Text, nullable=False))
    """JSON: ``[[microseconds since 1970, 1 from the station or 0 to it, text], …]``."""


class WireSizeRow(SQLModel, table=True):
    """How much is kept of the frames of a station."""

    __tablename__ = "wire_sizes"

    network: str = Field(primary_key=True)
    station_id: str = Field(primary_key=True)
    octets: int = Field(sa_column=Column(BigInteger, nullable=False))
