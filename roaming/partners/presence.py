"""Which connected partners are silent: written by the still-alive check, read by whoever has to know."""

from roaming.partners.tables import PartnerPresenceRow
from roaming.store.bulk import upsert
from roaming.store.database import Work
from roaming.store.reader import Reader

PRESENCE = PartnerPresenceRow.__table__  # type: ignore[attr-defined]


async def offline_partners(reader: Reader) -> frozenset[str]:
    """Ids of the partners that did not answer when they were asked last. Raises ``StoreUnavailable``."""
    return frozenset(
        row[0] for row in await reader.fetch("SELECT partner_id FROM partner_presence WHERE is_offline = true")
    )


async def note_presence(work: Work, partner_id: str, *, is_offline: bool) -> None:
    """Records that a partner fell silent, or is back."""
    row = {"partner_id": partner_id, "is_offline": is_offline, "changed_at": work.now}
    await upsert(work.connection, PRESENCE, [row], key=("partner_id",), update=("is_offline", "changed_at"))
    work.wake("presence")
