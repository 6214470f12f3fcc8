"""Invoices and parties as rows and files: what commands and the API show. Pure but for the writing of files."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from roaming.billing.invoices import en16931
from roaming.billing.invoices.invoice import Invoice
from roaming.billing.invoices.parties import BillingParty
from roaming.billing.invoices.printing import to_factur_x
from roaming.billing.rows import CannotExport

FORMS: Mapping[str, tuple[str, str, Callable[[Invoice], bytes]]] = {
    "cii": ("-cii.xml", "application/xml", partial(en16931.written, syntax=en16931.Syntax.CII)),
    "ubl": ("-ubl.xml", "application/xml", partial(en16931.written, syntax=en16931.Syntax.UBL)),
    "pdf": (".pdf", "application/pdf", to_factur_x),
}
"""By form: the end of a file's name, its media type, and what writes it."""


def form_of(name: str) -> tuple[str, str, Callable[[Invoice], bytes]]:
    """A form. Raises ``CannotExport`` for one that there is not."""
    if name.lower() not in FORMS:
        raise CannotExport(f"form: {name}; there are {', '.join(FORMS)}")
    return FORMS[name.lower()]


def party_row(party: str, data: BillingParty) -> dict[str, Any]:
    """A party with all that is known."""
    return {"party": party, **msgspec.structs.asdict(data)}
