"""What hosted parties asked of partners and whose result comes later, at an address of ours: rows ⇄ records."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Text, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel

from roaming.store.bulk import insert_new
from roaming.store.columns import UtcDateTime
from roaming.store.trimming import old_rows


class SentRow(SQLModel, table=True):
    """A request of a hosted party to a partner."""

    __tablename__ = "sent_commands"

    id: str = Field(primary_key=True)
    """Part of the response_url: cannot be guessed, works once."""
    module: str = "commands"
    partner_id: str
    name: str
    response: str = ""
    result: str = ""
    document: str = Field(default="", sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    expires_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False, index=True))
    answered_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))


SENT = SentRow.__table__  # type: ignore[attr-defined]
TRIMMINGS = (old_rows("command", SENT, "expires_at"),)


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A request that is with a partner."""

    id: str
    name: str
    response: str
    """What the partner said at once, or what went wrong; empty: it has not answered yet."""
    result: str
    """What it said later; empty: it has not."""
    document: str
    """The whole result as JSON, where it is more than a word."""


async def insert(connection: AsyncConnection, values: Mapping[str, Any]) -> None:
    """Stores a request before it is sent: its result may be faster than its response."""
    await insert_new(connection, SENT, [dict(values)], key=("id",))


async def note_response(connection: AsyncConnection, id: str, response: str) -> None:
    """What the partner answered at once."""
    await connection.execute(update(SENT).where(SENT.c.id == id).values(response=response))


async def name_of(connection: AsyncConnection, id: str, *, module: str, partner_id: str, now: datetime) -> str | None:
    """What was asked of this partner; ``None`` when unknown, somebody else's or expired."""
    columns = SENT.c
    mine = (columns.id == id, columns.module == module, columns.partner_id == partner_id, columns.expires_at > now)
    return (await connection.execute(select(columns.name).where(*mine))).scalar_one_or_none()


async def note_result(
    connection: AsyncConnection, id: str, result: str, now: datetime, *, document: str = "", is_later: bool = False
) -> None:
    """What came of it. A second result is ignored, unless it is one that comes later (``is_later``: a reservation that
    is cancelled)."""
    statement = update(SENT).where(SENT.c.id == id)
    if not is_later:
        statement = statement.where(SENT.c.result == "")
    await connection.execute(statement.values(result=result, document=document, answered_at=now))


async def find(connection: AsyncConnection, id: str) -> Sent | None:
    """How far it is."""
    columns = SENT.c
    statement = select(columns.id, columns.name, columns.response, columns.result, columns.document)
    row = (await connection.execute(statement.where(columns.id == id))).mappings().one_or_none()
    return Sent(**row) if row is not None else None
