"""Objects on shelves as partners tell of them, and as hosted parties publish them."""

from functools import partial
from typing import Any

from roaming.model.identifiers import PartyId
from roaming.ocpi.errors import InvalidParameters
from roaming.ocpi.module import Outgoing
from roaming.ocpi.outgoing import tell
from roaming.store import shelves
from roaming.store.database import Work
from roaming.store.documents import HERE, Origin, insert_or_hold, object_key
from roaming.store.shelves import Kept, Shelf


async def take(
    work: Work, module: str, shelf: Shelf, value: Any, *, owner: PartyId, source: str, scope: str, origin: Origin
) -> bool:
    """Stores what a partner tells, pushed or pulled, and tells whoever may know; True when new. The same again, or an
    older one, changes nothing. Raises ``InvalidParameters`` for an object that somebody else gave us."""
    kept = await _insert_or_hold(work, shelf, value, owner=owner, source=source, scope=scope, origin=origin)
    if kept is not None:
        stored = kept.stored
        if stored.source != source or (shelf.is_between and stored.scope != scope):
            raise InvalidParameters(f"id: {shelf.id_of(value)} is not yours to change; choose another id")
        is_same = value == kept.value and stored.is_listed and stored.scope == scope
        if is_same or value.last_updated < kept.value.last_updated:
            return False
        await shelves.save(
            work.connection,
            shelf,
            kept,
            value,
            owner=owner,
            source=source,
            scope=scope,
            now=work.now,
            origin=origin,
        )
    if not shelf.is_between:
        await tell_of(work, module, shelf, value, owner)
    return kept is None


async def publish(work: Work, module: str, shelf: Shelf, value: Any, *, owner: PartyId, scope: str) -> None:
    """Stores an object of a hosted party, new or in place of the one of its id, and tells whoever may know. Raises
    ``InvalidParameters`` when its id is somebody else's."""
    kept = await _insert_or_hold(work, shelf, value, owner=owner, source="", scope=scope, origin=HERE)
    if kept is not None:
        if kept.stored.source or (shelf.is_between and kept.stored.scope != scope):
            raise InvalidParameters(f"id: there is another {shelf.id_of(value)}; choose another id")
        await shelves.save(work.connection, shelf, kept, value, owner=owner, source="", scope=scope, now=work.now)
    await tell_of(work, module, shelf, value, owner)


async def hide(work: Work, shelf: Shelf, key: str, source: str) -> bool:
    """Takes an object that a partner has no more out of lists; False when ``source`` gave none such."""
    stored = await shelf.documents.find(work.connection, key, for_update=True)
    if stored is None or stored.source != source or not stored.is_listed:
        return False
    await shelf.documents.change(work.connection, stored, {"is_listed": False})
    return True


async def _insert_or_hold(
    work: Work, shelf: Shelf, value: Any, *, owner: PartyId, source: str, scope: str, origin: Origin
) -> Kept | None:
    return await insert_or_hold(
        partial(shelves.load, work.connection, shelf, object_key(owner, shelf.id_of(value))),
        partial(
            shelves.save,
            work.connection,
            shelf,
            None,
            value,
            owner=owner,
            source=source,
            scope=scope,
            now=work.now,
            origin=origin,
        ),
    )


async def tell_of(work: Work, module: str, shelf: Shelf, value: Any, owner: PartyId) -> None:
    """Has an object told to whoever may know."""
    key = shelves.outgoing_key(shelf, object_key(owner, shelf.id_of(value)))
    await tell(work, [Outgoing(module=module, object_key=key, owner=owner)])
