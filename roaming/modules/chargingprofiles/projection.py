"""What stations answered to wishes about limits, and whom a change concerns.

Who has set a profile for a session hears of every change that we learn of, until the session ends (OCPI 2.2.1, charging
profiles, PUT of the sender interface): after each setting and clearing the station is asked what holds now.
"""

import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial

import msgspec

from contracts.messages import CommandAnswered, SessionEnded
from contracts.topics import CHANGES, EVENTS
from contracts.vocabulary import CommandOutcome
from roaming.model.identifiers import PartyId, fold
from roaming.model.location import Location
from roaming.model.session import Session
from roaming.modules.chargingprofiles import repository
from roaming.modules.chargingprofiles.model import ProfileRequest
from roaming.modules.chargingprofiles.repository import Watch
from roaming.modules.chargingprofiles.schedules import unlimited
from roaming.modules.chargingprofiles.service import command
from roaming.ocpi.answering import take_answer, tell_result, watch_deadlines
from roaming.ocpi.asked import Asked, set_answer
from roaming.ocpi.module import Services
from roaming.stations.running import find_running
from roaming.store.consume import Projection, Received
from roaming.store.database import Work
from roaming.store.documents import object_key, read_object

MODULE_ID = "chargingprofiles"
LOOK_AHEAD = 3600
"""Seconds that are told of a profile that has changed; OCPI advises 5 to 60 minutes."""
LOOK_DEADLINE = timedelta(seconds=30)


async def handle_answers(work: Work, batch: Sequence[Received]) -> None:
    """The partner that asked is told; who must hear of changes is told what holds now."""
    for received in batch:
        if isinstance(received.message, CommandAnswered):
            await take_answer(work, received.message, module=MODULE_ID, ended=ended)


async def handle_sessions(work: Work, batch: Sequence[Received]) -> None:
    """A session that is over has no profile."""
    for received in batch:
        message = received.message
        if isinstance(message, SessionEnded):
            party = PartyId.of(message.country_code, message.party_id)
            await repository.unwatch(work.connection, object_key(party, message.session_id))


async def ended(work: Work, asked: Asked) -> None:
    """A request has its outcome."""
    is_accepted = asked.outcome == CommandOutcome.ACCEPTED
    if asked.name == ProfileRequest.CHANGED:
        if is_accepted and asked.answer:
            await tell_result(work, asked)
        else:
            await _tell_unlimited(work, asked)
        return
    await tell_result(work, asked)
    if not is_accepted or asked.name == ProfileRequest.GET:
        return
    watches = await repository.watches_of(work.connection, asked.session_key)
    is_set = asked.name == ProfileRequest.PUT
    if is_set or any(watch.partner_id == asked.partner_id for watch in watches):
        await repository.watch(work.connection, _watch(asked, is_limited=is_set))
    await _look_again(work, asked)


def _watch(asked: Asked, *, is_limited: bool) -> Watch:
    return Watch(
        session_key=asked.session_key,
        partner_id=asked.partner_id,
        session_id=asked.session_id,
        emsp=asked.emsp,
        cpo=asked.cpo,
        is_limited=is_limited,
    )


async def _look_again(work: Work, cause: Asked) -> None:
    """Asks the station what holds now, for everybody who must hear of it."""
    running = await find_running(work.connection, cause.session_key)
    if running is None:
        return
    for watch in await repository.watches_of(work.connection, cause.session_key):
        question = replace(
            cause,
            id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{cause.id}/{watch.partner_id}")),
            state="REQUESTED",
            name=ProfileRequest.CHANGED.value,
            partner_id=watch.partner_id,
            emsp=watch.emsp,
            cpo=watch.cpo,
            response_url="",
            session_id=watch.session_id,
            created_at=work.now,
            deadline=work.now + LOOK_DEADLINE,
            outcome="",
            detail="",
            answer="",
            answered_at=None,
        )
        await command(work, question, running, duration=LOOK_AHEAD)


async def _tell_unlimited(work: Work, asked: Asked) -> None:
    """A station with no limits left may have no schedule to tell: then the most that the connector gives holds. Where
    one should hold and the station does not say which, nothing is told."""
    if asked.outcome not in (CommandOutcome.FAILED, CommandOutcome.REJECTED, CommandOutcome.ACCEPTED):
        return
    if any(watch.is_limited for watch in await repository.watches_of(work.connection, asked.session_key)):
        return
    most = await _most(work, asked)
    if most is None:
        return
    schedule = unlimited(most, now=work.now)
    await set_answer(work.connection, asked.id, msgspec.json.encode(schedule).decode())
    await tell_result(work, asked)


async def _most(work: Work, asked: Asked) -> int | None:
    """Amperes of the connector of a session, if its location tells."""
    session = await read_object(work.connection, "sessions", asked.session_key, Session)
    if session is None:
        return None
    key = object_key(PartyId.parse(asked.cpo), session.location_id)
    location = await read_object(work.connection, "locations", key, Location)
    for evse in location.evses if location is not None else ():
        for connector in evse.connectors if fold(evse.uid) == fold(session.evse_uid) else ():
            if fold(connector.id) == fold(session.connector_id):
                return connector.max_amperage
    return None


def projections(_services: Services) -> Sequence[Projection]:
    """The consumers ``chargingprofiles`` and ``chargingprofiles-sessions``."""
    return (
        Projection(consumer=MODULE_ID, topics=(EVENTS,), messages=(CommandAnswered,), handle=handle_answers),
        Projection(
            consumer=f"{MODULE_ID}-sessions", topics=(CHANGES,), messages=(SessionEnded,), handle=handle_sessions
        ),
    )


def tasks(services: Services) -> Sequence[Callable[[], Awaitable[None]]]:
    """Deadlines."""
    return (partial(watch_deadlines, services, module=MODULE_ID, ended=ended),)
