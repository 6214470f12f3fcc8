"""Facts about transactions become Sessions of the token's owner.

A transaction ends in two steps: its end is taken at once, and after a short grace for late meter values it is closed,
COMPLETED for good, and a CDR can be made of it. One that was outlived by the next on its connector is closed as well,
after a longer grace for its station's own word.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

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
from roaming.model.doubts import Doubts
from roaming.model.session import Session
from roaming.model.signed_records import SignedRecords
from roaming.modules.sessions import late, repository
from roaming.modules.sessions.applying import Applied
from roaming.modules.sessions.course import heard_again, with_readings
from roaming.modules.sessions.doubting import doubts_of
from roaming.modules.sessions.lagging import ReadingLag
from roaming.modules.sessions.model import UNFINISHED, UNPLACED, TransactionState, is_same_trouble, next_try, trouble_of
from roaming.modules.sessions.opening import (
    OperatorsOwn,
    Setting,
    Unplaced,
    find_connector,
    find_setting,
    freeze,
    frozen_setting,
    is_billable,
    make_session,
    owner_of,
    settled_by_readings,
    unbound,
)
from roaming.modules.sessions.preferences import most_power
from roaming.modules.sessions.repository import Transaction, TransactionKey
from roaming.modules.sessions.service import outgoing_of
from roaming.modules.sessions.showing_cost import tell_costs, tell_final_cost
from roaming.modules.sessions.silence import Silence, is_back
from roaming.ocpi.module import Outgoing, Services
from roaming.ocpi.outgoing import tell
from roaming.store.columns import exact_to_millionths, searchable
from roaming.store.consume import Projection, Received
from roaming.store.database import Work
from roaming.store.errors import StoreUnavailable

logger = structlog.get_logger(__name__)

CLOSE_EVERY = 0.25
UNPLACED_PAUSE = timedelta(minutes=10)
"""The longest between two looks for its place: whoever binds a station wants to see what comes of it."""
UNPLACED_KEPT = timedelta(days=30)
"""A charge whose station nobody has bound, or whose driver nobody knows, waits this long for somebody who does."""
_DUE = (
    "SELECT network, station_id, transaction_id, trouble FROM transactions"
    " WHERE state = 'ENDING' AND close_at <= $1 ORDER BY close_at LIMIT 100"
)


class CannotBePriced(ValueError):
    """One transaction makes no session as things stand; the text is what is kept as its trouble."""


class Sessions:
    """The consumer ``sessions``."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lag = ReadingLag()

    async def handle(self, work: Work, batch: Sequence[Received]) -> None:
        """Applies a batch: every transaction is read once, changed in memory, written once."""
        services = self._services
        self._lag.observe(batch, now=work.now)
        applied = Applied(
            work.connection,
            now=work.now,
            lag=self._lag,
            closing_at=work.now + timedelta(seconds=services.closing_grace),
            settling_at=work.now + timedelta(seconds=services.settling_grace),
        )
        await applied.load(batch)
        for received in batch:
            applied.apply(received)
        await repository.add_readings(work.connection, applied.readings())
        await late.keep(work.connection, applied.late(), now=work.now)
        touched = [_noticed(_judged(entry), work.now) for entry in applied.touched()]
        due = [entry for entry in touched if self._is_due(work, entry)]
        filled = await repository.with_readings(work.connection, due)
        projected = await self._update(work, [entry for entry in filled if entry.session_key])
        for entry in filled:
            if not entry.session_key:
                projected[entry.key] = await self._try_to_open(work, entry)
        ready = [projected.get(entry.key, entry) for entry in touched]
        await repository.save_transactions(work.connection, [entry for entry in ready if applied.is_changed(entry)])

    def _is_due(self, work: Work, entry: Transaction) -> bool:
        """Whether its session is opened or told anew now."""
        if entry.state not in UNFINISHED or not is_billable(entry.course):
            return False
        wait = timedelta(seconds=self._services.session_push_interval)
        return entry.pushed_at is None or work.now - entry.pushed_at >= wait

    async def _try_to_open(self, work: Work, entry: Transaction) -> Transaction:
        """Opens the session of a changed transaction. What cannot be priced is kept with the reason and tried again
        with a later fact, no sooner than a running session is told again, and when it closes."""
        try:
            return await self._open(work, entry)
        except CannotBePriced as error:
            return replace(_in_trouble(entry, str(error)), pushed_at=work.now)

    async def _open(self, work: Work, entry: Transaction) -> Transaction:
        """Opens the session once its place and driver are known. Raises ``CannotBePriced``, nothing being written."""
        course = entry.course
        try:
            setting = await find_setting(work.connection, entry, await self._services.directory.current())
        except Unplaced as error:
            return _in_trouble(entry, str(error))
        except OperatorsOwn:
            return replace(entry, pushed_at=work.now, trouble="", held_since=None)
        session = _priced(entry, setting, None, is_closed=False, now=work.now)
        key = repository.key_of(owner_of(session), session.id)
        await repository.save(work.connection, None, session, source="", now=work.now)
        await freeze(work.connection, key, setting)
        start = course.start
        assert start is not None
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
        return replace(entry, session_key=key, pushed_at=work.now, trouble="", held_since=None)

    async def _update(self, work: Work, entries: Sequence[Transaction]) -> dict[TransactionKey, Transaction]:
        """Updates the sessions of changed transactions, all read together and written together; what cannot be priced
        waits as in ``_try_to_open``."""
        keys = [entry.session_key for entry in entries]
        kept = await repository.load_many(work.connection, keys, for_update=True)
        snapshots = await repository.snapshots_of(work.connection, keys)
        several = [key for key in keys if snapshots[key].profiles is not None]
        preferred = await repository.preferred_of(work.connection, several)
        updated: dict[TransactionKey, Transaction] = {}
        sessions: dict[str, Session] = {}
        told: list[Outgoing] = []
        priced: list[tuple[Transaction, Session]] = []
        for entry in entries:
            key = entry.session_key
            if entry.state not in (TransactionState.OPEN, TransactionState.ENDING) or key not in kept:
                continue
            setting = frozen_setting(entry, kept[key], snapshots[key], preferred.get(key, ()))
            try:
                sessions[key] = _priced(entry, setting, kept[key], is_closed=False, now=work.now)
            except CannotBePriced as error:
                updated[entry.key] = replace(_in_trouble(entry, str(error)), pushed_at=work.now)
                continue
            told.append(outgoing_of(sessions[key], key, entry.course.correlation_id))
            priced.append((entry, sessions[key]))
            updated[entry.key] = replace(entry, pushed_at=work.now, trouble="")
        await repository.save_changed(work.connection, sessions, now=work.now)
        await tell(work, told)
        await tell_costs(work, priced, every=self._services.cost_interval)
        return updated

    async def close_due(self) -> int:
        """Closes the transactions whose grace is over; returns how many."""
        database = self._services.database
        rows = await database.reader.fetch(_DUE, self._services.clock.now())
        waiting = [(row[0], row[1], row[2]) for row in rows if is_same_trouble(row[3], UNPLACED)]
        put_off = await self._put_off_unbound(waiting) if waiting else set()
        for row in rows:
            key = (row[0], row[1], row[2])
            if key in put_off:
                continue
            try:
                async with database.work() as work:
                    await self._close_held(work, key)
            except StoreUnavailable:
                raise
            except Exception as error:
                await self._put_off(key, error)
        return len(rows)

    async def _put_off_unbound(self, keys: Sequence[TransactionKey]) -> set[TransactionKey]:
        """Those of the charges without a place that still have none, all looked up at once: thousands of them must not
        hold up the others."""
        async with self._services.database.work() as work:
            entries = (await repository.load_transactions(work.connection, keys)).values()
            waiting = [entry for entry in entries if _is_due_to_close(entry, work.now)]
            nowhere = await unbound(work.connection, waiting)
            still = [replace(entry, trouble=nowhere[entry.key]) for entry in waiting if entry.key in nowhere]
            await repository.save_transactions(work.connection, [_wait_for_place(entry, work.now) for entry in still])
        return {entry.key for entry in still}

    async def _put_off(self, key: TransactionKey, error: Exception) -> None:
        """Keeps why a transaction could not be closed, and tries again later: what stands in the way can be mended."""
        async with self._services.database.work() as work:
            entry = (await repository.load_transactions(work.connection, [key]))[key]
            if entry.state != TransactionState.ENDING:
                return
            since = entry.held_since or work.now
            trouble = str(error) if isinstance(error, CannotBePriced) else trouble_of(error)
            if entry.held_since is None or not is_same_trouble(entry.trouble, trouble):
                logger.error("transaction_cannot_be_closed", station=key[1], transaction=key[2], exc_info=error)
            held = replace(entry, trouble=trouble, held_since=since, close_at=next_try(since, work.now))
            await repository.save_transactions(work.connection, [held])

    async def _close_held(self, work: Work, key: TransactionKey) -> None:
        entry = (await repository.load_transactions(work.connection, [key]))[key]
        if _is_due_to_close(entry, work.now):
            if await is_back(work.connection, entry):
                again = replace(entry, course=heard_again(entry.course), state=TransactionState.OPEN, close_at=None)
                await repository.save_transactions(work.connection, [replace(again, pushed_at=work.now)])
                return
            (entry,) = await repository.with_readings(work.connection, [entry])
            await repository.save_transactions(work.connection, [await self._close(work, entry)])

    async def _close(self, work: Work, entry: Transaction) -> Transaction:
        entry = replace(entry, course=settled_by_readings(entry))
        end = entry.course.end
        if end is None or not is_billable(entry.course):
            return replace(entry, state=TransactionState.CLOSED)
        if not entry.session_key:
            entry = await self._open(work, entry)
        if not entry.session_key and not entry.trouble:
            return replace(entry, state=TransactionState.REFUSED)
        if not entry.session_key:
            return _wait_for_place(entry, work.now)
        kept = await repository.load(work.connection, entry.session_key, for_update=True)
        if kept is None:
            raise LookupError(f"session {entry.session_key} is missing")
        key = entry.session_key
        snapshots = await repository.snapshots_of(work.connection, [key])
        preferred = await repository.preferred_of(work.connection, [key])
        setting = frozen_setting(entry, kept, snapshots[key], preferred.get(key, ()))
        session = _priced(entry, setting, kept, is_closed=True, now=work.now)
        await repository.save(work.connection, kept, session, source="", now=work.now)
        await self._keep_doubts(work, entry, setting)
        if entry.course.signed:
            records = SignedRecords(records=entry.course.signed)
            await repository.keep_snapshot(work.connection, entry.session_key, "signed", records)
        work.outbox.add(
            SessionEnded(
                country_code=session.country_code,
                party_id=session.party_id,
                session_id=session.id,
                ended_at=end.at,
                is_assumed=end.is_assumed,
            ),
            subject=entry.session_key,
            correlation_id=entry.course.correlation_id,
            cause=f"ended-{entry.session_key}",
        )
        await tell(work, [outgoing_of(session, entry.session_key, entry.course.correlation_id)])
        await tell_final_cost(work, entry, session, every=self._services.cost_interval)
        return replace(entry, state=TransactionState.CLOSED, pushed_at=work.now, trouble="", held_since=None)

    async def _keep_doubts(self, work: Work, entry: Transaction, setting: Setting) -> None:
        connector = find_connector(setting.location, setting.binding)[1] if setting.location is not None else None
        course = with_readings(entry.course, entry.readings)
        texts = doubts_of(course, most_power(connector) if connector is not None else None)
        if texts:
            logger.warning("energy_is_doubtful", station=entry.key[1], transaction=entry.key[2], reasons=texts)
            await repository.keep_snapshot(work.connection, entry.session_key, "doubts", Doubts(texts=texts))

    async def run(self) -> None:
        """Closes what is due until cancelled."""
        while True:
            await asyncio.sleep(CLOSE_EVERY)
            try:
                await self.close_due()
            except StoreUnavailable as error:
                logger.warning("closing_waits", reason=str(error))


def _is_due_to_close(entry: Transaction, now: datetime) -> bool:
    return entry.state == TransactionState.ENDING and entry.close_at is not None and entry.close_at <= now


def _wait_for_place(entry: Transaction, now: datetime) -> Transaction:
    """Its station or its driver is not known yet: whoever binds it in time loses nothing."""
    since = entry.held_since or now
    if now - since > UNPLACED_KEPT:
        logger.error("transaction_given_up", station=entry.key[1], transaction=entry.key[2], reason=entry.trouble)
        return replace(entry, state=TransactionState.GIVEN_UP, close_at=None)
    return replace(entry, held_since=since, close_at=next_try(since, now, longest=UNPLACED_PAUSE))


def _judged(entry: Transaction) -> Transaction:
    """A charge whose token was never accepted makes no session."""
    course = entry.course
    if course.start is None or course.end is None or is_billable(course):
        return entry
    return replace(entry, state=TransactionState.REFUSED)


def _noticed(entry: Transaction, now: datetime) -> Transaction:
    """One without a start, with when it was first heard of: it is kept so long for its start to come."""
    is_unstarted = entry.state in (TransactionState.NEW, TransactionState.ORPHAN)
    return replace(entry, close_at=now) if is_unstarted and entry.close_at is None else entry


def _priced(
    entry: Transaction, setting: Setting, kept: repository.Kept | None, *, is_closed: bool, now: datetime
) -> Session:
    """``make_session``. Raises ``CannotBePriced`` for whatever a station or a location said that makes no price."""
    try:
        session = make_session(entry, setting, kept, is_closed=is_closed, now=now)
        exact_to_millionths(searchable(session.kwh))
    except (ValueError, ArithmeticError, LookupError) as error:
        raise CannotBePriced(trouble_of(error)) from error
    return session


def _in_trouble(entry: Transaction, trouble: str) -> Transaction:
    """With what stands in its way; a kind that is new is told to the log, once."""
    if not is_same_trouble(entry.trouble, trouble):
        logger.warning("transaction_in_trouble", station=entry.key[1], transaction=entry.key[2], reason=trouble)
    return replace(entry, trouble=trouble)


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
    """Closing after the grace, and what nobody hears of any more."""
    return Sessions(services).run, Silence(services).run
