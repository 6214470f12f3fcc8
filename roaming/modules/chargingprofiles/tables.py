"""Rows of those who must hear of changes, and of profiles that partners told. They never leave ``repository``."""

from datetime import datetime

from sqlalchemy import Boolean, Column, Text
from sqlmodel import Field, SQLModel

from roaming.store.columns import UtcDateTime


class ProfileWatchRow(SQLModel, table=True):
    """A partner that has set a profile for a session of ours."""

    __tablename__ = "profile_watches"

    session_key: str = Field(primary_key=True)
    partner_id: str = Field(primary_key=True)
    session_id: str
    emsp: str
    """The party that set it."""
    cpo: str
    is_limited: bool = Field(sa_column=Column(Boolean, nullable=False))
    """Its profile was not cleared since."""


class ActiveChargingProfileRow(SQLModel, table=True):
    """The profile that holds for a session of a partner, as the partner told last."""

    __tablename__ = "active_charging_profiles"

    session_key: str = Field(primary_key=True)
    partner_id: str
    document: str = Field(sa_column=Column(Text, nullable=False))
    received_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False, index=True))
