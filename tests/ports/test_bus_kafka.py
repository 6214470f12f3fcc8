"""What only a broker can do to a bus: die, freeze, move partitions about, hold records that are none."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.conn import AIOKafkaConnection

from contracts.bus import kafka, timing
from contracts.bus.kafka import KafkaBus
from contracts.bus.kafka_ending import begin, leave
from contracts.bus.port import BusUnavailable
from contracts.envelope import Envelope, MalformedEnvelope, encode
from contracts.topics import TOPICS, Topic
from tests.kit.kafka import KafkaBroker, missing
from tests.kit.tools import is_missing
from tests.kit.wait import until
from tests.ports.reading import Notes, a_topic, an_envelope, by_subject, envelopes_of, handled, reads, relay, unique

pytestmark = pytest.mark.kafka

PREFIX = "ports."
SUBJECTS = [f"demo/CS-{number}" for number in range(24)]
NewBus = Callable[..., KafkaBus]


@pytest.fixture
async def new_bus(request: pytest.FixtureRequest) -> AsyncIterator[NewBus]:
    """Makes buses, at the shared broker unless told otherwise, and closes them."""
    made: list[KafkaBus] = []

    def make(bootstrap: str | None = None, **settings: Any) -> KafkaBus:
        at = bootstrap or request.getfixturevalue("kafka_bootstrap")
        made.append(KafkaBus(at, client_id="test", topic_prefix=PREFIX, **settings))
        return made[-1]

    yield make
    await asyncio.gather(*(bus.close() for bus in made))


@pytest.fixture
def broker() -> Iterator[KafkaBroker]:
    """A broker of this test alone, to be killed."""
    if reason := missing():
        is_missing(reason)
    with KafkaBroker() as broker:
        yield broker


@contextlib.asynccontextmanager
async def publishing(bus: KafkaBus, topic: Topic, *, every: float = 0.005) -> AsyncIterator[list[Envelope]]:
    """Publishes to all subjects, again and again as a relay does; the list holds what the bus has taken."""
    taken: list[Envelope] = []
    is_over = asyncio.Event()

    async def publish_on() -> None:
        while not is_over.is_set():
            envelopes = envelopes_of(SUBJECTS)
            await relay(bus, topic, envelopes)
            taken.extend(envelopes)
            await asyncio.sleep(every)

    task = asyncio.create_task(publish_on())
    try:
        yield taken
    finally:
        is_over.set()
        await task


@pytest.mark.slow
async def test_a_broker_that_is_killed_loses_nothing_and_is_found_again_within_3_s(
    broker: KafkaBroker, new_bus: NewBus
) -> None:
    topic, notes = a_topic(), Notes()
    sender, receiver = new_bus(broker.bootstrap), new_bus(broker.bootstrap)
    receiver.subscribe(reads(topic, notes))
    await asyncio.gather(sender.start(), receiver.start())
    loop = asyncio.get_running_loop()
    outages: list[float] = []
    async with publishing(sender, topic) as taken:
        for _ in range(2):
            await until(lambda: notes.ids, seconds=20)
            broker.kill()
            await until(lambda: not receiver.is_healthy(), seconds=10)
            await asyncio.to_thread(broker.start)
            back_at, before = loop.time(), len(notes.ids)
            await until(lambda count=before: len(notes.ids) > count, seconds=20)
            outages.append(loop.time() - back_at)
            await until(lambda: receiver.is_healthy() and sender.is_healthy(), seconds=5)
    await until(lambda: notes.has(taken), seconds=20)
    assert by_subject(handled(notes)) == by_subject(taken)
    assert min(outages) < 3.0, outages


@pytest.mark.slow
async def test_a_frozen_broker_delays_and_loses_nothing(broker: KafkaBroker, new_bus: NewBus) -> None:
    topic, notes = a_topic(), Notes()
    bus = new_bus(broker.bootstrap, publish_timeout=1.0)
    bus.subscribe(reads(topic, notes))
    await bus.start()
    async with publishing(bus, topic) as taken:
        await until(lambda: notes.ids, seconds=40)
        broker.pause()
        await until(lambda: not bus.is_healthy(), seconds=40)
        with pytest.raises(BusUnavailable):
            await bus.publish(topic, [an_envelope("late")])
        broker.resume()
        before = len(notes.ids)
        await until(lambda: len(notes.ids) > before and bus.is_healthy(), seconds=40)
    await until(lambda: notes.has(taken), seconds=40)
    assert by_subject(e for e in handled(notes) if e.subject != "late") == by_subject(taken)


async def test_start_waits_for_a_broker_that_comes_later(broker: KafkaBroker, new_bus: NewBus) -> None:
    broker.kill()
    topic, notes = a_topic(), Notes()
    bus = new_bus(broker.bootstrap)
    bus.subscribe(reads(topic, notes))
    starting = asyncio.create_task(bus.start())
    with pytest.raises(BusUnavailable):
        await bus.publish(topic, [an_envelope()])
    await asyncio.to_thread(broker.start)
    await asyncio.wait_for(starting, 10)
    await bus.publish(topic, [an_envelope()])
    await until(lambda: notes.batches, seconds=20)


@pytest.mark.slow
async def test_partitions_that_move_every_second_lose_nothing(new_bus: NewBus) -> None:
    topic, group = a_topic(partitions=8), unique("group")
    stays, sender = Notes(on_batch=lambda _: asyncio.sleep(0.02)), new_bus()
    staying = new_bus()
    staying.subscribe(reads(topic, stays, group=group, max_batch=50))
    await asyncio.gather(sender.start(), staying.start())
    guests: list[Notes] = []
    async with publishing(sender, topic) as taken:
        for _ in range(8):
            guests.append(Notes(on_batch=lambda _: asyncio.sleep(0.02)))
            guest = new_bus()
            guest.subscribe(reads(topic, guests[-1], group=group, max_batch=50))
            await guest.start()
            await until(lambda: guests[-1].batches, seconds=20)
            await guest.close()
    everyone = {envelope.id for envelope in taken}
    await until(lambda: everyone <= {i for notes in (stays, *guests) for i in notes.ids}, seconds=30)


async def test_a_member_that_vanishes_is_replaced_within_its_session(new_bus: NewBus) -> None:
    topic, group, gone, left = a_topic(partitions=8), unique("group"), Notes(), Notes()
    staying, vanishing = new_bus(), new_bus()
    staying.subscribe(reads(topic, left, group=group))
    vanishing.subscribe(reads(topic, gone, group=group))
    await asyncio.gather(staying.start(), vanishing.start())
    async with publishing(staying, topic, every=0.05) as taken:
        await until(lambda: gone.batches and left.batches, seconds=20)
        consumer = vanishing.readers[0].consumer
        # As by kill -9: no farewell to the group
        await cut_off(consumer)
        vanished_at, seen = asyncio.get_running_loop().time(), len(taken)
        await until(lambda: left.has(taken[seen + len(SUBJECTS) :]) and len(taken) > seen + 100, seconds=20)
        await until(lambda: set(by_subject(left.batches[-1])) == set(SUBJECTS), seconds=20)
        assert asyncio.get_running_loop().time() - vanished_at < timing.SESSION_MS / 1000 + 3


async def cut_off(consumer: Any) -> None:
    """Ends a consumer's conversation with the group without a word."""
    coordinator = consumer._coordinator
    coordinator._heartbeat_task.cancel()
    coordinator._coordination_task.cancel()
    consumer._fetcher._fetch_task.cancel()


async def test_a_broker_that_takes_no_short_sessions_is_asked_for_long_ones(new_bus: NewBus) -> None:
    if reason := missing():
        is_missing(reason)
    with KafkaBroker(properties={"group.min.session.timeout.ms": "6000"}) as broker:
        topic, notes = a_topic(), Notes()
        bus = new_bus(broker.bootstrap)
        bus.subscribe(reads(topic, notes))
        await bus.start()
        await relay(bus, topic, [an_envelope("demo/CS-1")])
        await until(lambda: len(notes.ids) == 1, seconds=20)
        assert bus.session_ms == timing.LONG_SESSION_MS


@pytest.mark.parametrize("fault", ["waits for an assignment for ever", "fetches no more", "died"])
async def test_a_stuck_reader_is_rebuilt(new_bus: NewBus, fault: str) -> None:
    topic, notes = a_topic(), Notes()
    bus = new_bus(stuck_after=1.0)
    bus.subscribe(reads(topic, notes))
    await bus.start()
    first = envelopes_of(SUBJECTS)
    await bus.publish(topic, first)
    await until(lambda: notes.has(first), seconds=20)
    consumer: Any = bus.readers[0].consumer
    if fault == "waits for an assignment for ever":
        consumer._subscription.begin_reassignment()
    elif fault == "fetches no more":
        consumer._fetcher._fetch_task.cancel()
    else:
        consumer._coordinator._coordination_task.cancel()
        consumer._coordinator.check_errors = _die

    async def is_rebuilt() -> bool:
        # The first of the faults is seen without anything to read, the others when there is
        if fault != "waits for an assignment for ever":
            await bus.publish(topic, [an_envelope()])
        return bus.readers[0].consumer is not consumer

    await until(is_rebuilt, seconds=20, every=0.1)
    second = envelopes_of(SUBJECTS)
    await bus.publish(topic, second)
    await until(lambda: notes.has(second), seconds=20)
    await until(bus.is_healthy, seconds=5)


def _die() -> None:
    raise RuntimeError("unexpected")


async def test_a_handler_that_hangs_makes_the_bus_unhealthy_but_is_not_called_again(new_bus: NewBus) -> None:
    topic, release = a_topic(), asyncio.Event()
    notes = Notes(on_batch=lambda _: release.wait())
    bus = new_bus(stuck_after=0.5)
    bus.subscribe(reads(topic, notes))
    await bus.start()
    await bus.publish(topic, [an_envelope()])
    await until(lambda: notes.offered and not bus.is_healthy(), seconds=20)
    release.set()
    await until(lambda: notes.batches and bus.is_healthy(), seconds=20)
    assert len(notes.offered) == 1


@pytest.mark.parametrize("raw", [b"", b"\xff\xfe", b'{"id":"\xff"}', b"{}", b'{"id":1}', b"[" * 100_000, None])
async def test_a_record_that_is_no_envelope_is_counted_and_given_to_its_keeper(
    new_bus: NewBus, kafka_bootstrap: str, raw: bytes | None
) -> None:
    topic, notes, kept = a_topic(partitions=1), Notes(), []
    is_away = [True]

    async def keep(*what: Any) -> None:
        if is_away.pop() if is_away else False:
            raise ConnectionError("the keeper is away: offer it again")
        kept.append(what)

    bus = new_bus()
    bus.subscribe(replace(reads(topic, notes), on_malformed=keep))
    await bus.start()
    before, after = an_envelope(), an_envelope()
    await bus.publish(topic, [before])
    async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap) as producer:
        await producer.send_and_wait(PREFIX + topic.name, raw, key=b"demo/CS-1")
    await bus.publish(topic, [after])
    await until(lambda: notes.has([before, after]), seconds=20)
    assert bus.malformed[topic.name] == 2
    [(told_topic, told_raw, error)] = kept
    assert (told_topic, told_raw) == (topic, raw or b"")
    assert isinstance(error, MalformedEnvelope)


async def test_only_malformed_records_are_acknowledged_too(new_bus: NewBus, kafka_bootstrap: str) -> None:
    topic, group = a_topic(partitions=1), unique("group")
    bus = new_bus()
    bus.subscribe(reads(topic, Notes(), group=group))
    await bus.start()
    async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap) as producer:
        await producer.send_and_wait(PREFIX + topic.name, b"nonsense")
    await until(lambda: bus.malformed[topic.name], seconds=20)
    await bus.close()
    again, notes = new_bus(), Notes()
    again.subscribe(reads(topic, notes, group=group))
    await again.start()
    await again.publish(topic, [an_envelope()])
    await until(lambda: notes.batches, seconds=20)
    assert not again.malformed


async def test_a_group_from_now_on_gets_what_came_while_it_was_away(new_bus: NewBus) -> None:
    topic, group, notes = a_topic(), unique("group"), Notes()
    sender, first = new_bus(), new_bus()
    await sender.start()
    await sender.publish(topic, envelopes_of(SUBJECTS))
    first.subscribe(reads(topic, Notes(), group=group, is_from_start=False))
    await first.start()
    await first.close()
    missed = envelopes_of(SUBJECTS)
    await sender.publish(topic, missed)
    second = new_bus()
    second.subscribe(reads(topic, notes, group=group, is_from_start=False))
    await second.start()
    await until(lambda: notes.has(missed), seconds=20)
    assert by_subject(handled(notes)) == by_subject(missed)


async def test_a_batch_refused_for_good_does_not_close_the_way_for_the_next(
    new_bus: NewBus, kafka_bootstrap: str
) -> None:
    topic, notes = a_topic(partitions=1), Notes()
    await create(kafka_bootstrap, PREFIX + topic.name, {"max.message.bytes": "2000"})
    bus = new_bus()
    bus.subscribe(reads(topic, notes))
    await bus.start()
    first = [an_envelope()]
    await bus.publish(topic, first)
    with pytest.raises(BusUnavailable, match="MessageSizeTooLarge"):
        await bus.publish(topic, [an_envelope(info="x" * 5000)])
    small = [an_envelope()]
    await asyncio.wait_for(relay(bus, topic, small), 10)
    await until(lambda: notes.has([*first, *small]), seconds=20)


async def create(bootstrap: str, name: str, configuration: dict[str, str]) -> None:
    """A topic that was there before the bus."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(name, 1, 1, topic_configs=configuration)])
    await admin.close()


async def test_a_message_that_no_broker_takes_is_refused_by_name(new_bus: NewBus) -> None:
    topic, bus, notes = a_topic(), new_bus(), Notes()
    bus.subscribe(reads(topic, notes))
    await bus.start()
    huge = an_envelope(info="x" * 1_000_000)
    with pytest.raises(ValueError, match=huge.id):
        await bus.publish(topic, [an_envelope(), huge])
    largest = an_envelope(info="x" * (kafka.MAX_MESSAGE_BYTES - len(encode(an_envelope(info=""))) - 10))
    await bus.publish(topic, [largest, largest, largest])
    await until(lambda: notes.has([largest]), seconds=20)


async def test_a_start_that_is_cut_short_leaves_no_connection_open(
    kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[AIOKafkaConnection] = []
    connect = AIOKafkaConnection.connect

    async def noted(connection: AIOKafkaConnection) -> object:
        opened.append(connection)
        return await connect(connection)

    monkeypatch.setattr(AIOKafkaConnection, "connect", noted)
    for turns in range(60):
        consumer = AIOKafkaConsumer(bootstrap_servers=kafka_bootstrap)
        starting = asyncio.create_task(begin(consumer))
        for _ in range(turns):
            await asyncio.sleep(0.0002)
        starting.cancel()
        await asyncio.wait({starting})
        await leave(consumer)
    await until(lambda: not any(connection.connected() for connection in opened))
    assert opened


async def test_topics_are_created_as_the_table_says(new_bus: NewBus, kafka_bootstrap: str) -> None:
    await new_bus().start()
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    names = [PREFIX + topic.name for topic in TOPICS]
    partitions = {found["topic"]: len(found["partitions"]) for found in await admin.describe_topics(names)}
    wanted = ("cleanup.policy", "retention.ms")
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, dict.fromkeys(wanted)) for name in names]
    found = {
        name: {entry[0]: entry[1] for entry in entries}
        for answer in await admin.describe_configs(resources)
        for _, _, _, name, entries in answer.resources
    }
    await admin.close()
    for topic in TOPICS:
        assert partitions[PREFIX + topic.name] == topic.partitions
        assert found[PREFIX + topic.name] == {
            "cleanup.policy": "compact" if topic.is_compacted else "delete",
            "retention.ms": "-1" if topic.retention is None else str(int(topic.retention.total_seconds()) * 1000),
        }
