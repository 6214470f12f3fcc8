"""Changing the directory: claims, agreements, tokens."""

import asyncio
from datetime import datetime, timedelta

import pytest

from contracts.messages import OperatorAgreementsChanged
from roaming.model.identifiers import PartyId
from roaming.model.party import Role
from roaming.partners.directory import HUB
from roaming.partners.registry import (
    GRACE,
    PartyTaken,
    add_partner,
    agree,
    allow_parties,
    allow_token,
    disconnect_partner,
    drop_token,
    find_token_owner,
    host_party,
    learn_behind,
    retire_registration,
    retire_tokens,
)
from roaming.store.columns import text_to_time
from roaming.store.database import Database
from tests.kit import outbox
from tests.kit.parties import (
    FOREIGN_CPO,
    FOREIGN_EMSP,
    HOSTED_CPO,
    HOSTED_EMSP,
    a_connected_partner,
    directory_of,
    reconnect,
)


async def tokens(database: Database) -> dict[str, datetime | None]:
    rows = await database.reader.fetch("SELECT digest, valid_until FROM credentials_tokens ORDER BY digest")
    return {row[0]: text_to_time(row[1]) if row[1] is not None else None for row in rows}


class TestClaims:
    async def test_an_id_is_given_once(self, database: Database) -> None:
        async with database.work() as work:
            assert await add_partner(work, id="emsp", name="One")
            assert not await add_partner(work, id="emsp", name="Two")
        assert (await directory_of(database)).partners["emsp"].name == "One"

    async def test_a_hosted_party_cannot_be_claimed(self, database: Database) -> None:
        async with database.work() as work:
            await host_party(work, HOSTED_CPO, Role.CPO, name="Ours")
        with pytest.raises(PartyTaken, match="NL-TNM is hosted"):
            await a_connected_partner(database, "thief", [(HOSTED_CPO, Role.EMSP)])
        assert (await directory_of(database)).partners["thief"].state == "PLANNED"

    async def test_nor_one_of_another_platform(self, database: Database) -> None:
        await a_connected_partner(database, "first", [(FOREIGN_EMSP, Role.EMSP)])
        with pytest.raises(PartyTaken, match="BE-EMS is connected through another platform"):
            await a_connected_partner(database, "second", [(FOREIGN_EMSP, Role.EMSP)])

    async def test_nor_one_outside_of_those_agreed(self, database: Database) -> None:
        with pytest.raises(PartyTaken, match="DE-CPO is not among"):
            await a_connected_partner(database, "p", [(FOREIGN_CPO, Role.CPO)], allowed=[FOREIGN_EMSP])
        await reconnect(database, "p", [(FOREIGN_EMSP, Role.EMSP)])

    async def test_nor_one_that_is_named_for_a_platform_yet_to_come(self, database: Database) -> None:
        async with database.work() as work:
            await add_partner(work, id="later", name="Later", allowed_parties=[FOREIGN_EMSP])
        with pytest.raises(PartyTaken, match="BE-EMS is agreed on with another platform"):
            await a_connected_partner(database, "first", [(FOREIGN_EMSP, Role.EMSP)])
        await reconnect(database, "later", [(FOREIGN_EMSP, Role.EMSP)])

    async def test_a_hub_brings_all_but_what_is_named_for_others(self, database: Database) -> None:
        async with database.work() as work:
            await add_partner(work, id="later", name="Later", allowed_parties=[FOREIGN_EMSP])
        listed = [(PartyId("SE", "HUB"), HUB), (FOREIGN_EMSP, Role.EMSP), (FOREIGN_CPO, Role.CPO)]
        await a_connected_partner(database, "hub", listed)
        hub = (await directory_of(database)).partners["hub"]
        assert hub.parties() == (PartyId("SE", "HUB"), FOREIGN_CPO)
        async with database.work() as work:
            assert not await learn_behind(work, hub, FOREIGN_EMSP, Role.EMSP, hub_party=None)
            third = PartyId("SE", "NEW")
            assert await learn_behind(work, hub, third, Role.EMSP, hub_party=None)

    async def test_a_hub_with_named_parties_brings_these_alone(self, database: Database) -> None:
        listed = [(PartyId("SE", "HUB"), HUB), (FOREIGN_CPO, Role.CPO)]
        await a_connected_partner(database, "hub", listed)
        async with database.work() as work:
            named = await allow_parties(work, "hub", [FOREIGN_EMSP])
        assert named == {PartyId("SE", "HUB"), FOREIGN_CPO, FOREIGN_EMSP}
        hub = (await directory_of(database)).partners["hub"]
        async with database.work() as work:
            assert await learn_behind(work, hub, FOREIGN_EMSP, Role.EMSP, hub_party=None)
            assert not await learn_behind(work, hub, PartyId("SE", "NEW"), Role.EMSP, hub_party=None)

    async def test_a_party_named_later_leaves_the_hub_at_its_next_registration(self, database: Database) -> None:
        listed = [(PartyId("SE", "HUB"), HUB), (FOREIGN_CPO, Role.CPO)]
        await a_connected_partner(database, "hub", listed)
        async with database.work() as work:
            await add_partner(work, id="later", name="Later", allowed_parties=[FOREIGN_CPO])
        await reconnect(database, "hub", listed)
        assert (await directory_of(database)).partners["hub"].parties() == (PartyId("SE", "HUB"),)
        await reconnect(database, "later", [(FOREIGN_CPO, Role.CPO)])

    async def test_of_two_at_the_same_moment_one_gets_it(self, database: Database) -> None:
        async with database.work() as work:
            for id in ("one", "two"):
                await add_partner(work, id=id, name=id)
        outcomes = await asyncio.gather(
            *(reconnect(database, id, [(FOREIGN_EMSP, Role.EMSP)]) for id in ("one", "two")), return_exceptions=True
        )
        assert sorted(type(outcome) for outcome in outcomes if outcome is not None) == [PartyTaken]
        partners = (await directory_of(database)).partners.values()
        assert sum(FOREIGN_EMSP in partner.parties() for partner in partners) == 1

    async def test_a_renewal_may_change_roles(self, database: Database) -> None:
        await a_connected_partner(database, "p", [(FOREIGN_EMSP, Role.EMSP)])
        await reconnect(database, "p", [(FOREIGN_EMSP, Role.EMSP), (FOREIGN_CPO, Role.CPO)])
        assert (await directory_of(database)).partners["p"].parties() == (FOREIGN_EMSP, FOREIGN_CPO)

    async def test_hosting_again_changes_the_name(self, database: Database) -> None:
        async with database.work() as work:
            await host_party(work, HOSTED_CPO, Role.CPO, name="Old")
            await host_party(work, HOSTED_CPO, Role.CPO, name="New", website="https://new.example")
        (role,) = (await directory_of(database)).hosted
        assert (role.name, role.website) == ("New", "https://new.example")


class TestAgreements:
    async def test_registering_agrees_with_hosted_parties_of_the_other_role(self, database: Database) -> None:
        async with database.work() as work:
            await host_party(work, HOSTED_CPO, Role.CPO, name="CPO")
            await host_party(work, HOSTED_EMSP, Role.EMSP, name="eMSP")
        await a_connected_partner(database, "both", [(FOREIGN_EMSP, Role.EMSP), (FOREIGN_CPO, Role.CPO)])
        assert (await directory_of(database)).agreements == {(HOSTED_CPO, FOREIGN_EMSP), (FOREIGN_CPO, HOSTED_EMSP)}

    async def test_one_that_was_ended_is_not_made_again_by_a_renewal(self, database: Database) -> None:
        async with database.work() as work:
            await host_party(work, HOSTED_CPO, Role.CPO, name="CPO")
        await a_connected_partner(database, "emsp", [(FOREIGN_EMSP, Role.EMSP)])
        async with database.work() as work:
            await agree(work, cpo=HOSTED_CPO, emsp=FOREIGN_EMSP, is_active=False)
        await reconnect(database, "emsp", [(FOREIGN_EMSP, Role.EMSP)])
        assert (await directory_of(database)).agreements == frozenset()

    async def test_adapters_are_told_whose_drivers_may_charge_with_a_hosted_cpo(self, database: Database) -> None:
        async with database.work() as work:
            await host_party(work, HOSTED_CPO, Role.CPO, name="CPO")
            await host_party(work, HOSTED_EMSP, Role.EMSP, name="eMSP")
        roles = [(FOREIGN_EMSP, Role.EMSP), (FOREIGN_CPO, Role.CPO)]
        await a_connected_partner(database, "both", roles)
        await reconnect(database, "both", roles)
        async with database.work() as work:
            await agree(work, cpo=HOSTED_CPO, emsp=HOSTED_EMSP)
        async with database.work() as work:
            await agree(work, cpo=HOSTED_CPO, emsp=FOREIGN_EMSP, is_active=False)
        told = await outbox.waiting(database, OperatorAgreementsChanged)
        assert {(subject, message.operator) for subject, message in told} == {
            (f"agreements/{HOSTED_CPO}", str(HOSTED_CPO))
        }
        assert [message.emsps for _, message in told] == [
            (str(FOREIGN_EMSP),),
            tuple(sorted((str(FOREIGN_EMSP), str(HOSTED_EMSP)))),
            (str(HOSTED_EMSP),),
        ]

    async def test_a_partner_that_agrees_by_hand(self, database: Database) -> None:
        async with database.work() as work:
            await host_party(work, HOSTED_CPO, Role.CPO, name="CPO")
        await a_connected_partner(database, "emsp", [(FOREIGN_EMSP, Role.EMSP)], is_agreeing=False)
        assert (await directory_of(database)).agreements == frozenset()


class TestTokens:
    @pytest.fixture
    async def database(self, database: Database) -> Database:
        async with database.work() as work:
            await add_partner(work, id="p", name="P")
            for digest, is_registration in (("a", True), ("b", False), ("c", False)):
                await allow_token(work, partner_id="p", digest=digest, is_registration=is_registration)
            await allow_token(work, partner_id="other", digest="x", is_registration=False)
        return database

    async def test_retiring_ends_all_but_those_kept(self, database: Database) -> None:
        async with database.work() as work:
            await retire_tokens(work, partner_id="p", keep=["c"])
        assert await tokens(database) == {"c": None, "x": None}

    async def test_with_grace_they_are_good_a_little_longer(self, database: Database) -> None:
        async with database.work() as work:
            await retire_tokens(work, partner_id="p", keep=["c"], grace=GRACE)
            until = work.now + GRACE
        assert await tokens(database) == {"a": until, "b": until, "c": None, "x": None}

    async def test_a_second_grace_does_not_make_them_live_longer(self, database: Database) -> None:
        async with database.work() as work:
            await retire_tokens(work, partner_id="p", grace=timedelta(minutes=1))
            until = work.now + timedelta(minutes=1)
        async with database.work() as work:
            await retire_tokens(work, partner_id="p", grace=GRACE)
        assert (await tokens(database))["a"] == until

    async def test_disconnecting_ends_every_token_at_once(self, database: Database) -> None:
        async with database.work() as work:
            await retire_tokens(work, partner_id="p", grace=GRACE)
            await disconnect_partner(work, "p")
        assert await tokens(database) == {"x": None}

    async def test_one_token_and_a_finished_registration(self, database: Database) -> None:
        async with database.work() as work:
            await drop_token(work, "b")
            await retire_registration(work, "p")
        assert await tokens(database) == {"a": None, "c": None, "x": None}, "still in use"
        async with database.work() as work:
            await retire_tokens(work, partner_id="p", keep=["c"], grace=GRACE)
            await retire_registration(work, "p")
        assert await tokens(database) == {"c": None, "x": None}

    async def test_a_digest_belongs_to_one_partner(self, database: Database) -> None:
        async with database.work() as work:
            await allow_token(work, partner_id="p", digest="x", is_registration=False)
            assert await find_token_owner(work, "x") == "other"
            assert await find_token_owner(work, "unknown") is None


def test_parties_are_written_as_they_are_read() -> None:
    assert PartyId.parse(str(FOREIGN_CPO)) == FOREIGN_CPO
