"""Which driver stands behind a token uid."""

from dataclasses import replace
from datetime import timedelta

import pytest

from roaming.model.identifiers import PartyId
from roaming.partners.drivers import (
    Driver,
    driver_with_contract,
    find_driver,
    find_drivers,
    issuer_of,
    remember,
    touch_driver,
)
from roaming.partners.registry import agree
from roaming.store.database import Database
from tests.kit.envelopes import NOON

CPO = PartyId("NL", "CPO")
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
        await agree(work, cpo=CPO, emsp=DRIVER.owner)
    return database


async def test_uids_compare_without_case_and_keep_their_spelling(database: Database) -> None:
    assert await find_drivers(database, "04AB") == [DRIVER]
    async with database.reading() as connection:
        assert await find_driver(connection, "04ab", cpo=CPO) == DRIVER
        assert await find_driver(connection, "05", cpo=CPO) is None
    assert await find_drivers(database, "05") == []


async def test_what_is_learnt_later_counts(database: Database) -> None:
    changed = replace(
        DRIVER,
        uid="04AB",
        is_valid=False,
        group_id="g",
        default_profile_type="FAST",
        used_at=NOON + timedelta(seconds=1),
    )
    async with database.work() as work:
        await remember(work, changed)
    assert await find_drivers(database, "04ab") == [replace(changed, used_at=NOON)]


async def test_of_several_drivers_with_one_uid_the_last_authorised_is_first(database: Database) -> None:
    other = replace(DRIVER, owner=PartyId("FR", "EMS"), used_at=NOON + timedelta(minutes=1))
    async with database.work() as work:
        await remember(work, other, is_used=True)
        await agree(work, cpo=CPO, emsp=other.owner)
    assert [driver.owner for driver in await find_drivers(database, "04AB")] == [other.owner, DRIVER.owner]
    async with database.work() as work:
        await touch_driver(work, DRIVER)
    async with database.reading() as connection:
        found = await find_driver(connection, "04AB", cpo=CPO)
    assert found is not None
    assert found.owner == DRIVER.owner


async def test_a_pushed_token_does_not_outweigh_an_authorised_one(database: Database) -> None:
    async with database.work() as work:
        await touch_driver(work, DRIVER)
        await agree(work, cpo=CPO, emsp=PartyId("FR", "EMS"))
    pushed = replace(DRIVER, owner=PartyId("FR", "EMS"), used_at=NOON - timedelta(days=1))
    async with database.work() as work:
        await remember(work, pushed)
    async with database.work() as work:
        await remember(work, replace(pushed, used_at=NOON + timedelta(days=999)))
    async with database.reading() as connection:
        found = await find_driver(connection, "04AB", cpo=CPO)
    assert found is not None
    assert found.owner == DRIVER.owner


async def test_a_contract_that_names_its_issuer_cannot_be_claimed_by_another(database: Database) -> None:
    """2.1.1 sessions and CDRs name their driver by contract only: they must not reach whoever pushes that contract."""
    rival = PartyId("FR", "EMS")
    claimed = replace(DRIVER, owner=rival, used_at=NOON + timedelta(days=1))
    async with database.work() as work:
        await remember(work, claimed, is_used=True)
        await remember(work, replace(claimed, uid="05", contract_id="BE-EMS-C2"))
        await remember(work, replace(claimed, uid="06", contract_id="FREMSC3"))
    async with database.reading() as connection:
        for contract, owners, owner in (
            ("BE-EMS-C1", [DRIVER.owner, rival], DRIVER.owner),
            ("be-ems-c1", [rival, DRIVER.owner], DRIVER.owner),
            ("BE-EMS-C2", [DRIVER.owner, rival], None),
            ("BE-EMS-C2", [rival], rival),
            ("FREMSC3", [DRIVER.owner, rival], rival),
        ):
            found = await driver_with_contract(connection, contract, owners=owners)
            assert (found.owner if found else None) == owner, contract


@pytest.mark.parametrize(
    ("contract_id", "issuer"),
    [
        ("DE-8AA-C12345678-X", PartyId("DE", "8AA")),
        ("DE8AAC12345678X", PartyId("DE", "8AA")),
        ("de*8aa*012345*6", PartyId("DE", "8AA")),
        ("12345", None),
        ("A", None),
        ("", None),
        ("DE-8A", None),
    ],
)
def test_the_issuer_of_a_contract(contract_id: str, issuer: PartyId | None) -> None:
    assert issuer_of(contract_id) == issuer


async def test_nobody_charges_where_their_provider_has_no_agreement(database: Database) -> None:
    async with database.reading() as connection:
        assert await find_driver(connection, "04AB", cpo=PartyId("DE", "CPO")) is None


async def test_the_cdr_token_names_the_owner(database: Database) -> None:
    token = DRIVER.cdr_token()
    assert (token.country_code, token.party_id, token.uid, token.contract_id) == ("BE", "EMS", "04aB", "BE-EMS-C1")
