"""Pages of CDRs: each is on one of them, in whatever order the store has the keys."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from roaming.billing.selecting import page_of
from roaming.model.identifiers import PartyId
from roaming.modules.cdrs import repository
from roaming.store.migrate import upgrade
from tests.kit.hub_in_process import hub_in_process
from tests.kit.postgresql import Postgresql
from tests.roaming.billing.charges import END, a_cdr, a_tariff

BOTH = PartyId("FR", "CPO")
IDS = ("a_1", "A1", "a-2", "b")


@pytest.fixture
def wordy_postgresql(postgresql_server: Postgresql) -> Iterator[str]:
    """An empty database that sorts text as people do, as the usual images are made: a_1 before A1."""
    options = "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en' LOCALE 'C'"
    postgresql_server.execute(f"CREATE DATABASE wordy {options}")
    yield postgresql_server.url("wordy")
    postgresql_server.drop_database("wordy")


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 9])
async def test_pages_of_a_party_that_is_both_cpo_and_emsp(wordy_postgresql: str, tmp_path: Path, limit: int) -> None:
    """All end in one second; the party is to pay one, and what is between others is not there."""
    await upgrade(wordy_postgresql)
    async with hub_in_process(wordy_postgresql, tmp_path) as hub:
        mine = [msgspec.structs.replace(a_cdr(a_tariff(), id=id), session_id=None) for id in IDS]
        theirs = msgspec.structs.replace(mine[0], country_code="DE", party_id="AAA")
        token = msgspec.structs.replace(theirs.cdr_token, country_code=BOTH.country_code, party_id=BOTH.party_id)
        async with hub.services.database.work() as work:
            for each in (*mine, theirs, msgspec.structs.replace(theirs, id="MINE", cdr_token=token)):
                assert await repository.insert(work.connection, each, source="", now=work.now)
        found: list[str] = []
        after: tuple[datetime, str] | None = None
        while page := await page_of(hub.services, f"{END:%Y-%m}", party=BOTH, after=after, limit=limit):
            found += [entry.cdr.id for entry in page]
            after = (page[-1].cdr.end_date_time, page[-1].key)
        assert sorted(found) == sorted([*IDS, "MINE"])


async def test_a_page_begins_where_it_is_asked_for_and_not_before_the_month(sqlite_url: str, tmp_path: Path) -> None:
    """The store looks for its first row alone: the last page of a month costs what the first one does."""
    async with hub_in_process(sqlite_url, tmp_path) as hub:
        first = END.replace(day=1, hour=0, minute=0, second=0)
        ends = (first - timedelta(seconds=1), first, END)
        async with hub.services.database.work() as work:
            for number, end in enumerate(ends):
                one = msgspec.structs.replace(a_cdr(a_tariff(), id=f"C{number}"), end_date_time=end, session_id=None)
                assert await repository.insert(work.connection, one, source="", now=work.now)
        for after, ids in (
            (None, ["C1", "C2"]),
            ((ends[0] - timedelta(days=9), "x"), ["C1", "C2"]),
            ((first, ""), ["C1", "C2"]),
            ((first, "z"), ["C2"]),
        ):
            page = await page_of(hub.services, f"{END:%Y-%m}", party=None, after=after, limit=9)
            assert [entry.cdr.id for entry in page] == ids
