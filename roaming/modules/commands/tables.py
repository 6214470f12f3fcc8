"""Rows of reservations and recent starts. They never leave ``repository`` and ``repeats``."""

from datetime import datetime

from sqlalchemy import Column, Index
from sqlmodel import Field, SQLModel

from roaming.store.columns import UtcDateTime


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
    expires_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False, index=True))


class ReservedRow(SQLModel, table=True):
    """A reservation by the command that made it, until it is used, over or billed."""

    __tablename__ = "reserved"
    __table_args__ = (Index("reserved_open", "state", "expires_at"), Index("reserved_at", "network", "station_id"))

    command_id: str = Field(primary_key=True)
    state: str
    """OPEN, USED (a charge began), OVER (refused, cancelled, replaced), EXPIRED (nobody came)."""
    emsp: str
    cpo: str
    station_reservation_id: str = Field(index=True)
    network: str
    station_id: str
    uid: str
    token_uid: str
    """The same, folded."""
    token_type: str
    contract_id: str
    reference: str
    location_id: str
    evse_uid: str
    connector_id: str
    """``Connector.id`` in OCPI."""
    cancelled_by: str = ""
    """The command that asks its station to let it go."""
    made_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    expires_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class RecentStartRow(SQLModel, table=True):
    """The last START_SESSION of a driver at an EVSE."""

    __tablename__ = "recent_starts"
    __table_args__ = (Index("recent_starts_at", "network", "station_id"),)

    key: str = Field(primary_key=True)
    command_id: str
    network: str
    station_id: str
    transaction_id: str = ""
    """The charge that it led to, once that has begun."""
    at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    until: datetime = Field(sa_column=Column(UtcDateTime, nullable=False, index=True))
    """Another one until then is the same."""
