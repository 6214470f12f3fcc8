"""How many listed objects an owner has: counting them at each request would cost eight times the page.

Changes are collected over a transaction and written at its end in one statement and one order, so that two
transactions cannot wait for each other and hold the rows for the shortest time.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Column, Integer, Table
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel

from roaming.store.bulk import upsert
from roaming.store.reader import Reader

_PENDING = "roaming.store.counts"


class CountRow(SQLModel, table=True):
    """The number of listed objects of one owner, scope and source."""

    __tablename__ = "object_counts"

    module: str = Field(primary_key=True)
    owner: str = Field(primary_key=True)
    scope: str = Field(primary_key=True)
    source: str = Field(primary_key=True)
    amount: int = Field(sa_column=Column(Integer, nullable=False))


COUNTS: Table = CountRow.__table__  # type: ignore[attr-defined]


class Counted(NamedTuple):
    """What objects are counted by; ``owner`` as ``NL-TNM``."""

    module: str
    owner: str
    scope: str
    source: str


def begin(connection: AsyncConnection) -> None:
    """Starts with nothing collected: a pooled connection remembers what a transaction before it left."""
    connection.info[_PENDING] = Counter()


def add(connection: AsyncConnection, counted: Counted, step: int) -> None:
    """Counts ``step`` objects more when the transaction of ``connection`` commits. Only inside a ``Work``."""
    pending: Counter[Counted] = connection.info[_PENDING]
    pending[counted] += step


async def flush(connection: AsyncConnection) -> None:
    """Writes what was collected."""
    pending: Counter[Counted] = connection.info[_PENDING]
    rows = [{**counted._asdict(), "amount": step} for counted, step in sorted(pending.items()) if step]
    pending.clear()
    await upsert(connection, COUNTS, rows, key=Counted._fields, update=("amount = t.amount + excluded.amount",))


def kept_sql(module: str, *, owners: Sequence[str], scopes: Sequence[str], source: str) -> tuple[str, Sequence[str]]:
    """SQL of how many listed objects these owners (``NL-TNM``) have in these scopes from ``source``, and what belongs
    at its ``{}``."""
    of_owners, of_scopes = ", ".join("{}" for _ in owners), ", ".join("{}" for _ in scopes)
    sql = (
        "(SELECT COALESCE(SUM(amount), 0) FROM object_counts"  # noqa: S608 - placeholders only
        f" WHERE module = {{}} AND source = {{}} AND owner IN ({of_owners}) AND scope IN ({of_scopes}))"
    )
    return sql, (module, source, *owners, *scopes)


async def kept(reader: Reader, module: str, *, owners: Sequence[str], scopes: Sequence[str], source: str) -> int:
    """The count that ``kept_sql`` is of."""
    if not owners or not scopes:
        return 0
    sql, parameters = kept_sql(module, owners=owners, scopes=scopes, source=source)
    marks = (f"${index}" for index in range(1, len(parameters) + 1))
    return int((await reader.fetch(f"SELECT {sql.format(*marks)}", *parameters))[0][0])
