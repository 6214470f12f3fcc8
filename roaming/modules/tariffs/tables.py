"""Rows of tariffs and of their versions. They never leave ``repository``."""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import Column, Index, Text
from sqlmodel import Field, SQLModel

from roaming.store.columns import UtcDateTime
from roaming.store.documents import DocumentRow


class TariffRow(DocumentRow, table=True):
    """A tariff as one document."""

    __tablename__ = "tariffs"
    MODULE: ClassVar[str] = "tariffs"


class TariffVersionRow(SQLModel, table=True):
    """What a tariff said from some moment on; kept for good, since charges were priced by it."""

    __tablename__ = "tariff_versions"
    __table_args__ = (Index("tariff_versions_of", "key", "id"), {"sqlite_autoincrement": True})

    id: int | None = Field(default=None, primary_key=True)
    key: str
    source: str
    """Partner that gave it to us; empty: published here."""
    last_updated: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    received_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    document: str = Field(sa_column=Column(Text, nullable=False))
    """Empty: it was withdrawn."""
