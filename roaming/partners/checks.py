"""The last check of each partner, as it was reported. What is in a report is not known here."""

import json
from collections.abc import Mapping
from typing import Any

from roaming.partners.tables import PartnerCheckRow
from roaming.store.bulk import upsert
from roaming.store.database import Work
from roaming.store.reader import Reader

CHECKS = PartnerCheckRow.__table__  # type: ignore[attr-defined]


async def keep_check(work: Work, partner_id: str, *, verdict: str, report: Mapping[str, Any]) -> None:
    """Keeps a report in place of the one before."""
    row = {
        "partner_id": partner_id,
        "checked_at": work.now,
        "verdict": verdict,
        "report": json.dumps(report, ensure_ascii=True),
    }
    await upsert(work.connection, CHECKS, [row], key=("partner_id",), update=("checked_at", "verdict", "report"))


async def last_check(reader: Reader, partner_id: str) -> dict[str, Any] | None:
    """The last report, or ``None``. Raises ``StoreUnavailable``."""
    rows = await reader.fetch("SELECT report FROM partner_checks WHERE partner_id = $1", partner_id)
    if not rows:
        return None
    report: dict[str, Any] = json.loads(rows[0][0])
    return report
