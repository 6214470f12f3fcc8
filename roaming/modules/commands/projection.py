"""What stations answered to commands, and what they did not answer in time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from contracts.messages import CommandAnswered, SessionEnded, SessionOpened
from contracts.topics import CHANGES, EVENTS
from contracts.vocabulary import CommandOutcome
from roaming.model.identifiers import PartyId
from roaming.modules.commands import repository
from roaming.modules.commands.repository import Command, RunningSession
from roaming.ocpi.module import Outgoing, Services
from roaming.ocpi.outgoing import tell
from roaming.store.consume import Projection, Received
from roaming.store.database import Work
from roaming.store.documents import object_key
from roaming.store.errors import StoreUnavailable

logger = structlog.get_logger(__name__)

LOOK_EVERY = 0.5


async def handle_answers(work: Work, batch: Sequence[Received]) -> None:
    """requested → answered; a late answer is recorded and not told twice."""
    for received in batch:
        message = received.message
        if not isinstance(message, CommandAnswered):
            continue
        is_first = await repository.finish(
            work.connection,
            message.command_id,
            state="ANSWERED",
            outcome=message.outcome.value,
            detail=message.detail or "",
            now=work.now,
        )
        command = await repository.load(work.connection, message.command_id)
        if command is None:
            continue
        if is_first:
            await tell(work, [_outgoing(command)])
        else:
            await repository.add_detail(work.connection, command.id, f"too late: {message.outcome}")


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
                await repository.session_runs(work.connection, running)
            case SessionEnded() as message:
                party = PartyId.of(message.country_code, message.party_id)
                await repository.session_ended(work.connection, object_key(party, message.session_id))
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

    async def watch() -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                await time_out(services)
            except StoreUnavailable as error:
                logger.warning("command_deadlines_wait", reason=str(error))

    return (watch,)


async def time_out(services: Services) -> int:
    """Turns passed deadlines into TIMEOUT and tells the partners; returns how many."""
    rows = await services.database.reader.fetch(
        "SELECT 1 FROM commands WHERE state = 'REQUESTED' AND deadline < $1 LIMIT 1", services.clock.now()
    )
    if not rows:
        return 0
    ended = 0
    async with services.database.work() as work:
        for command in await repository.overdue(work.connection, work.now):
            is_ended = await repository.finish(
                work.connection,
                command.id,
                state="TIMED_OUT",
                outcome=CommandOutcome.TIMEOUT.value,
                detail="the station did not answer in time",
                now=work.now,
            )
            if is_ended:
                await tell(work, [_outgoing(command)])
                ended += 1
    return ended


def _outgoing(command: Command) -> Outgoing:
    return Outgoing(
        module="commands",
        object_key=command.id,
        owner=PartyId.parse(command.cpo),
        correlation_id=command.correlation_id,
    )
