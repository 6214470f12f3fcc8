"""Rows of tariffs. They never leave ``repository``."""

from typing import ClassVar

from roaming.store.documents import DocumentRow


class TariffRow(DocumentRow, table=True):
    """A tariff as one document."""

    __tablename__ = "tariffs"
    MODULE: ClassVar[str] = "tariffs"
