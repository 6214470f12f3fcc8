"""Terminals and financial advice confirmations in the store: rows ⇄ objects."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.model.canonical import CanonicalObject, from_document, to_document
from roaming.model.identifiers import PartyId
from roaming.modules.payments.model import FinancialAdviceConfirmation, Terminal
from roaming.modules.payments.tables import ConfirmationRow, TerminalRow
from roaming.store.documents import HERE, Documents, Origin, Stored, object_key
from roaming.store.reader import Reader


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """One of the two kinds of object."""

    path: str
    """Below the module's address."""
    documents: Documents
    of: type[CanonicalObject]
    id_of: Callable[[Any], str]


TERMINALS = Shelf(
    path="terminals",
    documents=Documents(TerminalRow),
    of=Terminal,
    id_of=lambda terminal: str(terminal.terminal_id),
)
CONFIRMATIONS = Shelf(
    path="financial-advice-confirmations",
    documents=Documents(ConfirmationRow),
    of=FinancialAdviceConfirmation,
    id_of=lambda confirmation: str(confirmation.id),
)
SHELVES = {shelf.path: shelf for shelf in (TERMINALS, CONFIRMATIONS)}


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
    }
    if kept is not None:
        await shelf.documents.change(connection, kept.stored, changed)
        return False
    row = {
        "key": object_key(owner, shelf.id_of(value)),
        "country_code": owner.country_code,
        "party_id": owner.party_id,
        "object_id": shelf.id_of(value),
        "source": source,
        "scope": scope,
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
