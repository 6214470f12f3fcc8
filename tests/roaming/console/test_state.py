"""What the live page costs: the same with a hundred thousand sessions as with a few."""

import json
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import BigInteger, Boolean, Integer, Table
from sqlmodel import SQLModel

from roaming.app import find_modules
from roaming.console import state
from roaming.console.state import picture
from roaming.store.bulk import append
from roaming.store.columns import Exact, UtcDateTime
from roaming.store.database import Database
from roaming.store.engine import plain_dsn, sqlite_path
from roaming.store.reader import Reader, Row

NOW = datetime.now(UTC)
FEW = 50
"""Rows of a table at first."""
DOUBLINGS = {"sessions": 11}
"""102,400; of other tables 3,200."""
SESSION = {
    "id": "S1",
    "evse_uid": "E1",
    "status": "COMPLETED",
    "cdr_token": {"country_code": "DE", "party_id": "AAA", "uid": "04C0FFEE"},
    "kwh": 1.5,
    "currency": "EUR",
    "start_date_time": "2026-11-01T00:00:00Z",
    "auth_method": "WHITELIST",
}
CDR = {
    "id": "C1",
    "cdr_location": {"evse_uid": "E1"},
    "total_energy": 1.5,
    "total_time": 0.5,
    "total_cost": {"before_taxes": 1.5},
    "currency": "EUR",
    "charging_periods": [],
}
ROWS: dict[str, list[dict[str, Any]]] = {
    "sessions": [
        # A partner's are the newest, and none of them is shown
        {"key": f"s{n}", "source": "cpo" if n % 2 else "", "status": "COMPLETED", "document": json.dumps(SESSION)}
        | {"started_at": NOW + timedelta(days=n % 2)}
        for n in range(FEW)
    ],
    "cdrs": [
        {"key": f"c{n}", "source": "cpo" if n % 2 else "", "session_key": None, "document": json.dumps(CDR)}
        | {"ended_at": NOW + timedelta(days=n % 2)}
        for n in range(FEW)
    ],
    "deliveries": [
        {"coalesce_key": f"d{n}", "module": "cdrs", "object_key": f"c{n}", "state": ("DELIVERED", "PENDING")[n % 2]}
        | {"done_at": None if n % 2 else NOW}
        for n in range(FEW)
    ],
    "stations": [{"network": "main", "station_id": f"CS-{n}", "is_admitted": True} for n in range(FEW)],
    "dead_letters": [{"consumer": "x", "message_id": f"m{n}"} for n in range(FEW)],
}
OWN_NAMES = {"key", "coalesce_key", "object_key", "station_id", "message_id"}


class Noting:
    """A reader that remembers what was asked."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.asked: list[tuple[str, tuple[Any, ...]]] = []

    async def fetch(self, sql: str, *parameters: Any) -> Sequence[Row]:
        self.asked.append((sql, parameters))
        return await self._reader.fetch(sql, *parameters)

    async def close(self) -> None:
        """It is another's."""


def filled(table: Table, values: dict[str, Any]) -> dict[str, Any]:
    """With something in every column that must not be empty."""
    empty: dict[type, Any] = {UtcDateTime: NOW, Exact: Decimal(0), Integer: 0, BigInteger: 0, Boolean: False}
    needed = [column for column in table.c if not column.nullable and column.name != "id"]
    return {column.name: empty.get(type(column.type), "") for column in needed} | values


async def fill(database: Database) -> None:
    find_modules()  # their tables
    async with database.work() as work:
        for name, rows in ROWS.items():
            table = SQLModel.metadata.tables[name]
            await append(work.connection, table, [filled(table, row) for row in rows])


async def multiply(database: Database) -> None:
    """Doubles every table."""
    async with database.work() as work:
        for name in ROWS:
            columns = [column.name for column in SQLModel.metadata.tables[name].c if column.name != "id"]
            for number in range(DOUBLINGS.get(name, 6)):
                values = [f"{c} || '-{number}'" if c in OWN_NAMES else c for c in columns]
                await work.connection.exec_driver_sql(
                    f"INSERT INTO {name} ({', '.join(columns)}) SELECT {', '.join(values)} FROM {name}"
                )
    async with database.work() as work:
        await work.connection.exec_driver_sql("ANALYZE")


async def work_of(database: Database) -> int:
    """What the database does for one picture: instructions of SQLite's machine, rows that PostgreSQL touches."""
    noting = Noting(database.reader)
    await picture(noting)
    if database.is_sqlite:
        return _instructions(sqlite_path(database.url), noting.asked)
    connection = await asyncpg.connect(plain_dsn(database.url))
    plans = [
        json.loads(await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", *parameters))
        for sql, parameters in noting.asked
    ]
    await connection.close()
    return sum(_rows(plan["Plan"]) for (plan,) in plans)


def _instructions(path: Path, asked: Sequence[tuple[str, tuple[Any, ...]]]) -> int:
    counted = 0

    def count() -> None:
        nonlocal counted
        counted += 10

    connection = sqlite3.connect(path)
    connection.set_progress_handler(count, 10)
    for sql, parameters in asked:
        connection.execute(sql, parameters).fetchall()
    connection.close()
    return counted


def _rows(plan: dict[str, Any]) -> int:
    removed = sum(int(count) for name, count in plan.items() if name.startswith("Rows Removed"))
    own = (int(plan["Actual Rows"]) + removed) * int(plan["Actual Loops"])
    return own + sum(_rows(each) for each in plan.get("Plans", ()))


async def test_however_much_is_stored_the_picture_costs_the_same(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "MOST_COUNTED", 20)
    monkeypatch.setattr(state, "MOST_STATIONS", 20)
    await fill(database)
    few = await work_of(database)
    await multiply(database)
    assert await work_of(database) < 2 * few


async def test_what_is_too_much_to_be_counted_is_said_so(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(database)
    whole = await picture(database.reader)
    assert (whole["totals"]["on_their_way"], whole["are_there_more_stations"]) == (FEW // 2, False)
    monkeypatch.setattr(state, "MOST_STATIONS", FEW)
    assert (await picture(database.reader))["are_there_more_stations"]
    monkeypatch.setattr(state, "MOST_COUNTED", FEW // 2)
    assert (await picture(database.reader))["totals"]["on_their_way"] == FEW // 2
    monkeypatch.setattr(state, "MOST_COUNTED", FEW // 2 - 1)
    assert (await picture(database.reader))["totals"]["on_their_way"] == f"{FEW // 2 - 1}+"
