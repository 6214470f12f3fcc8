"""Databases for tests: migrated once, copied for each test, opened on both kinds.

``tests/roaming/conftest.py`` and ``tests/ports/conftest.py`` hand these fixtures on; elsewhere import them by name.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import SQLModel

from roaming.store.database import Database
from roaming.store.engine import with_async_driver, writing_engine
from roaming.store.migrate import rows_under, upgrade
from tests.kit.postgresql import Postgresql

BOTH = ("sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql))


def in_a_loop_of_its_own(work: Coroutine[Any, Any, None]) -> None:
    """Runs ``work`` where no event loop of a test is disturbed."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        pool.submit(asyncio.run, work).result()


async def build(url: str) -> None:
    """Brings an empty database to the newest revision, and makes tables declared since: a module can be tested
    before its revision is written (``tests/roaming/store/test_migrate.py`` insists on it)."""
    await upgrade(url)
    engine = writing_engine(with_async_driver(url), pool_size=1)
    tables = [row.__table__ for row in rows_under(SQLModel) if row.__module__.startswith("roaming.")]
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: SQLModel.metadata.create_all(sync, tables=tables))
    await engine.dispose()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    in_a_loop_of_its_own(build(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def postgresql_pool(postgresql_server: Postgresql) -> list[str]:
    """Names of migrated, empty databases that no test uses now: emptying one is ten times faster than making one."""
    return []


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A migrated SQLite file of this test's own."""
    path = tmp_path / "hub.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def migrated_postgresql_url(postgresql_server: Postgresql, postgresql_pool: list[str]) -> Iterator[str]:
    """A migrated PostgreSQL database of this test's own."""
    if not postgresql_pool:
        name = postgresql_server.create_database()
        in_a_loop_of_its_own(build(postgresql_server.url(name)))
        tables = "SELECT string_agg(quote_literal(tablename), ',') FROM pg_tables WHERE schemaname = 'public'"
        ours = postgresql_server.execute(tables, database=name)
        postgresql_server.execute(EMPTYING.replace("OURS", ours), database=name)
        postgresql_pool.append(name)
    name = postgresql_pool.pop()
    yield postgresql_server.url(name)
    postgresql_server.execute(f"{ENDING_OTHERS}; CALL empty_for_the_next_test()", database=name)
    postgresql_pool.append(name)


ENDING_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
EMPTYING = """
CREATE PROCEDURE empty_for_the_next_test() LANGUAGE plpgsql AS $$
DECLARE found record;
BEGIN
    FOR found IN SELECT oid, relname, relname IN (OURS) AS is_ours FROM pg_class
                 WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'
    LOOP
        IF NOT found.is_ours THEN
            EXECUTE format('DROP TABLE %I CASCADE', found.relname);
        ELSIF pg_relation_size(found.oid) > 0 THEN
            EXECUTE format('TRUNCATE %I RESTART IDENTITY CASCADE', found.relname);
        END IF;
    END LOOP;
END $$
"""
"""Made in each database: tables that a test declared for itself go, ours are emptied."""


@pytest.fixture(params=BOTH)
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated database of this test's own: the test runs once on SQLite and once on PostgreSQL."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "migrated_postgresql_url")
    return url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """``database_url``, opened."""
    opened = await Database.open(database_url)
    yield opened
    await opened.close()


@pytest.fixture
async def sqlite_database(sqlite_url: str) -> AsyncIterator[Database]:
    """For tests whose subject does not care which database it is."""
    opened = await Database.open(sqlite_url)
    yield opened
    await opened.close()
