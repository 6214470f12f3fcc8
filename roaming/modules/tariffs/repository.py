"""Tariffs in the store: rows ⇄ canonical objects."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.model.canonical import from_document, to_document
from roaming.model.identifiers import PartyId
from roaming.model.tariff import Tariff
from roaming.modules.tariffs.tables import TariffRow
from roaming.store.documents import HERE, Documents, Origin, Stored, object_key, replaced_by

DOCUMENTS = Documents(TariffRow)


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A tariff as stored, and as an object."""

    stored: Stored
    tariff: Tariff


def key_of(party: PartyId, tariff_id: str) -> str:
    """The key of a tariff."""
    return object_key(party, tariff_id)


async def load(connection: AsyncConnection, key: str, *, for_update: bool = False) -> Kept | None:
    """The tariff under ``key``."""
    stored = await DOCUMENTS.find(connection, key, for_update=for_update)
    return Kept(stored=stored, tariff=from_document(Tariff, stored.document)) if stored else None


async def save(
    connection: AsyncConnection,
    kept: Kept | None,
    tariff: Tariff,
    *,
    source: str,
    now: datetime,
    origin: Origin = HERE,
    scope: str | None = None,
) -> bool:
    """Stores a tariff, new (``kept`` is ``None``) or in place of the one read with ``for_update``; True when new."""
    if kept is not None:
        changes = {"document": to_document(tariff), "last_updated": tariff.last_updated, "received_at": now}
        changes |= {"scope": kept.stored.scope if scope is None else scope, **replaced_by(origin)}
        await DOCUMENTS.change(connection, kept.stored, changes)
        return False
    party = PartyId.of(tariff.country_code, tariff.party_id)
    return await DOCUMENTS.insert(
        connection,
        {
            "key": key_of(party, tariff.id),
            "country_code": party.country_code,
            "party_id": party.party_id,
            "object_id": tariff.id,
            "source": source,
            "scope": scope or "",
            "is_listed": True,
            "document": to_document(tariff),
            **origin.columns(),
            "last_updated": tariff.last_updated,
            "received_at": now,
            "revision": 1,
        },
    )
