"""CDRs that may exclude each other are found by what they share, however many others their CPO issued."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from roaming.app import find_modules
from roaming.billing.receiving import MOST_ALIKE, gather
from roaming.model.cdr import CDR
from roaming.modules.cdrs import repository
from roaming.modules.cdrs.crediting import credit_of
from roaming.store import migrate
from roaming.store.database import Database
from roaming.store.reader import Row
from tests.kit.database import BOTH
from tests.roaming.billing.charges import END, START, TOKEN, a_cdr

changed = msgspec.structs.replace
PLAIN = a_cdr()
DAY = timedelta(days=1)
find_modules()  # the look-ups go by the tables of other modules too


def other(id: str, *, card: str = "", evse: str = "", session: str = "", later: timedelta = timedelta(0)) -> CDR:
    """That shares with C1 what is not given only where it is said so."""
    return changed(
        PLAIN,
        id=id,
        session_id=session or f"S-{id}",
        cdr_token=changed(TOKEN, uid=card or f"CARD-{id}"),
        cdr_location=changed(PLAIN.cdr_location, evse_uid=evse or f"E-{id}"),
        start_date_time=START + later,
        end_date_time=END + later,
    )


async def keep(database: Database, *cdrs: CDR) -> None:
    async with database.work() as work:
        for cdr in cdrs:
            assert await repository.insert(work.connection, cdr, source="cpo", now=work.now)


class Listening:
    """Notes the statements, and what documents of CDRs were read."""

    def __init__(self, database: Database) -> None:
        self._reader = database.reader
        self.members = database.reader.members
        self.asked: list[tuple[Any, ...]] = []
        self.read: list[str] = []

    async def fetch(self, sql: str, *parameters: Any) -> Iterable[Row]:
        rows = await self._reader.fetch(sql, *parameters)
        if " cdrs " in sql:
            self.asked.append((sql, *parameters))
            if "document" in sql:
                self.read += [row[0] for row in rows]
        return rows


async def found(database: Database, *ids: str) -> tuple[list[list[str]], Listening]:
    entries = await repository.with_ids(database.reader, [f"FR/CPO/{id}" for id in ids])
    reader = Listening(database)
    known = await gather(reader, list(entries.values()), now=END)  # type: ignore[arg-type]
    named = [sorted(each.cdr.id for each in known[f"FR/CPO/{id}"].siblings) for id in ids]
    return named, reader


async def test_others_are_found_by_token_evse_and_session_and_nothing_else_is_read(database: Database) -> None:
    abroad = changed(PLAIN, party_id="OTH")
    far = [other("CARD-FAR", card="CARD1", later=40 * DAY), other("EVSE-FAR", evse="E1", later=-DAY)]
    alike = [
        other("CARD", card="card1", later=DAY),
        other("EVSE", evse="e1"),
        other("SESSION", session="s1", later=-400 * DAY),
    ]
    await keep(database, PLAIN, abroad, *far, *alike, *(other(f"N{n}") for n in range(20)))
    (named,), reader = await found(database, "c1")
    assert named == ["C1", "CARD", "EVSE", "SESSION"]
    assert sorted(reader.read) == ["FR/CPO/c1", "FR/CPO/card", "FR/CPO/evse", "FR/CPO/session"]


async def test_a_cdr_of_years_does_not_load_their_history(database: Database) -> None:
    old = changed(other("OLD", card="CARD1", evse="E1"), start_date_time=datetime(2020, 1, 1, tzinfo=UTC))
    forever = changed(other("END", card="ELSE"), end_date_time=datetime(9999, 12, 29, tzinfo=UTC))
    turned = changed(other("TURNED"), end_date_time=datetime(1, 1, 1, tzinfo=UTC))
    await keep(database, PLAIN, old, forever, turned)
    (of_old, of_forever, of_turned), _ = await found(database, "old", "end", "turned")
    assert of_old == ["OLD"]
    assert of_forever == ["END"]
    assert of_turned == ["TURNED"]


async def test_a_token_of_very_many_is_looked_up_in_part(database: Database) -> None:
    many = [other(f"M{n:03}", card="CARD1", later=timedelta(seconds=n)) for n in range(MOST_ALIKE + 20)]
    await keep(database, *many)
    (named,), _ = await found(database, "m000")
    assert named == [f"M{n:03}" for n in range(MOST_ALIKE)]


async def test_credits_know_others_of_the_same_cdr_and_take_it_back(database: Database) -> None:
    once = credit_of(PLAIN, reason="wrong")
    twin = other("TWIN", card="CARD1")
    await keep(database, PLAIN, twin, once, changed(once, id="C1-X", end_date_time=END + 400 * DAY))
    assert (await found(database, "c1-c", "twin"))[0] == [["C1-C", "C1-X"], ["C1", "TWIN"]]
    entries = await repository.with_ids(database.reader, ["FR/CPO/twin"])
    known = await gather(database.reader, list(entries.values()), now=END)
    assert {each.cdr.id: each.is_credited for each in known["FR/CPO/twin"].siblings} == {"C1": True, "TWIN": False}


async def test_every_look_up_goes_by_an_index(database: Database) -> None:
    await keep(database, PLAIN, *(other(f"N{n}", later=timedelta(minutes=n)) for n in range(400)))
    if not database.is_sqlite:  # nobody analyses SQLite's tables
        async with database.work() as work:
            await work.connection.exec_driver_sql("ANALYZE cdrs")
    _, reader = await found(database, "c1")
    plans = []
    for sql, *parameters in reader.asked:
        explain = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
        rows = await database.reader.fetch(explain + sql, *parameters)
        plans.append("\n".join(str(row[3] if database.is_sqlite else row[0]) for row in rows))
    text = "\n".join(plans)
    assert all(name in text for name in ("cdrs_by_token", "cdrs_by_evse", "cdrs_alike_session")), text
    assert "SCAN cdrs" not in text
    assert "Seq Scan" not in text


@pytest.mark.parametrize("kind", BOTH)
async def test_cdrs_of_before_get_what_they_share(kind: str, request: pytest.FixtureRequest, tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/old.db" if kind == "sqlite" else request.getfixturevalue("fresh_postgresql")
    await migrate.upgrade(url)
    unplaced = changed(other("NA"), cdr_location=changed(PLAIN.cdr_location, evse_uid="#NA"), session_id=None)
    odd = other("ODD", card="STRASSE\0Ü", evse="x" * 300)
    database = await Database.open(url)
    await keep(database, PLAIN, unplaced, odd, credit_of(PLAIN, reason="wrong"))
    sql = "SELECT key, alike_token, alike_evse, alike_session FROM cdrs ORDER BY key"
    before = [tuple(row) for row in await database.reader.fetch(sql)]
    await database.close()
    assert before[0] == ("FR/CPO/c1", "FR/CPO/card1", "FR/CPO/l1/e1", "FR/CPO/s1")
    assert before[1][1:] == (None, None, None), "of a credit"
    await migrate.downgrade(url, "0034")
    await migrate.upgrade(url)
    database = await Database.open(url)
    assert [tuple(row) for row in await database.reader.fetch(sql)] == before
    await database.close()
