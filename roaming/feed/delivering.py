"""Sends notifications: claim, send, then record. A subscriber's own are sent one after the other, the one first that is
due for longest, so the oldest; one that fails comes again later, behind what is due by then, and nobody waits for it.
No transaction is open while we wait for anybody.

At least once: an answer that was lost, or a process that was killed, makes a message come twice, with the same id.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog
from sqlalchemy import select, update

from roaming.feed.numbering import NOTIFICATIONS, SUBSCRIBERS
from roaming.feed.subscribers import NoSuchSubscriber, Subscriber, find
from roaming.feed.telling import EVENTS, written
from roaming.model.time import Clock
from roaming.store.database import Database, Work
from roaming.store.errors import StoreUnavailable
from roaming.store.locks import Locks
from roaming.store.trimming import old_rows

logger = structlog.get_logger(__name__)

IDLE_SECONDS = 0.5
AT_ONCE = 50
FIRST_PAUSE = 5.0
LONGEST_PAUSE = 3600.0
_LONGEST_ERROR = 300
_DUE = (
    "SELECT s.name, s.channel FROM subscribers s WHERE s.is_on AND"
    " (SELECT n.due_at FROM notifications n WHERE n.state = 'PENDING' AND n.subscriber = s.name"
    " ORDER BY n.due_at LIMIT 1) <= $1"
)
"""One step in an index for each subscriber, however much waits for one that is away (see ``hub.deliver``)."""

TRIMMINGS = (old_rows("event", NOTIFICATIONS, "created_at"), old_rows("event", EVENTS, "created_at"))


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What came of sending. ``error``: empty when it arrived."""

    error: str = ""
    http_status: int | None = None
    is_down: bool = False
    """Nobody was there: what else waits for this subscriber need not be tried now."""
    is_gone: bool = False
    """It asks never to be sent anything again."""
    retry_after: float | None = None
    """Seconds that it asks us to wait."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """One event for one subscriber."""

    seq: int
    attempts: int
    expires_at: datetime
    event: Mapping[str, Any]
    """As ``telling.written`` writes it."""


class Channel(Protocol):
    """How messages go out. Raises nothing that a receiver can cause."""

    at_once: int
    """How many messages it takes together."""
    rest_seconds: float
    """A subscriber is left alone for so long after each sending, so that what happens meanwhile goes together."""

    async def send(self, subscriber: Subscriber, messages: Sequence[Message]) -> Attempt:
        """Sends them together, as one."""


class Deliverer:
    """Serves all subscribers; one process does so at a time (lock ``notifications``)."""

    def __init__(self, database: Database, locks: Locks, clock: Clock, channels: Mapping[str, Channel]) -> None:
        self._database = database
        self._locks = locks
        self._clock = clock
        self._channels = channels
        self._lanes: dict[str, asyncio.Task[None]] = {}
        self._rests_until: dict[str, datetime] = {}

    async def run(self) -> None:
        """Delivers until cancelled."""
        try:
            while True:
                try:
                    if await self._locks.try_acquire("notifications"):
                        await self._begin()
                except StoreUnavailable as error:
                    logger.warning("notifications_wait", reason=str(error))
                await self._database.wakeups.wait("notifications", IDLE_SECONDS)
        finally:
            for task in self._lanes.values():
                task.cancel()
            await asyncio.gather(*self._lanes.values(), return_exceptions=True)

    async def _begin(self) -> None:
        now = self._clock.now()
        for name, channel in await self._database.reader.fetch(_DUE, now):
            is_resting = self._rests_until.get(name, now) > now
            if channel in self._channels and name not in self._lanes and not is_resting:
                lane = self._lane(name, self._channels[channel])
                self._lanes[name] = asyncio.create_task(lane, name=f"notify:{name}")

    async def _lane(self, name: str, channel: Channel) -> None:
        """All that is due for one subscriber."""
        try:
            while await self._locks.try_acquire("notifications"):
                if not await self.deliver_once(name, channel):
                    return
        except StoreUnavailable as error:
            logger.warning("notifications_wait", subscriber=name, reason=str(error))
        except NoSuchSubscriber:
            return
        except Exception:  # a fault of ours with one subscriber: it rests, the others go on
            logger.exception("notifications_failed", subscriber=name)
            self._rest(name, FIRST_PAUSE)
        finally:
            del self._lanes[name]

    async def deliver_once(self, name: str, channel: Channel) -> bool:
        """Sends what is due, at most so many; true when there may be more and somebody is there."""
        if self._rests_until.get(name, now := self._clock.now()) > now:
            return False
        async with self._database.reading() as connection:
            subscriber = await find(connection, name)
            due = await _due(connection, name, self._clock.now())
        if not subscriber.is_on or not due:
            return False
        for start in range(0, len(due), channel.at_once):
            messages = due[start : start + channel.at_once]
            attempt = await channel.send(subscriber, messages)
            await self._record(name, messages, attempt)
            if attempt.is_gone:
                return False
            if attempt.is_down or attempt.retry_after:
                self._rest(name, attempt.retry_after or _pause(messages[0].attempts))
                return False
            if channel.rest_seconds:
                self._rest(name, channel.rest_seconds)
                return False
        return len(due) == AT_ONCE

    def _rest(self, name: str, seconds: float) -> None:
        self._rests_until[name] = self._clock.now() + timedelta(seconds=min(seconds, LONGEST_PAUSE))

    async def _record(self, name: str, messages: Sequence[Message], attempt: Attempt) -> None:
        async with self._database.work() as work:
            for message in messages:
                await _ended(work, name, message, attempt)
            changed = update(SUBSCRIBERS).where(SUBSCRIBERS.c.name == name)
            if not attempt.error:
                values: dict[str, Any] = {"failing_since": None, "last_error": "", "last_success_at": work.now}
            else:
                values = {"last_error": attempt.error[:_LONGEST_ERROR]}
                since = changed.where(SUBSCRIBERS.c.failing_since.is_(None))
                await work.connection.execute(since.values(failing_since=work.now))
            if attempt.is_gone:
                values["is_on"] = False
            await work.connection.execute(changed.values(**values))
        if attempt.error:
            logger.warning("notification_failed", subscriber=name, reason=attempt.error, is_off=attempt.is_gone)


def _pause(attempts: int) -> float:
    """Seconds until it is tried again, twice as long each time."""
    jitter = random.uniform(0.8, 1.2)  # noqa: S311 - no secret
    return min(FIRST_PAUSE * 2.0 ** min(attempts, 16), LONGEST_PAUSE) * jitter


async def _due(connection: Any, name: str, now: datetime) -> list[Message]:
    columns = NOTIFICATIONS.c
    chosen = (
        select(columns.seq, columns.attempts, columns.expires_at, EVENTS)
        .join(EVENTS, EVENTS.c.seq == columns.seq)
        .where(columns.state == "PENDING", columns.subscriber == name, columns.due_at <= now)
        # In the order of an index: who was away for a day has a million of them, to be gone through fifty at a time
        .order_by(columns.due_at, columns.seq)
        .limit(AT_ONCE)
    )
    return [
        Message(
            seq=row[0],
            attempts=row[1],
            expires_at=row[2],
            event=written(row.id, row.kind, row.at, row.parties, row.body),
        )
        for row in await connection.execute(chosen)
    ]


async def _ended(work: Work, name: str, message: Message, attempt: Attempt) -> None:
    columns = NOTIFICATIONS.c
    values: dict[str, Any] = {
        "attempts": message.attempts + 1,
        "http_status": attempt.http_status,
        "last_error": attempt.error[:_LONGEST_ERROR],
    }
    if not attempt.error:
        values |= {"state": "SENT", "done_at": work.now}
    elif attempt.is_gone or work.now >= message.expires_at:
        values |= {"state": "DEAD", "done_at": work.now}
    else:
        pause = max(_pause(message.attempts), attempt.retry_after or 0.0)
        values["due_at"] = work.now + timedelta(seconds=pause)
    mine = (columns.subscriber == name) & (columns.seq == message.seq)
    await work.connection.execute(update(NOTIFICATIONS).where(mine, columns.state == "PENDING").values(**values))
