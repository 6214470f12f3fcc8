"""Which driver stands behind a token uid."""

from dataclasses import replace
from datetime import timedelta

import pytest

from roaming.model.identifiers import PartyId
from roaming.partners.drivers import Driver, find_driver, find_drivers, remember, touch_driver
from roaming.store.database import Database
from tests.kit.envelopes import NOON

DRIVER = Driver(
    uid="04aB",
    owner=PartyId("BE", "EMS"),
    type="RFID",
    contract_id="BE-EMS-C1",
    group_id=None,
    whitelist="ALLOWED",
    is_valid=True,
    source="emsp",
    used_at=NOON,
)


@pytest.fixture
async def database(database: Database) -> Database:
    async with database.work() as work:
        await remember(work, DRIVER)
    return database


async def test_uids_compare_without_case_and_keep_their_spelling(database: Database) -> None:
    assert await find_drivers(database, "04AB") == [DRIVER]
    async with database.reading() as connection:
        assert await find_driver(connection, "04ab") == DRIVER
        assert await find_driver(connection, "05") is None
    assert await find_drivers(database, "05") == []


async def test_what_is_learnt_later_counts(database: Database) -> None:
    changed = replace(DRIVER, uid="04AB", is_valid=False, group_id="g", used_at=NOON + timedelta(seconds=1))
    async with database.work() as work:
        await remember(work, changed)
    assert await find_drivers(database, "04ab") == [changed]


async def test_of_several_drivers_with_one_uid_the_last_authorised_is_first(database: Database) -> None:
    other = replace(DRIVER, owner=PartyId("FR", "EMS"), used_at=NOON + timedelta(minutes=1))
    async with database.work() as work:
        await remember(work, other)
    assert [driver.owner for driver in await find_drivers(database, "04AB")] == [other.owner, DRIVER.owner]
    async with database.work() as work:
        await touch_driver(work, DRIVER)
    async with database.reading() as connection:
        found = await find_driver(connection, "04AB")
    assert found is not None
    assert found.owner == DRIVER.owner


async def test_the_cdr_token_names_the_owner(database: Database) -> None:
    token = DRIVER.cdr_token()
    assert (token.country_code, token.party_id, token.uid, token.contract_id) == ("BE", "EMS", "04aB", "BE-EMS-C1")
