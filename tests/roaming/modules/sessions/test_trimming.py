"""The readings of charges that are over go after a while, and nothing else of a charge does."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from roaming.model.signed_records import SignedRecord
from roaming.modules.sessions import repository
from roaming.modules.sessions.course import Course, Start
from roaming.modules.sessions.model import TransactionState
from roaming.modules.sessions.repository import Transaction
from roaming.modules.sessions.trimming import TRIMMINGS
from roaming.store.database import Database
from roaming.store.locks import locks_of
from roaming.store.trimming import Trimmer
from tests.roaming.modules.sessions.charges import ended, hub_with_station, let_pass, metered, started, states, tell

NOW = datetime.now(UTC).replace(microsecond=0)
OLD, YOUNG = NOW - timedelta(days=401), NOW - timedelta(days=399)
COURSE = Course(
    start=Start(connector_id=1, token_uid="04", at=OLD, register_wh=Decimal(1000), authorization="ACCEPTED"),
    signed=(SignedRecord(at=OLD, context="BEGIN", data="kept"),),
)


async def charge(database: Database, name: str, state: TransactionState, close_at: datetime | None) -> None:
    """A transaction with two readings."""
    key = ("main", "CS-1", name)
    entry = Transaction(key=key, state=state, session_key="", close_at=close_at, pushed_at=None, course=COURSE)
    readings = [(OLD + timedelta(minutes=minute), Decimal(1000 + minute), None) for minute in (1, 2)]
    async with database.work() as work:
        await repository.save_transactions(work.connection, [entry])
        await repository.add_readings(work.connection, {key: readings})


async def trim(database: Database) -> dict[str, int]:
    return await Trimmer(database, TRIMMINGS, locks_of(database), days={"reading": 400}).trim()


async def test_only_readings_of_charges_long_over_go(database: Database) -> None:
    await charge(database, "closed", TransactionState.CLOSED, OLD)
    await charge(database, "refused", TransactionState.REFUSED, OLD)
    await charge(database, "given up", TransactionState.GIVEN_UP, None)
    await charge(database, "closed of late", TransactionState.CLOSED, YOUNG)
    await charge(database, "cannot be closed", TransactionState.ENDING, OLD)
    await charge(database, "open", TransactionState.OPEN, None)
    assert await trim(database) == {"readings of charges": 2}
    left = await database.reader.fetch(
        "SELECT transaction_id, COUNT(*) FROM transaction_readings GROUP BY 1 ORDER BY 1"
    )
    assert [tuple(row) for row in left] == [
        ("cannot be closed", 2),
        ("closed of late", 2),
        ("given up", 2),
        ("open", 2),
    ]


async def test_the_course_of_the_charge_stays_and_is_looked_at_once(database: Database) -> None:
    await charge(database, "closed", TransactionState.CLOSED, OLD)
    assert await trim(database) == {"readings of charges": 1}
    async with database.work() as work:
        key = ("main", "CS-1", "closed")
        entry = (await repository.load_transactions(work.connection, [key]))[key]
        assert (entry.state, entry.course) == (TransactionState.CLOSED, COURSE)
    assert await trim(database) == {}


async def test_however_many_charges_are_over(database: Database) -> None:
    for number in range(2 * TRIMMINGS[0].at_once + 1):
        await charge(database, f"{number}", TransactionState.CLOSED, OLD)
    assert await trim(database) == {"readings of charges": 2 * TRIMMINGS[0].at_once + 1}
    assert (await database.reader.fetch("SELECT COUNT(*) FROM transaction_readings"))[0][0] == 0


async def test_what_never_began_is_kept_as_long_as_it_may_still_begin(database: Database) -> None:
    await charge(database, "new", TransactionState.NEW, OLD)
    await charge(database, "orphan", TransactionState.ORPHAN, OLD)
    await charge(database, "new of late", TransactionState.NEW, YOUNG)
    await charge(database, "orphan of late", TransactionState.ORPHAN, YOUNG)
    assert await trim(database) == {"readings of charges": 2}
    left = await database.reader.fetch("SELECT DISTINCT transaction_id FROM transaction_readings ORDER BY 1")
    assert [row[0] for row in left] == ["new of late", "orphan of late"]
    kept = await database.reader.fetch("SELECT transaction_id FROM transactions ORDER BY 1")
    assert [row[0] for row in kept] == ["new of late", "orphan", "orphan of late"]
    assert await trim(database) == {}


async def test_its_age_is_counted_from_the_first_word_of_it(database_url: str, tmp_path: Path) -> None:
    """Whatever its station's clock says: readings of a year ago may be of a charge of now."""
    async with hub_with_station(database_url, tmp_path) as hub:
        long_ago = -600_000.0
        await tell(hub, metered("nothing else", long_ago, 4000), ended("no start", 60, 5000))
        await tell(hub, metered("late start", long_ago + 30, 4000))
        rows = await hub.services.database.reader.fetch("SELECT close_at IS NULL FROM transactions")
        assert [bool(row[0]) for row in rows] == [False, False, False]
        assert await trim(hub.services.database) == {}
        await tell(hub, started("late start", long_ago))
        assert await states(hub) == {"nothing else": "NEW", "no start": "ORPHAN", "late start": "OPEN"}
        await tell(hub, ended("late start", long_ago + 60, 5000))
        await let_pass(hub)
        assert (await states(hub))["late start"] == "CLOSED"
