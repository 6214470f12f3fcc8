"""Many rows in one statement: arrays on PostgreSQL, one JSON text on SQLite. Six to thirty times cheaper than a
statement a row, and it can say which rows were new."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Boolean, Integer, Table
from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.store.columns import Exact, UtcDateTime, time_to_text

_JSON = msgspec.json.Encoder()


async def insert_new(
    connection: AsyncConnection,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    key: tuple[str, ...],
) -> set[tuple[Any, ...]]:
    """Inserts the rows whose ``key`` is not there yet and returns the keys of those it inserted."""
    if not rows:
        return set()
    columns = tuple(rows[0])
    sql = _insert(connection.dialect.name, table, columns, key, (), "")
    result = await connection.exec_driver_sql(sql, _parameters(connection, table, columns, rows))
    return {tuple(row) for row in result}


async def upsert(
    connection: AsyncConnection,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    key: tuple[str, ...],
    update: tuple[str, ...],
    only_if: str = "",
) -> set[tuple[Any, ...]]:
    """Inserts, or updates the columns of ``update`` where ``key`` is there and ``only_if`` holds.

    ``update`` holds column names or assignments (``revision = t.revision + 1``); ``only_if`` is SQL over ``t`` (the
    row there) and ``excluded`` (the new one). Keys must be unique within ``rows``. Returns the keys written.
    """
    if not rows:
        return set()
    columns = tuple(rows[0])
    sql = _insert(connection.dialect.name, table, columns, key, update, only_if)
    result = await connection.exec_driver_sql(sql, _parameters(connection, table, columns, rows))
    return {tuple(row) for row in result}


@lru_cache(maxsize=256)
def _insert(
    dialect: str,
    table: Table,
    columns: tuple[str, ...],
    key: tuple[str, ...],
    update: tuple[str, ...],
    only_if: str,
) -> str:
    names = ", ".join(columns)
    if dialect == "postgresql":
        arrays = ", ".join(f"${index}::{_array(table, column)}" for index, column in enumerate(columns, 1))
        source = f"SELECT * FROM unnest({arrays})"  # noqa: S608 - names come from our tables
    else:
        values = ", ".join(f"value ->> {index}" for index in range(len(columns)))
        source = f"SELECT {values} FROM json_each(?) WHERE true"  # noqa: S608 - WHERE: the parser needs it here
    if update:
        sets = ", ".join(entry if "=" in entry else f"{entry} = excluded.{entry}" for entry in update)
        action = f"DO UPDATE SET {sets}" + (f" WHERE {only_if}" if only_if else "")
    else:
        action = "DO NOTHING"
    keys = ", ".join(key)
    return f"INSERT INTO {table.name} AS t ({names}) {source} ON CONFLICT ({keys}) {action} RETURNING {keys}"


def _array(table: Table, column: str) -> str:
    kind = table.c[column].type
    if isinstance(kind, UtcDateTime):
        return "timestamptz[]"
    if isinstance(kind, Exact):
        return "numeric[]"
    if isinstance(kind, Boolean):
        return "bool[]"
    if isinstance(kind, BigInteger | Integer):
        return "bigint[]"
    return "text[]"


def _parameters(
    connection: AsyncConnection, table: Table, columns: tuple[str, ...], rows: Sequence[Mapping[str, Any]]
) -> tuple[Any, ...]:
    if connection.dialect.name == "postgresql":
        return tuple([row[column] for row in rows] for column in columns)
    exact = {column for column in columns if isinstance(table.c[column].type, Exact)}
    data = [[_sqlite_value(row[column], column in exact) for column in columns] for row in rows]
    return (_JSON.encode(data).decode(),)


def _sqlite_value(value: Any, is_exact: bool) -> Any:
    if isinstance(value, datetime):
        return time_to_text(value)
    if is_exact and value is not None:
        return int(value.scaleb(6))
    return value
