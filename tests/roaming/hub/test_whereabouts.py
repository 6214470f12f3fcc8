"""What was passed on is found among very many, in few statements, whoever's it is."""

from datetime import UTC, datetime
from typing import Any

from roaming.hub.whereabouts import RECORD, SESSION, WHEREABOUTS, cpos_of_session, records_passed_on
from roaming.model.identifiers import PartyId
from roaming.ocpi.module import Outgoing
from roaming.store.bulk import append
from roaming.store.database import Database

CPO, OTHER = PartyId("FR", "CPO"), PartyId("FR", "OTH")


class Listening:
    """A reader that remembers what it was asked."""

    def __init__(self, database: Database) -> None:
        self._reader = database.reader
        self.asked: list[tuple[Any, ...]] = []

    async def fetch(self, *statement: Any) -> Any:
        self.asked.append(statement)
        return await self._reader.fetch(*statement)


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
    listening = Listening(database)
    changes = [
        Outgoing(module="cdrs", object_key=key, owner=owner)
        for key, owner in (("FR/CPO/c1", CPO), ("FR/CPO/c9/9", CPO), ("FR/OTH/c2", OTHER), ("FR/OTH/x", OTHER))
    ]
    assert await records_passed_on(listening, changes) == {"FR/CPO/c1", "FR/OTH/c2"}  # type: ignore[arg-type]
    assert await records_passed_on(listening, []) == frozenset()  # type: ignore[arg-type]
    assert len(listening.asked) == 2
    for sql, *parameters in listening.asked:
        explain = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
        rows = await database.reader.fetch(explain + sql, *parameters)
        plan = "\n".join(str(row[3] if database.is_sqlite else row[0]) for row in rows)
        (used,) = (line for line in plan.splitlines() if "SEARCH" in line or "Index Cond" in line)
        assert all(name in used for name in ("kind", "owner", "object_id")), plan


async def test_whose_a_session_is_costs_the_same_with_few_operators_and_many(database: Database) -> None:
    many = [PartyId("FR", f"{n:03}") for n in range(500)]
    row = {"kind": SESSION, "object_id": "s1", "place": "", "expires_at": datetime(2026, 12, 1, tzinfo=UTC)}
    of = {str(many[7]): "DE-AAA", str(many[8]): "DE-BBB", str(CPO): "DE-AAA"}
    async with database.work() as work:
        rows = [{**row, "owner": owner, "other": emsp} for owner, emsp in of.items()]
        await append(work.connection, WHEREABOUTS, rows)
    listening = Listening(database)
    found = await cpos_of_session(listening, PartyId("DE", "AAA"), "S1", many)  # type: ignore[arg-type]
    assert found == [many[7]]
    assert len(listening.asked) == 2
