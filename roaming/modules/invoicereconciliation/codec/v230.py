"""Invoice reconciliation records in OCPI 2.3.0: the canonical shape."""

from roaming.model.version import Version
from roaming.modules.invoicereconciliation.model import InvoiceReconciliationRecord
from roaming.ocpi.codec import Codec
from roaming.ocpi.fields import Form
from roaming.ocpi.kinds import COUNTRY_CODE, ID_36, PARTY_ID, TIMESTAMP, Id
from roaming.ocpi.rules import one, some

INVOICE_RECONCILIATION_RECORD = Form(
    InvoiceReconciliationRecord,
    one("country_code", COUNTRY_CODE),
    one("party_id", PARTY_ID),
    one("id", ID_36),
    one("invoice_id", Id(255)),
    some("cdrs", Id(39)),  # as long as the id of a CDR may be, which is more than the 36 of this table
    one("last_updated", TIMESTAMP),
)

CODEC = Codec(Version.V2_3_0, INVOICE_RECONCILIATION_RECORD)
