"""Takes what the spool keeps to the bus, in order, until the bus has it.

Knows topics and the bus's promises; knows nothing of how facts came in. What was just committed is handed over in
memory; what the bus did not take in time is read from disk.
"""

import asyncio
import random
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import structlog

from adapters.kit.database import Database
from contracts.bus.port import Bus, BusUnavailable
from contracts.envelope import Envelope, MalformedEnvelope, decode, encode
from contracts.topics import TOPIC_BY_NAME, TOPIC_OF

_BATCH = 250
_MOST_AT_HAND = 4 * _BATCH
_DELETE_AT = 1000
_DELETE_AFTER = 0.5
"""Facts on the bus are deleted from disk so many at once, or after so many seconds: a thousand cost little more than
one, and what a crash leaves is published again."""
_SET_ASIDE_KEPT = 10_000
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 5.0
_TOPIC_OF_TYPE = {message.__name__: topic.name for message, topic in TOPIC_OF.items()}

logger = structlog.get_logger(__name__)


class Kept(NamedTuple):
    """A row: what one commit has put on disk."""

    sequence: int
    """Of the last of its facts."""
    facts: int
    octets: int
    envelopes: list[Envelope]


Wave = dict[str, list[Envelope]]
"""Envelopes by the name of their topic."""


def waves(envelopes: Sequence[Envelope]) -> list[Wave]:
    """Cuts a batch so that within one wave each subject has one topic only.

    Topics of a wave can be published side by side, wave after wave, and each subject's messages still go out in
    their order, across topics too.
    """
    result: list[Wave] = []
    place: dict[str, tuple[int, str]] = {}
    for envelope in envelopes:
        topic = _TOPIC_OF_TYPE[envelope.type]
        number, last = place.get(envelope.subject, (0, topic))
        if last != topic:
            number += 1
        place[envelope.subject] = number, topic
        if number == len(result):
            result.append({})
        result[number].setdefault(topic, []).append(envelope)
    return result


class Relay:
    """One task that reads ``spooled`` in order of ``sequence`` and deletes what the bus has taken.

    A crash between the two publishes again, with the same ids.
    """

    def __init__(self, database: Database, bus: Bus, *, on_relayed: Callable[[int, int], None]) -> None:
        """``on_relayed`` is told how many facts and octets have left."""
        self._database = database
        self._bus = bus
        self._on_relayed = on_relayed
        self._after = 0
        self._at_hand: deque[Kept] = deque()
        """What follows ``_after``, without a gap."""
        self._facts_at_hand = 0
        self._is_all_at_hand = False
        """Whether nothing is on disk that is not at hand."""
        self._undeleted = 0
        self._deleting: asyncio.TimerHandle | None = None
        self._has_work = asyncio.Event()
        self._is_idle = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self, *, after: int) -> None:
        """Relays everything with a sequence above ``after``."""
        self._after = after
        self._has_work.set()
        self._task = asyncio.create_task(self._run())

    def offer(self, kept: Kept) -> None:
        """This was committed, behind all that was offered before."""
        if self._is_all_at_hand:
            if self._facts_at_hand + kept.facts > _MOST_AT_HAND:
                self._is_all_at_hand = False
            elif kept.sequence > self._after:  # reading from disk may have been ahead of the commit's own word
                self._at_hand.append(kept)
                self._facts_at_hand += kept.facts
        self._has_work.set()
        self._is_idle.clear()

    def is_running(self) -> bool:
        """False before ``start``, and when the task has ended."""
        return self._task is not None and not self._task.done()

    async def drain(self, seconds: float) -> bool:
        """Waits until nothing is left to relay. False when time ran out."""
        try:
            async with asyncio.timeout(seconds):
                await self._is_idle.wait()
        except TimeoutError:
            return False
        return True

    async def stop(self) -> None:
        """Ends the task, also in the middle of a publish: what was on its way comes again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._delete()

    async def _run(self) -> None:
        while True:
            self._has_work.clear()
            try:
                await self._relay_batch()
            except sqlite3.Error as error:
                logger.error("the spool cannot be read", error=str(error))
                # What was taken in hand and not passed on is on disk
                self._at_hand.clear()
                self._facts_at_hand = 0
                self._is_all_at_hand = False
                self._has_work.set()
                await asyncio.sleep(_LONGEST_PAUSE)

    async def _relay_batch(self) -> None:
        batch = self._take() if self._at_hand else []
        if not batch and not self._is_all_at_hand:
            batch = [await self._readable(*row) for row in self._read()]
        if batch:
            await self._pass_on(batch)
            return
        # What is committed from now on is offered
        self._is_all_at_hand = True
        if not self._has_work.is_set():
            self._is_idle.set()
            await self._has_work.wait()

    def _take(self) -> list[Kept]:
        """Some of what is at hand: whole rows, since what leaves the disk are rows."""
        batch: list[Kept] = []
        facts = 0
        while self._at_hand and facts < _BATCH:
            batch.append(self._at_hand.popleft())
            facts += batch[-1].facts
        self._facts_at_hand -= facts
        return batch

    async def _pass_on(self, batch: list[Kept]) -> None:
        for wave in waves([envelope for kept in batch for envelope in kept.envelopes]):
            await self._publish(wave)
        facts = sum([kept.facts for kept in batch])
        self._after = batch[-1].sequence
        self._undeleted += facts
        if self._undeleted >= _DELETE_AT:
            self._delete()
        elif self._deleting is None:
            self._deleting = asyncio.get_running_loop().call_later(_DELETE_AFTER, self._delete)
        self._on_relayed(facts, sum([kept.octets for kept in batch]))

    def _delete(self) -> None:
        """What has left, from disk."""
        if self._deleting is not None:
            self._deleting.cancel()
            self._deleting = None
        if self._undeleted:
            self._undeleted = 0
            self._database.write_later(partial(_delete, self._after))

    def _read(self) -> list[tuple[int, bytes, int]]:
        """One row, and those behind it that make a batch with it: sequences rise by at least one for each fact."""
        return self._database.fetch(
            "SELECT sequence, envelopes, facts FROM spooled WHERE sequence > ?1 AND sequence <= max(?1 + ?2,"
            " coalesce((SELECT min(sequence) FROM spooled WHERE sequence > ?1), 0)) ORDER BY sequence",
            (self._after, _BATCH),
        )

    async def _readable(self, sequence: int, data: bytes, facts: int) -> Kept:
        """What of a row can be published. A line of another release, or a damaged one, is set aside where it can be
        looked at: it must not hold up those behind it."""
        envelopes = []
        lines = data.split(b"\n")
        for place, line in enumerate(lines, sequence - len(lines) + 1):
            try:
                envelope = decode(line)
            except MalformedEnvelope as error:
                await self._set_aside(place, line, str(error))
                continue
            if envelope.type in _TOPIC_OF_TYPE:
                envelopes.append(envelope)
            else:
                await self._set_aside(place, line, f"no topic for {envelope.type}")
        return Kept(sequence, facts, len(data) - facts + 1, envelopes)

    async def _set_aside(self, sequence: int, data: bytes, reason: str) -> None:
        logger.error("fact set aside, see table set_aside", sequence=sequence, reason=reason)
        await self._database.write(partial(_keep_aside, sequence, data, reason))

    async def _publish(self, wave: Wave) -> None:
        """Returns when the bus has all of it, however long that takes."""
        attempts = 0
        while wave:
            topics = list(wave)
            outcomes = await asyncio.gather(
                *(self._bus.publish(TOPIC_BY_NAME[topic], wave[topic]) for topic in topics),
                return_exceptions=True,
            )
            for topic, outcome in zip(topics, outcomes, strict=True):
                if outcome is None:
                    del wave[topic]
                elif isinstance(outcome, ValueError):
                    await self._publish_one_by_one(topic, wave.pop(topic), reason=str(outcome))
                elif not isinstance(outcome, Exception):
                    raise outcome
                elif attempts == 0 or not isinstance(outcome, BusUnavailable):
                    logger.warning(
                        "the bus did not take facts; they stay on disk and are tried again",
                        topic=topic,
                        error=f"{type(outcome).__name__}: {outcome}",
                    )
            if wave:
                pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(attempts, 20))
                attempts += 1
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311
        if attempts:
            logger.info("the bus takes facts again", attempts=attempts)

    async def _publish_one_by_one(self, topic: str, envelopes: list[Envelope], *, reason: str) -> None:
        """Finds the message that the bus will never take, such as one too large, and sets it aside."""
        if len(envelopes) == 1:
            await self._set_aside(envelopes[0].sequence, encode(envelopes[0]), reason)
            return
        for envelope in envelopes:
            await self._publish({topic: [envelope]})


def _delete(sequence: int, connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM spooled WHERE sequence <= ?", (sequence,))
    connection.execute(
        "INSERT INTO relayed VALUES (1, ?) ON CONFLICT DO UPDATE SET sequence = max(sequence, excluded.sequence)",
        (sequence,),
    )


def _keep_aside(sequence: int, data: bytes, reason: str, connection: sqlite3.Connection) -> None:
    connection.execute(
        "CREATE TABLE IF NOT EXISTS set_aside (sequence INTEGER PRIMARY KEY, envelope BLOB, reason TEXT)"
    )
    connection.execute("INSERT OR REPLACE INTO set_aside VALUES (?, ?, ?)", (sequence, data, reason))
    connection.execute(
        "DELETE FROM set_aside WHERE sequence <="
        " (SELECT sequence FROM set_aside ORDER BY sequence DESC LIMIT 1 OFFSET ?)",
        (_SET_ASIDE_KEPT,),
    )
