"""Rows of locations. They never leave ``repository``."""

from typing import ClassVar

from roaming.store.documents import DocumentRow


class LocationRow(DocumentRow, table=True):
    """A location with its EVSEs and connectors as one document."""

    __tablename__ = "locations"
    MODULE: ClassVar[str] = "locations"
