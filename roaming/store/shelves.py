"""Modules with several kinds of object, each on a shelf of its own: rows ⇄ objects, and how a delivery names one."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.model.canonical import CanonicalObject, from_document, to_document
from roaming.model.identifiers import PartyId
from roaming.store.documents import HERE, Documents, Origin, Stored, object_key
from roaming.store.reader import Reader


def _id(value: Any) -> str:
    return str(value.id)


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """One kind of object."""

    path: str
    """Below the module's address."""
    documents: Documents
    of: type[CanonicalObject]
    id_of: Callable[[Any], str] = _id
    is_between: bool = True
    """Each object is between its owner and the party in its scope, for good; else whom it is for may change."""
    columns: Callable[[Any], Mapping[str, Any]] = field(default=lambda _value: {})
    """What its rows have of an object besides the document, to be searched."""
    beside: Callable[[AsyncConnection, str, Any], Awaitable[None]] | None = None
    """Writes what is kept of an object in other rows, by its key."""


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
    owner: PartyId,
    source: str,
    scope: str,
    now: datetime,
    origin: Origin = HERE,
    is_listed: bool = True,
) -> bool:
    """Stores an object, new (``kept`` is ``None``) or in place of the one that was loaded; True when new. False too
    when another one took its key meanwhile."""
    changed = {
        "document": to_document(value),
        "last_updated": value.last_updated,
        "received_at": now,
        "is_listed": is_listed,
        "scope": scope,
        **shelf.columns(value),
    }
    if kept is not None:
        await shelf.documents.change(connection, kept.stored, changed)
        await _keep_beside(connection, shelf, kept.stored.key, value)
        return False
    row = {
        "key": object_key(owner, shelf.id_of(value)),
        "country_code": owner.country_code,
        "party_id": owner.party_id,
        "object_id": shelf.id_of(value),
        "source": source,
        "revision": 1,
        **origin.columns(),
        **changed,
    }
    is_new = await shelf.documents.insert(connection, row)
    if is_new:
        await _keep_beside(connection, shelf, str(row["key"]), value)
    return is_new


async def _keep_beside(connection: AsyncConnection, shelf: Shelf, key: str, value: Any) -> None:
    if shelf.beside is not None:
        await shelf.beside(connection, key, value)


def outgoing_key(shelf: Shelf, key: str) -> str:
    """By which a delivery names an object of a shelf."""
    return f"{shelf.path}:{key}"


class Shelves(dict[str, Shelf]):
    """Of one module, by path."""

    def __init__(self, *shelves: Shelf) -> None:
        super().__init__((shelf.path, shelf) for shelf in shelves)

    def shelf_of(self, key: str) -> tuple[Shelf, str]:
        """The inverse of ``outgoing_key``."""
        path, _, rest = key.partition(":")
        return self[path], rest

    async def read_outgoing(self, reader: Reader, keys: Sequence[str]) -> dict[str, Stored]:
        """``DeliveryRules.read``. Raises ``StoreUnavailable``."""
        found: dict[str, Stored] = {}
        for shelf in self.values():
            mine = [key for known, key in map(self.shelf_of, keys) if known is shelf]
            read = await shelf.documents.read_many(reader, mine) if mine else {}
            found |= {outgoing_key(shelf, key): stored for key, stored in read.items()}
        return found
