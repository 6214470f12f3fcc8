"""Tables of bookings."""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import Column, Index
from sqlmodel import Field, SQLModel

from roaming.store.columns import UtcDateTime
from roaming.store.documents import DocumentRow


class BookingLocationRow(DocumentRow, table=True):
    """A booking location as one document, for whoever has an agreement with its CPO."""

    __tablename__ = "booking_locations"
    MODULE: ClassVar[str] = "booking_locations"

    place: str = Field(default="", index=True)
    """Folded id of the Location that it is at."""
    evse_uid: str = ""
    """Folded; empty where no EVSE is named."""


class BookingSlotRow(SQLModel, table=True):
    """A timeslot in which something of a booking location is available."""

    __tablename__ = "booking_slots"
    __table_args__ = (Index("booking_slots_by_end", "end_at", "start_at"),)

    key: str = Field(primary_key=True)
    """Of the booking location."""
    number: int = Field(primary_key=True)
    start_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    end_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class BookingRow(DocumentRow, table=True):
    """A booking as one document. Its owner is the CPO; ``scope`` is the eMSP that asked."""

    __tablename__ = "bookings"
    MODULE: ClassVar[str] = "bookings"

    request_id: str = Field(default="", index=True)
    """Folded, of whoever asked."""
    reference: str = Field(default="", index=True)
    """Folded ``authorization_reference``, by which the charge names it."""
    place: str = ""
    """Folded id of the Location."""
    start_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    end_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    """With ``start_at``: for when it is booked."""


Index("bookings_by_place", BookingRow.place, BookingRow.end_at)  # type: ignore[arg-type]
