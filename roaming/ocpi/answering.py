"""From what a station answered, or did not answer in time, to the result that a partner waits for."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec
import structlog

from contracts.messages import CommandAnswered
from contracts.vocabulary import CommandOutcome
from roaming.model.identifiers import PartyId
from roaming.ocpi import asked as rows
from roaming.ocpi.asked import Asked
from roaming.ocpi.module import Outgoing, Recipient, Services
from roaming.ocpi.outgoing import tell
from roaming.partners.directory import Directory
from roaming.store.database import Work
from roaming.store.errors import StoreUnavailable

logger = structlog.get_logger(__name__)

LOOK_EVERY = 0.5
Ended = Callable[[Work, Asked], Awaitable[None]]
"""What a module does with a request that has its outcome, in the transaction that records it."""


async def tell_result(work: Work, asked: Asked) -> None:
    """``Ended``: the partner is told, at its ``response_url``."""
    await tell(work, [outgoing_of(asked)])


def outgoing_of(asked: Asked) -> Outgoing:
    """ "This request has its outcome". What is told of one session keeps its order."""
    return Outgoing(
        module=asked.module,
        object_key=asked.id,
        owner=PartyId.parse(asked.cpo),
        order_key=f"asked/{asked.session_key}" if asked.session_key else "",
        correlation_id=asked.correlation_id,
    )


def audience(_outgoing: Outgoing, asked: Asked | None, directory: Directory) -> Sequence[Recipient]:
    """The partner that asked, and nobody else."""
    if asked is None or asked.partner_id not in directory.partners:
        return ()
    emsp, cpo = PartyId.parse(asked.emsp), PartyId.parse(asked.cpo)
    return (Recipient(partner_id=asked.partner_id, to_party=emsp, from_party=cpo),)


async def take_answer(work: Work, message: CommandAnswered, *, module: str, ended: Ended) -> None:
    """requested → answered, if the request is one of ``module``; a late answer is recorded and not told twice."""
    is_first = await rows.finish(
        work.connection,
        message.command_id,
        module=module,
        state="ANSWERED",
        outcome=message.outcome.value,
        detail=message.detail or "",
        answer=msgspec.json.encode(message.schedule).decode() if message.schedule is not None else "",
        now=work.now,
    )
    asked = await rows.load(work.connection, message.command_id)
    if asked is None or asked.module != module:
        return
    if is_first:
        await ended(work, asked)
    else:
        await rows.add_detail(work.connection, asked.id, f"too late: {message.outcome}")


async def time_out(services: Services, *, module: str, ended: Ended) -> int:
    """Turns passed deadlines of ``module`` into TIMEOUT; returns how many."""
    found = await services.database.reader.fetch(
        "SELECT 1 FROM commands WHERE state = 'REQUESTED' AND deadline < $1 AND module = $2 LIMIT 1",
        services.clock.now(),
        module,
    )
    if not found:
        return 0
    count = 0
    async with services.database.work() as work:
        for asked in await rows.overdue(work.connection, module, work.now):
            is_ended = await rows.finish(
                work.connection,
                asked.id,
                module=module,
                state="TIMED_OUT",
                outcome=CommandOutcome.TIMEOUT.value,
                detail="the station did not answer in time",
                now=work.now,
            )
            after = await rows.load(work.connection, asked.id) if is_ended else None
            if after is not None:
                await ended(work, after)
                count += 1
    return count


async def watch_deadlines(services: Services, *, module: str, ended: Ended) -> None:
    """``time_out`` until cancelled."""
    while True:
        await asyncio.sleep(LOOK_EVERY)
        try:
            await time_out(services, module=module, ended=ended)
        except StoreUnavailable as error:
            logger.warning("deadlines_wait", module=module, reason=str(error))
