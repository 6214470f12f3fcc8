"""Many rows in one statement, the same on both databases."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import BigInteger, Boolean, Column, Float, Integer, MetaData, String, Table, Text, select

from roaming.store.bulk import append, delete_keys, insert_new, update_held, update_if_free, update_unlocked, upsert
from roaming.store.columns import Exact, UtcDateTime
from roaming.store.database import Database

METADATA = MetaData()
THINGS = Table(
    "test_things",
    METADATA,
    Column("name", String, primary_key=True),
    Column("number", BigInteger),
    Column("is_on", Boolean),
    Column("at", UtcDateTime),
    Column("cost", Exact),
    Column("note", Text, default="unsaid"),
    Column("revision", Integer, nullable=False, default=1),
)
NUMBERED = Table(
    "test_numbered",
    METADATA,
    Column("id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True),
    Column("name", String, unique=True),
)
TIMED = Table("test_timed", METADATA, Column("at", UtcDateTime, primary_key=True), Column("level", Float))
Update = Callable[..., Awaitable[object]]
NOON = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
async def tables(database: Database) -> Database:
    async with database.engine.begin() as connection:
        await connection.run_sync(METADATA.create_all)
    return database


def thing(name: str, **values: Any) -> dict[str, Any]:
    return {"name": name, "number": 1, "is_on": True, "at": NOON, "cost": Decimal("1.5"), **values}


async def rows(database: Database) -> list[tuple[Any, ...]]:
    async with database.reading() as connection:
        return [tuple(row) for row in await connection.execute(select(THINGS).order_by(THINGS.c.name))]


async def test_every_type_comes_back_as_it_went_and_defaults_are_filled_in(tables: Database) -> None:
    amsterdam = datetime.fromisoformat("2026-11-23T13:00:00.000001+01:00")
    given = [
        thing("a", number=2**63 - 1, is_on=False, cost=Decimal("8999999999999.999999")),
        thing("b", number=-(2**63), at=amsterdam, cost=Decimal("-0.000001"), note="'; DROP \\ \" \n \u0627ردو 🚗"),
        {"name": "c", "number": None, "is_on": None, "at": None, "cost": None, "note": None},
    ]
    async with tables.work() as work:
        assert await insert_new(work.connection, THINGS, given[:1], key=("name",)) == {("a",)}
        assert await insert_new(work.connection, THINGS, given[1:2], key=("name",)) == {("b",)}
        assert await insert_new(work.connection, THINGS, given[2:], key=("name",)) == {("c",)}
    assert await rows(tables) == [
        ("a", 2**63 - 1, False, NOON, Decimal("8999999999999.999999"), "unsaid", 1),
        ("b", -(2**63), True, amsterdam, Decimal("-0.000001"), "'; DROP \\ \" \n \u0627ردو 🚗", 1),
        ("c", None, None, None, None, None, 1),
    ]


async def test_a_thousand_rows_and_which_of_them_were_new(tables: Database) -> None:
    first = [thing(f"n{number:04}") for number in range(0, 1000, 2)]
    every = [thing(f"n{number:04}", number=7) for number in range(1000)]
    async with tables.work() as work:
        assert len(await insert_new(work.connection, THINGS, first, key=("name",))) == 500
    async with tables.work() as work:
        new = await insert_new(work.connection, THINGS, every, key=("name",))
    assert new == {(f"n{number:04}",) for number in range(1, 1000, 2)}
    found = await rows(tables)
    assert len(found) == 1000
    assert [row[1] for row in found[:4]] == [1, 7, 1, 7]


async def test_insert_new_takes_the_first_of_two_rows_with_one_key(tables: Database) -> None:
    async with tables.work() as work:
        twice = [thing("x", number=1), thing("x", number=2)]
        assert await insert_new(work.connection, THINGS, twice, key=("name",)) == {("x",)}
    assert (await rows(tables))[0][1] == 1


async def test_upsert_changes_what_only_if_allows_and_says_which(tables: Database) -> None:
    async with tables.work() as work:
        await insert_new(work.connection, THINGS, [thing("old"), thing("new")], key=("name",))
    later, earlier = NOON + timedelta(microseconds=1), NOON - timedelta(microseconds=1)
    async with tables.work() as work:
        written = await upsert(
            work.connection,
            THINGS,
            [thing("old", at=earlier, number=9), thing("new", at=later, number=9), thing("fresh", number=9)],
            key=("name",),
            update=("at", "number", "revision = t.revision + 1"),
            only_if="t.at <= excluded.at",
        )
    assert written == {("new",), ("fresh",)}
    found = {row[0]: (row[1], row[3], row[6]) for row in await rows(tables)}
    assert found == {"old": (1, NOON, 1), "new": (9, later, 2), "fresh": (9, NOON, 1)}


async def test_upsert_refuses_two_rows_with_one_key(tables: Database) -> None:
    async with tables.work() as work:
        with pytest.raises(ValueError, match="same name"):
            await upsert(work.connection, THINGS, [thing("x"), thing("x")], key=("name",), update=("number",))


@pytest.mark.parametrize(
    "wrong",
    [
        {"cost": Decimal("0.0000001")},
        {"cost": Decimal("NaN")},
        {"cost": Decimal("Infinity")},
        {"cost": Decimal("9000000000000.000001")},
        {"at": datetime(2026, 11, 23, 12)},
    ],
    ids=str,
)
async def test_what_one_database_could_not_keep_both_refuse(tables: Database, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"decimals|no amount|more than|without zone"):
        async with tables.work() as work:
            await insert_new(work.connection, THINGS, [thing("x", **wrong)], key=("name",))
    assert await rows(tables) == []


async def test_rows_of_different_shape_and_columns_of_unknown_type_are_refused(tables: Database) -> None:
    async with tables.work() as work:
        with pytest.raises(ValueError, match="same columns"):
            await append(work.connection, THINGS, [thing("x"), thing("y", note="more")])
        if not tables.is_sqlite:
            with pytest.raises(TypeError, match=r"test_timed\.level"):
                await append(work.connection, TIMED, [{"at": NOON, "level": 1.0}])


async def test_no_rows_are_no_statement(tables: Database) -> None:
    async with tables.work() as work:
        await append(work.connection, THINGS, [])
        assert await insert_new(work.connection, THINGS, [], key=("name",)) == set()
        assert await upsert(work.connection, THINGS, [], key=("name",), update=("number",)) == set()
        await update_unlocked(work.connection, THINGS, [], key="name", only_if="revision", update=("note",))
        await delete_keys(work.connection, THINGS, "name", [])


async def test_append_and_numbered_inserts_keep_the_order_given(tables: Database) -> None:
    names = [f"n{number * 7919 % 1000}" for number in range(1000)]
    async with tables.work() as work:
        await append(work.connection, NUMBERED, [{"name": name} for name in names[:500]])
        await insert_new(work.connection, NUMBERED, [{"name": name} for name in names[500:]], key=("name",))
        found = await work.connection.execute(select(NUMBERED.c.name).order_by(NUMBERED.c.id))
        assert [row[0] for row in found] == names


async def test_keys_that_are_times_come_back_as_times(tables: Database) -> None:
    async with tables.work() as work:
        assert await insert_new(work.connection, TIMED, [{"at": NOON}], key=("at",)) == {(NOON,)}


@pytest.mark.parametrize("update", [update_unlocked, update_if_free])
async def test_update_unlocked_leaves_rows_that_have_changed(tables: Database, update: Update) -> None:
    async with tables.work() as work:
        await insert_new(work.connection, THINGS, [thing("a"), thing("b", revision=2)][:1], key=("name",))
        await insert_new(work.connection, THINGS, [thing("b", revision=2)], key=("name",))
    async with tables.work() as work:
        made = [{"name": name, "revision": 1, "note": "made"} for name in ("a", "b", "gone")]
        await update(work.connection, THINGS, made, key="name", only_if="revision", update=("note",))
    assert [row[5] for row in await rows(tables)] == ["made", "unsaid"]


@pytest.mark.parametrize("update", [update_unlocked, update_if_free])
async def test_update_unlocked_passes_over_rows_in_other_hands(tables: Database, update: Update) -> None:
    if tables.is_sqlite:
        pytest.skip("SQLite has one writer")
    async with tables.work() as work:
        await insert_new(work.connection, THINGS, [thing("a"), thing("b")], key=("name",))
    made = [{"name": name, "revision": 1, "note": "made"} for name in ("a", "b")]
    async with tables.engine.begin() as other:
        await other.execute(select(THINGS.c.name).where(THINGS.c.name == "a").with_for_update())
        async with tables.work() as work:
            await update(work.connection, THINGS, made, key="name", only_if="revision", update=("note",))
    assert [row[5] for row in await rows(tables)] == ["unsaid", "made"]


async def test_rows_that_are_held_are_updated_by_values_and_by_assignments(tables: Database) -> None:
    later = NOON + timedelta(hours=1)
    async with tables.work() as work:
        await insert_new(work.connection, THINGS, [thing(name, number=5) for name in "abc"], key=("name",))
    async with tables.work() as work:
        changes = [
            {"at": later, "number": 2, "cost": Decimal("0.000001"), "name": "a", "is_on": False},
            {"at": None, "number": 3, "cost": None, "name": "c", "is_on": None},
            {"at": later, "number": 4, "cost": None, "name": "gone", "is_on": True},
        ]
        update = ("at", "cost", "is_on", "number = t.number * 10 + n.number", "note = 'n'")
        await update_held(work.connection, THINGS, changes, key="name", update=update)
    assert await rows(tables) == [
        ("a", 52, False, later, Decimal("0.000001"), "n", 1),
        ("b", 5, True, NOON, Decimal("1.5"), "unsaid", 1),
        ("c", 53, None, None, None, "n", 1),
    ]


async def test_delete_keys(tables: Database) -> None:
    async with tables.work() as work:
        await insert_new(
            work.connection, THINGS, [thing(name, number=i) for i, name in enumerate("abc")], key=("name",)
        )
    async with tables.work() as work:
        await delete_keys(work.connection, THINGS, "name", ["a", "zz"])
        await delete_keys(work.connection, THINGS, "number", [2])
    assert [row[0] for row in await rows(tables)] == ["b"]
