"""The readings of a charge in rows of their own."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from roaming.modules.sessions import repository
from roaming.store.database import Database

BEGUN = datetime(2026, 11, 1, tzinfo=UTC)


async def test_however_many_come_at_once_all_are_kept(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement has only so much time: they are written in several."""
    monkeypatch.setattr(repository, "READINGS_AT_ONCE", 3)
    readings = [(BEGUN + timedelta(minutes=minute), Decimal(minute), None) for minute in range(10)]
    keys = [("main", "CS-1", name) for name in ("a", "b")]
    async with database.work() as work:
        found = await repository.load_transactions(work.connection, keys)
        await repository.add_readings(work.connection, dict.fromkeys(reversed(keys), readings))
        filled = await repository.with_readings(work.connection, list(found.values()))
    assert [entry.readings for entry in filled] == [tuple(readings)] * 2
