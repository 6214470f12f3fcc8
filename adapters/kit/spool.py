"""The durable way out: facts on disk before a station is answered, ordered, each once.

Knows how facts are kept and recognised; ``relay.py`` takes them to the bus. What one commit brings is one row: its
envelopes, a line each, and the sequence of the last of them (decision 0130).
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

import msgspec
import structlog

from adapters.kit.database import Database
from adapters.kit.known_ids import CHUNKS, KnownIds, Statement, key_of
from adapters.kit.manifest import Fact, SpoolFull
from adapters.kit.relay import Kept, Relay
from contracts.bus.port import Bus
from contracts.envelope import Envelope, encode, wrap
from contracts.messages import Message
from contracts.topics import METER, TOPIC_OF

_TABLES = (
    "CREATE TABLE IF NOT EXISTS spooled"
    " (sequence INTEGER PRIMARY KEY, envelopes BLOB NOT NULL, facts INTEGER NOT NULL DEFAULT 1)",
    "CREATE TABLE IF NOT EXISTS relayed (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), sequence INTEGER NOT NULL)",
)
_KEEP = "INSERT INTO spooled VALUES (?, ?, ?)"
_FACTS_IN_A_COMMIT = 1000
_OCTETS_IN_A_COMMIT = 2**20
_BUSY_CALLS = 4
_BUSY_PAUSE = 0.01
"""From one commit to the next when many call: a commit costs as much processor time as dozens of facts."""
_BUSY_ENOUGH = 40
"""With so many calls waiting the next commit begins at once: more of them would make each fact little cheaper."""

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


class _Line(msgspec.Struct, frozen=True, gc=False):
    """A fact, as it is kept."""

    sequence: int
    key: int | None
    """Digest of the fact's id; ``None`` where it cannot come again."""
    forget_after: int
    """See ``_hour``."""
    data: bytes
    envelope: Envelope
    """The same, for the bus."""


class _Call(NamedTuple):
    """One waiting ``record``."""

    lines: list[_Line]
    octets: int
    future: asyncio.Future[None]


class Spool:
    """Implements ``Facts``. Calls that wait at the same moment share one commit.

    ``sequence`` is given when ``record`` is called, and that of its last fact is the row's id; commits happen in its
    order, so what the relay has not seen is always behind what it has. Repeats and refused calls leave gaps.
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
        self._has_enough = asyncio.Event()
        self._is_refusing = False
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Makes the tables where they are missing, and relays what an earlier run left."""
        await self._database.write(_create)
        await self._known.start()
        (self._facts, self._octets, last), (relayed,) = (
            self._database.fetch(
                "SELECT coalesce(sum(facts), 0), coalesce(sum(length(envelopes) - facts + 1), 0),"
                " coalesce(max(sequence), 0) FROM spooled"
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
        lines: list[_Line] = []
        octets = 0
        for fact in facts:
            line = self._line(fact, recorded_at, hour)
            lines.append(line)
            octets += len(line.data)
        self._make_sure_it_fits(len(lines), octets)
        self._facts += len(lines)
        self._octets += octets
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(_Call(lines, octets, future))
        self._has_waiting.set()
        if len(self._waiting) >= _BUSY_ENOUGH:
            self._has_enough.set()
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

    def _line(self, fact: Fact, recorded_at: datetime, hour: int) -> _Line:
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
        key = None if fact.is_told_once else key_of(fact.id)
        return _Line(sequence, key, hour + self._hours[type(fact.message)], encode(envelope), envelope)

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
            lines = self._unknown([line for call in calls for line in call.lines])
            try:
                fresh = await self._database.write(partial(self._insert, lines, self._statements(lines)))
            except BaseException as error:
                self._fail(calls, f"the disk refuses: {error}")
                if isinstance(error, Exception):
                    continue
                raise
            self._settle(calls, fresh)
            if len(calls) > _BUSY_CALLS:
                await self._pause(until=started + _BUSY_PAUSE)

    async def _pause(self, *, until: float) -> None:
        """``until``: on the event loop's clock; or until enough calls wait."""
        if len(self._waiting) >= _BUSY_ENOUGH:
            return
        self._has_enough.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self._has_enough.wait()

    def _take(self) -> Iterator[_Call]:
        facts = octets = 0
        while self._waiting and facts < _FACTS_IN_A_COMMIT and octets < _OCTETS_IN_A_COMMIT:
            call = self._waiting.popleft()
            facts += len(call.lines)
            octets += call.octets
            yield call
        if not self._waiting:
            self._has_waiting.clear()

    def _unknown(self, lines: list[_Line]) -> list[_Line]:
        """Without those whose id is known to memory, and each but once."""
        known = self._known.known_lately(_keys(lines))
        found: list[_Line] = []
        for line in lines:
            if line.key is not None:
                if line.key in known:
                    continue
                known.add(line.key)
            found.append(line)
        return found

    def _statements(self, lines: list[_Line]) -> list[Statement]:
        """What keeps the lines, and nothing for none."""
        if not lines:
            return []
        return [
            (_KEEP, (lines[-1].sequence, b"\n".join([line.data for line in lines]), len(lines))),
            *self._known.keep([(line.key, line.forget_after) for line in lines if line.key is not None]),
        ]

    def _insert(self, lines: list[_Line], statements: list[Statement], connection: sqlite3.Connection) -> list[_Line]:
        """Keeps the lines whose id is not on disk, nearly always all of them, and returns them. Runs in the writer
        thread."""
        known = self._known.on_disk(_keys(lines), connection)
        if known:
            lines = [line for line in lines if line.key not in known]
            statements = self._statements(lines)
        for statement, values in statements:
            connection.execute(statement, values)
        return lines

    def _settle(self, calls: list[_Call], fresh: list[_Line]) -> None:
        self._take_again()
        octets = sum([len(line.data) for line in fresh])
        self._release(
            sum([len(call.lines) for call in calls]) - len(fresh), sum([call.octets for call in calls]) - octets
        )
        if self._known.kept(_keys(fresh)):
            self._is_merge_due.set()
        if fresh:
            self._relay.offer(Kept(fresh[-1].sequence, len(fresh), octets, [line.envelope for line in fresh]))
        for call in calls:
            if not call.future.done():
                call.future.set_result(None)

    def _fail(self, calls: Iterable[_Call], reason: str) -> None:
        self._refuse(reason)
        for call in calls:
            self._release(len(call.lines), call.octets)
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


def _keys(lines: Iterable[_Line]) -> list[int]:
    return [line.key for line in lines if line.key is not None]


def _create(connection: sqlite3.Connection) -> None:
    for table in _TABLES:
        connection.execute(table)
    columns = {name for _, name, *_ in connection.execute("PRAGMA table_info(spooled)")}
    if "facts" not in columns:  # form 1 of the file: a row for each fact
        connection.execute("ALTER TABLE spooled RENAME COLUMN envelope TO envelopes")
        connection.execute("ALTER TABLE spooled ADD COLUMN facts INTEGER NOT NULL DEFAULT 1")
