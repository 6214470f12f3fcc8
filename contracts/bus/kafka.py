"""The bus on Kafka: with ``kafka_ending`` all that knows aiokafka. It knows nothing of what the messages mean.

How fast it notices what, and why, stands in ``contracts.bus.timing``. The promises are those of
``contracts.bus.port``; exactly once is not among them: the inbox of whoever handles a message decides.
"""

import asyncio
import contextlib
import logging
import time
from collections import Counter, defaultdict, deque
from collections.abc import Coroutine, Sequence
from functools import lru_cache
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.client import CoordinationType
from aiokafka.errors import (
    CommitFailedError,
    GroupCoordinatorNotAvailableError,
    IllegalStateError,
    InvalidSessionTimeoutError,
    KafkaError,
    TopicAlreadyExistsError,
    for_code,
)
from aiokafka.partitioner import DefaultPartitioner

from contracts.bus import timing
from contracts.bus.kafka_ending import begin, drop, leave
from contracts.bus.kafka_security import NO_SECURITY, KafkaSecurity
from contracts.bus.port import BusUnavailable, Subscription
from contracts.envelope import Envelope, MalformedEnvelope, decode, encode
from contracts.topics import TOPICS, Topic

logger = structlog.get_logger(__name__)

BATCH_BYTES = 512 * 1024
MAX_MESSAGE_BYTES = 900_000
"""Below the broker's default ``message.max.bytes`` (1 MiB with its overhead)."""


class KafkaBus:
    """See ``contracts.bus.port``.

    ``bootstrap``: ``host:port``, several with commas. ``security``: an unusable file raises ``OSError``.
    ``topic_prefix`` goes before the names of topics and groups.
    ``replication_factor`` is for the topics it creates. ``publish_timeout``: seconds until ``publish`` gives up.
    ``stuck_after``: seconds without a turn of a reader's loop, or without a message although there are some, until
    that reader is closed and rebuilt.
    """

    def __init__(
        self,
        bootstrap: str,
        *,
        client_id: str,
        security: KafkaSecurity = NO_SECURITY,
        topic_prefix: str = "",
        replication_factor: int = 1,
        publish_timeout: float = 10.0,
        stuck_after: float = 60.0,
    ) -> None:
        self.malformed: Counter[str] = Counter()
        """Records met that are no envelope, by topic name; once per group."""
        self.stuck_after = stuck_after
        self.connection: dict[str, Any] = {
            "bootstrap_servers": bootstrap,
            "client_id": client_id,
            **security.connection(),
            **timing.CLIENT,
        }
        self._prefix = topic_prefix
        self._replicas = replication_factor
        self._publish_timeout = publish_timeout
        self.session_ms = timing.SESSION_MS
        """Longer as soon as the broker has refused it."""
        self.readers: list[_Reader] = []
        self._producer: AIOKafkaProducer | None = None
        self._missed_probes = 0
        self._existing: set[str] = set()
        self._watch: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Waits for a broker; creates missing topics; begins to deliver. New groups' places are fixed on return."""
        _tame_logs()
        while True:
            try:
                await self._connect()
                await asyncio.gather(*(self.prepare(reader.subscription) for reader in self.readers))
                break
            except (KafkaError, OSError, TimeoutError) as error:
                self._missed_probes += 1
                if self._missed_probes == 1:
                    logger.warning("kafka_out_of_reach", error=str(error))
                await asyncio.sleep(timing.RECONNECT_PAUSE)
        self._watch = asyncio.create_task(self._watch_over(), name="kafka bus watch")
        for reader in self.readers:
            reader.start()

    async def publish(self, topic: Topic, envelopes: Sequence[Envelope]) -> None:
        """Returns when all brokers that must have the messages have them. Raises ``BusUnavailable``, at once when
        the broker is known to be away, and ``ValueError`` for a message that no broker would take."""
        if not envelopes:
            return
        records = [_record(envelope) for envelope in envelopes]
        producer = self._producer
        if producer is None or not self._is_reachable():
            raise BusUnavailable("Kafka is out of reach: publish it again later")
        try:
            async with asyncio.timeout(self._publish_timeout):
                await self._ensure_topics((topic,))
                await self._send(producer, self.named(topic.name), records)
        except TimeoutError:
            # Its batches stay queued in the producer and go first, so a repeat keeps the order. But if the broker
            # answers others, the producer itself is what is stuck.
            if self._is_reachable():
                self._replace(producer)
            raise BusUnavailable(f"Kafka took no messages for {self._publish_timeout:g} s: publish again") from None
        except (KafkaError, OSError) as error:
            # A batch that failed for good leaves a gap in the sequence numbers, and the broker would refuse all
            # that follow (OutOfOrderSequenceNumber)
            self._replace(producer)
            raise BusUnavailable(f"Kafka refused messages for {topic.name}: {error!r}") from error

    def subscribe(self, subscription: Subscription) -> None:
        """Adds a reader, which has a consumer and a task of its own."""
        self.readers.append(_Reader(self, subscription))
        if self._watch is not None and not self._watch.done():
            self.readers[-1].start()

    def is_healthy(self) -> bool:
        """False also while the handler of a reader hangs."""
        return (
            self._watch is not None
            and not self._watch.done()
            and self._is_reachable()
            and all(reader.is_alive() for reader in self.readers)
        )

    async def lag(self) -> dict[str, int | None]:
        """See the port. What a handler has at hand counts as read."""
        behind = await asyncio.gather(*(reader.behind() for reader in self.readers))
        return {reader.subscription.group: count for reader, count in zip(self.readers, behind, strict=True)}

    async def close(self) -> None:
        """Lets running handlers finish (10 s at most), acknowledges what they did, leaves its groups."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait({self._watch})
        await asyncio.gather(*(reader.close() for reader in self.readers))
        producer, self._producer = self._producer, None
        if producer is not None:
            flushing = self.end_later(producer.stop())
            await asyncio.wait({flushing}, timeout=timing.STOP_WAIT)
            if not flushing.done():
                self.end_later(drop(producer))
        if self._ending:
            _, late = await asyncio.wait(self._ending, timeout=timing.STOP_WAIT)
            if [task for task in late if task.cancel()]:
                await asyncio.wait(late, timeout=timing.STOP_WAIT)

    def named(self, name: str) -> str:
        """What a topic or group is called at the broker."""
        return self._prefix + name

    def lengthen_sessions(self) -> None:
        """The broker takes no short ones."""
        if self.session_ms != timing.LONG_SESSION_MS:
            self.session_ms = timing.LONG_SESSION_MS
            hint = "a killed process's messages wait this long; group.min.session.timeout.ms of the brokers may be 1000"
            logger.warning("kafka_sessions_are_long", milliseconds=self.session_ms, hint=hint)

    def end_later(self, ending: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Lets a client end by itself: with a broker that is away this may take long."""
        task = asyncio.create_task(ending, name="kafka client ending")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return task

    async def prepare(self, subscription: Subscription) -> None:
        """Creates missing topics, and commits where a new group begins that reads from now on: then what arrives while
        it is away is not skipped either."""
        await self._ensure_topics(subscription.topics)
        if subscription.is_from_start:
            return
        consumer = AIOKafkaConsumer(
            group_id=self.named(subscription.group), enable_auto_commit=False, **self.connection
        )
        try:
            await begin(consumer)
            producer = self._producer
            if producer is None:
                raise BusUnavailable("Kafka is out of reach")
            names = [self.named(topic.name) for topic in subscription.topics]
            partitions = [TopicPartition(name, at) for name in names for at in await producer.partitions_for(name)]
            consumer.assign(partitions)
            for partition in partitions:
                if await consumer.committed(partition) is not None:
                    return
            # Refused when a member of the group is at work: then it has done this already
            with contextlib.suppress(CommitFailedError):
                await consumer.commit(await consumer.end_offsets(partitions))
        finally:
            await asyncio.wait({self.end_later(leave(consumer))}, timeout=timing.STOP_WAIT)

    async def _connect(self) -> None:
        await self._ensure_topics(TOPICS)
        if self._producer is not None:
            return
        producer = AIOKafkaProducer(enable_idempotence=True, max_batch_size=BATCH_BYTES, **self.connection)
        try:
            await begin(producer)
        except BaseException:
            self.end_later(drop(producer))
            raise
        self._producer = producer
        self._missed_probes = 0

    async def _ensure_topics(self, topics: Sequence[Topic]) -> None:
        missing = {self.named(topic.name): topic for topic in topics if self.named(topic.name) not in self._existing}
        if not missing:
            return
        admin = AIOKafkaAdminClient(**self.connection)
        try:
            await begin(admin)
            self._existing.update(await admin.list_topics())
            new = [
                NewTopic(name, topic.partitions, self._replicas, topic_configs=_configuration(topic, self._replicas))
                for name, topic in missing.items()
                if name not in self._existing
            ]
            answer = await admin.create_topics(new)
            for name, code, *_ in answer.topic_errors:
                error = for_code(code)
                if code and error is not TopicAlreadyExistsError:
                    raise error(f"topic {name} could not be created")
                self._existing.add(name)
        finally:
            await admin.close()

    async def _send(self, producer: AIOKafkaProducer, name: str, records: Sequence[tuple[bytes, bytes]]) -> None:
        """One batch per partition at a time, acknowledged before its next one: then a failure leaves a gap nowhere."""
        partitions = tuple(sorted(await producer.partitions_for(name)))
        lanes: defaultdict[int, deque[tuple[bytes, bytes]]] = defaultdict(deque)
        for record in records:
            lanes[_partition(record[0], partitions)].append(record)
        while lanes:
            acknowledgements: list[asyncio.Future[Any]] = []
            try:
                for partition, lane in list(lanes.items()):
                    batch = producer.create_batch()
                    while lane and batch.append(timestamp=None, key=lane[0][0], value=lane[0][1]) is not None:
                        lane.popleft()
                    batch.close()
                    acknowledgements.append(await producer.send_batch(batch, name, partition=partition))
                    if not lane:
                        del lanes[partition]
                await asyncio.gather(*acknowledgements)
            finally:
                for acknowledgement in acknowledgements:
                    acknowledgement.cancel()

    def _is_reachable(self) -> bool:
        """One missed probe may be this process being busy."""
        return self._missed_probes < 2

    def _replace(self, producer: AIOKafkaProducer) -> None:
        if self._producer is producer:
            logger.warning("kafka_producer_replaced")
            self._producer = None
            self.end_later(drop(producer))

    async def _watch_over(self) -> None:
        """Asks the broker for a sign of life, and connects anew where that is needed."""
        while True:
            was_reachable = self._producer is not None and self._is_reachable()
            try:
                if self._producer is None:
                    await self._connect()
                else:
                    # A broker without coordinator has answered all the same
                    with contextlib.suppress(GroupCoordinatorNotAvailableError):
                        async with asyncio.timeout(timing.PROBE_WAIT):
                            await self._producer.client.coordinator_lookup(CoordinationType.GROUP, "probe")
                self._missed_probes = 0
            except Exception as error:
                self._missed_probes += 1
                if was_reachable and not self._is_reachable():
                    logger.warning("kafka_out_of_reach", error=repr(error))
            else:
                if not was_reachable:
                    logger.info("kafka_is_back")
            await asyncio.sleep(timing.RECONNECT_PAUSE if self._missed_probes else timing.PROBE_EVERY)


class _Reader(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """One subscription: builds a consumer, reads, watches itself, builds it again."""

    def __init__(self, bus: KafkaBus, subscription: Subscription) -> None:
        self.subscription = subscription
        self._bus = bus
        self._topics = {bus.named(topic.name): topic for topic in subscription.topics}
        self.consumer: AIOKafkaConsumer | None = None
        self._task: asyncio.Task[None] | None = None
        self._handling = asyncio.Lock()  # held until what the handler did is acknowledged
        self._handler_called_at: float | None = None
        self._turned_at = self._received_at = time.monotonic()
        self._assignment = 0
        """Rises when partitions are revoked: what was read before is not ours to acknowledge any more."""

    def start(self) -> None:
        self._turned_at = time.monotonic()
        self._task = asyncio.create_task(self._run(), name=f"kafka reader {self.subscription.group}")

    async def close(self) -> None:
        if self._task is None or self._task.done():
            return
        # Nothing new is handled once this holds the lock
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timing.CLOSE_WAIT):
                await self._handling.acquire()
        self._task.cancel()
        await asyncio.wait({self._task}, timeout=2 * timing.STOP_WAIT)

    def is_alive(self) -> bool:
        since = self._handler_called_at or self._turned_at
        is_running = self._task is not None and not self._task.done()
        return is_running and time.monotonic() - since < self._bus.stuck_after

    async def on_partitions_revoked(self, revoked: object) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timing.REVOKE_WAIT), self._handling:
                pass
        self._assignment += 1

    async def on_partitions_assigned(self, assigned: object) -> None:
        pass

    async def _run(self) -> None:
        while True:
            consumer = AIOKafkaConsumer(
                group_id=self._bus.named(self.subscription.group),
                enable_auto_commit=False,
                # New groups that read from now on have offsets by then; whoever was away too long takes what is left
                auto_offset_reset="earliest",
                session_timeout_ms=self._bus.session_ms,
                **timing.READER,
                **self._bus.connection,
            )
            reading = asyncio.create_task(self._read(consumer))
            self.consumer = consumer
            try:
                await self._watch(consumer, reading)
            except InvalidSessionTimeoutError:
                self._bus.lengthen_sessions()
            except Exception as error:
                logger.warning("reader_failed", group=self.subscription.group, error=repr(error))
            finally:
                reading.cancel()
                self._assignment += 1
                # One that is still starting would open connections after it was ended
                await asyncio.wait({reading}, timeout=timing.STOP_WAIT)
                await asyncio.wait({self._bus.end_later(leave(consumer))}, timeout=timing.STOP_WAIT)
            await asyncio.sleep(timing.RECONNECT_PAUSE)

    async def _watch(self, consumer: AIOKafkaConsumer, reading: "asyncio.Task[None]") -> None:
        """Returns when the reader is stuck; raises what the reader died of."""
        self._turned_at = self._received_at = time.monotonic()
        limit = self._bus.stuck_after
        while True:
            done, _ = await asyncio.wait({reading}, timeout=min(1.0, limit / 4))
            if reading.cancelled():
                raise RuntimeError("the reader was cancelled from within")
            if done:
                reading.result()
            now = time.monotonic()
            if self._handler_called_at is not None:
                continue
            if now - self._turned_at > limit:
                logger.error("reader_stuck", group=self.subscription.group, seconds=now - self._turned_at)
                return
            if now - self._received_at > limit:
                self._received_at = now
                if await self.behind():
                    logger.error("reader_receives_nothing", group=self.subscription.group)
                    return

    async def behind(self) -> int | None:
        """How many messages it has yet to read; ``None`` when the broker does not tell."""
        consumer = self.consumer
        if consumer is None:
            return None
        try:
            async with asyncio.timeout(timing.STOP_WAIT):
                ends = await consumer.end_offsets(consumer.assignment())
                return int(sum([max(0, end - await consumer.position(partition)) for partition, end in ends.items()]))
        except (KafkaError, TimeoutError):
            return None

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        await self._bus.prepare(self.subscription)
        consumer.subscribe(list(self._topics), listener=self)
        await begin(consumer)
        pause = timing.FIRST_PAUSE
        while True:
            self._turned_at = time.monotonic()
            batch = await consumer.getmany(timeout_ms=timing.POLL_MS, max_records=self.subscription.max_batch)
            if not batch:
                continue
            self._received_at = time.monotonic()
            assignment = self._assignment
            async with self._handling:
                is_handled = await self._handle(batch, again_in=pause)
                if is_handled and assignment == self._assignment:
                    await self._acknowledge(consumer, batch)
            if is_handled:
                pause = timing.FIRST_PAUSE
                continue
            if assignment == self._assignment:
                for partition, records in batch.items():
                    with contextlib.suppress(IllegalStateError):
                        consumer.seek(partition, records[0].offset)
            await asyncio.sleep(pause)
            pause = min(2 * pause, timing.LONGEST_PAUSE)

    async def _handle(self, batch: dict[TopicPartition, list[Any]], *, again_in: float) -> bool:
        self._handler_called_at = time.monotonic()
        try:
            if envelopes := await self._decode(batch):
                await self.subscription.handler(envelopes)
        except (Exception, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and (task is None or task.cancelling()):
                raise
            # A database that is away is told in a line; how we noticed is of no use
            trace = {} if isinstance(error, ConnectionError) else {"exc_info": error}
            logger.warning(
                "handler_failed", group=self.subscription.group, again_in=again_in, reason=repr(error), **trace
            )
            return False
        finally:
            self._handler_called_at = None
        return True

    async def _decode(self, batch: dict[TopicPartition, list[Any]]) -> list[Envelope]:
        """The envelopes of a batch. Records that are none are counted, told, and given to whoever keeps them."""
        envelopes: list[Envelope] = []
        for partition, records in batch.items():
            topic = self._topics[partition.topic]
            for record in records:
                raw: bytes = record.value or b""
                try:
                    envelopes.append(decode(raw))
                except MalformedEnvelope as error:
                    self._bus.malformed[topic.name] += 1
                    logger.warning("malformed_record", topic=topic.name, error=str(error))
                    if self.subscription.on_malformed is not None:
                        await self.subscription.on_malformed(topic, raw, error)
        return envelopes

    async def _acknowledge(self, consumer: AIOKafkaConsumer, batch: dict[TopicPartition, list[Any]]) -> None:
        try:
            await consumer.commit({partition: records[-1].offset + 1 for partition, records in batch.items()})
        except (CommitFailedError, IllegalStateError) as error:
            # The group moved on without us: whoever has the partitions now is given the batch again
            logger.info("not_acknowledged", group=self.subscription.group, error=str(error))


def _record(envelope: Envelope) -> tuple[bytes, bytes]:
    value = encode(envelope)
    if len(value) > MAX_MESSAGE_BYTES:
        raise ValueError(f"{envelope.type} {envelope.id} has {len(value)} bytes; {MAX_MESSAGE_BYTES} are allowed")
    return envelope.subject.encode(), value


def _configuration(topic: Topic, replicas: int) -> dict[str, str]:
    return {
        "cleanup.policy": "compact" if topic.is_compacted else "delete",
        "retention.ms": "-1" if topic.retention is None else str(int(topic.retention.total_seconds() * 1000)),
        "min.insync.replicas": str(max(1, replicas - 1)),
    }


@lru_cache(maxsize=100_000)
def _partition(key: bytes, partitions: tuple[int, ...]) -> int:
    """As every Kafka client does it (murmur2 of the key), so that other writers keep the order too."""
    chosen: int = DefaultPartitioner()(key, partitions, partitions)
    return chosen


def _tame_logs() -> None:
    """aiokafka reports every try at a broker that is away as an error, ten a second. This file tells it once."""
    noisy = logging.getLogger("aiokafka")
    if noisy.level == logging.NOTSET:
        noisy.setLevel(logging.CRITICAL)
