"""What the versions of partners could not say, counted by partner, module and field: a loss that nobody counts is a
silent one. Where it happened stands in the journal, for as long as that is kept.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Column, Integer, Table, Text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel

from roaming.store.bulk import upsert
from roaming.store.columns import UtcDateTime, storable_text, text_to_time
from roaming.store.reader import Reader

EVERYBODY = ""
"""In place of a partner: lists whose texts are shared by all partners of a version."""
MAX_TEXT = 200
_INDEX = re.compile(r"\[\d+\]")


class LossRow(SQLModel, table=True):
    """How often one field was lost."""

    __tablename__ = "losses"

    partner_id: str = Field(primary_key=True)
    """Who was told less; empty: ``EVERYBODY``."""
    module: str = Field(primary_key=True)
    version: str = Field(primary_key=True)
    """Which cannot say it."""
    field: str = Field(primary_key=True)
    """Canonical, any entry of a list: ``evses[].parking``."""
    amount: int = Field(
        sa_column=Column(BigInteger().with_variant(Integer(), "sqlite"), nullable=False)  # outlives the journal
    )
    reason: str = Field(sa_column=Column(Text, nullable=False))
    """Of the last one."""
    first_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    last_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


LOSSES: Table = LossRow.__table__  # type: ignore[attr-defined]


class LostField(NamedTuple):
    """What losses are counted by."""

    partner_id: str
    module: str
    version: str
    field: str


@dataclass(frozen=True, kw_only=True)
class Counted:
    """One field with how often it was lost."""

    what: LostField
    amount: int
    reason: str
    first_at: datetime
    last_at: datetime


class Losses:
    """Collects what is lost until it is written; belongs to the journal."""

    def __init__(self) -> None:
        self._waiting: dict[LostField, tuple[int, str]] = {}

    def add(self, partner_id: str, module: str, losses: Iterable[tuple[str, str, str]]) -> None:
        """Counts losses, each (version, path, reason)."""
        for version, path, reason in losses:
            field = storable_text(_INDEX.sub("[]", path))[:MAX_TEXT]
            self._count(LostField(partner_id, module, version, field), 1, storable_text(reason)[:MAX_TEXT])

    def take(self) -> Mapping[LostField, tuple[int, str]]:
        """What waits; it is forgotten here."""
        taken, self._waiting = self._waiting, {}
        return taken

    def give_back(self, taken: Mapping[LostField, tuple[int, str]]) -> None:
        """What could not be written."""
        for what, (amount, reason) in taken.items():
            self._count(what, amount, reason)

    def _count(self, what: LostField, amount: int, reason: str) -> None:
        before, _ = self._waiting.get(what, (0, ""))
        self._waiting[what] = (before + amount, reason)


async def write(connection: AsyncConnection, taken: Mapping[LostField, tuple[int, str]], now: datetime) -> None:
    """Adds to the counts. Only inside a ``Work``."""
    rows: list[dict[str, Any]] = [
        {**what._asdict(), "amount": amount, "reason": reason, "first_at": now, "last_at": now}
        for what, (amount, reason) in taken.items()
    ]
    update = ("amount = t.amount + excluded.amount", "reason", "last_at")
    await upsert(connection, LOSSES, rows, key=LostField._fields, update=update)


async def counted(reader: Reader, partner_id: str) -> list[Counted]:
    """What was lost towards one partner (or ``EVERYBODY``), by module, the most frequent first. Raises
    ``StoreUnavailable``."""
    rows = await reader.fetch(
        "SELECT partner_id, module, version, field, amount, reason, first_at, last_at FROM losses"
        " WHERE partner_id = $1 ORDER BY module, amount DESC, field",
        partner_id,
    )
    return [
        Counted(
            what=LostField(*row[:4]),
            amount=row[4],
            reason=row[5],
            first_at=text_to_time(row[6]),
            last_at=text_to_time(row[7]),
        )
        for row in rows
    ]
