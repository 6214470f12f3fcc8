"""Old rows go, a few at a time, whoever else is at them; young ones and those that somebody still needs stay."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from contracts.envelope import Envelope
from roaming.store import trimming
from roaming.store.database import Database
from roaming.store.inbox import DEAD_LETTERS, INBOX, TRIMMINGS, claim_new
from roaming.store.locks import Locks, locks_of
from roaming.store.trimming import Trimmer, Trimming, old_rows
from tests.kit.envelopes import a_status, an_envelope
from tests.kit.wait import until

NOW = datetime.now(UTC)
OLD = NOW - timedelta(days=15)
DAYS = {"inbox": 14}


def envelopes(count: int, *, first: int = 0) -> list[Envelope]:
    return [an_envelope(a_status(), id=f"m{number:03}", number=number) for number in range(first, first + count)]


def trimmer(database: Database, *trimmings: Trimming, days: dict[str, int] | None = None) -> Trimmer:
    return Trimmer(database, trimmings or TRIMMINGS, locks_of(database), days=DAYS if days is None else days)


async def handled(database: Database, count: int, at: datetime, *, first: int = 0) -> None:
    async with database.work() as work:
        await claim_new(work.connection, "ledger", envelopes(count, first=first), at)


async def left(database: Database) -> int:
    rows = await database.reader.fetch("SELECT COUNT(*) FROM inbox")
    return int(rows[0][0])


async def test_what_is_old_goes_and_the_rest_stays(database: Database) -> None:
    await handled(database, 3, OLD)
    await handled(database, 3, NOW, first=3)
    assert await trimmer(database).trim() == {"inbox": 3}
    assert await trimmer(database).trim() == {}
    async with database.work() as work:
        assert await claim_new(work.connection, "ledger", envelopes(6), NOW) == envelopes(3)


async def test_a_kind_without_days_is_kept_for_ever(database: Database) -> None:
    await handled(database, 3, OLD)
    assert await trimmer(database, days={"journal": 1}).trim() == {}
    assert await left(database) == 3


async def test_however_much_is_old_it_goes_batch_by_batch(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trimming, "PAUSE", 3600.0)
    by_two = Trimming(kind="inbox", what="inbox", remove=TRIMMINGS[0].remove, at_once=2)
    await handled(database, 9, OLD)

    async def is_one_batch_committed() -> bool:
        return await left(database) == 7

    running = asyncio.create_task(trimmer(database, by_two).trim())
    await until(is_one_batch_committed)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    monkeypatch.setattr(trimming, "PAUSE", 0.0)
    assert await trimmer(database, by_two).trim() == {"inbox": 7}


async def test_several_at_once_remove_each_row_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trimming, "PAUSE", 0.0)
    by_ten = Trimming(kind="inbox", what="inbox", remove=TRIMMINGS[0].remove, at_once=10)
    await handled(database, 100, OLD)
    removed = await asyncio.gather(*(trimmer(database, by_ten).trim() for _ in range(3)))
    assert await left(database) == 0
    assert sum(each.get("inbox", 0) for each in removed) == 100


async def test_a_row_that_somebody_holds_is_passed_over(database: Database) -> None:
    if database.is_sqlite:
        pytest.skip("one writer: nobody else holds a row")
    await handled(database, 3, OLD)
    async with database.work() as work:
        held = select(INBOX.c.message_id).order_by(INBOX.c.message_id).limit(1).with_for_update()
        await work.connection.execute(held)
        assert await asyncio.create_task(trimmer(database).trim()) == {"inbox": 2}
    assert await trimmer(database).trim() == {"inbox": 1}


async def test_dead_letters_wait_for_people_unless_nobody_can_do_anything(database: Database) -> None:
    letter = {"message_id": "m", "subject": "s", "type": "t", "envelope": "{}", "error": "e", "at": OLD}
    rows = [
        letter | {"consumer": "ledger", "replayed_at": None},
        letter | {"consumer": "ledger", "replayed_at": OLD},
        letter | {"consumer": "ledger", "replayed_at": NOW},
        letter | {"consumer": "-", "replayed_at": None},
    ]
    async with database.work() as work:
        for row in rows:
            await work.connection.execute(DEAD_LETTERS.insert().values(row))
    assert await trimmer(database, days={"dead_letter": 14}).trim() == {"dead_letters": 2}
    kept = await database.reader.fetch("SELECT consumer, replayed_at IS NULL FROM dead_letters ORDER BY id")
    assert [(row[0], bool(row[1])) for row in kept] == [("ledger", True), ("ledger", False)]


async def test_one_that_fails_holds_up_no_other_and_the_lock_is_given_back(database: Database) -> None:
    async def fail(*_: object) -> int:
        raise RuntimeError("nobody foresaw this")

    await handled(database, 3, OLD)
    locks = Noted(locks_of(database))
    failing = Trimming(kind="inbox", what="failing", remove=fail)
    running = asyncio.create_task(Trimmer(database, (failing, *TRIMMINGS), locks, days=DAYS).run())
    await locks.released.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await locks.close()
    assert await left(database) == 0


class Noted:
    """Locks, and whether one was given back."""

    def __init__(self, locks: Locks) -> None:
        self._locks = locks
        self.released = asyncio.Event()

    async def try_acquire(self, name: str) -> bool:
        return await self._locks.try_acquire(name)

    async def release(self, name: str) -> None:
        await self._locks.release(name)
        self.released.set()

    async def close(self) -> None:
        await self._locks.close()


@pytest.mark.parametrize("kind", sorted({entry.kind for entry in TRIMMINGS}))
async def test_a_store_that_is_empty_is_left_alone(database: Database, kind: str) -> None:
    assert await trimmer(database, old_rows(kind, INBOX, "handled_at"), days={kind: 1}).trim() == {}
