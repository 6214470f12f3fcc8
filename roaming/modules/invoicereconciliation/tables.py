"""Rows of invoice reconciliation records. They never leave ``repository``."""

from typing import ClassVar

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from roaming.store.documents import DocumentRow


class InvoiceRecordRow(DocumentRow, table=True):
    """A record as one document; ``scope`` is the party that got the invoice."""

    __tablename__ = "invoice_records"
    MODULE: ClassVar[str] = "invoicereconciliation"

    invoice_id: str


class InvoicedCdrRow(SQLModel, table=True):
    """A CDR id on an invoice, to find those that are billed twice."""

    __tablename__ = "invoiced_cdrs"
    __table_args__ = (Index("invoiced_cdrs_by_id", "cdr_id"),)

    record_key: str = Field(primary_key=True)
    cdr_id: str = Field(primary_key=True)
    """Folded."""
