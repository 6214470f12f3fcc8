"""What holds for every CDR that is stored for good, whoever issued it."""

from roaming.model.cdr import CDR
from roaming.ocpi.errors import InvalidParameters
from roaming.store.columns import MAX_EXACT

MAX_ID = 36
"""Of a CDR that is no credit (OCPI 2.2.1, cdrs, CDR object: CiString(39), of which a credit needs three)."""


def must_be_bounded(cdr: CDR) -> None:
    """Raises ``InvalidParameters`` naming the field for a credit without its CDR, a negative total of what is no
    credit, and amounts that cannot be stored."""
    if cdr.credit and cdr.credit_reference_id is None:
        raise InvalidParameters("credit_reference_id: required in a credit CDR")
    if not cdr.credit and cdr.total_cost.before_taxes < 0:
        raise InvalidParameters("total_cost: only a credit CDR may be negative")
    if not cdr.credit and len(cdr.id) > MAX_ID:
        raise InvalidParameters(f"id: more than {MAX_ID} characters only in a credit CDR")
    for name, value in (("total_cost", cdr.total_cost.before_taxes), ("total_energy", cdr.total_energy)):
        if abs(value) > MAX_EXACT:
            raise InvalidParameters(f"{name}: more than {MAX_EXACT} cannot be stored")
