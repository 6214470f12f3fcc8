"""CDRs that were passed on are found among very many by the index, whoever's they are."""

from datetime import UTC, datetime
from typing import Any

from roaming.hub.whereabouts import RECORD, WHEREABOUTS, records_passed_on
from roaming.model.identifiers import PartyId
from roaming.ocpi.module import Outgoing
from roaming.store.bulk import append
from roaming.store.database import Database

CPO, OTHER = PartyId("FR", "CPO"), PartyId("FR", "OTH")


async def test_cdrs_passed_on_are_looked_up_by_owner_and_id(database: Database) -> None:
    until = datetime(2026, 12, 1, tzinfo=UTC)
    kept = [
        {"kind": RECORD, "owner": str(owner), "object_id": f"c{n}", "other": "DE-AAA", "expires_at": until, "place": ""}
        for owner in (CPO, OTHER)
        for n in range(2000)
    ]
    async with database.work() as work:
        await append(work.connection, WHEREABOUTS, kept)
        await work.connection.exec_driver_sql("ANALYZE")
    asked: list[tuple[Any, ...]] = []

    class Listening:
        async def fetch(self, *statement: Any) -> Any:
            asked.append(statement)
            return await database.reader.fetch(*statement)

    changes = [
        Outgoing(module="cdrs", object_key=key, owner=owner)
        for key, owner in (("FR/CPO/c1", CPO), ("FR/CPO/c9/9", CPO), ("FR/OTH/c2", OTHER), ("FR/OTH/x", OTHER))
    ]
    assert await records_passed_on(Listening(), changes) == {"FR/CPO/c1", "FR/OTH/c2"}  # type: ignore[arg-type]
    assert await records_passed_on(Listening(), []) == frozenset()  # type: ignore[arg-type]
    assert len(asked) == 2
    for sql, *parameters in asked:
        explain = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
        rows = await database.reader.fetch(explain + sql, *parameters)
        plan = "\n".join(str(row[3] if database.is_sqlite else row[0]) for row in rows)
        (used,) = (line for line in plan.splitlines() if "SEARCH" in line or "Index Cond" in line)
        assert all(name in used for name in ("kind", "owner", "object_id")), plan
