"""What consumers could not handle: shown to people, and handed to its consumer again once the cause is mended."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import select, update

from contracts.envelope import decode
from roaming.store.columns import storable_text, text_to_time
from roaming.store.consume import Projection, Received, reason_of
from roaming.store.database import Database
from roaming.store.errors import StoreUnavailable
from roaming.store.inbox import DEAD_LETTERS, NOBODY, claim_new, unclaim
from roaming.store.reader import Reader

logger = structlog.get_logger(__name__)

_FIELDS = "id, consumer, message_id, subject, type, envelope, error, at, replayed_at"


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """A message, who could not handle it, and why. ``envelope`` is its JSON, or the record that is none as text."""

    id: int
    consumer: str
    message_id: str
    subject: str
    type: str
    envelope: str
    error: str
    at: datetime
    replayed_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """What became of one replay; ``error`` is empty when the message is handled now."""

    id: int
    error: str = ""


async def list_dead(
    reader: Reader,
    *,
    consumer: str | None = None,
    is_replayed_shown: bool = False,
    limit: int = 100,
    before_id: int | None = None,
) -> list[DeadLetter]:
    """The newest first; ``before_id`` goes on behind a page. Raises ``StoreUnavailable``."""
    where, parameters = ["true"], []
    if not is_replayed_shown:
        where.append("replayed_at IS NULL")
    if consumer is not None:
        parameters.append(consumer)
        where.append(f"consumer = ${len(parameters)}")
    if before_id is not None:
        where.append(f"id < {int(before_id)}")
    rows = await reader.fetch(
        f"SELECT {_FIELDS} FROM dead_letters WHERE {' AND '.join(where)}"  # noqa: S608 - numbers and marks of our own
        f" ORDER BY id DESC LIMIT {int(limit)}",
        *parameters,
    )
    return [
        DeadLetter(
            id=row[0],
            consumer=row[1],
            message_id=row[2],
            subject=row[3],
            type=row[4],
            envelope=row[5],
            error=row[6],
            at=text_to_time(row[7]),
            replayed_at=text_to_time(row[8]) if row[8] is not None else None,
        )
        for row in rows
    ]


async def replay(database: Database, ids: Sequence[int], projections: Iterable[Projection]) -> list[Replayed]:
    """Hands dead letters to their consumers again, one transaction each, in the order given.

    A letter that fails again stays dead, with the new reason. Raises ``StoreUnavailable``; letters replayed until
    then stay replayed, and asking again passes over them.
    """
    consumers = {projection.consumer: projection for projection in projections}
    return [Replayed(id=id, error=await _replay_one(database, id, consumers)) for id in ids]


async def _replay_one(database: Database, id: int, consumers: dict[str, Projection]) -> str:
    this = DEAD_LETTERS.c.id == id
    try:
        async with database.work() as work:
            row = (await work.connection.execute(select(DEAD_LETTERS).where(this).with_for_update())).one_or_none()
            if row is None:
                return "there is no such dead letter"
            if row.replayed_at is not None:
                return "it has been replayed already"
            if row.consumer == NOBODY:
                return "it is no envelope: nobody can handle it"
            if row.consumer not in consumers:
                return f"no projection is called {row.consumer}"
            envelope = decode(row.envelope.encode())
            await unclaim(work.connection, row.consumer, row.message_id)
            await claim_new(work.connection, row.consumer, [envelope], work.now)
            await consumers[row.consumer].handle(work, [Received(envelope, envelope.message())])
            await work.connection.execute(update(DEAD_LETTERS).where(this).values(replayed_at=work.now))
    except StoreUnavailable:
        raise
    except Exception as error:
        logger.warning("dead_letter_failed_again", id=id, reason=repr(error))
        reason = storable_text(reason_of(error))[:2000]
        async with database.work() as work:
            await work.connection.execute(update(DEAD_LETTERS).where(this).values(error=reason))
        return reason
    return ""
