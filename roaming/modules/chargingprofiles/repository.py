"""Who must hear of changes, and profiles that partners told: rows ⇄ plain records."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.model.canonical import from_document, to_document
from roaming.model.charging_profile import ActiveChargingProfile
from roaming.modules.chargingprofiles.tables import ActiveChargingProfileRow, ProfileWatchRow
from roaming.store.bulk import upsert
from roaming.store.trimming import old_rows

WATCHES = ProfileWatchRow.__table__  # type: ignore[attr-defined]
ACTIVE = ActiveChargingProfileRow.__table__  # type: ignore[attr-defined]
TRIMMINGS = (old_rows("command", ACTIVE, "received_at"),)


@dataclass(frozen=True, kw_only=True)
class Watch:
    """A partner that has set a profile for a session of ours, and hears of each change until the session ends."""

    session_key: str
    partner_id: str
    session_id: str
    emsp: str
    cpo: str
    is_limited: bool


async def watch(connection: AsyncConnection, entry: Watch) -> None:
    """Notes or renews it."""
    changed = ("session_id", "emsp", "cpo", "is_limited")
    await upsert(connection, WATCHES, [asdict(entry)], key=("session_key", "partner_id"), update=changed)


async def watches_of(connection: AsyncConnection, session_key: str) -> list[Watch]:
    """Everybody who must hear of changes of a session's profile."""
    statement = select(WATCHES).where(WATCHES.c.session_key == session_key)
    return [Watch(**row) for row in (await connection.execute(statement)).mappings()]


async def unwatch(connection: AsyncConnection, session_key: str) -> None:
    """The session is over."""
    await connection.execute(delete(WATCHES).where(WATCHES.c.session_key == session_key))


async def keep_active(
    connection: AsyncConnection, session_key: str, partner_id: str, profile: ActiveChargingProfile, *, now: datetime
) -> None:
    """What a partner says of a session of its; the last word counts."""
    row: Mapping[str, Any] = {
        "session_key": session_key,
        "partner_id": partner_id,
        "document": to_document(profile),
        "received_at": now,
    }
    await upsert(connection, ACTIVE, [row], key=("session_key",), update=("partner_id", "document", "received_at"))


async def find_active(connection: AsyncConnection, session_key: str) -> ActiveChargingProfile | None:
    """What a partner said last of this session."""
    found = await connection.execute(select(ACTIVE.c.document).where(ACTIVE.c.session_key == session_key))
    document = found.scalar_one_or_none()
    return from_document(ActiveChargingProfile, document) if document is not None else None
