"""Payments in OCPI 2.3.0: the canonical shape."""

from dataclasses import dataclass
from typing import Any

from roaming.model.money import Price
from roaming.model.version import Version
from roaming.modules.payments.model import CaptureStatusCode, FinancialAdviceConfirmation, InvoiceCreator, Terminal
from roaming.ocpi.codec import Codec, FindingCode
from roaming.ocpi.fields import Form
from roaming.ocpi.forms.money import PRICE_221, PRICE_230
from roaming.ocpi.forms.place import GEO_LOCATION_230
from roaming.ocpi.kinds import COUNTRY_CODE, ID_36, LINK, PARTY_ID, TIMESTAMP, Choice, Id
from roaming.ocpi.rules import FromContext, constant, many, maybe, one, some
from roaming.ocpi.translation import Reading, Writing


@dataclass(frozen=True, slots=True)
class EitherPrice:
    """A Price; read as 2.2.1 said it too, since the specification's own examples do."""

    shown = PRICE_230
    """What it is on the wire."""

    def decode(self, value: Any, reading: Reading, prefix: str, name: str) -> Price:
        if isinstance(value, dict) and "excl_vat" in value and "before_taxes" not in value:
            reading.find(prefix + name, FindingCode.REPLACED_VALUE, "excl_vat and incl_vat, as before 2.3.0")
            return PRICE_221.decode(value, reading, prefix, name)
        return PRICE_230.decode(value, reading, prefix, name)

    def encode(self, value: Price, writing: Writing, prefix: str, name: str) -> Any:
        return PRICE_230.encode(value, writing, prefix, name)


TERMINAL = Form(
    Terminal,
    one("terminal_id", ID_36),
    maybe("customer_reference", ID_36),
    maybe("party_id", PARTY_ID),
    maybe("country_code", COUNTRY_CODE),
    maybe("address", Id(255)),  # as long as a Location's may be since 2026; the table says 45
    maybe("city", Id(45)),
    maybe("postal_code", Id(10)),
    maybe("state", Id(45)),
    maybe("country", Id(3)),
    maybe("coordinates", GEO_LOCATION_230),
    maybe("invoice_base_url", LINK),
    maybe("invoice_creator", Choice.of(InvoiceCreator)),
    maybe("reference", ID_36),
    many("location_ids", ID_36),
    many("evse_uids", ID_36),
    one("last_updated", TIMESTAMP, otherwise=FromContext("received_at")),
)

TO_ACTIVATE = TERMINAL.change("terminal_id", is_required=False, otherwise=constant(""))
"""The PTP may choose the id."""

CONFIRMATION = Form(
    FinancialAdviceConfirmation,
    one("id", ID_36),
    one("authorization_reference", ID_36),
    one("total_costs", EitherPrice()),
    one("currency", Id(3)),
    some("eft_data", Id(255)),
    one("capture_status_code", Choice.of(CaptureStatusCode)),
    maybe("capture_status_message", Id(255)),
    one("last_updated", TIMESTAMP),
)

TERMINAL_CODEC = Codec(Version.V2_3_0, TERMINAL)
CONFIRMATION_CODEC = Codec(Version.V2_3_0, CONFIRMATION)
