"""The promises of ``contracts.bus.port``, held by both bodies: in one process, and on a real Kafka broker."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.bus import timing
from contracts.bus.kafka import KafkaBus
from contracts.bus.memory import MemoryBus
from contracts.bus.port import Bus, BusUnavailable, Subscription
from contracts.envelope import Envelope, MalformedEnvelope
from tests.kit.wait import until
from tests.ports.reading import (
    Notes,
    a_topic,
    an_envelope,
    by_subject,
    envelopes_of,
    handled,
    reads,
    relay,
    unique,
)

SUBJECTS = [f"demo/CS-{number}" for number in range(24)]


class MemoryBody:
    """One bus for everybody: whoever comes late subscribes to it."""

    def __init__(self) -> None:
        self.bus: Bus = MemoryBus()

    async def restart(self, *subscriptions: Subscription) -> None:
        self.bus = MemoryBus()
        for subscription in subscriptions:
            self.bus.subscribe(subscription)
        await self.bus.start()

    async def join(self, subscription: Subscription) -> None:
        self.bus.subscribe(subscription)

    async def close(self) -> None:
        await self.bus.close()


class KafkaBody:
    """Every process has a bus of its own; they share the broker."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._others: list[Bus] = []
        self.bus: Bus = self._new()

    def _new(self) -> Bus:
        return KafkaBus(self._bootstrap, client_id="test", topic_prefix="ports.")

    async def restart(self, *subscriptions: Subscription) -> None:
        self.bus = self._new()
        for subscription in subscriptions:
            self.bus.subscribe(subscription)
        await self.bus.start()

    async def join(self, subscription: Subscription) -> None:
        other = self._new()
        other.subscribe(subscription)
        await other.start()
        self._others.append(other)

    async def close(self) -> None:
        await asyncio.gather(self.bus.close(), *(bus.close() for bus in self._others))


Body = MemoryBody | KafkaBody


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
async def body(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Body]:
    monkeypatch.setattr(timing, "FIRST_PAUSE", 0.02)
    monkeypatch.setattr(timing, "LONGEST_PAUSE", 0.1)
    bodies = {"memory": MemoryBody, "kafka": lambda: KafkaBody(request.getfixturevalue("kafka_bootstrap"))}
    body = bodies[request.param]()
    yield body
    await body.close()


async def test_every_group_sees_everything_once_in_order_of_each_subject(body: Body) -> None:
    topic, first, second = a_topic(), Notes(), Notes()
    sent = envelopes_of(SUBJECTS * 10)
    await body.restart(reads(topic, first), reads(topic, second))
    for at in range(0, len(sent), 60):
        await body.bus.publish(topic, sent[at : at + 60])
    await until(lambda: first.has(sent) and second.has(sent), seconds=20)
    assert by_subject(handled(first)) == by_subject(handled(second)) == by_subject(sent)


async def test_an_envelope_arrives_as_it_was_published(body: Body) -> None:
    topic, notes = a_topic(), Notes()
    sent = an_envelope(info='ü ‏ \U0001f50c " \\ \x00')
    await body.restart(reads(topic, notes))
    await body.bus.publish(topic, [sent])
    await until(lambda: notes.batches, seconds=20)
    [[arrived]] = notes.batches
    assert arrived.message() == sent.message()
    assert msgspec.structs.replace(arrived, body=sent.body) == sent


async def test_a_reader_sees_only_its_topics(body: Body) -> None:
    read, other, notes = a_topic(), a_topic(), Notes()
    await body.restart(reads(read, notes))
    await body.bus.publish(other, [an_envelope()])
    wanted = an_envelope()
    await body.bus.publish(read, [wanted])
    await until(lambda: notes.batches, seconds=20)
    assert notes.ids == [wanted.id]


async def test_one_reader_of_two_topics_is_never_called_twice_at_once(body: Body) -> None:
    one, two = a_topic(), a_topic()
    notes = Notes(on_batch=lambda _: asyncio.sleep(0.01))
    await body.restart(reads((one, two), notes, max_batch=3))
    sent = {one: envelopes_of(SUBJECTS), two: envelopes_of(SUBJECTS)}
    await asyncio.gather(*(body.bus.publish(topic, envelopes) for topic, envelopes in sent.items()))
    await until(lambda: notes.has([*sent[one], *sent[two]]), seconds=20)


async def test_batches_are_no_larger_than_asked_for(body: Body) -> None:
    topic, notes = a_topic(), Notes()
    sent = envelopes_of(SUBJECTS)
    await body.restart(reads(topic, notes, max_batch=5))
    await body.bus.publish(topic, sent)
    await until(lambda: notes.has(sent), seconds=20)
    assert max(len(batch) for batch in notes.batches) <= 5


async def test_what_a_group_has_yet_to_read_is_counted(body: Body) -> None:
    topic, go_on = a_topic(), asyncio.Event()
    slow, swift = Notes(on_batch=lambda _: go_on.wait()), Notes()
    behind, reading = reads(topic, slow, max_batch=1), reads(topic, swift)
    await body.restart(behind, reading)
    sent = envelopes_of(SUBJECTS[:5])
    publishing = asyncio.create_task(body.bus.publish(topic, sent))
    await until(lambda: slow.offered and swift.has(sent), seconds=20)

    async def is_behind() -> bool:
        lag = await body.bus.lag()
        return (lag[behind.group] or 0) >= len(sent) - 1 and lag[reading.group] == 0

    async def has_caught_up() -> bool:
        return set((await body.bus.lag()).values()) == {0}

    await until(is_behind, seconds=20)
    go_on.set()
    await publishing
    await until(has_caught_up, seconds=20)


async def test_a_handler_that_raises_leaves_no_gap(body: Body) -> None:
    topic = a_topic(partitions=1)
    failing, well = Notes(failures=3), Notes()
    await body.restart(reads(topic, failing, max_batch=4), reads(topic, well))
    sent = envelopes_of(SUBJECTS[:3] * 8)
    for at in range(0, len(sent), 6):
        await relay(body.bus, topic, sent[at : at + 6])
    await until(lambda: failing.has(sent) and well.has(sent), seconds=20)
    assert by_subject(handled(failing)) == by_subject(sent)
    assert [envelope.id for envelope in failing.offered[0]] == [e.id for e in failing.offered[3][:4]]


async def test_a_group_that_fails_does_not_hold_up_another(body: Body) -> None:
    topic, well, failing = a_topic(), Notes(), Notes(failures=1_000_000)
    await body.restart(reads(topic, failing), reads(topic, well))
    sent = envelopes_of(SUBJECTS)
    relaying = asyncio.create_task(relay(body.bus, topic, sent))
    await until(lambda: well.has(sent) and failing.offered, seconds=20)
    failing.failures = 0
    await until(lambda: failing.has(sent), seconds=20)
    await relaying


async def test_acknowledged_only_after_the_handler_returned(body: Body, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "CLOSE_WAIT", 0.1)
    topic, sent, group = a_topic(partitions=1), envelopes_of(SUBJECTS), unique("group")
    hanging = Notes(on_batch=lambda _: asyncio.sleep(3600))
    await body.restart(reads(topic, hanging, group=group))
    relaying = asyncio.create_task(relay(lambda: body.bus, topic, sent))
    await until(lambda: hanging.offered, seconds=20)
    await body.bus.close()
    assert hanging.batches == []
    notes = Notes()
    await body.restart(reads(topic, notes, group=group))
    await until(lambda: notes.has(sent), seconds=20)
    await relaying
    assert by_subject(handled(notes)) == by_subject(sent)


async def test_close_lets_a_handler_finish_and_acknowledges_it(body: Body) -> None:
    topic, sent, group, is_closing = a_topic(partitions=1), envelopes_of(SUBJECTS), unique("group"), asyncio.Event()
    slow = Notes(on_batch=lambda _: is_closing.wait())
    await body.restart(reads(topic, slow, group=group))
    publishing = asyncio.create_task(body.bus.publish(topic, sent))
    await until(lambda: slow.offered, seconds=20)
    closing = asyncio.create_task(body.bus.close())
    await asyncio.sleep(0)
    is_closing.set()
    await closing
    await publishing
    assert slow.has(sent)
    later, notes = an_envelope(), Notes()
    await body.restart(reads(topic, notes, group=group))
    await body.bus.publish(topic, [later])
    await until(lambda: notes.batches, seconds=20)
    assert notes.ids == [later.id]


async def test_members_of_a_group_share_the_work(body: Body) -> None:
    topic, group, left, right = a_topic(partitions=8), unique("group"), Notes(), Notes()
    await body.restart(reads(topic, left, group=group), reads(topic, right, group=group))
    sent: list[Envelope] = []

    async def both_work() -> bool:
        sent.extend(more := envelopes_of(SUBJECTS))
        await body.bus.publish(topic, more)
        return bool(left.batches and right.batches)

    await until(both_work, seconds=20, every=0.1)
    await until(lambda: {e.id for e in sent} <= {*left.ids, *right.ids}, seconds=20)
    assert by_subject(sorted(handled(left, right), key=lambda e: e.sequence)) == by_subject(sent)
    rounds = envelopes_of(SUBJECTS * 5)
    await body.bus.publish(topic, rounds)
    await until(lambda: {e.id for e in rounds} <= {*left.ids, *right.ids}, seconds=20)
    of_these = {envelope.id for envelope in rounds}
    subjects = [{e.subject for e in handled(notes) if e.id in of_these} for notes in (left, right)]
    assert all(subjects)
    assert not subjects[0] & subjects[1], "a subject belongs to one member"


async def test_a_late_group_gets_the_last_message_per_subject_of_a_compacted_topic(body: Body) -> None:
    topic, early, late = a_topic(is_compacted=True), Notes(), Notes()
    await body.restart(reads(topic, early))
    sent = envelopes_of(SUBJECTS * 3)
    await body.bus.publish(topic, sent)
    await until(lambda: early.has(sent), seconds=20)
    await body.join(reads(topic, late))
    newest = sent[-len(SUBJECTS) :]
    await until(lambda: late.has(newest), seconds=20)
    after = envelopes_of(SUBJECTS)
    await body.bus.publish(topic, after)
    await until(lambda: late.has(after), seconds=20)
    last = {subject: ids[-2:] for subject, ids in by_subject(handled(late)).items()}
    assert last == by_subject([*newest, *after])


async def test_a_late_group_from_now_on_sees_nothing_older(body: Body) -> None:
    topic, early, late = a_topic(is_compacted=True), Notes(), Notes()
    await body.restart(reads(topic, early))
    await body.bus.publish(topic, envelopes_of(SUBJECTS))
    await body.join(reads(topic, late, is_from_start=False))
    after = envelopes_of(SUBJECTS)
    await body.bus.publish(topic, after)
    await until(lambda: late.has(after) and early.has(after), seconds=20)
    assert by_subject(handled(late)) == by_subject(after)


async def test_a_body_that_does_not_fit_is_the_readers_business(body: Body) -> None:
    topic, notes = a_topic(partitions=1), Notes()
    broken = msgspec.structs.replace(an_envelope(), body=msgspec.Raw(b'{"network":7}'))
    sent = [an_envelope(), broken, an_envelope()]
    await body.restart(reads(topic, notes))
    await body.bus.publish(topic, sent)
    await until(lambda: notes.has(sent), seconds=20)
    with pytest.raises(MalformedEnvelope, match="network"):
        handled(notes)[1].message()


async def test_a_handler_may_publish_to_a_topic_it_reads(body: Body) -> None:
    topic, answers = a_topic(), Notes()

    async def answer(envelopes: Sequence[Envelope]) -> None:
        questions = [envelope for envelope in envelopes if not envelope.subject.startswith("answer")]
        if questions:
            async with asyncio.timeout(10):
                await body.bus.publish(topic, envelopes_of(f"answer/{e.subject}" for e in questions))

    answering = Notes(on_batch=answer)
    await body.restart(reads(topic, answering), reads(topic, answers))
    await relay(body.bus, topic, envelopes_of(SUBJECTS[:5]))
    await until(lambda: len(answers.ids) == 10 and len(answering.ids) == 10, seconds=20)


async def test_a_handler_may_wait_for_a_task_that_publishes(body: Body) -> None:
    topic, notes = a_topic(), Notes()

    async def hand_on(envelopes: Sequence[Envelope]) -> None:
        if envelopes[0].subject != "task":
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.wait_for(body.bus.publish(topic, [an_envelope("task")]), 10))

    notes = Notes(on_batch=hand_on)
    await body.restart(reads(topic, notes))
    await relay(body.bus, topic, [an_envelope()])
    await until(lambda: "task" in by_subject(handled(notes)), seconds=20)


async def test_handlers_may_publish_to_each_other(body: Body) -> None:
    left, right = a_topic(), a_topic()
    both_handle = asyncio.Barrier(2)

    def hand_to(topic: object) -> Notes:
        async def hand_on(envelopes: Sequence[Envelope]) -> None:
            if envelopes[0].subject == "first":
                await asyncio.wait_for(both_handle.wait(), 20)
                await asyncio.wait_for(body.bus.publish(topic, [an_envelope("second")]), 10)  # type: ignore[arg-type]

        return Notes(on_batch=hand_on)

    notes = {left: hand_to(right), right: hand_to(left)}
    await body.restart(*(reads(topic, note) for topic, note in notes.items()))
    await asyncio.gather(*(relay(body.bus, topic, [an_envelope("first")]) for topic in notes))
    await until(lambda: all("second" in by_subject(handled(note)) for note in notes.values()), seconds=20)


async def test_a_question_does_not_wait_behind_a_slow_reader_of_another_topic(body: Body) -> None:
    events, questions, release = a_topic(), a_topic(), asyncio.Event()
    slow, quick = Notes(on_batch=lambda _: release.wait()), Notes()
    await body.restart(reads(events, slow), reads(questions, quick))
    publishing = asyncio.create_task(body.bus.publish(events, [an_envelope()]))
    await until(lambda: slow.offered, seconds=20)
    question = [an_envelope()]
    await asyncio.wait_for(body.bus.publish(questions, question), 5)
    await until(lambda: quick.has(question), seconds=20)
    assert not slow.batches
    release.set()
    await publishing


async def test_publishing_is_refused_before_start_and_after_close(body: Body) -> None:
    topic = a_topic()
    assert not body.bus.is_healthy()
    with pytest.raises(BusUnavailable):
        await body.bus.publish(topic, [an_envelope()])
    await body.restart(reads(topic, Notes()))
    assert body.bus.is_healthy()
    await body.bus.publish(topic, [an_envelope()])
    await body.bus.close()
    assert not body.bus.is_healthy()
    with pytest.raises(BusUnavailable):
        await body.bus.publish(topic, [an_envelope()])


async def test_publishing_nothing_or_to_nobody_is_fine(body: Body) -> None:
    await body.restart()
    await body.bus.publish(a_topic(), [])
    await body.bus.publish(a_topic(), [an_envelope()])


@given(
    rounds=st.lists(st.lists(st.sampled_from("abcde"), min_size=1, max_size=12), min_size=1, max_size=6),
    max_batch=st.integers(1, 7),
    failures=st.integers(0, 3),
)
@settings(max_examples=50, deadline=None)
def test_order_of_each_subject_survives_any_batching_and_failing(
    rounds: list[list[str]], max_batch: int, failures: int
) -> None:
    async def run() -> None:
        topic, steady, failing, bus = a_topic(), Notes(), Notes(failures=failures), MemoryBus()
        bus.subscribe(reads(topic, steady, max_batch=max_batch))
        bus.subscribe(reads(topic, failing, max_batch=max_batch))
        await bus.start()
        sent = [envelopes_of(subjects) for subjects in rounds]
        for envelopes in sent:
            while True:
                try:
                    await bus.publish(topic, envelopes)
                    break
                except BusUnavailable:
                    pass
        await bus.close()
        expected = by_subject(envelope for envelopes in sent for envelope in envelopes)
        assert by_subject(handled(steady)) == by_subject(handled(failing)) == expected

    asyncio.run(run())


@pytest.mark.kafka
@given(
    rounds=st.lists(st.lists(st.sampled_from("abcde"), min_size=1, max_size=30), min_size=1, max_size=4),
    max_batch=st.integers(1, 20),
    failures=st.integers(0, 2),
)
@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_order_of_each_subject_survives_any_batching_and_failing_on_kafka(
    kafka_bootstrap: str, rounds: list[list[str]], max_batch: int, failures: int
) -> None:
    async def run() -> None:
        topic, failing = a_topic(partitions=2), Notes(failures=failures)
        bus = KafkaBus(kafka_bootstrap, client_id="test", topic_prefix="ports.")
        bus.subscribe(reads(topic, failing, max_batch=max_batch))
        await bus.start()
        sent = [envelopes_of(subjects) for subjects in rounds]
        for envelopes in sent:
            await bus.publish(topic, envelopes)
        everything = [envelope for envelopes in sent for envelope in envelopes]
        await until(lambda: failing.has(everything), seconds=20)
        await bus.close()
        assert by_subject(handled(failing)) == by_subject(everything)

    asyncio.run(run())
