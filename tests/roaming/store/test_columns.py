"""Times and amounts come back as they went, on both databases and through every way in."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, Integer, MetaData, String, Table, func, select
from sqlalchemy.exc import StatementError

from roaming.model.time import format_timestamp
from roaming.store.bulk import upsert
from roaming.store.columns import (
    MAX_EXACT,
    Exact,
    UtcDateTime,
    exact_to_millionths,
    millionths_to_exact,
    storable_text,
    text_to_time,
    time_to_text,
)
from roaming.store.database import Database

METADATA = MetaData()
VALUES = Table(
    "test_values",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("amount", Exact),
    Column("at", UtcDateTime),
    Column("text", String),
)
ON_BOTH = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

amounts = st.integers(-(9 * 10**18), 9 * 10**18).map(lambda n: Decimal(n).scaleb(-6))
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
# A day off both ends: a zone must not move them out of the years that datetime has
times = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=zones)


@pytest.fixture
async def values(database: Database) -> Database:
    async with database.engine.begin() as connection:
        await connection.run_sync(METADATA.create_all)
    return database


@ON_BOTH
@given(st.lists(amounts, min_size=1, max_size=5), st.sampled_from(["bulk", "core"]))
@example([Decimal("12345678.123456"), Decimal("0.1"), Decimal("0.2")], "core")
@example([Decimal("-0.000001"), Decimal("1E+3"), Decimal("8999999999999.999999")], "bulk")
async def test_amounts_are_exact_and_so_are_their_sums(values: Database, given: list[Decimal], way: str) -> None:
    rows = [{"id": number, "amount": amount, "at": None, "text": None} for number, amount in enumerate(given)]
    async with values.work() as work:
        await work.connection.execute(VALUES.delete())
        if way == "bulk":
            await upsert(work.connection, VALUES, rows, key=("id",), update=("amount",))
        else:
            await work.connection.execute(VALUES.insert(), rows)
    async with values.reading() as connection:
        found = (await connection.execute(select(VALUES.c.amount).order_by(VALUES.c.id))).scalars().all()
        above = (await connection.execute(select(func.count()).where(given[0] <= VALUES.c.amount))).scalar_one()
        if all(abs(amount) < 10**12 for amount in given):  # a sum beyond 64 bits is an error on SQLite, not a float
            assert (await connection.execute(select(func.sum(VALUES.c.amount)))).scalar_one() == sum(given)
    assert found == given
    assert above == sum(amount >= given[0] for amount in given)


@ON_BOTH
@given(st.lists(times, min_size=1, max_size=5), st.sampled_from(["bulk", "core"]))
@example([datetime(999, 1, 1, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC)], "bulk")
@example([datetime(2026, 3, 29, 1, 0, 0, 1, tzinfo=UTC), datetime(2026, 3, 29, 1, tzinfo=UTC)], "core")
async def test_times_are_utc_to_the_microsecond_and_sort(values: Database, given: list[datetime], way: str) -> None:
    rows = [{"id": number, "amount": None, "at": at, "text": None} for number, at in enumerate(given)]
    async with values.work() as work:
        await work.connection.execute(VALUES.delete())
        if way == "bulk":
            await upsert(work.connection, VALUES, rows, key=("id",), update=("at",))
        else:
            await work.connection.execute(VALUES.insert(), rows)
    async with values.reading() as connection:
        found = (await connection.execute(select(VALUES.c.at).order_by(VALUES.c.id))).scalars().all()
    assert found == given
    assert all(at is not None and at.utcoffset() == timedelta(0) for at in found)
    ordered = await values.reader.fetch("SELECT at FROM test_values WHERE at >= $1 ORDER BY at", given[0])
    assert [text_to_time(at) for (at,) in ordered] == sorted(at for at in given if at >= given[0])


@given(times, times)
def test_texts_of_times_sort_as_the_times_do(one: datetime, other: datetime) -> None:
    assert text_to_time(time_to_text(one)) == one
    assert (time_to_text(one) < time_to_text(other)) == (one < other)


@given(times)
@example(datetime(1, 1, 2, tzinfo=UTC))
@example(datetime(999, 12, 31, 23, 59, 59, 120_000, tzinfo=UTC))
@example(datetime(2026, 1, 31, 12, microsecond=1, tzinfo=UTC))
def test_a_time_is_written_as_python_writes_it(time: datetime) -> None:
    written = time.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00")
    assert time_to_text(time) == written + "Z"
    assert format_timestamp(time, is_fraction_allowed=False) == written[:19] + "Z"
    assert format_timestamp(time) == written[: 23 if time.microsecond >= 1000 else 19] + "Z"


@given(amounts)
def test_millionths_and_back(amount: Decimal) -> None:
    assert millionths_to_exact(exact_to_millionths(amount)) == amount


@pytest.mark.parametrize("amount", ["0.0000001", "NaN", "-Infinity", "sNaN", "9000000000000.000001", "1E+999999"])
async def test_what_would_have_to_be_rounded_is_refused(values: Database, amount: str) -> None:
    with pytest.raises(StatementError, match=r"decimals|no amount|more than"):
        async with values.work() as work:
            await work.connection.execute(VALUES.insert().values(id=1, amount=Decimal(amount)))


async def test_the_largest_amount_fits(values: Database) -> None:
    async with values.work() as work:
        await work.connection.execute(VALUES.insert().values(id=1, amount=MAX_EXACT))
        await work.connection.execute(VALUES.insert().values(id=2, amount=-MAX_EXACT))


async def test_a_time_without_zone_is_refused(values: Database) -> None:
    with pytest.raises(StatementError, match="without zone"):
        async with values.work() as work:
            await work.connection.execute(VALUES.insert().values(id=1, at=datetime(2026, 11, 23)))


@ON_BOTH
@given(st.text(alphabet=st.characters(codec=None), max_size=20))
@example("\x00\ud800 ok \udfff\U0001f697")
async def test_text_made_storable_can_be_stored(values: Database, text: str) -> None:
    kept = storable_text(text)
    async with values.work() as work:
        await work.connection.execute(VALUES.delete())
        row = {"id": 1, "amount": None, "at": None, "text": kept}
        await upsert(work.connection, VALUES, [row], key=("id",), update=("text",))
    assert (await values.reader.fetch("SELECT text FROM test_values"))[0][0] == kept
    if "\x00" not in text and text.isprintable():
        assert kept == text
