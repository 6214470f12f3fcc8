"""Rows of tokens. They never leave ``repository``."""

from typing import ClassVar

from sqlmodel import Field

from roaming.store.documents import DocumentRow


class TokenRow(DocumentRow, table=True):
    """A token as one document; found by its uid."""

    __tablename__ = "tokens"
    MODULE: ClassVar[str] = "tokens"

    uid_folded: str = Field(index=True)
    type: str
