"""Numbers of invoices: a series per seller without a gap, of credit notes the same or one of their own. Pure.

Until it is issued a document goes by its reference, which both sides of a statement find the same.
"""

import re
from collections.abc import Mapping, Sequence

import msgspec

from roaming.billing.invoices.invoice import Invoice, Kind
from roaming.billing.invoices.parties import BillingParty

USUAL = "{seller}-{year}-"
"""Of a seller that is hosted here, unless it has one of its own."""
_DIGITS = 6


def series_of(invoice: Invoice, data: BillingParty, *, is_hosted: bool) -> str:
    """What stands before the count; empty: the document keeps its reference, since its seller's own hub counts.

    The year is that of issue, so that each begins at one.
    """
    pattern = data.series or (USUAL if is_hosted else "")
    if invoice.kind is Kind.CREDIT_NOTE and data.credit_series:
        pattern = data.credit_series
    day = invoice.issued_on
    words = {"seller": invoice.seller_id, "year": f"{day.year:04d}", "month": f"{day.month:02d}"}
    return re.sub(r"\{(\w+)\}", lambda found: words[found[1]], pattern)


def number_of(series: str, count: int) -> str:
    """The ``count``-th of a series.

    >>> number_of("NL-TNM-2026-", 7)
    'NL-TNM-2026-000007'
    """
    return f"{series}{count:0{_DIGITS}d}"


def numbered(invoices: Sequence[Invoice], numbers: Mapping[str, str]) -> list[Invoice]:
    """The documents with their numbers, by reference, where those name each other too."""
    return [
        msgspec.structs.replace(
            invoice,
            number=numbers.get(invoice.reference, invoice.number),
            preceding=tuple(
                msgspec.structs.replace(each, number=numbers.get(each.number, each.number))
                for each in invoice.preceding
            ),
        )
        for invoice in invoices
    ]
