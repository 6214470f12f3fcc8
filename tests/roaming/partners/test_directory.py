"""Who is told of what: the questions that deliveries and lists ask the directory."""

import asyncio

import pytest

from roaming.model.identifiers import PartyId
from roaming.model.party import InterfaceRole, Role
from roaming.partners.directory import Directory, DirectoryCache, Partner, load_directory
from roaming.partners.registry import add_partner, agree, disconnect_partner, host_party, touch
from roaming.store.database import Database
from tests.kit.parties import (
    FOREIGN_CPO,
    FOREIGN_EMSP,
    HOSTED_CPO,
    HOSTED_EMSP,
    a_connected_partner,
    directory_of,
)

OTHER_EMSP = PartyId("FR", "NAV")


@pytest.fixture
async def network(database: Database) -> Database:
    """Two hosted parties, a foreign CPO, a foreign eMSP, a navigation service, one that is only planned."""
    async with database.work() as work:
        await host_party(work, HOSTED_CPO, Role.CPO, name="Hosted CPO", website="https://cpo.example")
        await host_party(work, HOSTED_EMSP, Role.EMSP, name="Hosted eMSP")
        await add_partner(work, id="planned", name="Planned")
    await a_connected_partner(database, "cpo", [(FOREIGN_CPO, Role.CPO)])
    await a_connected_partner(database, "emsp", [(FOREIGN_EMSP, Role.EMSP)])
    await a_connected_partner(database, "nsp", [(OTHER_EMSP, Role.NSP)])
    return database


def ids(found: tuple[tuple[Partner, PartyId], ...]) -> list[tuple[str, PartyId]]:
    return [(partner.id, party) for partner, party in found]


async def test_who_may_be_told_of_a_cpos_objects(network: Database) -> None:
    directory = await directory_of(network)
    assert ids(directory.takers_of(HOSTED_CPO)) == [("emsp", FOREIGN_EMSP), ("nsp", OTHER_EMSP)]
    assert ids(directory.takers_of(FOREIGN_CPO)) == [], "no agreement between the two partners was made by us"
    assert ids(directory.cpos_of(HOSTED_EMSP)) == [("cpo", FOREIGN_CPO)]
    assert ids(directory.cpos_of(FOREIGN_EMSP)) == []


async def test_what_a_partner_may_see_of_ours(network: Database) -> None:
    directory = await directory_of(network)
    partners = directory.partners
    assert directory.hosted_cpos_for(partners["emsp"]) == (HOSTED_CPO,)
    assert directory.hosted_cpos_for(partners["cpo"]) == ()
    assert directory.hosted_emsps_for(partners["cpo"]) == (HOSTED_EMSP,)
    assert directory.hosted_emsps_for(partners["emsp"]) == ()
    assert directory.hosted_cpos_for(partners["planned"]) == ()


async def test_an_ended_agreement_ends_it_all(network: Database) -> None:
    async with network.work() as work:
        await agree(work, cpo=HOSTED_CPO, emsp=FOREIGN_EMSP, is_active=False)
    directory = await directory_of(network)
    assert ids(directory.takers_of(HOSTED_CPO)) == [("nsp", OTHER_EMSP)]
    assert directory.hosted_cpos_for(directory.partners["emsp"]) == ()
    assert not directory.may_exchange(cpo=HOSTED_CPO, emsp=FOREIGN_EMSP)
    async with network.work() as work:
        await agree(work, cpo=HOSTED_CPO, emsp=FOREIGN_EMSP)
    assert (await directory_of(network)).may_exchange(cpo=HOSTED_CPO, emsp=FOREIGN_EMSP)


async def test_an_agreement_has_a_direction(network: Database) -> None:
    directory = await directory_of(network)
    assert directory.may_exchange(cpo=FOREIGN_CPO, emsp=HOSTED_EMSP)
    assert not directory.may_exchange(cpo=HOSTED_EMSP, emsp=FOREIGN_CPO)


async def test_a_suspended_partner_is_told_nothing(network: Database) -> None:
    async with network.work() as work:
        await disconnect_partner(work, "emsp")
    directory = await directory_of(network)
    assert ids(directory.takers_of(HOSTED_CPO)) == [("nsp", OTHER_EMSP)]
    assert directory.partner_of(FOREIGN_EMSP) is None
    assert directory.partners["emsp"].sealed_token == ""
    assert directory.partners["emsp"].endpoint("locations", InterfaceRole.RECEIVER) is None


async def test_who_is_behind_a_party(network: Database) -> None:
    directory = await directory_of(network)
    partner = directory.partner_of(FOREIGN_EMSP)
    assert partner is not None
    assert partner.id == "emsp"
    assert directory.partner_of(FOREIGN_EMSP, Role.CPO) is None
    assert directory.partner_of(HOSTED_CPO) is None
    assert directory.is_hosted(HOSTED_CPO)
    assert directory.is_hosted(HOSTED_CPO, Role.CPO)
    assert not directory.is_hosted(HOSTED_CPO, Role.EMSP)
    assert directory.hosted_parties() == (HOSTED_EMSP, HOSTED_CPO)
    ours, theirs = directory.party_role(HOSTED_CPO, Role.CPO), directory.party_role(FOREIGN_EMSP, Role.EMSP)
    assert ours is not None
    assert (ours.name, ours.website) == ("Hosted CPO", "https://cpo.example")
    assert theirs is not None
    assert theirs.name == "BE-EMS"
    assert directory.party_role(FOREIGN_EMSP, Role.CPO) is None


async def test_a_partner_is_read_as_it_was_written(network: Database) -> None:
    partner = (await directory_of(network)).partners["emsp"]
    assert partner.is_connected
    assert partner.version == "2.2.1"
    assert partner.connected_at is not None
    assert partner.connected_at.tzinfo is not None
    assert partner.endpoint("tokens", InterfaceRole.SENDER) == "https://emsp.example/ocpi/2.2.1/sender/tokens"
    assert partner.endpoint("cdrs", InterfaceRole.SENDER) is None
    assert partner.parties(Role.CPO) == ()
    assert partner.parties() == (FOREIGN_EMSP,)


async def test_a_platform_with_several_parties_is_told_once(database: Database) -> None:
    async with database.work() as work:
        await host_party(work, HOSTED_CPO, Role.CPO, name="Hosted")
    await a_connected_partner(database, "big", [(FOREIGN_EMSP, Role.EMSP), (OTHER_EMSP, Role.EMSP)])
    directory = await directory_of(database)
    assert ids(directory.takers_of(HOSTED_CPO)) == [("big", FOREIGN_EMSP)]


async def test_an_odd_party_does_not_take_the_directory_down(database: Database) -> None:
    odd = PartyId("NL", "T-*/")
    async with database.work() as work:
        await agree(work, cpo=odd, emsp=FOREIGN_EMSP)
        await add_partner(work, id="odd", name="Odd", allowed_parties=[odd])
    directory = await directory_of(database)
    assert directory.may_exchange(cpo=odd, emsp=FOREIGN_EMSP)
    assert directory.partners["odd"].allowed_parties == {odd}


class TestCache:
    async def test_an_empty_directory(self, database: Database) -> None:
        assert await DirectoryCache(database).current() == Directory(revision=0)

    async def test_it_is_read_once_until_the_revision_moves(self, network: Database, database_url: str) -> None:
        cache = DirectoryCache(network)
        first = await cache.current()
        assert await cache.current() is first
        assert await cache.current(known_revision=first.revision) is first
        other = await Database.open(database_url)
        async with other.work() as work:
            await host_party(work, PartyId("NL", "NEW"), Role.CPO, name="New")
        await other.close()
        second = await cache.current()
        assert second.revision > first.revision
        assert second.is_hosted(PartyId("NL", "NEW"))

    async def test_every_change_moves_the_revision(self, network: Database) -> None:
        revisions = [(await directory_of(network)).revision]
        for _ in range(2):
            async with network.work() as work:
                await touch(work)
            revisions.append((await directory_of(network)).revision)
        assert revisions == sorted(set(revisions))

    async def test_many_who_notice_at_once_read_once(self, network: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        readings = 0

        async def counted(database: Database, revision: int) -> Directory:
            nonlocal readings
            readings += 1
            return await load_directory(database, revision)

        monkeypatch.setattr("roaming.partners.directory.load_directory", counted)
        cache = DirectoryCache(network)
        found = await asyncio.gather(*(cache.current() for _ in range(20)))
        assert readings == 1
        assert all(directory is found[0] for directory in found)
