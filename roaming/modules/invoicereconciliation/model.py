"""InvoiceReconciliationRecord (OCPI 2.3.0, mod_invoice_reconciliation)."""

from datetime import datetime

from roaming.model.canonical import CanonicalObject


class InvoiceReconciliationRecord(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 invoice reconciliation, InvoiceReconciliationRecord. It does not say whom the invoice was sent to."""

    country_code: str
    """Of the party that issued the invoice: the CPO, or in reverse billing the eMSP."""
    party_id: str
    id: str
    invoice_id: str
    """The number on the invoice."""
    cdrs: tuple[str, ...]
    """Ids of all CDRs on the invoice. They are the CPO's, whoever issued it."""
    last_updated: datetime
