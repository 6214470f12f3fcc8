"""Which facts were recorded before: on the way from memory to the index, over restarts and failures."""

import asyncio
import shutil
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.kit.database import Database
from adapters.kit.known_ids import CHUNKS, KnownIds, key_of, shares


async def open_ids(directory: Path, *, merge_at: int = 1000) -> tuple[KnownIds, Database]:
    database = Database(directory / "kit.sqlite")
    ids = KnownIds(database, merge_at=merge_at)
    await ids.start()
    return ids, database


async def record(ids: KnownIds, database: Database, keys: list[int], until: int = 100) -> set[int]:
    """As the spool does. Returns what was known before."""

    lately = ids.known_lately(keys)

    def job(connection: sqlite3.Connection) -> set[int]:
        known = lately | ids.on_disk([key for key in keys if key not in lately], connection)
        for statement, values in ids.keep([(key, until) for key in dict.fromkeys(keys) if key not in known]):
            connection.execute(statement, values)
        return known

    known = await database.write(job)
    ids.kept([key for key in keys if key not in known])
    return known


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.one_of(st.lists(st.integers(0, 60), max_size=20), st.sampled_from(["merge", "restart"])), max_size=12)
)
def test_what_was_kept_is_known(steps: list[list[int] | str]) -> None:
    directory = Path(tempfile.mkdtemp())

    async def scenario() -> None:
        ids, database = await open_ids(directory)
        model: set[int] = set()
        for step in steps:
            if step == "merge":
                await ids.merge()
            elif step == "restart":
                await database.close()
                ids, database = await open_ids(directory)
            else:
                keys = [key_of(str(number)) for number in step]
                assert await record(ids, database, keys) == model & set(keys)
                model |= set(keys)
        await database.close()

    try:
        asyncio.run(scenario())
    finally:
        shutil.rmtree(directory)


async def test_recording_goes_on_during_a_merge(tmp_path: Path) -> None:
    ids, database = await open_ids(tmp_path)
    keys = [key_of(str(number)) for number in range(5000)]
    await record(ids, database, keys[:3000])
    merging = asyncio.create_task(ids.merge())
    place = 3000
    while not merging.done():
        assert await record(ids, database, [keys[place], keys[place % 3000]]) == {keys[place % 3000]}
        place += 1
    await merging
    assert await record(ids, database, keys[:place]) == set(keys[:place])
    (count,) = database.fetch("SELECT count(*) FROM known_lately")[0]
    assert count <= len(ids._lately) < 3000, "what was merged is held in memory no longer"
    await database.close()


async def test_a_merge_that_fails_forgets_nothing(tmp_path: Path) -> None:
    ids, database = await open_ids(tmp_path)
    keys = [key_of(str(number)) for number in range(2000)]
    await record(ids, database, keys)
    await database.write(
        lambda connection: connection.execute(
            "CREATE TRIGGER full BEFORE INSERT ON known_ids WHEN (SELECT count(*) FROM known_ids) > 700"
            " BEGIN SELECT RAISE(FAIL, 'disk is full'); END"
        )
    )
    with pytest.raises(sqlite3.Error, match="disk is full"):
        await ids.merge()
    assert await record(ids, database, keys) == set(keys)
    await database.write(lambda connection: connection.execute("DROP TRIGGER full"))
    await ids.merge()
    assert database.fetch("SELECT (SELECT count(*) FROM known_ids), (SELECT count(*) FROM known_lately)") == [(2000, 0)]
    assert await record(ids, database, keys) == set(keys)
    await database.close()


async def test_a_merge_is_due_by_number(tmp_path: Path) -> None:
    ids, database = await open_ids(tmp_path, merge_at=3)
    assert not ids.kept([1, 2])
    assert ids.kept([3])
    await database.close()


async def test_forgetting_covers_all_keys(tmp_path: Path) -> None:
    ids, database = await open_ids(tmp_path)
    edges = [0, 2**63 - 1, 2**62, 2**62 - 1]
    await record(ids, database, edges, until=10)
    await record(ids, database, [key_of("young")], until=20)
    await ids.merge()
    remaining = [await ids.forget(chunk, 15) for chunk in range(CHUNKS)]
    assert sum(remaining) == 1
    assert await record(ids, database, [*edges, key_of("young")]) == {key_of("young")}
    await database.close()


@given(st.integers(0, 700))
def test_shares_are_few_and_complete(count: int) -> None:
    items = list(range(count))
    cut = [list(share) for share in shares(items)]
    assert [item for share in cut for item in share] == items
    assert len(cut) <= count // 128 + 2
