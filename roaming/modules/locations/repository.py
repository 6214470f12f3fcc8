"""Locations in the store: rows ⇄ canonical objects."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.model.canonical import from_document, to_document
from roaming.model.identifiers import PartyId
from roaming.model.location import LiveStatus, Location, read_live, write_live
from roaming.modules.locations.tables import LocationRow
from roaming.store.bulk import select_rows, update_held
from roaming.store.documents import HERE, TEXT_COLUMN, Documents, Origin, Stored, object_key, replaced_by

DOCUMENTS = Documents(LocationRow)
_LIVE_CHANGED = (
    "live",
    "last_updated",
    "received_at",
    "revision = t.revision + 1",
    *(f"{column} = NULL" for column in TEXT_COLUMN.values()),
)


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A location as stored, and as an object."""

    stored: Stored
    location: Location


def key_of(party: PartyId, location_id: str) -> str:
    """The key of a location."""
    return object_key(party, location_id)


async def load(connection: AsyncConnection, key: str, *, for_update: bool = False) -> Kept | None:
    """The location under ``key``."""
    return (await load_many(connection, [key], for_update=for_update)).get(key)


async def load_many(connection: AsyncConnection, keys: Sequence[str], *, for_update: bool = False) -> dict[str, Kept]:
    """The locations under ``keys`` that exist."""
    found = await DOCUMENTS.find_many(connection, keys, for_update=for_update)
    return {key: Kept(stored=stored, location=decoded(stored)) for key, stored in found.items()}


def decoded(stored: Stored) -> Location:
    """The location of a row."""
    return from_document(Location, stored.document, stored.live)


async def insert(
    connection: AsyncConnection,
    location: Location,
    *,
    source: str,
    now: datetime,
    origin: Origin = HERE,
    scope: str = "",
) -> bool:
    """Stores a new location; False when it exists."""
    party = PartyId.of(location.country_code, location.party_id)
    return await DOCUMENTS.insert(
        connection,
        {
            "key": key_of(party, location.id),
            "country_code": party.country_code,
            "party_id": party.party_id,
            "object_id": location.id,
            "source": source,
            "scope": scope,
            "is_listed": location.publish,
            "document": to_document(location),
            **origin.columns(),
            "last_updated": location.last_updated,
            "received_at": now,
            "revision": 1,
        },
    )


async def replace(
    connection: AsyncConnection,
    kept: Kept,
    location: Location,
    *,
    now: datetime,
    scope: str | None = None,
    origin: Origin = HERE,
) -> None:
    """Stores a changed location, read before with ``for_update``; ``None``: who may see it stays as it is.
    ``origin``: of one that came whole."""
    await DOCUMENTS.change(
        connection,
        kept.stored,
        {
            "document": to_document(location),
            "is_listed": location.publish,
            "last_updated": location.last_updated,
            "received_at": now,
            "scope": kept.stored.scope if scope is None else scope,
            **replaced_by(origin),
        },
    )


async def hide(connection: AsyncConnection, kept: Kept, *, now: datetime) -> None:
    """Takes a location, read before with ``for_update``, out of the lists."""
    await DOCUMENTS.change(connection, kept.stored, {"is_listed": False, "received_at": now})


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """The statuses of a location's EVSEs, held for a change."""

    key: str
    last_updated: datetime
    statuses: dict[str, LiveStatus]
    """By folded uid."""


async def hold_statuses(connection: AsyncConnection, keys: Sequence[str]) -> list[Held]:
    """The statuses under ``keys``, without touching the documents where they are known apart from them."""
    columns = ("key", "last_updated", "live")
    wanted = [(key,) for key in keys]
    rows = await select_rows(connection, DOCUMENTS.table, columns, key=("key",), values=wanted, is_held=True)
    without = [(key,) for key, _, live in rows if not live]
    found = await select_rows(connection, DOCUMENTS.table, ("key", "document"), key=("key",), values=without)
    documents = {key: from_document(Location, document) for key, document in found}
    return [
        Held(key=key, last_updated=updated, statuses=read_live(live) if live else documents[key].live())
        for key, updated, live in rows
    ]


async def change_statuses(connection: AsyncConnection, changes: Sequence[Held], *, now: datetime) -> None:
    """Stores changed statuses, read before with ``hold_statuses``."""
    rows = [
        {"key": held.key, "live": write_live(held.statuses), "last_updated": held.last_updated, "received_at": now}
        for held in changes
    ]
    await update_held(connection, DOCUMENTS.table, rows, key="key", update=_LIVE_CHANGED)
