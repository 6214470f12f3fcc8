"""Rows of what the hub remembers of requests that it passed on."""

from datetime import datetime

from sqlalchemy import Column, Text
from sqlmodel import Field, SQLModel

from roaming.store.columns import UtcDateTime


class CallbackRow(SQLModel, table=True):
    """An address of ours that stands for one of a partner's."""

    __tablename__ = "hub_callbacks"

    id: str = Field(primary_key=True)
    kind: str
    holder: str
    """Partner that was given the address; nobody else can use it."""
    target: str
    """Partner that it leads to."""
    url: str = Field(sa_column=Column(Text, nullable=False))
    module: str
    route: str
    """The route that the address belongs to: ``POST RECEIVER /{command}``."""
    from_party: str
    """Who asks through the address."""
    to_party: str
    state: str = "OPEN"
    claimed_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    expires_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False, index=True))


class WhereaboutsRow(SQLModel, table=True):
    """Whose a session is that we passed on, with whom a reservation was made, and between whom other objects went."""

    __tablename__ = "hub_whereabouts"

    kind: str = Field(primary_key=True)
    """``SESSION`` or ``BOOKING_LOCATION`` of a CPO, ``RESERVATION`` of an eMSP, or the module of another object."""
    owner: str = Field(primary_key=True)
    object_id: str = Field(primary_key=True)
    """Folded."""
    other: str = Field(primary_key=True)
    """The eMSP of a session, or that was told of a booking location; the reservation's CPO; the other side of another
    object."""
    place: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=""))
    """Where it is: a location's id and an EVSE's uid, which may be empty, as a JSON list; empty where nobody said."""
    expires_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False, index=True))
