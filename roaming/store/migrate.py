"""The schema: brings a database to the newest revision, and writes revisions from the tables declared in the code.

``python -m roaming.store.migrate revision -m "what changes"`` compares the declared tables with the revisions so far
and writes the next one; ``python -m roaming.store.migrate initial`` writes the first one anew (until the first
release, while there are no databases to keep).
"""

import argparse
import asyncio
import importlib
import sys
import tempfile
import types
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.autogenerate.api import AutogenContext
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import AutoString, SQLModel

import roaming
from roaming.store.columns import Exact, UtcDateTime
from roaming.store.revisions import FOLDER, connection_to, head

LOCK = 4_711_201_126
"""Advisory lock of PostgreSQL under which a schema is changed."""


async def upgrade(url: str, revision: str = "head") -> None:
    """Brings the database to ``revision``. Processes that start together take turns.

    Raises ``StoreUnavailable`` when it cannot be reached.
    """
    async with _changing(url) as connection:
        await connection.run_sync(_run, lambda config: command.upgrade(config, revision))


async def downgrade(url: str, revision: str) -> None:
    """Takes the database back to ``revision`` (``base``: empty). Data of what is dropped is lost."""
    async with _changing(url) as connection:
        await connection.run_sync(_run, lambda config: command.downgrade(config, revision))


def declared() -> MetaData:
    """The tables declared under ``roaming``, all of them, without what tests or others may have declared."""
    for name in _modules_with_tables():
        importlib.import_module(name)
    metadata = MetaData()
    for row in rows_under(SQLModel):
        if row.__module__.startswith("roaming."):
            row.__table__.to_metadata(metadata)
    return metadata


async def differences(url: str) -> list[Any]:
    """How the database differs from the declared tables, as Alembic says it; empty when it does not."""
    metadata = declared()

    def compare(connection: Connection) -> list[Any]:
        return list(compare_metadata(MigrationContext.configure(connection, opts=dict(OPTIONS)), metadata))

    async with connection_to(url) as connection:
        return await connection.run_sync(compare)


async def write_revision(message: str, revision: str) -> Path:
    """Writes the revision that leads from the revisions so far to the declared tables. Returns its file."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/empty.db"
        if list((FOLDER / "versions").glob("[0-9]*.py")):
            await upgrade(url)
        metadata = declared()
        async with connection_to(url) as connection:
            await connection.run_sync(
                _run,
                lambda config: command.revision(config, message, autogenerate=True, rev_id=revision),
                metadata=metadata,
            )
    return next((FOLDER / "versions").glob(f"{revision}_*.py"))


def rows_under(parent: type[SQLModel]) -> Iterator[Any]:
    """The tables declared by children of ``parent`` that were imported so far."""
    for row in parent.__subclasses__():
        if hasattr(row, "__table__"):
            yield row
        yield from rows_under(row)


def _render_type(kind: str, value: Any, _context: AutogenContext) -> str | bool:
    if kind == "type" and isinstance(value, UtcDateTime | Exact):
        return f"columns.{type(value).__name__}()"
    if kind == "type" and isinstance(value, AutoString):
        return "sa.String()"
    return False


OPTIONS: dict[str, Any] = {"compare_type": True, "render_item": _render_type}
"""What ``env.py`` and the comparison share."""


def _modules_with_tables() -> Iterator[str]:
    root = Path(roaming.__file__).parent
    for path in sorted(root.rglob("*.py")):
        if FOLDER not in path.parents and ", table=True)" in path.read_text():
            yield ".".join(("roaming", *path.relative_to(root).with_suffix("").parts))


def _leave_module_packages_out() -> None:
    """Lets this process import ``tables.py`` of an OCPI module without its package, which would bring in routes and
    codecs: they need not be finished when a table is written down."""
    for name in _modules_with_tables():
        package = name.rpartition(".")[0]
        if package.startswith("roaming.modules."):
            alone = types.ModuleType(package)
            alone.__path__ = [str(Path(roaming.__file__).parent.joinpath(*package.split(".")[1:]))]
            sys.modules[package] = alone


def _config(**attributes: Any) -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes.update(attributes)
    return config


def _run(connection: Connection, run: Callable[[Config], object], metadata: MetaData | None = None) -> None:
    run(_config(connection=connection, metadata=metadata))


@asynccontextmanager
async def _changing(url: str) -> AsyncIterator[AsyncConnection]:
    async with connection_to(url) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            await connection.execute(text("SET LOCAL lock_timeout = 0"))
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        yield connection


@contextmanager
def _kept_if_it_fails(path: Path) -> Iterator[None]:
    before = path.read_text() if path.exists() else None
    path.unlink(missing_ok=True)
    try:
        yield
    except BaseException:
        if before is not None:
            path.write_text(before)
        raise


def main() -> None:
    """``revision -m TEXT`` or ``initial``."""
    parser = argparse.ArgumentParser(prog="python -m roaming.store.migrate", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("revision").add_argument("-m", "--message", required=True)
    commands.add_parser("initial")
    arguments = parser.parse_args()
    _leave_module_packages_out()
    if arguments.command == "initial":
        with _kept_if_it_fails(FOLDER / "versions" / "0001_initial.py"):
            path = asyncio.run(write_revision("initial", "0001"))
    else:
        path = asyncio.run(write_revision(arguments.message, f"{int(head()) + 1:04d}"))
    print(path)  # noqa: T201 - a tool for the terminal


if __name__ == "__main__":
    main()
