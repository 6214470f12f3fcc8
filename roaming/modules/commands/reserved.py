"""Reservations at our stations from the command that made them to their end: used, cancelled, replaced, refused, or run
out unused, which is told as ``ReservationExpired``. Knows nothing of prices."""

import asyncio
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.messages import ReservationExpired, TokenOwner, TransactionStarted
from contracts.vocabulary import AuthorizationStatus, CommandOutcome
from roaming.model.command import CommandType
from roaming.model.identifiers import PartyId, fold
from roaming.modules.commands.tables import ReservedRow
from roaming.ocpi.asked import Asked, load
from roaming.ocpi.module import Services
from roaming.store.bulk import insert_new
from roaming.store.columns import storable_text
from roaming.store.database import Work
from roaming.store.documents import object_key
from roaming.store.errors import StoreUnavailable
from roaming.store.trimming import old_rows

logger = structlog.get_logger(__name__)

RESERVED = ReservedRow.__table__  # type: ignore[attr-defined]
OPEN, USED, OVER, EXPIRED = "OPEN", "USED", "OVER", "EXPIRED"
TRIMMINGS = (old_rows("command", RESERVED, "expires_at", RESERVED.c.state != OPEN),)
LOOK_EVERY = 5.0
AT_ONCE = 100
_GONE = (CommandOutcome.ACCEPTED, CommandOutcome.UNKNOWN_RESERVATION)
"""Answers to a cancellation after which there is no reservation."""


@dataclass(frozen=True, kw_only=True)
class Reserved:
    """What is needed to bill it."""

    command_id: str
    emsp: str
    cpo: str
    station_reservation_id: str
    network: str
    station_id: str
    uid: str
    """Of the token."""
    token_type: str
    contract_id: str
    reference: str
    location_id: str
    evse_uid: str
    connector_id: str
    made_at: datetime
    expires_at: datetime


async def keep(connection: AsyncConnection, reserved: Reserved) -> None:
    """Stores a reservation that is on its way to its station; one of before under the same id is over."""
    await let_go(connection, reserved.station_reservation_id)
    row = asdict(reserved) | {
        "state": OPEN,
        "uid": storable_text(reserved.uid),
        "token_uid": storable_text(fold(reserved.uid)),
        "contract_id": storable_text(reserved.contract_id),
        "reference": storable_text(reserved.reference),
    }
    await insert_new(connection, RESERVED, [row], key=("command_id",))


async def let_go(connection: AsyncConnection, station_reservation_id: str) -> None:
    """Another reservation takes its place."""
    await _end(connection, OVER, RESERVED.c.station_reservation_id == station_reservation_id)


async def cancelled_by(connection: AsyncConnection, station_reservation_id: str, command_id: str) -> None:
    """Notes the command that cancels one, if its station says so."""
    is_it = (RESERVED.c.station_reservation_id == station_reservation_id) & (RESERVED.c.state == OPEN)
    await connection.execute(update(RESERVED).where(is_it).values(cancelled_by=command_id))


async def answered(work: Work, asked: Asked) -> None:
    """What the station said: a reservation that it did not make is none, and one that it let go neither."""
    if asked.name == CommandType.RESERVE_NOW and asked.outcome != CommandOutcome.ACCEPTED:
        await _end(work.connection, OVER, RESERVED.c.command_id == asked.id)
    elif asked.name == CommandType.CANCEL_RESERVATION and asked.outcome in _GONE:
        await _end(work.connection, OVER, RESERVED.c.cancelled_by == asked.id)


async def used(connection: AsyncConnection, message: TransactionStarted) -> None:
    """A charge began: by its reservation, or with the card that it was reserved for, while it held."""
    if message.authorization is not AuthorizationStatus.ACCEPTED:
        return
    columns = RESERVED.c
    is_named = columns.station_reservation_id == storable_text(message.reservation_id or "?")
    is_theirs = columns.token_uid == storable_text(fold(message.token_uid))
    holds = (columns.made_at <= message.started_at) & (columns.expires_at >= message.started_at)
    is_there = (columns.network == message.network) & (columns.station_id == message.station_id)
    await _end(connection, USED, is_there & (is_named | (is_theirs & holds)))


async def _end(connection: AsyncConnection, state: str, which: Any) -> None:
    await connection.execute(update(RESERVED).where(RESERVED.c.state == OPEN, which).values(state=state))


async def expire(services: Services, *, running_since: datetime | None = None) -> int:
    """Tells of reservations that have run out unused, a while after their end: a station may tell late that one was
    used. After ``running_since`` as long a while goes by: what was told while we were away has not been read yet.
    Returns how many. Raises ``StoreUnavailable``."""
    database = services.database
    until = services.clock.now() - timedelta(seconds=services.settling_grace)
    if running_since is not None and until < running_since:
        return 0
    if not await database.reader.fetch(
        "SELECT 1 FROM reserved WHERE state = 'OPEN' AND expires_at < $1 LIMIT 1", until
    ):
        return 0
    count = 0
    async with database.work() as work:
        columns = RESERVED.c
        due = select(RESERVED).where(columns.state == OPEN, columns.expires_at < until).order_by(columns.expires_at)
        for row in (await work.connection.execute(due.limit(AT_ONCE).with_for_update())).mappings().all():
            asked = await load(work.connection, row["command_id"])
            is_held = asked is not None and asked.outcome == CommandOutcome.ACCEPTED
            await _end(work.connection, EXPIRED if is_held else OVER, columns.command_id == row["command_id"])
            if is_held:
                _tell(work, row)
                count += 1
    return count


def _tell(work: Work, row: Any) -> None:
    cpo, emsp = PartyId.parse(row["cpo"]), PartyId.parse(row["emsp"])
    message = ReservationExpired(
        country_code=cpo.country_code,
        party_id=cpo.party_id,
        reservation_id=row["command_id"],
        token_uid=row["uid"],
        token_owner=TokenOwner(
            country_code=emsp.country_code,
            party_id=emsp.party_id,
            token_type=row["token_type"],
            contract_id=row["contract_id"],
        ),
        authorization_reference=row["reference"] or None,
        location_id=row["location_id"],
        evse_uid=row["evse_uid"],
        connector_id=row["connector_id"],
        began_at=row["made_at"],
        expired_at=row["expires_at"],
    )
    work.outbox.add(message, subject=object_key(cpo, row["location_id"]), id=f"expired-{row['command_id']}")


async def watch(services: Services) -> None:
    """``expire`` until cancelled."""
    running_since = services.clock.now()
    while True:
        await asyncio.sleep(LOOK_EVERY)
        try:
            while await expire(services, running_since=running_since):
                pass
        except StoreUnavailable as error:
            logger.warning("reservations_wait", reason=str(error))
