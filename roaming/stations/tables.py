"""Rows of stations, connectors, bindings and running sessions. They never leave this folder."""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Text, false
from sqlmodel import Field, SQLModel

from roaming.store.columns import UtcDateTime


class StationRow(SQLModel, table=True):
    """A station that has connected or was announced by an operator."""

    __tablename__ = "stations"
    __table_args__ = (Index("stations_in_order", "is_admitted", "station_id", "network"),)

    network: str = Field(primary_key=True)
    station_id: str = Field(primary_key=True)
    is_admitted: bool = Field(default=False, sa_column=Column(Boolean, nullable=False))
    key_digest: str | None = None
    """Of the password it must present."""
    next_key_digests: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=""))
    """Of passwords that it was given and has not come with yet (``passwords``)."""
    presented_digest: str | None = None
    """Of the password it presented as a stranger: becomes ``key_digest`` when an operator binds it as it is."""
    is_connected: bool = Field(default=False, sa_column=Column(Boolean, nullable=False))
    instance: str = ""
    epoch: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    protocol: str = ""
    remote_address: str = ""
    vendor: str = ""
    model: str = ""
    serial_number: str = ""
    firmware_version: str = ""
    connected_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    disconnected_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    booted_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    first_seen_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    last_fault: str = Field(default="", sa_column=Column(Text, nullable=False))
    rejected_messages: int = Field(default=0, sa_column=Column(Integer, nullable=False))
    """What it said of charges and nobody could read, since it was first seen."""
    deviations: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=""))
    """How often it strayed from its specification (``straying``)."""
    security_profile: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))
    """OCPP security profile of its last connection."""
    best_profile: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))
    """The highest it has ever come with since it was admitted."""
    wanted_profile: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))
    """The least that its operator wants. It demands the lower of the two, so that no station is locked out."""

    shows_cost: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=false()))
    """It has said that its display shows what a charge costs so far (OCPP 2.x)."""
    is_cost_known: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=false()))
    """Whether it has said so or the opposite."""
    is_proxied: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=false()))
    """It goes through to its operator's own central system."""
    missed_frames: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))
    """Frames that passed there and were not read here, since it was first seen."""


class StationCertificateRow(SQLModel, table=True):
    """A client certificate that a station was given, or came with."""

    __tablename__ = "station_certificates"
    __table_args__ = (Index("station_certificates_by_end", "expires_at"),)

    network: str = Field(primary_key=True)
    station_id: str = Field(primary_key=True)
    fingerprint: str = Field(primary_key=True)
    """SHA-256 of its octets, in small hexadecimal digits. The station may come by two networks with one certificate."""
    serial_number: str
    expires_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    known_since: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    shown_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    """When the station last came with it."""
    revoked_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    revoked_by: str = ""
    revoked_why: str = Field(default="", sa_column=Column(Text, nullable=False))


class ConnectorRow(SQLModel, table=True):
    """The last status a connector reported; connector 0 is the station."""

    __tablename__ = "connectors"

    network: str = Field(primary_key=True)
    station_id: str = Field(primary_key=True)
    connector_id: int = Field(primary_key=True)
    status: str
    """Its own last word."""
    at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    is_away: bool = Field(default=False, sa_column=Column(Boolean, nullable=False))
    """Its station has been away for longer than the grace: whatever it said last, nobody knows."""


class BindingRow(SQLModel, table=True):
    """Which connector of which EVSE of which location a station's connector number is."""

    __tablename__ = "bindings"
    __table_args__ = (Index("bindings_of_evse", "country_code", "party_id", "location_id", "evse_uid"),)

    network: str = Field(primary_key=True)
    station_id: str = Field(primary_key=True)
    connector_id: int = Field(primary_key=True)
    country_code: str
    party_id: str
    location_id: str
    evse_uid: str
    evse_connector_id: str


class RunningSessionRow(SQLModel, table=True):
    """Where a session takes place, so that it can be stopped or limited."""

    __tablename__ = "running_sessions"

    session_key: str = Field(primary_key=True)
    scope: str
    """The token's owner: nobody else may stop it."""
    network: str
    station_id: str
    transaction_id: str
