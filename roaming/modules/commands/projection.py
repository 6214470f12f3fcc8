"""What stations answered to commands and what they did not answer in time, and where sessions run."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from contracts.messages import CommandAnswered, SessionEnded, SessionOpened
from contracts.topics import CHANGES, EVENTS
from roaming.model.identifiers import PartyId
from roaming.ocpi.answering import take_answer, tell_result, watch_deadlines
from roaming.ocpi.module import Services
from roaming.stations.running import RunningSession, session_ended, session_runs
from roaming.store.consume import Projection, Received
from roaming.store.database import Work
from roaming.store.documents import object_key

MODULE_ID = "commands"


async def handle_answers(work: Work, batch: Sequence[Received]) -> None:
    """The partner that sent the command is told what came of it."""
    for received in batch:
        if isinstance(received.message, CommandAnswered):
            await take_answer(work, received.message, module=MODULE_ID, ended=tell_result)


async def handle_sessions(work: Work, batch: Sequence[Received]) -> None:
    """Remembers where sessions run, so that they can be stopped."""
    for received in batch:
        match received.message:
            case SessionOpened(network=str(), station_id=str(), transaction_id=str()) as message:
                party = PartyId.of(message.country_code, message.party_id)
                running = RunningSession(
                    session_key=object_key(party, message.session_id),
                    scope=str(PartyId.of(message.token_country_code, message.token_party_id)),
                    network=str(message.network),
                    station_id=str(message.station_id),
                    transaction_id=str(message.transaction_id),
                )
                await session_runs(work.connection, running)
            case SessionEnded() as message:
                party = PartyId.of(message.country_code, message.party_id)
                await session_ended(work.connection, object_key(party, message.session_id))
            case _:
                pass


def projections(_services: Services) -> Sequence[Projection]:
    """The consumers ``commands`` and ``commands-sessions``."""
    return (
        Projection(consumer="commands", topics=(EVENTS,), messages=(CommandAnswered,), handle=handle_answers),
        Projection(
            consumer="commands-sessions",
            topics=(CHANGES,),
            messages=(SessionOpened, SessionEnded),
            handle=handle_sessions,
        ),
    )


def tasks(services: Services) -> Sequence[Callable[[], Awaitable[None]]]:
    """Deadlines."""
    return (partial(watch_deadlines, services, module=MODULE_ID, ended=tell_result),)
