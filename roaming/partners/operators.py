"""Tokens by which the hub's own people and programs ask its API: kept as keyed digests, never those of partners."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select

from roaming.model.identifiers import PartyId
from roaming.partners.tables import OperatorTokenRow
from roaming.store.bulk import insert_new
from roaming.store.database import Database, Work
from roaming.store.reader import Reader

OPERATORS = OperatorTokenRow.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Operator:
    """Who asks. ``party``: what belongs to this one is all that it may see; empty: the hub's own people."""

    name: str
    party: str


async def add_operator(work: Work, name: str, digest: str, *, party: PartyId | None = None) -> bool:
    """Lets whoever has the token of this digest ask from now on, of ``party`` only; False when the name is taken."""
    row = {"name": name, "digest": digest, "party": str(party or ""), "created_at": work.now}
    return bool(await insert_new(work.connection, OPERATORS, [row], key=("name",)))


async def remove_operator(work: Work, name: str) -> bool:
    """Ends a token at once; False when there is none of this name."""
    return bool((await work.connection.execute(delete(OPERATORS).where(OPERATORS.c.name == name))).rowcount)


async def operators(database: Database) -> list[tuple[Operator, datetime]]:
    """All, and since when."""
    async with database.reading() as connection:
        found = await connection.execute(select(OPERATORS).order_by(OPERATORS.c.name))
        return [(Operator(row.name, row.party), row.created_at) for row in found]


async def operator_of(reader: Reader, digest: str) -> Operator | None:
    """Whose token it is. Raises ``StoreUnavailable``."""
    rows = await reader.fetch("SELECT name, party FROM operator_tokens WHERE digest = $1", digest)
    return Operator(str(rows[0][0]), str(rows[0][1])) if rows else None
