"""Terminal and FinancialAdviceConfirmation (OCPI 2.3.0 with Payments, mod_payments)."""

from datetime import datetime
from enum import StrEnum

from roaming.model.canonical import CanonicalObject
from roaming.model.money import Price
from roaming.model.place import GeoLocation


class InvoiceCreator(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    CPO = "CPO"
    PTP = "PTP"


class CaptureStatusCode(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    SUCCESS = "SUCCESS"
    PARTIAL_SUCCESS = "PARTIAL_SUCCESS"
    FAILED = "FAILED"


class Terminal(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 payments, Terminal. Its owner, the payment terminal provider (PTP), is not in it."""

    terminal_id: str
    """Empty in a request for activation that leaves the choice to the PTP."""
    customer_reference: str | None = None
    party_id: str | None = None
    """With ``country_code``: of the CPO, in place of ``customer_reference``."""
    country_code: str | None = None
    address: str | None = None
    city: str | None = None
    postal_code: str | None = None
    state: str | None = None
    country: str | None = None
    coordinates: GeoLocation | None = None
    invoice_base_url: str | None = None
    """With the authorization_reference behind it: where the invoice is."""
    invoice_creator: str | None = None
    reference: str | None = None
    """The PTP's own, such as a serial number."""
    location_ids: tuple[str, ...] = ()
    """Of the CPO; with ``evse_uids``: the terminal serves both."""
    evse_uids: tuple[str, ...] = ()
    last_updated: datetime


class FinancialAdviceConfirmation(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 payments, FinancialAdviceConfirmation: what was taken from the driver's card."""

    id: str
    authorization_reference: str
    """As in START_SESSION, the session and the CDR."""
    total_costs: Price
    currency: str
    eft_data: tuple[str, ...]
    """Lines to print on the invoice."""
    capture_status_code: str
    capture_status_message: str | None = None
    last_updated: datetime
