"""Facts about transactions become Sessions of the token's owner.

A transaction ends in two steps: its end is taken at once, and after a short grace for late meter values it is closed,
COMPLETED for good, and a CDR can be made of it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import structlog

from contracts.messages import (
    ConnectorStatusChanged,
    MeterValuesTaken,
    SessionEnded,
    SessionOpened,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
)
from contracts.topics import EVENTS, METER
from roaming.modules.sessions import repository
from roaming.modules.sessions.applying import Applied
from roaming.modules.sessions.opening import (
    find_setting,
    freeze,
    frozen_setting,
    is_billable,
    make_session,
    owner_of,
)
from roaming.modules.sessions.repository import Transaction, TransactionKey
from roaming.modules.sessions.service import outgoing_of
from roaming.ocpi.module import Services
from roaming.ocpi.outgoing import tell
from roaming.store.consume import Projection, Received
from roaming.store.database import Work
from roaming.store.errors import StoreUnavailable

logger = structlog.get_logger(__name__)

CLOSE_EVERY = 0.25
UNPLACED_AGAIN = timedelta(seconds=30)
UNPLACED_KEPT = timedelta(days=30)
"""A charge whose station nobody has bound, or whose driver nobody knows, waits this long for somebody who does."""
_DUE = (
    "SELECT network, station_id, transaction_id FROM transactions"
    " WHERE state = 'ENDING' AND close_at <= $1 ORDER BY close_at LIMIT 100"
)


class Sessions:
    """The consumer ``sessions``."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def handle(self, work: Work, batch: Sequence[Received]) -> None:
        """Applies a batch: every transaction is read once, changed in memory, written once."""
        applied = Applied(work.connection, closing_at=work.now + timedelta(seconds=self._services.closing_grace))
        await applied.load(batch)
        for received in batch:
            applied.apply(received)
        ready = [await self._project(work, entry) for entry in applied.touched()]
        await repository.save_transactions(work.connection, ready)

    async def _project(self, work: Work, entry: Transaction) -> Transaction:
        """Opens or updates the session of a changed transaction."""
        course = entry.course
        if course.start is None:
            return entry
        if not is_billable(course):
            return replace(entry, state="REFUSED" if course.end is not None else entry.state)
        if entry.session_key:
            return await self._update(work, entry)
        setting = await find_setting(work.connection, entry)
        if setting is None:
            logger.warning("session_has_no_owner_or_place", station=entry.key[1], transaction=entry.key[2])
            return entry
        session = make_session(entry, setting, None, is_closed=False, now=work.now)
        key = repository.key_of(owner_of(session), session.id)
        await repository.save(work.connection, None, session, source="", now=work.now)
        await freeze(work.connection, key, setting)
        start = course.start
        work.outbox.add(
            SessionOpened(
                country_code=session.country_code,
                party_id=session.party_id,
                session_id=session.id,
                token_country_code=session.cdr_token.country_code,
                token_party_id=session.cdr_token.party_id,
                token_uid=session.cdr_token.uid,
                started_at=start.at,
                authorization_reference=start.reference,
                command_id=start.command_id,
                network=entry.key[0],
                station_id=entry.key[1],
                transaction_id=entry.key[2],
            ),
            subject=key,
            correlation_id=course.correlation_id,
            cause=f"opened-{key}",
        )
        await tell(work, [outgoing_of(session, key, course.correlation_id)])
        return replace(entry, session_key=key, pushed_at=work.now)

    async def _update(self, work: Work, entry: Transaction) -> Transaction:
        if entry.state not in ("OPEN", "ENDING"):
            return entry
        wait = timedelta(seconds=self._services.session_push_interval)
        if entry.pushed_at is not None and work.now - entry.pushed_at < wait:
            return entry
        kept = await repository.load(work.connection, entry.session_key, for_update=True)
        if kept is None:
            return entry
        setting = await frozen_setting(work.connection, entry, kept)
        session = make_session(entry, setting, kept, is_closed=False, now=work.now)
        await repository.save(work.connection, kept, session, source="", now=work.now)
        await tell(work, [outgoing_of(session, entry.session_key, entry.course.correlation_id)])
        return replace(entry, pushed_at=work.now)

    async def close_due(self) -> int:
        """Closes the transactions whose grace is over; returns how many."""
        database = self._services.database
        rows = await database.reader.fetch(_DUE, self._services.clock.now())
        for row in rows:
            key = (row[0], row[1], row[2])
            try:
                async with database.work() as work:
                    await self._close_held(work, key)
            except StoreUnavailable:
                raise
            except Exception:
                logger.exception("transaction_cannot_be_closed", station=key[1], transaction=key[2])
                async with database.work() as work:
                    entry = (await repository.load_transactions(work.connection, [key]))[key]
                    await repository.save_transactions(work.connection, [replace(entry, state="FAILED")])
        return len(rows)

    async def _close_held(self, work: Work, key: TransactionKey) -> None:
        entry = (await repository.load_transactions(work.connection, [key]))[key]
        if entry.state == "ENDING" and entry.close_at is not None and entry.close_at <= work.now:
            await repository.save_transactions(work.connection, [await self._close(work, entry)])

    async def _close(self, work: Work, entry: Transaction) -> Transaction:
        end = entry.course.end
        if not entry.session_key:
            entry = await self._project(work, entry)
        if not entry.session_key and end is not None and is_billable(entry.course):
            # Its station or its driver is not known yet: whoever binds it later loses nothing
            is_given_up = work.now - end.at > UNPLACED_KEPT
            return replace(entry, state="CLOSED" if is_given_up else "ENDING", close_at=work.now + UNPLACED_AGAIN)
        if not entry.session_key or end is None:
            return replace(entry, state="CLOSED")
        kept = await repository.load(work.connection, entry.session_key, for_update=True)
        if kept is None:
            raise LookupError(f"session {entry.session_key} is missing")
        setting = await frozen_setting(work.connection, entry, kept)
        session = make_session(entry, setting, kept, is_closed=True, now=work.now)
        await repository.save(work.connection, kept, session, source="", now=work.now)
        work.outbox.add(
            SessionEnded(
                country_code=session.country_code,
                party_id=session.party_id,
                session_id=session.id,
                ended_at=end.at,
            ),
            subject=entry.session_key,
            correlation_id=entry.course.correlation_id,
            cause=f"ended-{entry.session_key}",
        )
        await tell(work, [outgoing_of(session, entry.session_key, entry.course.correlation_id)])
        return replace(entry, state="CLOSED", pushed_at=work.now)

    async def run(self) -> None:
        """Closes what is due until cancelled."""
        while True:
            await asyncio.sleep(CLOSE_EVERY)
            try:
                await self.close_due()
            except StoreUnavailable as error:
                logger.warning("closing_waits", reason=str(error))


def projections(services: Services) -> Sequence[Projection]:
    """The consumer ``sessions``."""
    return (
        Projection(
            consumer="sessions",
            topics=(EVENTS, METER),
            messages=(
                TransactionStarted,
                TransactionUpdated,
                TransactionEnded,
                MeterValuesTaken,
                ConnectorStatusChanged,
            ),
            handle=Sessions(services).handle,
        ),
    )


def tasks(services: Services) -> Sequence[Callable[[], Awaitable[None]]]:
    """Closing after the grace."""
    return (Sessions(services).run,)
