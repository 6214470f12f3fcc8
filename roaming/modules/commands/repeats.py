"""A START_SESSION that comes twice, because its sender lost the first answer or its driver pressed twice: the station
gets one command, and both are told what came of it. (ocpi/ocpi#95)

What the station refused is no start: the next one goes there anew. So does one after its charge has ended, or was asked
to stop. Knows nothing of how a start reaches its station, nor of sessions.
"""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.vocabulary import CommandOutcome
from roaming.model.command import StartSession
from roaming.model.identifiers import PartyId, fold
from roaming.modules.commands.tables import RecentStartRow
from roaming.ocpi.answering import outgoing_of
from roaming.ocpi.asked import Asked, finish_following, insert_asked, load
from roaming.ocpi.outgoing import tell
from roaming.store.bulk import upsert
from roaming.store.database import Work
from roaming.store.trimming import old_rows

WITHIN = timedelta(seconds=60)
STARTS = RecentStartRow.__table__  # type: ignore[attr-defined]
TRIMMINGS = (old_rows("command", STARTS, "until"),)
_MAY_CHARGE = ("", CommandOutcome.ACCEPTED.value, CommandOutcome.TIMEOUT.value)
"""Outcomes after which a second command could be one too many; empty: the station has not answered yet."""


def key_of(emsp: PartyId, cpo: PartyId, command: StartSession) -> str:
    """The same for two starts that mean the same: driver and EVSE as they are asked for."""
    token = command.token
    parts = (str(emsp), token.type, token.uid, str(cpo), command.location_id, command.evse_uid or "")
    return "/".join(fold(part).replace("/", "%2f") for part in parts)


async def earlier_start(work: Work, key: str, new: Asked) -> Asked | None:
    """The start that ``new`` repeats; ``None``: ``new`` is the first. Held, either way, until the transaction ends, so
    that of two at once one is the second."""
    row = {
        "key": key,
        "command_id": new.id,
        "network": new.network,
        "station_id": new.station_id,
        "transaction_id": "",
        "at": work.now,
        "until": work.now + WITHIN,
    }
    changed = ("command_id", "network", "station_id", "transaction_id", "at", "until")
    if await upsert(work.connection, STARTS, [row], key=("key",), update=changed, only_if="t.until <= excluded.at"):
        return None
    held = select(STARTS.c.command_id).where(STARTS.c.key == key).with_for_update()
    first = await load(work.connection, (await work.connection.execute(held)).scalar_one(), is_held=True)
    if first is not None and first.outcome in _MAY_CHARGE:
        return first
    del row["key"]
    await work.connection.execute(update(STARTS).where(STARTS.c.key == key).values(**row))
    return None


async def follow(work: Work, first: Asked, new: Asked) -> None:
    """Lets ``new`` have the result of ``first``, now or when it comes. One that asks for it at the same address is the
    same request once more: it is told once."""
    if (new.partner_id, new.response_url) == (first.partner_id, first.response_url):
        return
    copied = replace(
        new,
        follows=first.id,
        network=first.network,
        station_id=first.station_id,
        state=first.state,
        outcome=first.outcome,
        detail=first.detail,
        answered_at=work.now if first.outcome else None,
    )
    await insert_asked(work.connection, copied)
    if first.outcome:
        await tell(work, [outgoing_of(copied)])


async def tell_all(work: Work, asked: Asked) -> None:
    """``roaming.ocpi.answering.Ended``: whoever asked is told, and whoever asked for the same."""
    following = await finish_following(work.connection, asked, now=work.now)
    await tell(work, [outgoing_of(each) for each in (asked, *following)])


async def begun(
    connection: AsyncConnection, command_id: str, *, network: str, station_id: str, transaction_id: str
) -> None:
    """A start has led to a charge."""
    start = (STARTS.c.network == network) & (STARTS.c.station_id == station_id) & (STARTS.c.command_id == command_id)
    await connection.execute(update(STARTS).where(start).values(transaction_id=transaction_id))


async def forget(connection: AsyncConnection, *, network: str, station_id: str, transaction_id: str) -> None:
    """This charge ends: a start like the one that led to it, that comes now, is a new one."""
    start = (STARTS.c.network == network) & (STARTS.c.station_id == station_id)
    await connection.execute(delete(STARTS).where(start & (STARTS.c.transaction_id == transaction_id)))
