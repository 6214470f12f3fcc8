"""Canonical objects as documents with indexed key columns, and their JSON per OCPI version ready to be sent.

A list page selects texts and joins them: no parsing, no model, no encoding on the way out. Texts are cleared when the
object changes and filled again when somebody reads them.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar, NamedTuple, TypeVar

from sqlalchemy import Index, Table, Text, delete, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import declared_attr
from sqlmodel import Field, SQLModel

from contracts import masking
from roaming.model.canonical import CanonicalObject, from_document
from roaming.model.identifiers import PartyId, fold
from roaming.model.version import Version
from roaming.store import counts
from roaming.store.bulk import insert_new, select_rows, update_held, update_if_free
from roaming.store.columns import UtcDateTime, text_to_time
from roaming.store.database import Database
from roaming.store.reader import Reader, fetch_of
from roaming.store.selections import Query, Selection, page_columns

T = TypeVar("T", bound=CanonicalObject)
Kept = TypeVar("Kept")

TEXT_COLUMN: dict[Version, str] = {
    Version.V2_1_1: "text_2_1_1",
    Version.V2_2_1: "text_2_2_1",
    Version.V2_3_0: "text_2_3_0",
}


@dataclass(frozen=True)
class Origin:
    """How an object came to us: in which version, and its text then, if that can be given to others as it is."""

    version: Version = Version.V2_3_0
    text: str | None = None

    def columns(self) -> dict[str, Any]:
        """What is kept of it."""
        return {"origin_version": self.version.value, TEXT_COLUMN[self.version]: self.text}


HERE = Origin()
"""Of what is made here."""


def replaced_by(origin: Origin) -> dict[str, Any]:
    """What to change in a row whose object came anew; of one that was changed here its origin stays."""
    return origin.columns() if origin.text is not None else {}


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
    is_listed: bool = True
    origin_version: str = "2.3.0"
    """Version in which unknown fields came."""
    last_updated: datetime = Field(sa_type=UtcDateTime)
    received_at: datetime = Field(sa_type=UtcDateTime)
    revision: int = 1
    document: str = Field(sa_type=Text)
    live: str = Field(default="", sa_type=Text)
    """What changes often, over the document: see ``CanonicalObject.with_live``. Empty: the document says it all."""
    text_2_1_1: str | None = Field(default=None, sa_type=Text)
    text_2_2_1: str | None = Field(default=None, sa_type=Text)
    text_2_3_0: str | None = Field(default=None, sa_type=Text)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Index, ...]:
        """The first two in the order of pages, for few owners and for many; the third for what came late."""
        owner = ("source", "scope", "country_code", "party_id")
        of_partners = text("source <> ''")
        late = Index(
            f"{cls.__tablename__}_received",
            *owner,
            "is_listed",
            "received_at",
            postgresql_where=of_partners,
            sqlite_where=of_partners,
        )
        return (
            late,
            Index(f"{cls.__tablename__}_of_owner", *owner, "is_listed", "last_updated", "key"),
            Index(f"{cls.__tablename__}_in_order", "source", "is_listed", "last_updated", "key"),
        )


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
    live: str
    origin_version: str
    is_listed: bool
    last_updated: datetime
    revision: int
    text: str | None = None
    """In ``origin_version``, where it is known: as it came, or as it was made for a list (``read_many`` only)."""
    texts: Mapping[Version, str] = field(default_factory=dict)
    """In all versions, where they are known (``read_many`` with ``in_all_versions`` only)."""

    def text_in(self, version: Version) -> bytes | None:
        """The body in this version, ready to be sent, where there is one."""
        return self.text.encode() if self.text is not None and self.origin_version == version else None

    @property
    def owner(self) -> PartyId:
        """The party whose object it is."""
        return PartyId(self.country_code, self.party_id)


_STORED = tuple(name for name in Stored.__dataclass_fields__ if name not in ("text", "texts"))
_TEXT_OF_ORIGIN = (
    "CASE origin_version "
    + " ".join(f"WHEN '{version}' THEN {column}" for version, column in TEXT_COLUMN.items())
    + " END"
)


def stored_from(row: Sequence[Any], text: str | None = None) -> Stored:
    """A document from the columns of ``Stored``, in their order, as a ``Reader`` gives them."""
    *texts, is_listed, last_updated, revision = row
    names = dict(zip(_STORED, texts, strict=False))
    last_updated = text_to_time(last_updated)
    return Stored(**names, is_listed=bool(is_listed), last_updated=last_updated, revision=revision, text=text)


def _with_texts(stored: Stored, columns: Sequence[str | None]) -> Stored:
    """``columns``: of the texts, in the order of ``TEXT_COLUMN``."""
    texts = {version: text for version, text in zip(TEXT_COLUMN, columns, strict=True) if text is not None}
    return replace(stored, text=texts.get(Version(stored.origin_version)), texts=texts)


class PageRow(NamedTuple):
    """One object of a page: its text, or its document where the text has yet to be made."""

    key: str
    last_updated: datetime | str
    """As the database gives it (``columns.text_to_time``): of a page only the last one is looked at."""
    revision: int
    text: str | None
    document: str | None
    live: str
    origin_version: str
    total: int | None = None
    """How many objects the whole list has, where it was asked for with the page."""


def object_key(party: PartyId, *parts: str) -> str:
    """The primary key of an object: owner and folded id.

    >>> object_key(PartyId("NL", "TNM"), "LOC1")
    'NL/TNM/loc1'
    """
    return "/".join((party.country_code, party.party_id, *(fold(part) for part in parts)))


def owner_of_key(key: str) -> PartyId:
    """Whose object it is.

    >>> str(owner_of_key("NL/TNM/loc1"))
    'NL-TNM'
    """
    country_code, party_id, _ = key.split("/", 2)
    return PartyId(country_code, party_id)


def id_of_key(key: str) -> str:
    """The folded id of a key of one, such as a location's.

    >>> id_of_key("NL/TNM/loc/1")
    'loc/1'
    """
    return key.split("/", 2)[2]


def key_for_logs(module: str, key: str) -> str:
    """The key of an object of this module, without whose token a driver's is.

    >>> key_for_logs("tokens", "DE/HME/04a1b2c3d4e5/rfid"), key_for_logs("tariffs", "DE/HME/cheap")
    ('DE/HME/…d4e5/rfid', 'DE/HME/cheap')
    """
    if module != "tokens":
        return key
    country_code, party_id, rest = key.split("/", 2)
    uid, _, type = rest.rpartition("/")
    return f"{country_code}/{party_id}/{masking.token(uid)}/{type}"


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
        found = await select_rows(
            connection, self.table, _STORED, key=("key",), values=[(key,) for key in keys], is_held=for_update
        )
        return {row[0]: stored_from(row) for row in found}

    async def read_many(
        self, reader: Reader, keys: Iterable[str], *, in_all_versions: bool = False
    ) -> dict[str, Stored]:
        """The committed documents under ``keys``, in one read, with their texts in ``origin_version``, or in all
        versions. Raises ``StoreUnavailable``."""
        columns = ", ".join((*_STORED, *(TEXT_COLUMN.values() if in_all_versions else (_TEXT_OF_ORIGIN,))))
        rows = await fetch_of(reader, f"SELECT {columns} FROM {self.table.name} WHERE key IN", keys)  # noqa: S608
        end = len(_STORED)
        if not in_all_versions:
            return {row[0]: stored_from(row[:end], row[end]) for row in rows}
        return {row[0]: _with_texts(stored_from(row[:end]), row[end:]) for row in rows}

    async def insert(self, connection: AsyncConnection, values: Mapping[str, Any]) -> bool:
        """Inserts a new document; False when its key is taken (then nothing changed). Only inside a ``Work``."""
        return bool(await self.insert_many(connection, [values]))

    async def insert_many(self, connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> set[str]:
        """Inserts new documents and returns their keys; those whose key is taken are left as they are."""
        new = {key for (key,) in await insert_new(connection, self.table, rows, key=("key",))}
        for row in {row["key"]: row for row in reversed(rows)}.values():
            if row["key"] in new and row.get("is_listed", True):
                counts.add(connection, self._counted(row), +1)
        return new

    async def change(self, connection: AsyncConnection, stored: Stored, values: Mapping[str, Any]) -> None:
        """Changes a document read with ``for_update``; its texts are cleared."""
        cleared = dict.fromkeys(TEXT_COLUMN.values()) | ({"live": ""} if "document" in values else {})
        await connection.execute(
            update(self.table)
            .where(self.table.c.key == stored.key)
            .values({"revision": self.table.c.revision + 1, **cleared, **values})
        )
        before = asdict(stored)
        after = before | dict(values)
        if stored.is_listed:
            counts.add(connection, self._counted(before), -1)
        if after["is_listed"]:
            counts.add(connection, self._counted(after), +1)

    async def change_many(self, connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Changes documents read with ``for_update``, which stay where they are in lists, in one statement: each row is
        its key and the new values, its document among them."""
        if rows:
            cleared = (f"{column} = NULL" for column in TEXT_COLUMN.values())
            given = (name for name in rows[0] if name != "key")
            changed = (*given, "live = ''", "revision = t.revision + 1", *cleared)
            await update_held(connection, self.table, rows, key="key", update=changed)

    async def remove(self, connection: AsyncConnection, stored: Stored) -> None:
        """Deletes a document read with ``for_update`` (tariffs only)."""
        await connection.execute(delete(self.table).where(self.table.c.key == stored.key))
        if stored.is_listed:
            counts.add(connection, self._counted(asdict(stored)), -1)

    def _counted(self, values: Mapping[str, Any]) -> counts.Counted:
        owner = f"{values['country_code']}-{values['party_id']}"
        return counts.Counted(self.module, owner, values.get("scope", ""), values.get("source", ""))

    async def page(
        self,
        database: Database,
        selection: Selection,
        version: Version,
        *,
        limit: int,
        offset: int = 0,
        after: tuple[datetime, str] | None = None,
        is_counted: bool = False,
    ) -> list[PageRow]:
        """One page in the order (last_updated, key), beginning behind ``after`` when given, else at ``offset``; with
        the ``total`` in its rows if ``is_counted``, where that costs no counting."""
        query = Query(self.table.name, selection, after, members=database.reader.members)
        if not query.branches:
            return []
        total = self._kept_total(query, selection) if is_counted and selection.is_whole else "NULL"
        sql = query.page(TEXT_COLUMN[version], limit, 0 if after is not None else offset, beside=total)
        return [PageRow._make(row) for row in await database.reader.fetch(sql, *query.parameters)]

    async def page_and_total(
        self,
        database: Database,
        selection: Selection,
        version: Version,
        *,
        limit: int,
        offset: int = 0,
        after: tuple[datetime, str] | None = None,
    ) -> tuple[list[PageRow], int]:
        """One page, and how many objects the whole list has: in one statement where that can be."""
        rows = await self.page(database, selection, version, limit=limit, offset=offset, after=after, is_counted=True)
        total = rows[0].total if rows else None
        return rows, await self.total(database, selection) if total is None else int(total)

    def _kept_total(self, query: Query, selection: Selection) -> str:
        kept = [
            counts.kept_sql(
                self.module, owners=[str(owner) for owner in owners], scopes=selection.scopes, source=source
            )
            for source, owners in selection.by_source().items()
        ]
        return " + ".join(query.beside(sql, *parameters) for sql, parameters in kept)

    async def texts(
        self,
        database: Database,
        keys: Mapping[str, str],
        version: Version,
        *,
        is_whole: bool = True,
        is_own: bool = False,
    ) -> list[PageRow]:
        """The objects under ``keys``, each from the source that is given with it, in that order: those that are listed
        for everybody, or all where ``is_own``; with the document in place of the text unless ``is_whole``. Committed
        data, one statement."""
        if not keys:
            return []
        marks = ", ".join(f"(${index}, ${index + 1})" for index in range(1, 2 * len(keys), 2))
        rows = await database.reader.fetch(
            f"SELECT {page_columns(TEXT_COLUMN[version] if is_whole else 'NULL')}, NULL FROM {self.table.name}"  # noqa: S608
            f" WHERE (key, source) IN (VALUES {marks})" + ("" if is_own else " AND is_listed = true AND scope = ''"),
            *(part for pair in keys.items() for part in pair),
        )
        found = {row[0]: PageRow._make(row) for row in rows}
        return [found[key] for key in keys if key in found]

    async def total(self, database: Database, selection: Selection) -> int:
        """How many objects the whole list has: kept counts without a date filter, counted with one."""
        if selection.date_from is None and selection.date_to is None:
            kept = [
                await counts.kept(
                    database.reader,
                    self.module,
                    owners=[str(owner) for owner in owners if owner not in selection.only],
                    scopes=selection.scopes,
                    source=source,
                )
                for source, owners in selection.by_source().items()
            ]
            return sum(kept) + await self._named(database, selection)
        query = Query(self.table.name, selection, None, members=database.reader.members)
        if not query.branches:
            return 0
        rows = await database.reader.fetch(query.count(), *query.parameters)
        return int(rows[0][0])

    async def _named(self, database: Database, selection: Selection) -> int:
        """What named objects add to the kept counts of whole owners, or take from them."""
        total = 0
        for named, sign in ((selection.only, 1), (selection.without, -1)):
            query = Query(self.table.name, selection.naming(named), None, members=database.reader.members)
            if query.branches:
                total += sign * int((await database.reader.fetch(query.count(), *query.parameters))[0][0])
        return total

    async def keep_texts(
        self, connection: AsyncConnection, version: Version, texts: Sequence[tuple[str, int, str]]
    ) -> None:
        """Fills texts made on reading, (key, revision, text) each, unless the object has changed since or is being
        changed just now."""
        column = TEXT_COLUMN[version]
        rows = [{"key": key, "revision": revision, column: text} for key, revision, text in texts]
        await update_if_free(connection, self.table, rows, key="key", only_if="revision", update=(column,))


async def insert_or_hold(
    hold: Callable[[], Awaitable[Kept | None]], insert: Callable[[], Awaitable[bool]]
) -> Kept | None:
    """Inserts and returns ``None``; or, where the key is taken, what ``hold`` reads there for update.

    What is not there cannot be held: another transaction may insert it between the two, and what we were told would
    be lost if a key that is taken were the end. Asked again when it was deleted meanwhile.
    """
    while True:
        if (kept := await hold()) is not None or await insert():
            return kept


async def read_object(connection: AsyncConnection, module: str, key: str, cls: type[T]) -> T | None:
    """The canonical object of another module under ``key``, read only: modules share objects, never tables."""
    table = SQLModel.metadata.tables[module]
    columns = ("document", "live") if "live" in table.c else ("document",)
    found = await select_rows(connection, table, columns, key=("key",), values=[(key,)])
    return from_document(cls, *found[0]) if found else None


async def read_where(
    connection: AsyncConnection,
    module: str,
    values: Mapping[str, str],
    cls: type[T],
    *,
    overlapping: tuple[datetime, datetime] | None = None,
) -> list[T]:
    """The canonical objects of another module whose columns have these values, and whose time (``start_at`` to
    ``end_at``) overlaps with this one; in the order of keys."""
    columns = SQLModel.metadata.tables[module].c
    wanted = [columns[name] == value for name, value in values.items()]
    if overlapping is not None:
        wanted += [columns.end_at > overlapping[0], columns.start_at <= overlapping[1]]
    statement = select(columns.document).where(*wanted).order_by(columns.key)
    return [from_document(cls, row[0]) for row in await connection.execute(statement)]


async def read_objects(reader: Reader, module: str, keys: Iterable[str], cls: type[T]) -> dict[str, T]:
    """The canonical objects of another module under ``keys``, committed data only. Raises ``StoreUnavailable``."""
    table = SQLModel.metadata.tables[module].name
    rows = await fetch_of(reader, f"SELECT key, document FROM {table} WHERE key IN", keys)  # noqa: S608 - our names
    return {row[0]: from_document(cls, row[1]) for row in rows}


async def keys_present(reader: Reader, module: str, keys: Iterable[str]) -> list[str]:
    """Which of ``keys`` another module has objects under. Committed data only. Raises ``StoreUnavailable``."""
    table = SQLModel.metadata.tables[module].name
    return [row[0] for row in await fetch_of(reader, f"SELECT key FROM {table} WHERE key IN", keys)]  # noqa: S608 - ours


async def read_started(
    connection: AsyncConnection, module: str, *, source: str, earliest: datetime, latest: datetime, cls: type[T]
) -> list[T]:
    """The canonical objects of another module (sessions) that a partner gave us and that started in this window."""
    table = SQLModel.metadata.tables[module]
    statement = select(table.c.document).where(
        table.c.started_at >= earliest, table.c.started_at <= latest, table.c.source == source
    )
    return [from_document(cls, row[0]) for row in await connection.execute(statement)]


async def keys_in_order(
    reader: Reader, module: str, *, after: tuple[datetime, str], until: datetime, limit: int
) -> list[tuple[datetime, str]]:
    """(last_updated, key) of hosted objects of another module that changed behind ``after`` and before ``until``, in
    this order. Committed data only."""
    table = SQLModel.metadata.tables[module].name
    rows = await reader.fetch(
        f"SELECT last_updated, key FROM {table} WHERE source = '' AND is_listed = true"  # noqa: S608 - our names
        " AND (last_updated, key) > ($1, $2) AND last_updated < $3"
        f" ORDER BY last_updated, key LIMIT {int(limit)}",
        *after,
        until,
    )
    return [(text_to_time(row[0]), row[1]) for row in rows]
