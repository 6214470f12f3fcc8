"""How much of billing waits for a person."""

from datetime import datetime
from typing import NamedTuple

from roaming.modules.cdrs.repository import TAKING_BACK
from roaming.store.reader import Reader

_HELD = (
    "SELECT COUNT(*) FROM cdr_verdicts WHERE outcome IN ('HOLD', 'DISPUTE') AND decision = ''"  # noqa: S608 - our names
    f" AND NOT EXISTS (SELECT 1 FROM {TAKING_BACK} WHERE credit.credited_key = cdr_verdicts.cdr_key)"
    " AND NOT EXISTS (SELECT 1 FROM disputes WHERE disputes.cdr_key = cdr_verdicts.cdr_key AND state = 'OPEN')"
    " AND NOT EXISTS (SELECT 1 FROM settled_cdrs WHERE settled_cdrs.cdr_key = cdr_verdicts.cdr_key)"
)
_OVERDUE = (
    "SELECT COUNT(*) FROM disputes WHERE state = 'OPEN' AND due_at < $1"  # noqa: S608 - our names
    f" AND NOT EXISTS (SELECT 1 FROM {TAKING_BACK} WHERE credit.credited_key = disputes.cdr_key)"
)


class ToDo(NamedTuple):
    """Partners' CDRs that the check holds and nobody has decided about; open disputes past their due date."""

    held: int
    overdue: int


async def count_to_do(reader: Reader, *, now: datetime) -> ToDo:
    """Raises ``StoreUnavailable``."""
    held = await reader.fetch(_HELD)
    overdue = await reader.fetch(_OVERDUE, now)
    return ToDo(held=int(held[0][0]), overdue=int(overdue[0][0]))
