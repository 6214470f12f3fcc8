"""Rows of CDRs. They never leave ``repository``."""

from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from sqlalchemy import Column, Index
from sqlmodel import Field

from roaming.store.columns import Exact, UtcDateTime
from roaming.store.documents import DocumentRow


class CdrRow(DocumentRow, table=True):
    """A CDR as one document, with what is searched, summed and billed. Never changed, never deleted."""

    __tablename__ = "cdrs"
    MODULE: ClassVar[str] = "cdrs"

    session_key: str | None = Field(default=None, unique=True)
    """Of the session it closes: one CDR a session. Empty for a partner's CDR and for credits."""
    currency: str
    total_cost: Decimal = Field(sa_column=Column(Exact, nullable=False))
    """Before taxes."""
    total_energy: Decimal = Field(sa_column=Column(Exact, nullable=False))
    """kWh."""
    ended_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    credited_key: str | None = Field(default=None, index=True)
    """Of a credit: the CDR that it takes back."""
    alike_token: str | None = None
    """CPO and folded uid of the token, to find CDRs that may exclude each other; empty for credits."""
    alike_evse: str | None = None
    """The same of location and EVSE; empty where no EVSE is known."""
    alike_session: str | None = Field(default=None, index=True)
    """The same of the session."""
    digest: str = ""
    """Of the CDR as a partner sent it: tells a repeat from a second version."""


Index("cdrs_by_end", CdrRow.ended_at, CdrRow.key)  # type: ignore[arg-type]
Index("cdrs_by_token", CdrRow.alike_token, CdrRow.ended_at)  # type: ignore[arg-type]
Index("cdrs_by_evse", CdrRow.alike_evse, CdrRow.ended_at)  # type: ignore[arg-type]
Index("cdrs_ended", CdrRow.source, CdrRow.ended_at)  # type: ignore[arg-type]
