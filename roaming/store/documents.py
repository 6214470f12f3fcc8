"""Canonical objects as documents with indexed key columns, and their JSON per OCPI version ready to be sent.

A list page selects texts and joins them: no parsing, no model, no encoding on the way out. Texts are cleared when the
object changes and filled again when somebody reads them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from sqlalchemy import Boolean, Column, Integer, Table, Text, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel

from roaming.model.canonical import CanonicalObject, from_document
from roaming.model.identifiers import PartyId, fold
from roaming.model.version import Version
from roaming.store.bulk import insert_new, upsert
from roaming.store.columns import UtcDateTime
from roaming.store.database import Database

T = TypeVar("T", bound=CanonicalObject)

TEXT_COLUMN: dict[Version, str] = {
    Version.V2_1_1: "text_2_1_1",
    Version.V2_2_1: "text_2_2_1",
    Version.V2_3_0: "text_2_3_0",
}


class DocumentRow(SQLModel):
    """Columns that every stored object has. Subclass with ``table=True`` and add what is searched or billed."""

    MODULE: ClassVar[str] = ""

    key: str = Field(primary_key=True)
    """``NL/TNM/folded-id``."""
    country_code: str
    party_id: str
    object_id: str
    """As its owner spells it."""
    source: str = ""
    """Partner that gave it to us; empty for objects of parties hosted here."""
    scope: str = ""
    """Token owner (``NL-EMS``) for sessions and CDRs: who else may see it. Empty: whoever has an agreement."""
    is_listed: bool = Field(default=True, sa_column=Column(Boolean, nullable=False))
    document: str = Field(sa_column=Column(Text, nullable=False))
    origin_version: str = "2.3.0"
    """Version in which unknown fields came."""
    last_updated: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    received_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    revision: int = Field(default=1, sa_column=Column(Integer, nullable=False))
    text_2_1_1: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    text_2_2_1: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    text_2_3_0: str | None = Field(default=None, sa_column=Column(Text, nullable=True))


class CountRow(SQLModel, table=True):
    """How many listed objects an owner has, by scope: counting them at each request would cost more than the page."""

    __tablename__ = "object_counts"

    module: str = Field(primary_key=True)
    owner: str = Field(primary_key=True)
    scope: str = Field(primary_key=True)
    source: str = Field(primary_key=True)
    amount: int = Field(sa_column=Column(Integer, nullable=False))


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A document as read."""

    key: str
    country_code: str
    party_id: str
    object_id: str
    source: str
    scope: str
    document: str
    origin_version: str
    is_listed: bool
    last_updated: datetime
    revision: int

    @property
    def owner(self) -> PartyId:
        """The party whose object it is."""
        return PartyId(self.country_code, self.party_id)


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which objects a list shows: of these owners, for this scope, changed in this window."""

    owners: tuple[PartyId, ...]
    scopes: tuple[str, ...] = ("",)
    source: str = ""
    date_from: datetime | None = None
    date_to: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class PageRow:
    """One object of a page: its text, or its document where the text has yet to be made."""

    key: str
    last_updated: Any
    revision: int
    text: str | None
    document: str | None
    origin_version: str


def object_key(party: PartyId, *parts: str) -> str:
    """The primary key of an object: owner and folded id.

    >>> object_key(PartyId("NL", "TNM"), "LOC1")
    'NL/TNM/loc1'
    """
    return "/".join((party.country_code, party.party_id, *(fold(part) for part in parts)))


class Documents:
    """Reads and writes the rows of one table of documents."""

    def __init__(self, row: type[DocumentRow]) -> None:
        self.module = row.MODULE
        self.table: Table = row.__table__  # type: ignore[attr-defined]

    async def find(self, connection: AsyncConnection, key: str, *, for_update: bool = False) -> Stored | None:
        """The document under ``key``; ``for_update`` holds it until the transaction ends."""
        found = await self.find_many(connection, [key], for_update=for_update)
        return found.get(key)

    async def find_many(
        self, connection: AsyncConnection, keys: Sequence[str], *, for_update: bool = False
    ) -> dict[str, Stored]:
        """The documents under ``keys``, locked in key order so that two transactions cannot wait for each other."""
        columns = [self.table.c[name] for name in Stored.__dataclass_fields__]
        statement = select(*columns).where(self.table.c.key.in_(keys)).order_by(self.table.c.key)
        if for_update:
            statement = statement.with_for_update()
        rows = (await connection.execute(statement)).mappings()
        return {row["key"]: Stored(**row) for row in rows}

    async def insert(self, connection: AsyncConnection, values: Mapping[str, Any]) -> bool:
        """Inserts a new document; False when its key is taken (then nothing changed)."""
        new = await insert_new(connection, self.table, [dict(values)], key=("key",))
        if new and values.get("is_listed", True):
            await self._count(connection, values, +1)
        return bool(new)

    async def change(self, connection: AsyncConnection, stored: Stored, values: Mapping[str, Any]) -> None:
        """Changes a document read with ``for_update``; its texts are cleared."""
        cleared = dict.fromkeys(TEXT_COLUMN.values())
        await connection.execute(
            update(self.table)
            .where(self.table.c.key == stored.key)
            .values(revision=self.table.c.revision + 1, **cleared, **values)
        )
        is_listed = values.get("is_listed", stored.is_listed)
        if is_listed != stored.is_listed:
            await self._count(connection, asdict(stored), +1 if is_listed else -1)

    async def remove(self, connection: AsyncConnection, stored: Stored) -> None:
        """Deletes a document (tariffs only)."""
        await connection.execute(delete(self.table).where(self.table.c.key == stored.key))
        if stored.is_listed:
            await self._count(connection, asdict(stored), -1)

    async def _count(self, connection: AsyncConnection, values: Mapping[str, Any], step: int) -> None:
        row = {
            "module": self.module,
            "owner": f"{values['country_code']}-{values['party_id']}",
            "scope": values.get("scope", ""),
            "source": values.get("source", ""),
            "amount": step,
        }
        table: Table = CountRow.__table__  # type: ignore[attr-defined]
        key = ("module", "owner", "scope", "source")
        await upsert(connection, table, [row], key=key, update=("amount = t.amount + excluded.amount",))

    async def page(
        self,
        database: Database,
        selection: Selection,
        version: Version,
        *,
        limit: int,
        offset: int = 0,
        after: tuple[datetime, str] | None = None,
    ) -> list[PageRow]:
        """One page in the order (last_updated, key), beginning behind ``after`` when given, else at ``offset``."""
        where, parameters = _conditions(selection)
        if after is not None:
            parameters += [after[0], after[1]]
            where += f" AND (last_updated, key) > (${len(parameters) - 1}, ${len(parameters)})"
        parameters.append(limit)
        tail = f"ORDER BY last_updated, key LIMIT ${len(parameters)}"
        if after is None and offset:
            parameters.append(offset)
            tail += f" OFFSET ${len(parameters)}"
        text = TEXT_COLUMN[version]
        sql = (
            f"SELECT key, last_updated, revision, {text},"  # noqa: S608 - names come from our tables
            f" CASE WHEN {text} IS NULL THEN document END, origin_version"
            f" FROM {self.table.name} WHERE {where} {tail}"
        )
        rows = await database.reader.fetch(sql, *parameters)
        return [
            PageRow(
                key=row[0],
                last_updated=row[1],
                revision=row[2],
                text=row[3],
                document=row[4],
                origin_version=row[5],
            )
            for row in rows
        ]

    async def total(self, database: Database, selection: Selection) -> int:
        """How many objects the whole list has: kept counts without a date filter, counted with one."""
        if selection.date_from is None and selection.date_to is None:
            owners = [str(owner) for owner in selection.owners]
            marks = ", ".join(f"${index}" for index in range(3, 3 + len(owners)))
            scopes = ", ".join(f"${index}" for index in range(3 + len(owners), 3 + len(owners) + len(selection.scopes)))
            if not owners:
                return 0
            rows = await database.reader.fetch(
                "SELECT COALESCE(SUM(amount), 0) FROM object_counts"  # noqa: S608 - placeholders only
                f" WHERE module = $1 AND source = $2 AND owner IN ({marks}) AND scope IN ({scopes})",
                self.module,
                selection.source,
                *owners,
                *selection.scopes,
            )
            return int(rows[0][0])
        where, parameters = _conditions(selection)
        rows = await database.reader.fetch(
            f"SELECT COUNT(*) FROM {self.table.name} WHERE {where}",  # noqa: S608 - names come from our tables
            *parameters,
        )
        return int(rows[0][0])

    async def keep_texts(
        self, connection: AsyncConnection, version: Version, texts: Sequence[tuple[str, int, str]]
    ) -> None:
        """Fills texts made on reading, (key, revision, text) each, unless the object has changed since."""
        column = TEXT_COLUMN[version]
        for key, revision, text in texts:
            await connection.execute(
                update(self.table)
                .where(self.table.c.key == key, self.table.c.revision == revision)
                .values({column: text})
            )


async def read_object(connection: AsyncConnection, module: str, key: str, cls: type[T]) -> T | None:
    """The canonical object of another module under ``key``, read only: modules share objects, never tables."""
    table = SQLModel.metadata.tables[module]
    text = (await connection.execute(select(table.c.document).where(table.c.key == key))).scalar_one_or_none()
    return from_document(cls, text) if text is not None else None


def _conditions(selection: Selection) -> tuple[str, list[Any]]:
    parameters: list[Any] = [selection.source]
    owners = []
    for owner in selection.owners:
        parameters += [owner.country_code, owner.party_id]
        owners.append(f"(country_code = ${len(parameters) - 1} AND party_id = ${len(parameters)})")
    scopes = []
    for scope in selection.scopes:
        parameters.append(scope)
        scopes.append(f"${len(parameters)}")
    where = f"is_listed AND source = $1 AND ({' OR '.join(owners) or 'false'}) AND scope IN ({', '.join(scopes)})"
    if selection.date_from is not None:
        parameters.append(selection.date_from)
        where += f" AND last_updated >= ${len(parameters)}"
    if selection.date_to is not None:
        parameters.append(selection.date_to)
        where += f" AND last_updated < ${len(parameters)}"
    return where, parameters
