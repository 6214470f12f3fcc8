"""The revisions make exactly the tables the code declares, on both databases, and can be taken back."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import column, insert, inspect
from sqlalchemy import table as sql_table

from roaming.store import migrate, revisions
from roaming.store.columns import UtcDateTime
from roaming.store.database import Database
from roaming.store.errors import StoreUnavailable
from tests.kit.database import BOTH
from tests.kit.envelopes import NOON


@pytest.fixture(params=BOTH)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of this test's own."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/new/hub.db"
    else:
        yield request.getfixturevalue("fresh_postgresql")


async def tables(url: str) -> set[str]:
    database = await Database.open(url)
    async with database.reading() as connection:
        found = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    await database.close()
    return set(found)


async def test_the_revisions_make_what_the_code_declares(empty_url: str) -> None:
    await migrate.upgrade(empty_url)
    different = await migrate.differences(empty_url)
    assert different == [], "run `python -m roaming.store.migrate` to write the revision (see its --help)"


async def test_numbers_are_given_once_on_sqlite_too(tmp_path: Path) -> None:
    """The comparison does not see this, and a table that a revision makes anew loses it."""
    url = f"sqlite:///{tmp_path}/hub.db"
    await migrate.upgrade(url)
    database = await Database.open(url)
    made = await database.reader.fetch("SELECT name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%'")
    await database.close()
    declared = migrate.declared().tables.values()
    wanted = {table.name for table in declared if table.dialect_options["sqlite"]["autoincrement"]}
    assert {name for (name,) in made} == wanted


async def test_the_comparison_sees_a_difference(empty_url: str) -> None:
    await migrate.upgrade(empty_url)
    database = await Database.open(empty_url)
    async with database.work() as work:
        await work.connection.exec_driver_sql("DROP TABLE inbox")
        await work.connection.exec_driver_sql("ALTER TABLE outbox ADD COLUMN stray INTEGER")
    await database.close()
    kinds = sorted(str(entry[0]) for entry in await migrate.differences(empty_url))
    assert kinds == ["add_index", "add_table", "remove_column"]


async def test_up_down_and_up_again(empty_url: str) -> None:
    scripts = ScriptDirectory.from_config(migrate._config())
    every = [script.revision for script in scripts.walk_revisions()][::-1]
    for revision in every:
        await migrate.upgrade(empty_url, revision)
    assert await revisions.current(empty_url) == revisions.head() == every[-1]
    assert "outbox" in await tables(empty_url)
    for revision in [*every[:-1][::-1], "base"]:
        await migrate.downgrade(empty_url, revision)
    assert await tables(empty_url) == {"alembic_version"}
    await migrate.upgrade(empty_url)
    assert await revisions.is_current(empty_url)


async def test_an_empty_database_is_not_current(empty_url: str) -> None:
    assert await revisions.current(empty_url) is None
    assert not await revisions.is_current(empty_url)


async def test_processes_that_start_together_take_turns(empty_url: str) -> None:
    await asyncio.gather(*(migrate.upgrade(empty_url) for _ in range(4)))
    assert await revisions.is_current(empty_url)


async def test_an_upgrade_keeps_what_is_there(empty_url: str) -> None:
    await migrate.upgrade(empty_url)
    database = await Database.open(empty_url)
    async with database.work() as work:
        await work.connection.exec_driver_sql("INSERT INTO directory_state (id, revision) VALUES (1, 7)")
    await migrate.upgrade(empty_url)
    assert (await database.reader.fetch("SELECT revision FROM directory_state"))[0][0] == 7
    await database.close()


async def test_the_profiles_of_tokens_that_are_there_are_taken_over(empty_url: str) -> None:
    """Revision 0060: what a token's document says is said of its driver too."""
    await migrate.upgrade(empty_url, "0059")
    owner = {"country_code": "DE", "party_id": "AAA", "type": "RFID", "source": ""}
    token = {"scope": "", "is_listed": True, "origin_version": "2.2.1", "last_updated": NOON, "received_at": NOON}
    driver = {"contract_id": "C", "contract_folded": "c", "whitelist": "NEVER", "is_valid": True, "used_at": NOON}
    database = await Database.open(empty_url)
    async with database.work() as work:
        for uid, document in (("ab", '{"default_profile_type":"FAST"}'), ("cd", "{}")):
            stored = {"key": uid, "object_id": uid, "uid_folded": uid, "document": document, "revision": 1, "live": ""}
            for table, row in (("tokens", token | stored), ("driver_tokens", driver | {"uid": uid, "uid_folded": uid})):
                values = owner | row
                names = [column(name, UtcDateTime() if value is NOON else None) for name, value in values.items()]
                await work.connection.execute(insert(sql_table(table, *names)).values(**values))
    await migrate.upgrade(empty_url)
    rows = await database.reader.fetch("SELECT uid, default_profile_type FROM driver_tokens ORDER BY uid")
    assert [tuple(row) for row in rows] == [("ab", "FAST"), ("cd", None)]
    await database.close()


async def test_an_absent_server_is_unavailable() -> None:
    with pytest.raises(StoreUnavailable):
        await migrate.upgrade("postgresql://nobody@127.0.0.1:1/none")


def test_revisions_are_numbered_in_one_line() -> None:
    scripts = ScriptDirectory.from_config(migrate._config())
    every = [script.revision for script in scripts.walk_revisions()][::-1]
    assert every == [f"{number:04d}" for number in range(1, len(every) + 1)]
