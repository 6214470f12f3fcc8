"""What partners asked of stations, on its way there and back: rows ⇄ records.

A request has a deadline, and its result follows at the partner's ``response_url``. Commands and charging profiles are
such requests; which of the two is in ``module``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Index, Text, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel

from roaming.store.bulk import insert_new
from roaming.store.columns import UtcDateTime, text_to_time
from roaming.store.reader import Reader, fetch_of
from roaming.store.trimming import old_rows


class AskedRow(SQLModel, table=True):
    """A request on its way to a station and back."""

    __tablename__ = "commands"
    __table_args__ = (
        Index("commands_waiting", "state", "deadline"),
        Index("commands_of_session", "session_key", "created_at"),
        Index("commands_following", "follows"),
    )

    id: str = Field(primary_key=True)
    module: str = "commands"
    state: str
    """REQUESTED, ANSWERED (by the station), TIMED_OUT."""
    name: str
    partner_id: str
    emsp: str
    cpo: str
    version: str
    response_url: str = Field(sa_column=Column(Text, nullable=False))
    network: str
    station_id: str
    session_key: str = ""
    session_id: str = ""
    outcome: str = ""
    detail: str = Field(default="", sa_column=Column(Text, nullable=False))
    answer: str = Field(default="", sa_column=Column(Text, nullable=False))
    correlation_id: str = ""
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    deadline: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    answered_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    follows: str | None = None


ASKED = AskedRow.__table__  # type: ignore[attr-defined]
TRIMMINGS = (old_rows("command", ASKED, "deadline", ASKED.c.state.in_(("ANSWERED", "TIMED_OUT"))),)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A partner's request to a station."""

    id: str
    module: str
    state: str
    name: str
    """Within its module, such as ``START_SESSION``."""
    partner_id: str
    emsp: str
    """The party that asks."""
    cpo: str
    version: str
    response_url: str
    """Empty: nobody waits for the result itself."""
    network: str
    station_id: str
    correlation_id: str
    created_at: datetime
    deadline: datetime
    session_key: str = ""
    """The session that it is about, where it is about one."""
    session_id: str = ""
    """The same as its owner spells it."""
    outcome: str = ""
    detail: str = ""
    answer: str = ""
    """What the station told beside the outcome, as JSON."""
    answered_at: datetime | None = None
    follows: str | None = None
    """Another request whose result is that of this one too."""


_FIELDS = tuple(Asked.__dataclass_fields__)
_READ = f"SELECT {', '.join(_FIELDS)} FROM commands WHERE id IN"  # noqa: S608 - names of our own


async def insert_asked(connection: AsyncConnection, asked: Asked) -> None:
    """Stores a new request."""
    await insert_new(connection, ASKED, [asdict(asked)], key=("id",))


async def load(connection: AsyncConnection, id: str, *, is_held: bool = False) -> Asked | None:
    """The request of this id. ``is_held``: nobody changes it until the transaction ends."""
    statement = select(ASKED).where(ASKED.c.id == id)
    found = await connection.execute(statement.with_for_update() if is_held else statement)
    row = found.mappings().one_or_none()
    return Asked(**row) if row is not None else None


async def read_many(reader: Reader, ids: Iterable[str]) -> dict[str, Asked]:
    """The committed requests of these ids."""
    return {row[0]: _asked(row) for row in await fetch_of(reader, _READ, ids)}


def _asked(row: Sequence[Any]) -> Asked:
    values = dict(zip(_FIELDS, row, strict=True))
    for name in ("created_at", "deadline", "answered_at"):
        values[name] = text_to_time(values[name]) if values[name] is not None else None
    return Asked(**values)


async def finish(
    connection: AsyncConnection,
    id: str,
    *,
    module: str,
    state: str,
    outcome: str,
    detail: str,
    now: datetime,
    answer: str = "",
) -> bool:
    """Records what came of a request of ``module`` that still waits; False when none does: the first word counts."""
    statement = (
        update(ASKED)
        .where(ASKED.c.id == id, ASKED.c.module == module, ASKED.c.state == "REQUESTED")
        .values(state=state, outcome=outcome, detail=detail[:500], answer=answer, answered_at=now)
    )
    return bool((await connection.execute(statement)).rowcount)


async def finish_following(connection: AsyncConnection, first: Asked, *, now: datetime) -> list[Asked]:
    """Gives the outcome of ``first`` to the requests that follow it and still wait; returns these."""
    columns = ASKED.c
    statement = (
        update(ASKED)
        .where(columns.follows == first.id, columns.state == "REQUESTED")
        .values(state=first.state, outcome=first.outcome, detail=first.detail, answered_at=now)
        .returning(ASKED)
    )
    return [Asked(**row) for row in (await connection.execute(statement)).mappings()]


async def add_detail(connection: AsyncConnection, id: str, detail: str) -> None:
    """Notes what came too late to be told."""
    await connection.execute(update(ASKED).where(ASKED.c.id == id).values(detail=detail[:500]))


async def set_answer(connection: AsyncConnection, id: str, answer: str) -> None:
    """Says for the station what it did not tell."""
    await connection.execute(update(ASKED).where(ASKED.c.id == id).values(answer=answer))


async def overdue(connection: AsyncConnection, module: str, now: datetime) -> list[Asked]:
    """Requests of ``module`` whose deadline has passed without an answer."""
    columns = ASKED.c
    waiting = (columns.state == "REQUESTED", columns.deadline < now, columns.module == module)
    statement = select(ASKED).where(*waiting).order_by(columns.deadline).limit(200)
    return [Asked(**row) for row in (await connection.execute(statement)).mappings()]


async def count_since(connection: AsyncConnection, partner_id: str, session_key: str, since: datetime) -> int:
    """How many requests about a session a partner has made since then."""
    columns = ASKED.c
    statement = (
        select(func.count())
        .select_from(ASKED)
        .where(columns.session_key == session_key, columns.created_at >= since, columns.partner_id == partner_id)
    )
    return int((await connection.execute(statement)).scalar_one())
