"""The durable way out: facts on disk before a station is answered, ordered, each once.

Knows how facts are kept and recognised; ``relay.py`` takes them to the bus.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

import structlog

from adapters.kit.database import Database
from adapters.kit.known_ids import CHUNKS, KnownIds, Statement, insertions, key_of
from adapters.kit.manifest import Fact, SpoolFull
from adapters.kit.relay import Kept, Relay
from contracts.bus.port import Bus
from contracts.envelope import Envelope, encode, wrap
from contracts.messages import Message
from contracts.topics import METER, TOPIC_OF

_TABLES = (
    "CREATE TABLE IF NOT EXISTS spooled (sequence INTEGER PRIMARY KEY, envelope BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS relayed (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), sequence INTEGER NOT NULL)",
)
_ROWS_IN_A_COMMIT = 1000
_BUSY_CALLS = 4
_BUSY_PAUSE = 0.005
"""From one commit to the next when many wait: a commit costs as much processor time as dozens of facts."""

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class SpoolLimits:
    """How much is kept, and for how long."""

    facts: int = 2_000_000
    """Not yet relayed."""
    octets: int = 2 * 1024**3
    """Of those facts."""
    remembered: int = 5_000_000
    """Ids of facts, kept to recognise repeats. Above this the oldest go early."""
    remembered_in_memory: int = 100_000
    """Of those the latest, see ``known_ids.py``."""
    remember: timedelta = timedelta(days=30)
    remember_meter_values: timedelta = timedelta(days=2)
    sweep: timedelta = timedelta(hours=1)
    """Time in which all ids are looked through once."""

    def hours(self, message: type[Message]) -> int:
        """How long the ids of such facts are remembered."""
        span = self.remember_meter_values if TOPIC_OF[message] is METER else self.remember
        return int(span / timedelta(hours=1))


class _Row(NamedTuple):
    sequence: int
    key: int
    """Digest of the fact's id."""
    forget_after: int
    """See ``_hour``."""
    data: bytes
    envelope: Envelope
    """The same, for the bus."""


class _Call(NamedTuple):
    """One waiting ``record``."""

    rows: list[_Row]
    octets: int
    future: asyncio.Future[None]


class Spool:
    """Implements ``Facts``. Calls that wait at the same moment share one commit.

    ``sequence`` is given when ``record`` is called and is the row's id; commits happen in its order, so what the
    relay has not seen is always behind what it has. Repeats and refused calls leave gaps.
    """

    def __init__(
        self,
        database: Database,
        bus: Bus,
        *,
        network: str,
        instance: str,
        now: Callable[[], datetime],
        limits: SpoolLimits | None = None,
    ) -> None:
        self._database = database
        self._network = network
        self._source = f"adapter:{instance}"
        self._now = now
        self._limits = limits or SpoolLimits()
        self._hours = {message: self._limits.hours(message) for message in TOPIC_OF}
        self._known = KnownIds(database, merge_at=self._limits.remembered_in_memory)
        self._is_merge_due = asyncio.Event()
        self._relay = Relay(database, bus, on_relayed=self._relayed)
        self._next = 1
        self._facts = 0
        self._octets = 0
        self._waiting: deque[_Call] = deque()
        self._has_waiting = asyncio.Event()
        self._is_refusing = False
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Makes the tables where they are missing, and relays what an earlier run left."""
        await self._database.write(_create)
        await self._known.start()
        (self._facts, self._octets, last), (relayed,) = (
            self._database.fetch(
                "SELECT count(*), coalesce(sum(length(envelope)), 0), coalesce(max(sequence), 0) FROM spooled"
            )[0],
            self._database.fetch("SELECT coalesce(max(sequence), 0) FROM relayed")[0],
        )
        self._next = max(last, relayed) + 1
        self._relay.start(after=relayed)
        self._tasks = [asyncio.create_task(work) for work in (self._write(), self._merge(), self._forget())]

    async def record(self, facts: Sequence[Fact]) -> None:
        """See ``Facts.record``."""
        if not facts:
            return
        recorded_at = self._now()
        hour = _hour(recorded_at)
        rows: list[_Row] = []
        octets = 0
        for fact in facts:
            row = self._row(fact, recorded_at, hour)
            rows.append(row)
            octets += len(row.data)
        self._make_sure_it_fits(len(rows), octets)
        self._facts += len(rows)
        self._octets += octets
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(_Call(rows, octets, future))
        self._has_waiting.set()
        await future

    def backlog(self) -> int:
        """How many facts wait for the bus."""
        return self._facts

    def is_healthy(self) -> bool:
        """False while it refuses facts, or when a part of it has ended."""
        return not self._is_refusing and self._relay.is_running() and not any(task.done() for task in self._tasks)

    async def drain(self, seconds: float) -> bool:
        """Waits until everything recorded is on the bus. False when time ran out; the rest stays on disk."""
        return await self._relay.drain(seconds)

    async def stop(self) -> None:
        """Stops writing and relaying. What is on disk stays there for the next start."""
        await self._relay.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._waiting:
            self._fail(self._waiting, "the adapter has stopped")
            self._waiting.clear()

    def _row(self, fact: Fact, recorded_at: datetime, hour: int) -> _Row:
        sequence = self._next
        self._next += 1
        envelope = wrap(
            fact.message,
            id=fact.id,
            subject=f"{self._network}/{fact.station_id}",
            sequence=sequence,
            occurred_at=fact.occurred_at,
            recorded_at=recorded_at,
            correlation_id=fact.correlation_id or fact.id,
            cause=fact.cause,
            source=self._source,
        )
        forget_after = hour + self._hours[type(fact.message)]
        return _Row(sequence, key_of(fact.id), forget_after, encode(envelope), envelope)

    def _make_sure_it_fits(self, facts: int, octets: int) -> None:
        if self._facts + facts <= self._limits.facts and self._octets + octets <= self._limits.octets:
            return
        reason = f"{self._facts} facts ({self._octets} octets) wait for the bus, the bound is reached"
        self._refuse(reason)
        raise SpoolFull(f"{reason}: bring the bus back or raise the bound")

    def _release(self, facts: int, octets: int) -> None:
        self._facts -= facts
        self._octets -= octets

    def _relayed(self, facts: int, octets: int) -> None:
        self._release(facts, octets)
        self._take_again_if_it_fits()

    def _take_again_if_it_fits(self) -> None:
        """Ends a refusal without waiting for somebody to try: while it lasts, no station may be sent here."""
        if self._facts < self._limits.facts and self._octets < self._limits.octets:
            self._take_again()

    def _take_again(self) -> None:
        if self._is_refusing:
            self._is_refusing = False
            logger.info("spool takes facts again", backlog=self._facts)

    def _refuse(self, reason: str) -> None:
        if not self._is_refusing:
            self._is_refusing = True
            logger.error("spool refuses facts", reason=reason, backlog=self._facts)

    async def _write(self) -> None:
        """Commits what waits, one group after the other."""
        loop = asyncio.get_running_loop()
        while True:
            await self._has_waiting.wait()
            started = loop.time()
            calls = list(self._take())
            rows = self._unknown([row for call in calls for row in call.rows])
            try:
                fresh = await self._database.write(partial(self._insert, rows, self._statements(rows)))
            except BaseException as error:
                self._fail(calls, f"the disk refuses: {error}")
                if isinstance(error, Exception):
                    continue
                raise
            self._settle(calls, fresh)
            if len(calls) > _BUSY_CALLS:
                await asyncio.sleep(started + _BUSY_PAUSE - loop.time())

    def _take(self) -> Iterator[_Call]:
        rows = 0
        while self._waiting and rows < _ROWS_IN_A_COMMIT:
            call = self._waiting.popleft()
            rows += len(call.rows)
            yield call
        if not self._waiting:
            self._has_waiting.clear()

    def _unknown(self, rows: list[_Row]) -> list[_Row]:
        """Without those whose id is known to memory, and each but once."""
        known = self._known.known_lately([row.key for row in rows])
        found: list[_Row] = []
        for row in rows:
            if row.key not in known:
                known.add(row.key)
                found.append(row)
        return found

    def _statements(self, rows: list[_Row]) -> list[Statement]:
        """What keeps the rows."""
        return [
            *insertions("spooled", [(row.sequence, row.data) for row in rows]),
            *self._known.keep([(row.key, row.forget_after) for row in rows]),
        ]

    def _insert(self, rows: list[_Row], statements: list[Statement], connection: sqlite3.Connection) -> list[_Row]:
        """Keeps the rows whose id is not on disk, nearly always all of them, and returns them. Runs in the writer
        thread."""
        known = self._known.on_disk([row.key for row in rows], connection)
        if known:
            rows = [row for row in rows if row.key not in known]
            statements = self._statements(rows)
        for statement, values in statements:
            connection.execute(statement, values)
        return rows

    def _settle(self, calls: list[_Call], fresh: list[_Row]) -> None:
        self._take_again()
        self._release(
            sum(len(call.rows) for call in calls) - len(fresh),
            sum(call.octets for call in calls) - sum(len(row.data) for row in fresh),
        )
        if self._known.kept([row.key for row in fresh]):
            self._is_merge_due.set()
        self._relay.offer([Kept(row.sequence, len(row.data), row.envelope) for row in fresh])
        for call in calls:
            if not call.future.done():
                call.future.set_result(None)

    def _fail(self, calls: Iterable[_Call], reason: str) -> None:
        self._refuse(reason)
        for call in calls:
            self._release(len(call.rows), call.octets)
            if not call.future.done():
                call.future.set_exception(SpoolFull(reason))

    async def _merge(self) -> None:
        while True:
            await self._is_merge_due.wait()
            self._is_merge_due.clear()
            try:
                await self._known.merge()
            except sqlite3.Error as error:
                logger.warning("the latest ids stay in memory until the next merge", error=str(error))

    async def _forget(self) -> None:
        """Walks through the ids for ever, a small part at a time, and drops those that are old enough."""
        pause = self._limits.sweep.total_seconds() / CHUNKS
        ahead = 0
        while True:
            remembered = 0
            self._is_merge_due.set()
            for chunk in range(CHUNKS):
                await asyncio.sleep(pause)
                hour = _hour(self._now()) + ahead
                try:
                    remembered += await self._known.forget(chunk, hour)
                    self._take_again_if_it_fits()
                except sqlite3.Error as error:
                    logger.warning("old ids could not be dropped", error=str(error))
            if remembered > self._limits.remembered:
                ahead += 48
                logger.warning("too many ids are remembered; the oldest go early", remembered=remembered)
            elif remembered < self._limits.remembered * 0.8:
                ahead = max(0, ahead - 24)


def _hour(at: datetime) -> int:
    """Hours since the year 1, UTC."""
    return at.toordinal() * 24 + at.hour


def _create(connection: sqlite3.Connection) -> None:
    for table in _TABLES:
        connection.execute(table)
