"""Stored objects: pages that lose nothing, counts that stay right, texts that never outlive their object."""

import asyncio
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from roaming.model.canonical import to_document
from roaming.model.identifiers import PartyId
from roaming.model.token import CdrToken
from roaming.model.version import Version
from roaming.store.columns import text_to_time
from roaming.store.database import Database
from roaming.store.documents import DocumentRow, Documents, PageRow, object_key, read_object
from roaming.store.selections import MAX_BRANCHES, Selection

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
TNM, XYZ = PartyId("NL", "TNM"), PartyId("DE", "XYZ")
V = Version.V2_2_1


class ThingRow(DocumentRow, table=True):
    __tablename__ = "test_documents"
    MODULE: ClassVar[str] = "things"


THINGS = Documents(ThingRow)


@pytest.fixture
async def database(database: Database) -> Database:
    async with database.engine.begin() as connection:
        await connection.run_sync(lambda sync: THINGS.table.create(sync, checkfirst=True))
    return database


def thing(number: int, *, owner: PartyId = TNM, minutes: int = 0, received: int = 0, **values: Any) -> dict[str, Any]:
    return {
        "key": object_key(owner, f"T{number:05}"),
        "country_code": owner.country_code,
        "party_id": owner.party_id,
        "object_id": f"T{number:05}",
        "document": f'{{"id":"T{number:05}"}}',
        "last_updated": NOON + timedelta(minutes=minutes),
        "received_at": NOON + timedelta(minutes=received),
        **values,
    }


async def insert(database: Database, *rows: dict[str, Any]) -> set[str]:
    async with database.work() as work:
        return await THINGS.insert_many(work.connection, rows)


async def change(database: Database, key: str, **values: Any) -> None:
    async with database.work() as work:
        stored = await THINGS.find(work.connection, key, for_update=True)
        assert stored is not None
        await THINGS.change(work.connection, stored, values)


async def pages(database: Database, selection: Selection, *, limit: int = 7) -> list[PageRow]:
    """All pages by key."""
    found: list[PageRow] = []
    while True:
        after = (found[-1].last_updated, found[-1].key) if found else None
        page = await THINGS.page(database, selection, V, limit=limit, after=after)
        if not page:
            return found
        found += page


async def test_a_document_is_found_as_it_was_inserted(database: Database) -> None:
    async with database.work() as work:
        assert await THINGS.insert(work.connection, thing(1, source="partner", scope="NL-EMS"))
        assert not await THINGS.insert(work.connection, thing(1, document="{}"))
        stored = await THINGS.find(work.connection, "NL/TNM/t00001", for_update=True)
        assert await THINGS.find(work.connection, "NL/TNM/T00001") is None, "keys are folded"
    assert stored is not None
    assert (stored.owner, stored.object_id, stored.source, stored.scope) == (TNM, "T00001", "partner", "NL-EMS")
    assert (stored.document, stored.revision, stored.is_listed) == ('{"id":"T00001"}', 1, True)
    assert stored.last_updated == NOON


async def test_a_change_raises_the_revision_and_clears_the_texts(database: Database) -> None:
    await insert(database, thing(1), thing(2))
    key = "NL/TNM/t00001"
    async with database.work() as work:
        await THINGS.keep_texts(work.connection, V, [(key, 1, "one"), ("NL/TNM/t00002", 1, "two")])
    await change(database, key, document="{}", last_updated=NOON + timedelta(seconds=1))
    page = await THINGS.page(database, Selection(owners=(TNM,)), V, limit=10)
    assert [(row.key[-1], row.revision, row.text, row.document) for row in page] == [
        ("2", 1, "two", None),
        ("1", 2, None, "{}"),
    ]


async def test_a_text_made_from_an_older_revision_is_not_kept(database: Database) -> None:
    await insert(database, thing(1))
    await change(database, "NL/TNM/t00001", document="{}")
    async with database.work() as work:
        await THINGS.keep_texts(work.connection, V, [("NL/TNM/t00001", 1, "stale")])
    (row,) = await THINGS.page(database, Selection(owners=(TNM,)), V, limit=10)
    assert row.text is None


async def test_texts_are_kept_per_version(database: Database) -> None:
    await insert(database, thing(1))
    async with database.work() as work:
        for version in Version:
            await THINGS.keep_texts(work.connection, version, [("NL/TNM/t00001", 1, version.value)])
    for version in Version:
        (row,) = await THINGS.page(database, Selection(owners=(TNM,)), version, limit=10)
        assert (row.text, row.document) == (version.value, None)


async def test_read_object_reads_another_modules_object(database: Database) -> None:
    token = CdrToken(country_code="NL", party_id="EMS", uid="1", type="RFID", contract_id="C")
    await insert(database, thing(1, document=to_document(token)))
    async with database.reading() as connection:
        assert await read_object(connection, "test_documents", "NL/TNM/t00001", CdrToken) == token
        assert await read_object(connection, "test_documents", "NL/TNM/t00002", CdrToken) is None


ANYWHERE = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
OWNERS = (TNM, XYZ, PartyId("FR", "ABC"))
rows_drawn = st.lists(
    st.fixed_dictionaries(
        {
            "owner": st.sampled_from(OWNERS),
            "minutes": st.integers(0, 5),
            "received": st.integers(0, 5),
            "scope": st.sampled_from(["", "NL-EMS", "BE-EMS"]),
            "source": st.sampled_from(["", "partner"]),
            "is_listed": st.booleans(),
        }
    ),
    max_size=40,
)
minutes_or_none = st.none() | st.integers(0, 6)


@ANYWHERE
@given(
    rows_drawn,
    st.lists(st.sampled_from(OWNERS), max_size=3),
    st.lists(st.sampled_from(["", "NL-EMS", "BE-EMS"]), max_size=3),
    st.sampled_from(["", "partner"]),
    minutes_or_none,
    minutes_or_none,
    st.integers(1, 50),
    st.integers(0, 10),
)
async def test_a_page_shows_what_was_asked_for_and_nothing_else(
    database: Database,
    drawn: list[dict[str, Any]],
    owners: list[PartyId],
    scopes: list[str],
    source: str,
    first: int | None,
    last: int | None,
    limit: int,
    offset: int,
) -> None:
    rows = [thing(number, **values) for number, values in enumerate(drawn)]
    async with database.work() as work:
        await work.connection.execute(THINGS.table.delete())
        await work.connection.exec_driver_sql("DELETE FROM object_counts")
    await insert(database, *rows)
    selection = Selection(
        owners=tuple(owners),
        scopes=tuple(scopes),
        sources=dict.fromkeys(owners, source),
        date_from=None if first is None else NOON + timedelta(minutes=first),
        date_to=None if last is None else NOON + timedelta(minutes=last),
    )
    wanted = sorted(
        (row["last_updated"], row["key"])
        for row in rows
        if row["is_listed"]
        and PartyId(row["country_code"], row["party_id"]) in owners
        and row["scope"] in scopes
        and row["source"] == source
        and (lies_in(selection, row["last_updated"]) or (source != "" and lies_in(selection, row["received_at"])))
    )
    assert [(text_to_time(r.last_updated), r.key) for r in await pages(database, selection, limit=limit)] == wanted
    by_offset, total = await THINGS.page_and_total(database, selection, V, limit=limit, offset=offset)
    assert [(text_to_time(r.last_updated), r.key) for r in by_offset] == wanted[offset : offset + limit]
    assert total == await THINGS.total(database, selection) == len(wanted)


def lies_in(selection: Selection, at: datetime) -> bool:
    return (selection.date_from is None or at >= selection.date_from) and (
        selection.date_to is None or at < selection.date_to
    )


async def test_what_a_partner_told_late_is_listed_since_it_came(database: Database) -> None:
    await insert(
        database,
        thing(1, minutes=0, received=60, source="partner"),
        thing(2, minutes=90, received=91, source="partner"),
        thing(3, minutes=0, received=60, source=""),
    )
    since = Selection(owners=(TNM,), sources={TNM: "partner"}, date_from=NOON + timedelta(minutes=30))
    assert [row.key[-1] for row in await pages(database, since, limit=1)] == ["1", "2"]
    assert await THINGS.total(database, since) == 2
    window = replace(since, date_to=NOON + timedelta(minutes=70))
    assert [row.key[-1] for row in await pages(database, window)] == ["1"]
    hosted = replace(since, sources={})
    assert await pages(database, hosted) == [], "what is ours is listed as it changes"


async def test_a_page_behind_a_place_does_not_skip_the_offset_again(database: Database) -> None:
    await insert(database, *(thing(number, minutes=number) for number in range(6)))
    selection = Selection(owners=(TNM,))
    (first,) = await THINGS.page(database, selection, V, limit=1, offset=1)
    page = await THINGS.page(database, selection, V, limit=2, offset=2, after=(first.last_updated, first.key))
    assert [row.key for row in page] == [object_key(TNM, f"T{number:05}") for number in (2, 3)]


async def test_many_owners_are_read_in_one_order_too(database: Database) -> None:
    owners = [PartyId("NL", f"P{number:02}") for number in range(MAX_BRANCHES * 2)]
    await insert(database, *(thing(n, owner=owner, minutes=-n) for n, owner in enumerate(owners)))
    every = Selection(owners=tuple(owners))
    assert [row.key for row in await pages(database, every)] == [
        object_key(owner, f"T{n:05}") for n, owner in reversed(list(enumerate(owners)))
    ]
    few = replace(every, owners=tuple(owners[: MAX_BRANCHES + 1]), date_from=NOON - timedelta(minutes=3))
    assert len(await pages(database, few)) == 4 == await THINGS.total(database, few)


async def test_paging_by_key_loses_nothing_while_objects_change(database: Database) -> None:
    """A partner reads all pages; meanwhile objects change (later time), are added and are unlisted."""
    await insert(database, *(thing(number, minutes=number % 10) for number in range(300)))
    random_ = random.Random(1)
    selection, seen, last = Selection(owners=(TNM,)), {}, None
    untouched = set(range(300))
    clock = NOON + timedelta(hours=1)
    for step in range(1000):
        page = await THINGS.page(database, selection, V, limit=25, after=last)
        if not page:
            break
        for row in page:
            seen[row.key] = row.revision
        last = (page[-1].last_updated, page[-1].key)
        if step < 20:
            for number in random_.sample(range(300), 3):
                clock += timedelta(seconds=1)
                await change(database, object_key(TNM, f"T{number:05}"), last_updated=clock)
            gone = random_.choice(sorted(untouched))
            untouched.discard(gone)
            await change(database, object_key(TNM, f"T{gone:05}"), is_listed=False)
            await insert(database, thing(1000 + step) | {"last_updated": clock})
    async with database.reading() as connection:
        columns = THINGS.table.c
        now = (await connection.execute(select(columns.key, columns.revision).where(columns.is_listed))).all()
    assert {key for key, _ in now} <= set(seen)
    assert all(seen[key] == revision for key, revision in now), "and each in its last version"


async def listed(database: Database) -> int:
    async with database.reading() as connection:
        count = select(func.count()).select_from(THINGS.table).where(THINGS.table.c.is_listed)
        return int((await connection.execute(count)).scalar_one())


async def test_counts_stay_right_under_concurrent_inserts_changes_and_removals(database: Database) -> None:
    async def churn(worker: int) -> None:
        random_ = random.Random(worker)
        for step in range(15):
            number = worker * 100 + step
            owners = random_.sample(OWNERS, 2)  # two owners in one transaction, in any order
            await insert(database, *(thing(number, owner=owner, is_listed=step % 4 != 0) for owner in owners))
            await change(database, object_key(owners[0], f"T{number:05}"), is_listed=random_.random() < 0.5)
            if step % 3 == 0:
                async with database.work() as work:
                    key = object_key(owners[1], f"T{number:05}")
                    stored = await THINGS.find(work.connection, key, for_update=True)
                    assert stored is not None
                    await THINGS.remove(work.connection, stored)

    await asyncio.gather(*(churn(worker) for worker in range(8)))
    total = await THINGS.total(database, Selection(owners=OWNERS))
    assert total == await listed(database) > 0


async def test_a_repeated_insert_and_a_rolled_back_one_do_not_count(database: Database) -> None:
    await insert(database, thing(1), thing(1))
    assert await insert(database, thing(1), thing(2)) == {"NL/TNM/t00002"}

    async def fail() -> None:
        async with database.work() as work:
            await THINGS.insert(work.connection, thing(3))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    await insert(database, thing(4))
    assert await THINGS.total(database, Selection(owners=(TNM,))) == 3


async def test_an_object_that_moves_to_another_scope_is_counted_there(database: Database) -> None:
    await insert(database, thing(1, scope="NL-EMS"))
    await change(database, "NL/TNM/t00001", scope="BE-EMS")
    assert await THINGS.total(database, Selection(owners=(TNM,), scopes=("NL-EMS",))) == 0
    assert await THINGS.total(database, Selection(owners=(TNM,), scopes=("BE-EMS",))) == 1


async def plan(database: Database, sql: str, parameters: list[Any]) -> str:
    explain = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
    rows = await database.reader.fetch(explain + sql, *parameters)
    return "\n".join(str(row[3] if database.is_sqlite else row[0]) for row in rows)


@pytest.mark.parametrize(
    ("selection", "index", "after"),
    [
        (Selection(owners=(TNM,)), "test_documents_of_owner", None),
        (Selection(owners=(TNM,)), "test_documents_of_owner", (NOON + timedelta(minutes=50), "NL/TNM/x")),
        (Selection(owners=(TNM, XYZ), scopes=("", "NL-EMS")), "test_documents_of_owner", None),
        (Selection(owners=(TNM,), date_from=NOON + timedelta(minutes=90)), "test_documents_of_owner", None),
        (
            Selection(owners=(TNM,), sources={TNM: "partner"}, date_from=NOON + timedelta(minutes=90)),
            "test_documents_received",
            None,
        ),
        (
            Selection(owners=(TNM, *(PartyId("NL", f"P{n:02}") for n in range(20)))),
            "test_documents_in_order",
            (NOON + timedelta(minutes=50), "NL/TNM/x"),
        ),
    ],
    ids=[
        "one owner",
        "a later page",
        "few owners and scopes",
        "since a date",
        "since a date of a partner",
        "many owners",
    ],
)
async def test_a_page_is_read_along_an_index(
    database: Database, selection: Selection, index: str, after: tuple[datetime, str] | None
) -> None:
    from roaming.store.selections import Query

    for start in range(0, 6000, 1000):
        every = ((n, (TNM, XYZ)[n % 2]) for n in range(start, start + 1000))
        source = selection.sources.get(TNM, "")
        await insert(
            database,
            *(thing(n, owner=o, minutes=n % 100, received=n % 97, document="x" * 500, source=source) for n, o in every),
        )
    async with database.engine.begin() as connection:
        await connection.exec_driver_sql("ANALYZE test_documents")
    query = Query("test_documents", selection, after, members=database.reader.members)
    shown = await plan(database, query.page("text_2_2_1", 100, 0), query.parameters)
    if database.is_sqlite and index == "test_documents_received":
        index = "test_documents_of_owner"  # its planner rather reads in order than sorts
    assert index in shown, shown
    assert not any(word in shown for word in ("Seq Scan", "SCAN test_documents", "SCAN t ")), shown
    if len(query.branches) == 1:
        assert "Sort" not in shown.replace("Sort Key", ""), shown
        assert "TEMP B-TREE" not in shown, shown
