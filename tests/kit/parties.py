"""Partners, hosted parties and agreements, for tests that need some."""

from collections.abc import Sequence

from roaming.model.identifiers import PartyId
from roaming.model.party import InterfaceRole
from roaming.partners.directory import Directory, DirectoryCache, Endpoint, PartyRole
from roaming.partners.registry import add_partner, connect_partner
from roaming.store.database import Database

HOSTED_CPO = PartyId("NL", "TNM")
HOSTED_EMSP = PartyId("NL", "EMS")
FOREIGN_CPO = PartyId("DE", "CPO")
FOREIGN_EMSP = PartyId("BE", "EMS")


async def directory_of(database: Database) -> Directory:
    """The directory of now, read afresh."""
    return await DirectoryCache(database).current()


async def a_connected_partner(
    database: Database,
    id: str,
    roles: Sequence[tuple[PartyId, str]],
    *,
    allowed: Sequence[PartyId] = (),
    is_agreeing: bool = True,
    modules: Sequence[str] = ("locations", "tokens"),
) -> None:
    """A partner that has gone through the handshake."""
    async with database.work() as work:
        await add_partner(work, id=id, name=id.title(), allowed_parties=allowed, is_agreeing=is_agreeing)
    await reconnect(database, id, roles, modules=modules)


async def reconnect(
    database: Database, id: str, roles: Sequence[tuple[PartyId, str]], *, modules: Sequence[str] = ("locations",)
) -> None:
    """The partner's (next) handshake."""
    directory = await directory_of(database)
    async with database.work() as work:
        await connect_partner(
            work,
            directory,
            directory.partners[id],
            version="2.2.1",
            versions_url=f"https://{id}.example/ocpi/versions",
            endpoints=[
                Endpoint(module=module, role=role, url=f"https://{id}.example/ocpi/2.2.1/{role.lower()}/{module}")
                for module in modules
                for role in InterfaceRole
            ],
            roles=[PartyRole(party=party, role=role, name=str(party)) for party, role in roles],
            sealed_token=f"sealed-{id}",
        )
