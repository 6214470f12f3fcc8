"""Rows of client info. They never leave ``repository``."""

from typing import ClassVar

from roaming.store.documents import DocumentRow


class ClientInfoRow(DocumentRow, table=True):
    """A party in one role and whether it can be reached: through us (without source), or through a hub that said so."""

    __tablename__ = "hubclientinfo"
    MODULE: ClassVar[str] = "hubclientinfo"

    status: str
