"""Tables of bookings."""

from typing import ClassVar

from roaming.store.documents import DocumentRow


class BookingLocationRow(DocumentRow, table=True):
    """A booking location as one document, for whoever has an agreement with its CPO."""

    __tablename__ = "booking_locations"
    MODULE: ClassVar[str] = "booking_locations"


class BookingRow(DocumentRow, table=True):
    """A booking as one document. Its owner is the CPO; ``scope`` is the eMSP that asked."""

    __tablename__ = "bookings"
    MODULE: ClassVar[str] = "bookings"
