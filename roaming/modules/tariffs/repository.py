"""Tariffs in the store: rows ⇄ canonical objects."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import msgspec
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.model.canonical import from_document, to_document
from roaming.model.identifiers import PartyId, fold
from roaming.model.tariff import Tariff
from roaming.modules.tariffs.tables import TariffRow, TariffVersionRow
from roaming.store.columns import text_to_time
from roaming.store.documents import HERE, Documents, Origin, Stored, id_of_key, object_key, replaced_by
from roaming.store.reader import Reader

DOCUMENTS = Documents(TariffRow)
VERSIONS = TariffVersionRow.__table__  # type: ignore[attr-defined]


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
    """Stores a tariff, new (``kept`` is ``None``) or in place of the one read with ``for_update``, and the version
    where it says something new; True when new."""
    if kept is not None:
        changes = {"document": to_document(tariff), "last_updated": tariff.last_updated, "received_at": now}
        changes |= {"scope": kept.stored.scope if scope is None else scope, **replaced_by(origin)}
        await DOCUMENTS.change(connection, kept.stored, changes)
        if msgspec.structs.replace(kept.tariff, last_updated=tariff.last_updated) != tariff:
            await _keep(connection, kept.stored.key, tariff, to_document(tariff), source=source, now=now)
        return False
    party = PartyId.of(tariff.country_code, tariff.party_id)
    is_new = await DOCUMENTS.insert(
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
    if is_new:
        await _keep(connection, key_of(party, tariff.id), tariff, to_document(tariff), source=source, now=now)
    return is_new


async def withdraw(connection: AsyncConnection, kept: Kept, *, now: datetime) -> None:
    """Deletes a tariff; its versions stay, and that it was withdrawn is one more."""
    await DOCUMENTS.remove(connection, kept.stored)
    await _keep(connection, kept.stored.key, kept.tariff, "", source=kept.stored.source, now=now)


async def _keep(
    connection: AsyncConnection, key: str, tariff: Tariff, document: str, *, source: str, now: datetime
) -> None:
    row = {"key": key, "source": source, "last_updated": tariff.last_updated, "received_at": now, "document": document}
    await connection.execute(insert(VERSIONS).values(**row))


class TariffVersion(NamedTuple):
    """What a tariff said from ``since`` on."""

    key: str
    source: str
    last_updated: datetime
    since: datetime
    tariff: Tariff | None
    """``None``: it was withdrawn."""


async def versions_of(reader: Reader, tariff_id: str, party: PartyId | None) -> Sequence[TariffVersion]:
    """Every version of the tariffs of this id, of one owner if ``party`` is given, the oldest first. Committed data
    only. Raises ``StoreUnavailable``."""
    sql = "SELECT key, source, last_updated, received_at, document FROM tariff_versions WHERE "
    if party is not None:
        rows = await reader.fetch(f"{sql}key = $1 ORDER BY id", key_of(party, tariff_id))
    else:
        rows = await reader.fetch(f"{sql}key LIKE $1 ORDER BY key, id", f"%/{fold(tariff_id)}")
    return [
        TariffVersion(
            row[0],
            row[1],
            text_to_time(row[2]),
            text_to_time(row[3]),
            from_document(Tariff, row[4]) if row[4] else None,
        )
        for row in rows
        if id_of_key(row[0]) == fold(tariff_id)
    ]
