"""Booking locations and bookings in the store: rows ⇄ objects."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.model.canonical import CanonicalObject, from_document, to_document
from roaming.model.identifiers import PartyId, fold
from roaming.modules.bookings.model import Booking, BookingLocation
from roaming.modules.bookings.tables import BookingLocationRow, BookingRow
from roaming.store.documents import HERE, Documents, Origin, Stored, object_key
from roaming.store.reader import Reader


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """One of the two kinds of object."""

    path: str
    """Below the module's address."""
    documents: Documents
    of: type[CanonicalObject]


LOCATIONS = Shelf(path="booking_locations", documents=Documents(BookingLocationRow), of=BookingLocation)
BOOKINGS = Shelf(path="", documents=Documents(BookingRow), of=Booking)
SHELVES = {shelf.path: shelf for shelf in (LOCATIONS, BOOKINGS)}


@dataclass(frozen=True, kw_only=True)
class Kept:
    """An object as stored, and as such."""

    stored: Stored
    value: Any


async def load(connection: AsyncConnection, shelf: Shelf, key: str) -> Kept | None:
    """The object under ``key``, held until the transaction ends."""
    stored = await shelf.documents.find(connection, key, for_update=True)
    return Kept(stored=stored, value=from_document(shelf.of, stored.document)) if stored is not None else None


async def save(
    connection: AsyncConnection,
    shelf: Shelf,
    kept: Kept | None,
    value: Any,
    *,
    source: str,
    scope: str,
    now: datetime,
    origin: Origin = HERE,
) -> bool:
    """Stores an object, new (``kept`` is ``None``) or in place of the one that was loaded; True when new. False too
    when another one took its key meanwhile."""
    owner = PartyId.of(value.country_code, value.party_id)
    changed = {
        "document": to_document(value),
        "last_updated": value.last_updated,
        "received_at": now,
    }
    if kept is not None:
        await shelf.documents.change(connection, kept.stored, changed)
        return False
    row = {
        "key": object_key(owner, value.id),
        "country_code": owner.country_code,
        "party_id": owner.party_id,
        "object_id": value.id,
        "source": source,
        "scope": scope,
        "is_listed": True,
        "revision": 1,
        **origin.columns(),
        **changed,
    }
    return await shelf.documents.insert(connection, row)


def outgoing_key(shelf: Shelf, key: str) -> str:
    """By which a delivery names an object of a shelf."""
    return f"{shelf.path}:{key}"


def shelf_of(key: str) -> tuple[Shelf, str]:
    """The inverse of ``outgoing_key``."""
    path, _, rest = key.partition(":")
    return SHELVES[path], rest


async def read_outgoing(reader: Reader, keys: Sequence[str]) -> dict[str, Stored]:
    """``DeliveryRules.read``. Raises ``StoreUnavailable``."""
    found: dict[str, Stored] = {}
    for shelf in SHELVES.values():
        mine = [key for known, key in map(shelf_of, keys) if known is shelf]
        read = await shelf.documents.read_many(reader, mine) if mine else {}
        found |= {outgoing_key(shelf, key): stored for key, stored in read.items()}
    return found


async def booked(connection: AsyncConnection, cpo: PartyId, emsp: str, request_id: str) -> Kept | None:
    """The booking of a hosted CPO that an eMSP asked for under this id, held."""
    table = BOOKINGS.documents.table
    mine = (table.c.country_code == cpo.country_code, table.c.party_id == cpo.party_id, table.c.scope == emsp)
    rows = await connection.execute(select(table.c.key, table.c.document).where(*mine, table.c.source == ""))
    for key, document in rows:
        if fold(from_document(Booking, document).request_id) == fold(request_id):
            return await load(connection, BOOKINGS, key)
    return None
