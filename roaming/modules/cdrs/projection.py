"""A session that is over gets its CDR, once, and the token's owner is told."""

from collections.abc import Sequence
from functools import partial

from contracts.messages import ReservationExpired, SessionEnded
from contracts.topics import CHANGES
from roaming.model.identifiers import PartyId
from roaming.model.session import Session
from roaming.modules.cdrs.service import bill_unused, issue_once
from roaming.ocpi.module import Services
from roaming.store.consume import Projection, Received
from roaming.store.database import Work
from roaming.store.documents import object_key, read_object

END_ASSUMED = "the station never told the end: closed by the hub with its last reading"


class SessionMissing(LookupError):
    """A session is said to be over that is not here: look at the dead letters."""


async def handle(services: Services, work: Work, batch: Sequence[Received]) -> None:
    """Issues the CDRs of the sessions that ended."""
    directory = await services.directory.current()
    for received in batch:
        message = received.message
        if not isinstance(message, SessionEnded):
            continue
        session_key = object_key(PartyId.of(message.country_code, message.party_id), message.session_id)
        session = await read_object(work.connection, "sessions", session_key, Session)
        if session is None:
            raise SessionMissing(session_key)
        envelope = received.envelope
        await issue_once(
            work,
            directory,
            session_key,
            session,
            correlation_id=envelope.correlation_id,
            cause=envelope.id,
            remark=END_ASSUMED if message.is_assumed else None,
        )


async def handle_reservations(services: Services, work: Work, batch: Sequence[Received]) -> None:
    """Issues the CDRs of reservations that nobody came for."""
    for received in batch:
        message, envelope = received.message, received.envelope
        if isinstance(message, ReservationExpired):
            directory = await services.directory.current()
            await bill_unused(work, message, directory, correlation_id=envelope.correlation_id, cause=envelope.id)


def projections(services: Services) -> Sequence[Projection]:
    """The consumers ``cdrs`` and ``cdrs-reservations``."""
    return (
        Projection(
            consumer="cdrs",
            topics=(CHANGES,),
            messages=(SessionEnded,),
            handle=partial(handle, services),
            max_batch=100,
        ),
        Projection(
            consumer="cdrs-reservations",
            topics=(CHANGES,),
            messages=(ReservationExpired,),
            handle=partial(handle_reservations, services),
        ),
    )
