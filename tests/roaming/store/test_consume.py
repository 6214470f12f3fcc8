"""A batch off the bus: each message has one effect, a bad one harms no other, an outage loses nothing."""

from collections.abc import Awaitable, Callable, Sequence

import msgspec
import pytest
from sqlalchemy import text

from contracts.bus.port import Subscription
from contracts.envelope import Envelope, MalformedEnvelope
from contracts.messages import ConnectorStatusChanged, StationDisconnected
from contracts.topics import EVENTS
from roaming.store.consume import MAX_DEAD_IN_A_ROW, Consumer, Projection, Received, TooManyDeadLetters
from roaming.store.database import Database, Work
from roaming.store.dead_letters import Replayed, list_dead, replay
from roaming.store.errors import StoreUnavailable
from tests.kit.envelopes import a_status, an_envelope, from_the_future, malformed


class Ledger:
    """A projection that writes down what it was handed, and fails on what it was told to fail on."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.poison: set[str] = set()
        self.before_handling: Callable[[], Awaitable[None]] | None = None

    async def handle(self, work: Work, batch: Sequence[Received]) -> None:
        self.batches.append([received.envelope.id for received in batch])
        if self.before_handling is not None:
            await self.before_handling()
        for received in batch:
            if received.envelope.id in self.poison:
                raise RuntimeError(f"cannot digest {received.envelope.id}")
            await work.connection.execute(
                text("INSERT INTO ledger (message_id) VALUES (:id)"), {"id": received.envelope.id}
            )

    @property
    def projection(self) -> Projection:
        return Projection(consumer="ledger", topics=(EVENTS,), messages=(ConnectorStatusChanged,), handle=self.handle)


@pytest.fixture
async def database(database: Database) -> Database:
    async with database.work() as work:
        serial = "INTEGER PRIMARY KEY" if database.is_sqlite else "SERIAL PRIMARY KEY"
        await work.connection.execute(text(f"CREATE TABLE ledger (n {serial}, message_id VARCHAR)"))
    return database


def envelopes(count: int, *, first: int = 0) -> list[Envelope]:
    return [an_envelope(a_status(), id=f"m{number:03}", number=number) for number in range(first, first + count)]


async def written(database: Database) -> list[str]:
    return [row[0] for row in await database.reader.fetch("SELECT message_id FROM ledger ORDER BY n")]


async def dead(database: Database) -> list[str]:
    return [letter.message_id for letter in reversed(await list_dead(database.reader))]


async def test_a_batch_is_one_transaction_and_a_repeat_ends_at_the_inbox(database: Database) -> None:
    ledger = Ledger()
    consumer = Consumer(database, ledger.projection)
    batch = envelopes(5)
    await consumer.handle(batch)
    await consumer.handle(batch)
    await Consumer(database, ledger.projection).handle(envelopes(3, first=3))
    assert ledger.batches == [["m000", "m001", "m002", "m003", "m004"], ["m005"]]
    assert await written(database) == [f"m{n:03}" for n in range(6)]


async def test_two_messages_with_one_id_in_a_batch_are_one(database: Database) -> None:
    ledger = Ledger()
    await Consumer(database, ledger.projection).handle([*envelopes(2), *envelopes(2)])
    assert await written(database) == ["m000", "m001"]


async def test_consumers_do_not_share_an_inbox(database: Database) -> None:
    ledger, other = Ledger(), Ledger()
    await Consumer(database, ledger.projection).handle(envelopes(1))
    second = Projection(consumer="other", topics=(EVENTS,), messages=(ConnectorStatusChanged,), handle=other.handle)
    await Consumer(database, second).handle(envelopes(1))
    assert await written(database) == ["m000", "m000"]


async def test_messages_of_other_types_and_from_the_future_are_passed_over(database: Database) -> None:
    ledger = Ledger()
    one, two = envelopes(2)
    gone = StationDisconnected(network="demo", station_id="CS-1", instance="a", epoch=1, reason=None)
    await Consumer(database, ledger.projection).handle([an_envelope(gone, id="x"), from_the_future(one), two])
    assert await written(database) == ["m001"]
    assert await dead(database) == []


@pytest.mark.parametrize("position", [0, 7, 49])
async def test_a_poison_message_is_dead_and_all_others_are_handled_in_order(database: Database, position: int) -> None:
    ledger = Ledger()
    ledger.poison = {f"m{position:03}"}
    await Consumer(database, ledger.projection).handle(envelopes(50))
    assert await written(database) == [f"m{n:03}" for n in range(50) if n != position]
    assert await dead(database) == [f"m{position:03}"]
    assert len(ledger.batches) < 20, "by halves, not one by one"
    (letter,) = await list_dead(database.reader)
    assert letter.error == f"RuntimeError: cannot digest m{position:03}"
    assert letter.subject == "demo/CS-1"


async def test_a_malformed_body_is_dead(database: Database) -> None:
    ledger = Ledger()
    one, two, three = envelopes(3)
    await Consumer(database, ledger.projection).handle([one, malformed(two), three])
    assert await written(database) == ["m000", "m002"]
    (letter,) = await list_dead(database.reader)
    assert "MalformedEnvelope" in letter.error
    assert "network" in letter.error


async def test_ids_and_errors_with_strange_characters_do_not_block_the_reader(database: Database) -> None:
    ledger = Ledger()
    id = "nul\x00"
    ledger.poison = {id}
    strange = an_envelope(a_status(), id=id, subject="demo/\x00")
    await Consumer(database, ledger.projection).handle([strange])
    await Consumer(database, ledger.projection).handle([strange])
    (letter,) = await list_dead(database.reader)
    assert letter.message_id == "nul\\x00"


def of_many_stations(count: int) -> list[Envelope]:
    return [an_envelope(a_status(), id=f"m{n:03}", subject=f"demo/CS-{n}") for n in range(count)]


async def test_one_bad_station_stops_nobody(database: Database) -> None:
    """However much of it cannot be handled, at night, with nothing good between."""
    ledger = Ledger()
    bad = envelopes(60)
    ledger.poison = {envelope.id for envelope in bad}
    consumer = Consumer(database, ledger.projection)
    await consumer.handle(bad)
    assert len(await dead(database)) == 60
    assert not consumer.is_stopped
    await consumer.handle([an_envelope(a_status(), id="good", subject="demo/CS-2")])
    assert await written(database) == ["good"]


async def test_too_many_dead_in_a_row_stop_the_reader(database: Database) -> None:
    ledger = Ledger()
    batch = of_many_stations(60)
    ledger.poison = {envelope.id for envelope in batch}
    consumer = Consumer(database, ledger.projection)
    for _ in range(2):
        with pytest.raises(TooManyDeadLetters):
            await consumer.handle(batch)
        assert len(await dead(database)) == MAX_DEAD_IN_A_ROW == 25
    assert consumer.is_stopped
    with pytest.raises(TooManyDeadLetters):
        await consumer.handle([an_envelope(a_status(), id="good")])
    ledger.poison = set()
    await Consumer(database, ledger.projection).handle(batch)  # mended, restarted
    assert await written(database) == [envelope.id for envelope in batch[25:]]


async def test_malformed_messages_count_among_the_dead_in_a_row(database: Database) -> None:
    consumer = Consumer(database, Ledger().projection)
    with pytest.raises(TooManyDeadLetters):
        await consumer.handle([malformed(envelope) for envelope in of_many_stations(30)])


async def test_a_good_message_ends_the_row(database: Database) -> None:
    ledger = Ledger()
    ledger.poison = {f"m{n:03}" for n in range(60) if n % 20}
    await Consumer(database, ledger.projection).handle(envelopes(60))
    assert len(await dead(database)) == 57


async def test_an_outage_is_passed_on_and_nothing_is_kept(database: Database) -> None:
    ledger = Ledger()

    async def outage() -> None:
        raise StoreUnavailable("the database went away")

    consumer = Consumer(database, ledger.projection)
    ledger.before_handling = outage
    with pytest.raises(StoreUnavailable):
        await consumer.handle(envelopes(3))
    assert await dead(database) == []
    ledger.before_handling = None
    await consumer.handle(envelopes(3))
    assert await written(database) == ["m000", "m001", "m002"]


async def test_a_crash_between_commit_and_acknowledgement_has_no_second_effect(database: Database) -> None:
    ledger = Ledger()
    committed = Consumer(database, ledger.projection)
    await committed.handle(envelopes(3))
    # killed here: the bus never heard of it and offers the batch to the next process, with more behind it
    await Consumer(database, ledger.projection).handle(envelopes(5))
    assert await written(database) == [f"m{n:03}" for n in range(5)]


async def test_a_crash_before_the_commit_loses_nothing(database: Database) -> None:
    ledger = Ledger()

    class Killed(BaseException):
        pass

    async def kill() -> None:
        raise Killed

    ledger.before_handling = kill
    with pytest.raises(Killed):
        await Consumer(database, ledger.projection).handle(envelopes(3))
    ledger.before_handling = None
    await Consumer(database, ledger.projection).handle(envelopes(3))
    assert await written(database) == ["m000", "m001", "m002"]


def test_the_subscription_names_the_group(sqlite_database: Database) -> None:
    subscription = Consumer(sqlite_database, Ledger().projection).subscription()
    assert isinstance(subscription, Subscription)
    assert (subscription.group, subscription.topics, subscription.max_batch) == ("service.ledger", (EVENTS,), 500)


class TestReplay:
    async def buried(self, database: Database, ledger: Ledger, count: int = 1) -> list[int]:
        ledger.poison = {f"m{n:03}" for n in range(count)}
        await Consumer(database, ledger.projection).handle(envelopes(count))
        return [letter.id for letter in reversed(await list_dead(database.reader))]

    async def test_a_mended_letter_is_handled_once(self, database: Database) -> None:
        ledger = Ledger()
        ids = await self.buried(database, ledger, 2)
        ledger.poison = set()
        assert await replay(database, ids, [ledger.projection]) == [Replayed(id=ids[0]), Replayed(id=ids[1])]
        assert await written(database) == ["m000", "m001"]
        assert await list_dead(database.reader) == []
        shown = await list_dead(database.reader, is_replayed_shown=True)
        assert all(letter.replayed_at is not None for letter in shown)
        again = await replay(database, ids, [ledger.projection])
        assert {entry.error for entry in again} == {"it has been replayed already"}
        await Consumer(database, ledger.projection).handle(envelopes(2))
        assert await written(database) == ["m000", "m001"], "and it stays claimed"

    async def test_one_that_fails_again_stays_dead_and_leaves_nothing(self, database: Database) -> None:
        ledger = Ledger()
        (id,) = await self.buried(database, ledger)
        (outcome,) = await replay(database, [id], [ledger.projection])
        assert outcome.error == "RuntimeError: cannot digest m000"
        (letter,) = await list_dead(database.reader)
        assert letter.replayed_at is None
        await Consumer(database, ledger.projection).handle(envelopes(1))
        assert (await written(database), len(await list_dead(database.reader))) == ([], 1)

    async def test_unknown_letters_and_consumers_are_named(self, database: Database) -> None:
        (id,) = await self.buried(database, Ledger())
        outcomes = await replay(database, [id, 999], [])
        assert [outcome.error for outcome in outcomes] == [
            "no projection is called ledger",
            "there is no such dead letter",
        ]

    async def test_an_outage_is_passed_on(self, database: Database) -> None:
        ledger = Ledger()
        (id,) = await self.buried(database, ledger)

        async def outage() -> None:
            raise StoreUnavailable("gone")

        ledger.before_handling = outage
        with pytest.raises(StoreUnavailable):
            await replay(database, [id], [ledger.projection])
        ledger.before_handling, ledger.poison = None, set()
        assert await replay(database, [id], [ledger.projection]) == [Replayed(id=id)]

    async def test_the_list_goes_on_behind_a_page(self, database: Database) -> None:
        ids = await self.buried(database, Ledger(), 5)
        first = await list_dead(database.reader, consumer="ledger", limit=3)
        second = await list_dead(database.reader, consumer="ledger", limit=3, before_id=first[-1].id)
        assert [letter.id for letter in first + second] == ids[::-1]
        assert await list_dead(database.reader, consumer="other") == []


RAW = [b"\xff\xfe", b'{"id":"\xff\x00"}', b"", b"{}", b"nonsense", b"[" * 100_000]


async def test_a_record_that_is_no_envelope_lies_among_the_dead_letters_once(database: Database) -> None:
    groups = [Consumer(database, Ledger().projection).subscription() for _ in range(2)]
    for raw in RAW:
        for subscription in groups:
            assert subscription.on_malformed is not None
            await subscription.on_malformed(EVENTS, raw, MalformedEnvelope("no envelope \0"))
    letters = list(reversed(await list_dead(database.reader)))
    assert [letter.envelope for letter in letters[:2]] == ["\\xff\\xfe", '{"id":"\\xff\\x00"}']
    assert [letter.envelope for letter in letters[2:]] == [raw.decode() for raw in RAW[2:]]
    assert {(letter.consumer, letter.subject, letter.error) for letter in letters} == {
        ("-", EVENTS.name, "MalformedEnvelope: no envelope \\x00")
    }
    [outcome] = await replay(database, [letters[0].id], [Ledger().projection])
    assert "no envelope" in outcome.error


async def test_a_body_that_is_no_utf8_is_dead_and_harms_no_other(database: Database) -> None:
    ledger = Ledger()
    one, two, three = envelopes(3)
    two = msgspec.structs.replace(two, body=msgspec.Raw(b'{"connector_id":"\xff"}'))
    await Consumer(database, ledger.projection).handle([one, two, three])
    assert await written(database) == ["m000", "m002"]
    [letter] = await list_dead(database.reader)
    assert "\\xff" in letter.envelope
