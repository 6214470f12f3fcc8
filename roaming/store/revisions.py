"""Which schema a database has, and which one this release works with: what every start asks. Changing it is another
matter (``roaming.store.migrate``), whose libraries take a quarter of a second to import."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.store.engine import connected, with_async_driver, writing_engine

FOLDER = Path(__file__).parent / "migrations"
PATIENCE_SECONDS = 600.0
"""For one statement: an index on a large table takes its time."""
_TABLE = "alembic_version"


def head() -> str:
    """The newest revision this release knows: files are numbered, each follows the one before."""
    return max(path.name for path in (FOLDER / "versions").glob("[0-9]*.py")).partition("_")[0]


async def current(url: str) -> str | None:
    """The revision the database is at; ``None`` when it is empty. Raises ``StoreUnavailable``."""
    async with connection_to(url) as connection:
        return await connection.run_sync(_current)


async def is_current(url: str) -> bool:
    """Whether the database has the schema this release works with. Raises ``StoreUnavailable``."""
    return await current(url) == head()


@asynccontextmanager
async def connection_to(url: str) -> AsyncIterator[AsyncConnection]:
    """A connection of its own, as patient as a change of the schema needs it."""
    engine = writing_engine(with_async_driver(url), pool_size=1, patience=PATIENCE_SECONDS)
    try:
        async with connected(engine) as connection:
            yield connection
    finally:
        await engine.dispose()


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_TABLE):
        return None
    revision: str | None = connection.execute(text(f"SELECT version_num FROM {_TABLE}")).scalar_one_or_none()  # noqa: S608
    return revision
