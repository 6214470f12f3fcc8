"""Tokens by which the hub's own people and programs ask its API: kept as keyed digests, never those of partners."""

from datetime import datetime

from sqlalchemy import delete, select

from roaming.partners.tables import OperatorTokenRow
from roaming.store.bulk import insert_new
from roaming.store.database import Database, Work
from roaming.store.reader import Reader

OPERATORS = OperatorTokenRow.__table__  # type: ignore[attr-defined]


async def add_operator(work: Work, name: str, digest: str) -> bool:
    """Lets whoever has the token of this digest ask from now on; False when the name is taken."""
    row = {"name": name, "digest": digest, "created_at": work.now}
    return bool(await insert_new(work.connection, OPERATORS, [row], key=("name",)))


async def remove_operator(work: Work, name: str) -> bool:
    """Ends a token at once; False when there is none of this name."""
    return bool((await work.connection.execute(delete(OPERATORS).where(OPERATORS.c.name == name))).rowcount)


async def operators(database: Database) -> list[tuple[str, datetime]]:
    """Names, and since when."""
    async with database.reading() as connection:
        found = await connection.execute(select(OPERATORS.c.name, OPERATORS.c.created_at).order_by(OPERATORS.c.name))
        return [(row.name, row.created_at) for row in found]


async def operator_of(reader: Reader, digest: str) -> str | None:
    """Whose token it is. Raises ``StoreUnavailable``."""
    rows = await reader.fetch("SELECT name FROM operator_tokens WHERE digest = $1", digest)
    return str(rows[0][0]) if rows else None
