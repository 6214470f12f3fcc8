"""What is told to other systems in both ways at once: on the bus, and to those who watch (webhooks, the feed)."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from contracts.envelope import message_id
from contracts.messages import Message
from roaming.feed.telling import Event, event_id, tell
from roaming.model.identifiers import PartyId
from roaming.store.database import Work


@dataclass(frozen=True, kw_only=True)
class Announcement:
    """A message of a kind (``kinds.KINDS``) between ``parties``. ``identity``: what happened; whoever is told twice by
    the bus knows it by that."""

    kind: str
    message: Message
    parties: tuple[str, ...]
    identity: tuple[object, ...]


async def announce(work: Work, announcements: Iterable[Announcement]) -> None:
    """Publishes each, once, when the transaction is committed."""
    events = []
    for each in announcements:
        parties = sorted(set(each.parties))
        work.outbox.add(each.message, subject="/".join(parties), id=message_id(each.kind, *each.identity))
        events.append(
            Event(
                id=event_id(each.kind, *each.identity),
                kind=each.kind,
                at=work.now,
                parties=tuple(PartyId.parse(party) for party in parties),
                data=msgspec.to_builtins(each.message, builtin_types=(Decimal,)),
            )
        )
    await tell(work, events)
