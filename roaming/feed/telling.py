"""How an event gets on the list: in the transaction of what it tells of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from contracts.envelope import message_id
from roaming.feed.kinds import KINDS
from roaming.feed.tables import EventRow
from roaming.model.identifiers import PartyId
from roaming.store.bulk import insert_new
from roaming.store.columns import storable_text, text_to_time
from roaming.store.database import Work

EVENTS = EventRow.__table__  # type: ignore[attr-defined]
_ENCODER = msgspec.json.Encoder(decimal_format="number")


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened, for those who watch."""

    id: str
    """The same for the same event, however often it is told: it is kept once."""
    kind: str
    """One of ``KINDS``."""
    at: datetime
    parties: tuple[PartyId, ...] = ()
    """Whose it is: nobody else hears of it, besides the hub's own people. None: only they do."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """What a receiver needs: names, numbers, times. No secrets, and no token of a driver."""


def event_id(*parts: object) -> str:
    """An id from the parts that make an event what it is."""
    return f"evt_{message_id(*parts)}"


async def tell(work: Work, events: Sequence[Event]) -> None:
    """Puts events on the list, each once; it is read and sent when the transaction is committed. Raises
    ``ValueError`` for a kind that ``KINDS`` does not describe."""
    if not events:
        return
    rows = {event.id: _row(event, work.now) for event in events}
    await insert_new(work.connection, EVENTS, list(rows.values()), key=("id",))
    work.wake("events")


def _row(event: Event, now: datetime) -> dict[str, Any]:
    if event.kind not in KINDS:
        raise ValueError(f"{event.kind} is no kind of event: describe it in roaming/feed/kinds.py")
    return {
        "id": event.id,
        "at": event.at,
        "kind": event.kind,
        "parties": _joined(event.parties),
        "body": storable_text(_ENCODER.encode(event.data).decode()),
        "created_at": now,
    }


def _joined(parties: Iterable[PartyId]) -> str:
    names = sorted({str(party) for party in parties})
    return f" {' '.join(names)} " if names else ""


def is_for(party: str, parties: str) -> bool:
    """Whether who sees only ``party`` (empty: everything) sees an event of ``parties``, as its row has them."""
    return not party or f" {party} " in parties


def written(id: str, kind: str, at: datetime | str, parties: str, body: str | bytes) -> dict[str, Any]:
    """An event as it goes out, on every channel alike: id, type, timestamp, parties, data."""
    return {
        "id": id,
        "type": kind,
        "timestamp": text_to_time(at).isoformat().replace("+00:00", "Z"),
        "parties": parties.split(),
        "data": msgspec.json.decode(body),
    }
