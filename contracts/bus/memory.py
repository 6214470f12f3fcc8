"""The bus inside one process: publishing means handing over and waiting until every group has handled.

Nothing is kept but the last message per subject of compacted topics, for readers that come late. What the
publisher must not lose it keeps itself (spool, outbox) until ``publish`` has returned: so subscribe before the
relays start. It must not be used across processes or event loops.
"""

import asyncio
import zlib
from collections import deque
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field

import structlog

from contracts.bus import timing
from contracts.bus.port import BusUnavailable, Subscription
from contracts.envelope import Envelope
from contracts.topics import Topic

logger = structlog.get_logger(__name__)


@dataclass(kw_only=True)
class _Parcel:
    """Messages on their way to one reader."""

    batches: deque[Sequence[Envelope]]
    answer: asyncio.Future[Exception | None] | None
    """Where the publisher waits; ``None``: nobody does, and the reader repeats it until it is handled."""


@dataclass(kw_only=True)
class _Handling:
    """One call of a handler. Tasks that a handler starts inherit it and may outlive it."""

    reader: "_Reader"
    is_running: bool = True


_handling: ContextVar[_Handling | None] = ContextVar("contracts.bus.memory.handling", default=None)


@dataclass(eq=False)
class _Reader:
    """One subscription: takes its parcels one by one, so that its handler never runs twice at once."""

    subscription: Subscription
    parcels: asyncio.Queue[_Parcel] = field(default_factory=asyncio.Queue)
    waits_for: list["_Reader"] = field(default_factory=list)
    """Readers whose handlers this reader's own handler is waiting for, because it publishes."""
    unhandled: int = 0
    """Messages that wait, or that its handler has at hand."""
    is_handling: bool = False
    is_closing: bool = False
    task: asyncio.Task[None] | None = None

    def put(self, envelopes: Sequence[Envelope], answer: asyncio.Future[Exception | None] | None) -> None:
        size = self.subscription.max_batch
        batches = deque(envelopes[at : at + size] for at in range(0, len(envelopes), size))
        self.unhandled += len(envelopes)
        self.parcels.put_nowait(_Parcel(batches=batches, answer=answer))

    def leads_to(self, other: "_Reader") -> bool:
        """Would waiting for this reader mean, over any number of readers, to wait for ``other``?"""
        seen, ahead = {self}, [self]
        while ahead:
            reader = ahead.pop()
            if reader is other:
                return True
            ahead.extend(next_one for next_one in reader.waits_for if next_one not in seen)
            seen.update(reader.waits_for)
        return False

    async def run(self) -> None:
        while not self.is_closing:
            parcel = await self.parcels.get()
            size = sum(map(len, parcel.batches))
            try:
                error = await self._deliver(parcel)
            except asyncio.CancelledError:
                _answer(parcel, BusUnavailable("the bus was closed while this was being handled"))
                raise
            finally:
                self.unhandled -= size
            _answer(parcel, error)

    async def _deliver(self, parcel: _Parcel) -> Exception | None:
        pause = timing.FIRST_PAUSE
        while parcel.batches:
            if self.is_closing:
                return BusUnavailable("the bus was closed before this was handled")
            error = await self._handle(parcel.batches[0])
            if error is None:
                parcel.batches.popleft()
                pause = timing.FIRST_PAUSE
                continue
            if parcel.answer is not None:
                return error
            logger.warning("handler_failed", group=self.subscription.group, again_in=pause, exc_info=error)
            await asyncio.sleep(pause)
            pause = min(2 * pause, timing.LONGEST_PAUSE)
        return None

    async def _handle(self, batch: Sequence[Envelope]) -> Exception | None:
        handling = _Handling(reader=self)
        _handling.set(handling)
        self.is_handling = True
        try:
            await self.subscription.handler(batch)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Something inside the handler was cancelled, not this reader: it must live on
            return RuntimeError("the handler was cancelled from within")
        except Exception as error:
            return error
        finally:
            self.is_handling = handling.is_running = False
        return None


class MemoryBus:
    """See ``contracts.bus.port``. Handlers of different subscriptions run at the same time, so a publisher waits
    only for the readers of its own topic.

    A handler may publish, itself or in another task. Where ``publish`` would have to wait for the very handler that
    called it, that one reader gets the messages right afterwards instead, again and again until it has handled them.
    """

    def __init__(self) -> None:
        self._groups: dict[str, list[_Reader]] = {}
        self._last: dict[str, dict[str, Envelope]] = {}
        self._is_started = False
        self._is_closed = False

    async def start(self) -> None:
        """Begins to deliver. Returns at once."""
        self._is_started = True
        for reader in self._readers():
            self._run(reader)

    async def publish(self, topic: Topic, envelopes: Sequence[Envelope]) -> None:
        """Returns when every group's handler has. Raises ``BusUnavailable`` from the error of the first handler
        that raised, after the other groups were served; the same messages should then be published again."""
        if not self._is_started or self._is_closed:
            raise BusUnavailable("the bus is closed" if self._is_closed else "the bus has not been started")
        if topic.is_compacted:
            self._remember(topic, envelopes)
        handling = _handling.get()
        publisher = handling.reader if handling is not None and handling.is_running else None
        waiting: dict[_Reader, asyncio.Future[Exception | None]] = {}
        for reader, share in self._shares(topic, envelopes):
            if publisher is not None and reader.leads_to(publisher):
                reader.put(share, None)
            else:
                waiting[reader] = asyncio.get_running_loop().create_future()
                reader.put(share, waiting[reader])
        if waiting:
            await self._wait(publisher, waiting)

    def subscribe(self, subscription: Subscription) -> None:
        """Adds a reader. A group that comes late and reads from the start is handed the last message per subject
        of its compacted topics."""
        reader = _Reader(subscription)
        members = self._groups.setdefault(subscription.group, [])
        known = {topic.name for member in members for topic in member.subscription.topics}
        members.append(reader)
        if subscription.is_from_start:
            for topic in subscription.topics:
                if topic.name not in known and (kept := self._last.get(topic.name)):
                    reader.put(list(kept.values()), None)
        if self._is_started and not self._is_closed:
            self._run(reader)

    def is_healthy(self) -> bool:
        """False before ``start``, after ``close``, and when a reader has died."""
        return (
            self._is_started
            and not self._is_closed
            and all(reader.task is not None and not reader.task.done() for reader in self._readers())
        )

    async def lag(self) -> dict[str, int | None]:
        """See the port. What a handler has at hand counts, since its publisher waits."""
        return {group: sum(reader.unhandled for reader in members) for group, members in self._groups.items()}

    async def close(self) -> None:
        """Lets running handlers finish (10 s at most). Who still waits in ``publish`` gets ``BusUnavailable``."""
        self._is_closed = True
        tasks: dict[asyncio.Task[None], _Reader] = {}
        for reader in self._readers():
            reader.is_closing = True
            if reader.task is not None:
                tasks[reader.task] = reader
        if busy := [task for task, reader in tasks.items() if reader.is_handling and not task.done()]:
            await asyncio.wait(busy, timeout=timing.CLOSE_WAIT)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for reader in self._readers():
            while not reader.parcels.empty():
                _answer(reader.parcels.get_nowait(), BusUnavailable("the bus was closed before this was handled"))

    def _readers(self) -> list[_Reader]:
        return [reader for members in self._groups.values() for reader in members]

    def _run(self, reader: _Reader) -> None:
        reader.task = asyncio.create_task(reader.run(), name=f"bus reader {reader.subscription.group}")

    def _remember(self, topic: Topic, envelopes: Sequence[Envelope]) -> None:
        self._last.setdefault(topic.name, {}).update({envelope.subject: envelope for envelope in envelopes})

    def _shares(self, topic: Topic, envelopes: Sequence[Envelope]) -> list[tuple[_Reader, Sequence[Envelope]]]:
        """Who gets what: everything to each group; inside a group, a subject always to the same member."""
        shares: list[tuple[_Reader, Sequence[Envelope]]] = []
        for members in self._groups.values():
            readers = [reader for reader in members if topic in reader.subscription.topics]
            parts: list[list[Envelope]] = [[] for _ in readers]
            if len(readers) == 1:
                parts = [list(envelopes)]
            elif readers:
                for envelope in envelopes:
                    parts[zlib.crc32(envelope.subject.encode()) % len(readers)].append(envelope)
            shares.extend((reader, part) for reader, part in zip(readers, parts, strict=True) if part)
        return shares

    async def _wait(self, publisher: _Reader | None, waiting: dict[_Reader, asyncio.Future[Exception | None]]) -> None:
        if publisher is not None:
            publisher.waits_for.extend(waiting)
        try:
            await asyncio.wait(waiting.values())
        finally:
            if publisher is not None:
                for reader in waiting:
                    publisher.waits_for.remove(reader)
        failed = [(reader, error) for reader, answer in waiting.items() if (error := answer.result()) is not None]
        if failed:
            groups = ", ".join(reader.subscription.group for reader, _ in failed)
            raise BusUnavailable(f"not handled by {groups}: publish it again") from failed[0][1]


def _answer(parcel: _Parcel, error: Exception | None) -> None:
    if parcel.answer is not None and not parcel.answer.done():
        parcel.answer.set_result(error)
