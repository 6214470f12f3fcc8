"""Which connected partners are silent: written by the still-alive check, read by whoever has to know."""

from collections.abc import Mapping
from datetime import datetime

from roaming.partners.directory import Partner
from roaming.partners.tables import PartnerPresenceRow
from roaming.store.bulk import upsert
from roaming.store.columns import text_to_time
from roaming.store.database import Work
from roaming.store.reader import Reader

PRESENCE = PartnerPresenceRow.__table__  # type: ignore[attr-defined]


async def offline_partners(reader: Reader) -> frozenset[str]:
    """Ids of the partners that did not answer when they were asked last. Raises ``StoreUnavailable``."""
    return frozenset(
        row[0] for row in await reader.fetch("SELECT partner_id FROM partner_presence WHERE is_offline = true")
    )


async def silent_since(reader: Reader) -> dict[str, datetime]:
    """The same partners, with when that was found. Raises ``StoreUnavailable``."""
    rows = await reader.fetch("SELECT partner_id, changed_at FROM partner_presence WHERE is_offline = true")
    return {partner_id: text_to_time(changed_at) for partner_id, changed_at in rows}


def state_of(partner: Partner, silent: Mapping[str, datetime]) -> str:
    """How a partner stands, in a word or two: one that is registered and does not answer is OFFLINE."""
    since = silent.get(partner.id) if partner.is_connected else None
    return f"OFFLINE since {since:%Y-%m-%dT%H:%M:%SZ}" if since is not None else partner.state


async def note_presence(work: Work, partner_id: str, *, is_offline: bool) -> None:
    """Records that a partner fell silent, or is back."""
    row = {"partner_id": partner_id, "is_offline": is_offline, "changed_at": work.now}
    await upsert(work.connection, PRESENCE, [row], key=("partner_id",), update=("is_offline", "changed_at"))
    work.wake("presence")
