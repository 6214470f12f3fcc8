"""A session that is over gets its CDR, once, and the token's owner is told."""

from collections.abc import Sequence

from contracts.messages import CdrIssued, SessionEnded
from contracts.topics import CHANGES
from roaming.model.identifiers import PartyId
from roaming.model.location import Location
from roaming.model.session import Session
from roaming.model.tariff import Tariff
from roaming.modules.cdrs import repository
from roaming.modules.cdrs.issuing import issue
from roaming.modules.cdrs.service import outgoing_of
from roaming.ocpi.module import Services
from roaming.ocpi.outgoing import tell
from roaming.store.consume import Projection, Received
from roaming.store.database import Work
from roaming.store.documents import object_key, read_object


class SessionMissing(LookupError):
    """A session is said to be over that is not here: look at the dead letters."""


async def handle(work: Work, batch: Sequence[Received]) -> None:
    """Issues the CDRs of the sessions that ended."""
    for received in batch:
        message = received.message
        if not isinstance(message, SessionEnded):
            continue
        party = PartyId.of(message.country_code, message.party_id)
        session_key = object_key(party, message.session_id)
        session = await read_object(work.connection, "sessions", session_key, Session)
        if session is None:
            raise SessionMissing(session_key)
        tariff = await read_object(work.connection, "session_snapshots", f"{session_key}#tariff", Tariff)
        location = await read_object(work.connection, "session_snapshots", f"{session_key}#location", Location)
        cdr = issue(session, location, tariff, now=work.now)
        is_new = await repository.insert(work.connection, cdr, source="", now=work.now, session_key=session_key)
        if not is_new:
            continue
        key = repository.key_of(party, cdr.id)
        correlation_id = received.envelope.correlation_id
        work.outbox.add(
            CdrIssued(
                country_code=cdr.country_code,
                party_id=cdr.party_id,
                cdr_id=cdr.id,
                session_id=cdr.session_id,
                token_country_code=cdr.cdr_token.country_code,
                token_party_id=cdr.cdr_token.party_id,
            ),
            subject=key,
            correlation_id=correlation_id,
            cause=received.envelope.id,
        )
        await tell(work, [outgoing_of(cdr, key, session_key, correlation_id)])


def projections(_services: Services) -> Sequence[Projection]:
    """The consumer ``cdrs``."""
    return (Projection(consumer="cdrs", topics=(CHANGES,), messages=(SessionEnded,), handle=handle, max_batch=100),)
