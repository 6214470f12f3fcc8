"""What stations answered to commands and what they did not answer in time, and where sessions run."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial

from contracts.messages import CommandAnswered, CommandRequested, SessionEnded, SessionOpened, TransactionStarted
from contracts.topics import CHANGES, EVENTS
from contracts.vocabulary import CommandName
from roaming.model.command import CommandType
from roaming.model.identifiers import PartyId
from roaming.modules.commands import reserved
from roaming.modules.commands.repeats import begun, forget, tell_all
from roaming.ocpi.answering import take_answer, watch_deadlines
from roaming.ocpi.asked import Asked, add_detail, load
from roaming.ocpi.module import Services
from roaming.stations.presence import presence_of
from roaming.stations.running import RunningSession, find_running, session_ended, session_runs
from roaming.store.consume import Projection, Received
from roaming.store.database import Work
from roaming.store.documents import object_key

MODULE_ID = "commands"


async def handle_answers(work: Work, batch: Sequence[Received]) -> None:
    """The partner that sent the command is told what came of it; a reservation is used by the charge that begins."""
    for received in batch:
        if isinstance(received.message, CommandAnswered):
            await take_answer(work, received.message, module=MODULE_ID, ended=_ended)
        elif isinstance(received.message, TransactionStarted):
            await reserved.used(work.connection, received.message)


async def _ended(work: Work, asked: Asked) -> None:
    await reserved.answered(work, asked)
    await tell_all(work, asked)


async def handle_sessions(services: Services, work: Work, batch: Sequence[Received]) -> None:
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
                if message.command_id is not None:
                    await begun(work.connection, message.command_id, **_charge_of(running))
                if services.is_late_start_stopped and message.command_id is not None:
                    await stop_late_start(work, message.command_id, running, seconds=services.command_timeout)
            case SessionEnded() as message:
                key = object_key(PartyId.of(message.country_code, message.party_id), message.session_id)
                ended = await find_running(work.connection, key)
                if ended is not None:
                    await forget(work.connection, **_charge_of(ended))
                await session_ended(work.connection, key)
            case _:
                pass


def _charge_of(running: RunningSession) -> dict[str, str]:
    """As ``repeats`` takes it."""
    return {
        "network": running.network,
        "station_id": running.station_id,
        "transaction_id": running.transaction_id,
    }


async def stop_late_start(work: Work, command_id: str, running: RunningSession, *, seconds: float) -> None:
    """Stops a charge whose eMSP was told TIMEOUT: its driver may have left. ``seconds``: the station's to do so."""
    asked = await load(work.connection, command_id)
    presence = await presence_of(work.connection, running.network, running.station_id)
    is_late = asked is not None and asked.name == CommandType.START_SESSION and asked.state == "TIMED_OUT"
    if asked is None or not is_late or presence is None:
        return
    stop = CommandRequested(
        command_id=f"stop-{command_id}",
        instance=presence.instance,
        epoch=presence.epoch,
        network=running.network,
        station_id=running.station_id,
        name=CommandName.STOP_CHARGING,
        deadline=work.now + timedelta(seconds=seconds),
        transaction_id=running.transaction_id,
    )
    work.outbox.add(stop, subject=presence.instance, id=stop.command_id, correlation_id=asked.correlation_id)
    await add_detail(work.connection, command_id, "the charge began after TIMEOUT was told: it is being stopped")


def projections(services: Services) -> Sequence[Projection]:
    """The consumers ``commands`` and ``commands-sessions``."""
    return (
        Projection(
            consumer="commands", topics=(EVENTS,), messages=(CommandAnswered, TransactionStarted), handle=handle_answers
        ),
        Projection(
            consumer="commands-sessions",
            topics=(CHANGES,),
            messages=(SessionOpened, SessionEnded),
            handle=partial(handle_sessions, services),
        ),
    )


def tasks(services: Services) -> Sequence[Callable[[], Awaitable[None]]]:
    """Deadlines, and reservations that run out."""
    return (
        partial(watch_deadlines, services, module=MODULE_ID, ended=_ended),
        partial(reserved.watch, services),
    )
