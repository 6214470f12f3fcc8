"""What a worker removes: of every table that grows, that which is old and over."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Table
from sqlmodel import SQLModel

from roaming.app import find_modules
from roaming.settings import Settings
from roaming.store.columns import UtcDateTime
from roaming.store.database import Database
from roaming.store.locks import locks_of
from roaming.store.trimming import Trimmer
from roaming.worker import kept_days, trimmings

NOW = datetime.now(UTC)
AGO = {"old": NOW - timedelta(days=40), "young": NOW - timedelta(days=20)}
FILLING = {"TEXT": "", "VARCHAR": "", "INTEGER": 0, "BIGINT": 0, "BOOLEAN": False}

DELIVERY: dict[str, Any] = {"module": "sessions", "state": "DELIVERED"}
ROWS: list[tuple[str, str, dict[str, Any], bool]] = [
    ("journal", "at", {}, True),
    ("late_facts", "received_at", {}, True),
    ("inbox", "handled_at", {}, True),
    ("deliveries", "done_at", DELIVERY, True),
    ("deliveries", "done_at", DELIVERY | {"state": "DROPPED", "module": "commands"}, True),
    ("deliveries", "done_at", DELIVERY | {"state": "REFUSED"}, False),
    ("deliveries", "done_at", DELIVERY | {"state": "DEAD"}, False),
    ("deliveries", "done_at", DELIVERY | {"state": "PENDING"}, False),
    ("deliveries", "done_at", DELIVERY | {"module": "cdrs"}, False),
    ("deliveries", "created_at", DELIVERY | {"state": "PENDING"}, False),
    ("retellings", "finished_at", {"is_done": True}, True),
    ("retellings", "created_at", {}, False),
    ("retellings", "created_at", {"is_done": True, "error": "KeyError: 'x'"}, False),
    ("sent_commands", "expires_at", {}, True),
    ("commands", "deadline", {"state": "ANSWERED"}, True),
    ("commands", "deadline", {"state": "TIMED_OUT"}, True),
    ("commands", "deadline", {"state": "REQUESTED"}, False),
    ("reservations", "expires_at", {}, True),
    ("operations", "deadline", {"state": "ANSWERED"}, True),
    ("operations", "deadline", {"state": "TIMED_OUT"}, True),
    ("operations", "deadline", {"state": "REQUESTED"}, False),
    ("station_reports", "at", {}, True),
    ("events", "created_at", {}, True),
    ("station_faults", "last_at", {}, True),
    ("stations", "connected_at", {"is_admitted": False, "is_connected": False}, True),
    ("stations", "connected_at", {"is_admitted": True, "is_connected": False}, False),
    ("stations", "connected_at", {"is_admitted": False, "is_connected": True}, False),
    ("station_meters", "at", {"readings": "[]"}, True),
    ("station_lines", "at", {"is_online": False, "is_told": True}, True),
    ("station_lines", "at", {"is_online": True, "is_told": False}, False),
    ("station_certificates", "expires_at", {}, True),
    ("wire_chunks", "last_at", {"frames": "[]"}, True),
    ("notifications", "created_at", {"state": "DEAD"}, True),
    ("active_charging_profiles", "received_at", {}, True),
    ("dead_letters", "replayed_at", {}, True),
    ("dead_letters", "at", {"consumer": "-"}, True),
    ("dead_letters", "at", {"consumer": "sessions"}, False),
]
"""Table, the time that counts, what else the row says, whether it goes."""


def filled(table: Table, name: str, values: dict[str, Any]) -> dict[str, Any]:
    """A row with something in every column that must not be empty, its texts different from other rows'."""
    row: dict[str, Any] = {}
    for column in table.c:
        if column.nullable or column is table.autoincrement_column:
            continue
        kind = str(column.type)
        row[column.name] = AGO["old"] if isinstance(column.type, UtcDateTime) else FILLING.get(kind, "")
        if column.primary_key or column.unique:
            row[column.name] = name if kind in ("TEXT", "VARCHAR") else list(AGO).index(name)
    return row | values


@pytest.mark.parametrize(("table", "since", "values", "goes"), ROWS)
async def test_what_is_old_and_over_goes(
    database: Database, table: str, since: str, values: dict[str, Any], goes: bool
) -> None:
    rows = SQLModel.metadata.tables[table]
    async with database.work() as work:
        for age, at in AGO.items():
            # A time that says that something is over may not be set where another is looked at
            await work.connection.execute(rows.insert().values(filled(rows, age, values | {since: at})))
    days = dict.fromkeys(kept_days(Settings()), 30)
    removed = await Trimmer(database, trimmings(find_modules()), locks_of(database), days=days).trim()
    assert removed == ({table: 1} if goes else {})
    kept = await database.reader.fetch(f"SELECT {since} FROM {table}")
    assert len(kept) == (1 if goes else 2)


def test_every_kind_has_a_setting_and_every_setting_a_kind() -> None:
    assert {trimming.kind for trimming in trimmings(find_modules())} == set(kept_days(Settings()))
    fields = {name for name in Settings.model_fields if name.endswith("_days") and not name.startswith("pull_")}
    assert {f"{kind}_days" for kind in kept_days(Settings())} == fields
