"""Whose session a charge becomes."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest

from contracts.messages import TokenOwner
from contracts.vocabulary import AuthorizationStatus
from roaming.model.identifiers import PartyId
from roaming.modules.sessions.course import Course, Start
from roaming.modules.sessions.opening import Unplaced, find_setting, session_id_of
from roaming.modules.sessions.repository import Transaction
from roaming.partners.directory import Directory
from roaming.partners.drivers import Driver, remember
from roaming.partners.registry import agree
from roaming.stations.bindings import Binding, bind
from roaming.store.database import Database
from tests.kit.envelopes import NOON

CPO, FIRST, SECOND = PartyId("NL", "HUB"), PartyId("BE", "EMS"), PartyId("FR", "EMS")
DRIVER = Driver(
    uid="04AB",
    owner=FIRST,
    type="RFID",
    contract_id="BE-EMS-C1",
    group_id=None,
    whitelist="ALWAYS",
    is_valid=True,
    source="emsp",
    used_at=NOON,
)


@pytest.fixture
async def database(database: Database) -> Database:
    """Two eMSPs have given one uid out; the second one's driver was let in last."""
    async with database.work() as work:
        for driver in (DRIVER, replace(DRIVER, owner=SECOND, contract_id="FR-EMS-C1", used_at=NOON + timedelta(1))):
            await remember(work, driver, is_used=True)
            await agree(work, cpo=CPO, emsp=driver.owner)
        await bind(
            work,
            [
                Binding(
                    network="demo",
                    station_id="CS-1",
                    connector_id=1,
                    party=CPO,
                    location_id="PIER",
                    evse_uid="CS-1",
                    evse_connector_id="1",
                )
            ],
        )
    return database


@pytest.mark.parametrize(
    ("owner", "contract_id"),
    [
        (DRIVER.token_owner(), "BE-EMS-C1"),
        (TokenOwner(country_code="fr", party_id="ems", token_type="RFID"), "FR-EMS-C1"),
        (None, "FR-EMS-C1"),
        (TokenOwner(country_code="DE", party_id="ABC", token_type="RFID"), None),
    ],
    ids=["first", "second", "nobody says", "nobody knows"],
)
async def test_the_session_is_whose_token_was_accepted(
    database: Database, owner: TokenOwner | None, contract_id: str | None
) -> None:
    start = Start(
        connector_id=1,
        token_uid="04ab",
        at=NOON,
        register_wh=Decimal(0),
        authorization=AuthorizationStatus.ACCEPTED,
        owner=owner,
    )
    transaction = Transaction(
        key=("demo", "CS-1", "7"),
        state="OPEN",
        session_key="",
        close_at=None,
        pushed_at=None,
        course=Course(start=start),
    )
    async with database.reading() as connection:
        if contract_id is None:
            with pytest.raises(Unplaced, match="no eMSP has told of the token"):
                await find_setting(connection, transaction, Directory(revision=0))
        else:
            assert (await find_setting(connection, transaction, Directory(revision=0))).token.contract_id == contract_id


def test_no_two_charges_have_one_session_id() -> None:
    """Whoever limits charges names a session by its id alone (ocpi/ocpi#405): operators here share one space of ids,
    whatever number their stations give."""
    start = Start(
        connector_id=1,
        token_uid="04ab",
        at=NOON,
        register_wh=Decimal(0),
        authorization=AuthorizationStatus.ACCEPTED,
    )
    begun = [start, msgspec.structs.replace(start, at=NOON + timedelta(seconds=1))]
    keys = [("demo", "CS-1", "7"), ("demo", "CS-2", "7"), ("main", "CS-1", "7"), ("demo", "CS-1", "8")]
    charges = [
        Transaction(key=key, state="OPEN", session_key="", close_at=None, pushed_at=None, course=Course(start=each))
        for key in keys
        for each in begun
    ]
    ids = {session_id_of(charge) for charge in charges}
    assert len(ids) == len(charges)
    assert all(len(id) <= 36 for id in ids)
