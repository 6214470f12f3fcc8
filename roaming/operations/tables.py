"""Rows of what was asked of stations, of what they say of their upkeep, and of how they are sorted. They never leave
this folder."""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, Text
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


class LastReportRow(SQLModel, table=True):
    """The last of each kind of report that a station makes and the hub has no other use for (``StationReported``): one
    row a kind, since some come every second."""

    __tablename__ = "last_reports"
    __table_args__ = (Index("last_reports_in_order", "at"),)

    network: str = Field(primary_key=True)
    station_id: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    """OCPP's own name of the message, such as ``NotifyChargingLimit``."""
    times: int = Field(sa_column=Column(BigInteger, nullable=False))
    """How many came, from the first that is not forgotten."""
    at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    connector_id: int | None = None
    transaction_id: str = ""
    body: str = Field(default="", sa_column=Column(Text, nullable=False))
    """JSON; empty: too long to be kept."""


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


class FileRow(SQLModel, table=True):
    """Firmware that stations fetch, or a log that a station uploaded. Its bytes are in ``FilePartRow``."""

    __tablename__ = "files"
    __table_args__ = (Index("files_in_order", "kind", "created_at"),)

    id: str = Field(primary_key=True)
    kind: str
    """FIRMWARE or LOG."""
    name: str
    """For people: never a path."""
    is_complete: bool = Field(default=False, sa_column=Column(Boolean, nullable=False))
    octets: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    digest: str = ""
    """SHA-256, hexadecimal."""
    md5: str = Field(default="", sa_column_kwargs={"server_default": ""})
    """Hexadecimal: what OCPP 2.x names firmware by that a local controller offers (PublishFirmware). Empty: a file from
    before it was kept; ``files.know_md5``."""
    certificate: str = Field(default="", sa_column=Column(Text, nullable=False))
    """PEM of who signed it; with ``signature``."""
    signature: str = Field(default="", sa_column=Column(Text, nullable=False))
    network: str = ""
    station_id: str = ""
    """Of a log."""
    who: str = ""
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class FilePartRow(SQLModel, table=True):
    """A piece of a file."""

    __tablename__ = "file_parts"

    file_id: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class FileTicketRow(SQLModel, table=True):
    """An address that one station may use once, to fetch a file or to lay one down."""

    __tablename__ = "file_tickets"
    __table_args__ = (Index("file_tickets_by_end", "expires_at"),)

    id: str = Field(primary_key=True)
    file_id: str = ""
    """To fetch; empty: to lay down."""
    network: str
    station_id: str
    uses: int = Field(default=0, sa_column=Column(Integer, nullable=False))
    """Begun, also in vain."""
    is_used: bool = Field(default=False, sa_column=Column(Boolean, nullable=False))
    expires_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class WaveRow(SQLModel, table=True):
    """An update of many stations, some at a time."""

    __tablename__ = "waves"

    id: str = Field(primary_key=True)
    name: str
    file_id: str
    who: str
    why: str = Field(default="", sa_column=Column(Text, nullable=False))
    state: str
    """RUNNING, PAUSED, STOPPED (by its failures or a person), DONE."""
    reason: str = Field(default="", sa_column=Column(Text, nullable=False))
    at_once: int = Field(sa_column=Column(Integer, nullable=False))
    most_failures: int = Field(sa_column=Column(Integer, nullable=False))
    """Percent of those that have ended, from ``judged_from`` of them on."""
    judged_from: int = Field(sa_column=Column(Integer, nullable=False))
    patience: int = Field(sa_column=Column(Integer, nullable=False))
    """Seconds without a word of a station's update until it counts as failed."""
    forgiven: int = Field(default=0, sa_column=Column(Integer, nullable=False))
    """Failures before it was resumed: they count no more."""
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    ended_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))


class WaveStationRow(SQLModel, table=True):
    """A station in a wave."""

    __tablename__ = "wave_stations"
    __table_args__ = (Index("wave_stations_by_state", "wave_id", "state", "step"),)

    wave_id: str = Field(primary_key=True)
    network: str = Field(primary_key=True)
    station_id: str = Field(primary_key=True)
    step: int = Field(sa_column=Column(Integer, nullable=False))
    """A step begins when the one before has ended, save for stations that are away."""
    state: str
    """WAITING, ASKED, UPDATING, DONE, FAILED."""
    attempt: int = Field(default=0, sa_column=Column(Integer, nullable=False))
    operation_id: str = ""
    detail: str = Field(default="", sa_column=Column(Text, nullable=False))
    firmware_before: str = Field(default="", sa_column_kwargs={"server_default": ""})
    """What it had when it was asked: a boot with another is as good as its word."""
    asked_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    nudged_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    """When it was last asked how far it is."""
    ended_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))


class LocalListRow(SQLModel, table=True):
    """The list of tokens that a station decides by while it is offline, as far as we know it."""

    __tablename__ = "local_lists"
    __table_args__ = (Index("local_lists_by_operation", "operation_id"),)

    network: str = Field(primary_key=True)
    station_id: str = Field(primary_key=True)
    version: int = Field(default=0, sa_column=Column(Integer, nullable=False))
    """0: not known; the next one is sent in full."""
    known: str = Field(default="{}", sa_column=Column(Text, nullable=False))
    """What is on it, as JSON: token → group."""
    wanted: str = Field(default="{}", sa_column=Column(Text, nullable=False))
    """What shall be on it, likewise."""
    sent: str = Field(default="{}", sa_column=Column(Text, nullable=False))
    """What it will be when the request under way is accepted."""
    state: str
    """SENDING, SYNCED, FAILED, UNSUPPORTED."""
    detail: str = Field(default="", sa_column=Column(Text, nullable=False))
    operation_id: str = ""
    """The request under way."""
    per_message: int = Field(sa_column=Column(Integer, nullable=False))
    who: str
    why: str = Field(default="", sa_column=Column(Text, nullable=False))
    updated_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
