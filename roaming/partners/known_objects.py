"""Whether what a rule or a group names is there: a refusal with a mistyped id would leave open what it means to close,
and nobody would say so."""

from collections.abc import Iterable, Sequence

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.model.identifiers import PartyId, fold
from roaming.model.location import Location
from roaming.model.tariff import Tariff
from roaming.partners.agreements import Kind, Object, Rule, Subject, SubjectKind
from roaming.partners.directory import Directory
from roaming.partners.drivers import DRIVERS
from roaming.partners.refusing import Missing
from roaming.partners.rules import LOCATIONS, MEMBERS, PARTIES, TOKENS, Member
from roaming.store.documents import object_key, read_object


async def check_rule(connection: AsyncConnection, directory: Directory, rule: Rule) -> None:
    """Raises ``Refused`` for the first thing that a rule names and nobody has told of, with what to do."""
    await _check_subject(connection, directory, rule.subject)
    owners = [rule.object.owner] if rule.object.owner is not None else []
    if rule.object.group:
        owners = await _owners(connection, LOCATIONS, rule.object.group)
        if not owners:
            command = f"roaming group add locations {rule.object.group} NL-TNM/LOC1"
            raise Missing("of", f"no group of locations {rule.object.group}: `{command}` makes it")
    _check_parties(directory, "of", owners)
    if rule.kind is Kind.TARIFFS and rule.object.object_id:
        await _check_tariffs(connection, "tariff", owners, [rule.object.object_id])
    elif rule.object.object_id:
        await _check_place(connection, rule.object)
    await _check_tariffs(connection, "tariffs", owners, rule.tariff_ids)
    if rule.token_group and not await _owners(connection, TOKENS, rule.token_group):
        command = f"roaming group add tokens {rule.token_group} DE-EMS/UID"
        raise Missing("tokens", f"no group of tokens {rule.token_group}: `{command}` makes it")


async def check_members(
    connection: AsyncConnection, directory: Directory, kind: str, members: Sequence[Member]
) -> None:
    """The same of members that a group is to have."""
    _check_parties(directory, "members", [owner for owner, _ in members])
    if kind == LOCATIONS:
        for owner, id in members:
            await _check_place(connection, Object(owner=owner, object_id=id), "members")
    if kind == TOKENS:
        for owner, id in members:
            await _check_token(connection, owner, id)


async def _owners(connection: AsyncConnection, kind: str, group: str) -> list[PartyId]:
    where = (MEMBERS.c.kind == kind) & (MEMBERS.c.name == group)
    rows = (await connection.execute(select(MEMBERS.c.owner).where(where).distinct())).all()
    return [PartyId.parse(row.owner) for row in rows]


async def _check_subject(connection: AsyncConnection, directory: Directory, subject: Subject) -> None:
    if subject.kind == SubjectKind.PARTY:
        _check_parties(directory, "who", [PartyId.parse(subject.name)])
    if subject.kind == SubjectKind.GROUP and not await _owners(connection, PARTIES, subject.name):
        command = f"roaming group add parties {subject.name} NL-TNM"
        raise Missing("who", f"no group of parties {subject.name}: `{command}` makes it")


def _check_parties(directory: Directory, field: str, parties: Iterable[PartyId]) -> None:
    known = {*directory.hosted_parties(), *(party for pair in directory.agreements for party in pair)}
    for partner in directory.partners.values():
        known |= {*partner.parties(), *partner.allowed_parties}
    unknown = next((party for party in parties if party not in known), None)
    if unknown is not None:
        said = f"{unknown} is no party of this hub or of a partner: see `roaming party list`, `roaming partner list`"
        raise Missing(field, said)


async def _check_token(connection: AsyncConnection, owner: PartyId, id: str) -> None:
    """``id``: a folded uid, or the folded ``group_id`` of several tokens."""
    of_owner = (DRIVERS.c.country_code == owner.country_code) & (DRIVERS.c.party_id == owner.party_id)
    named = (DRIVERS.c.uid_folded == id) | (func.lower(DRIVERS.c.group_id) == id)
    if (await connection.execute(select(DRIVERS.c.uid).where(of_owner & named).limit(1))).first() is None:
        said = f"{owner} has told of no token {id}, and of none with that group_id: see `roaming token list`"
        raise Missing("members", said)


async def _check_place(connection: AsyncConnection, place: Object, field: str = "location") -> None:
    assert place.owner is not None, "a group holds whole locations"
    key = object_key(place.owner, place.object_id)
    location = await read_object(connection, "locations", key, Location)
    if location is None:
        listed = f"roaming location list --party {place.owner}"
        raise Missing(field, f"{place.owner} has no location {place.object_id}: see `{listed}`")
    uids = [evse.uid for evse in location.evses]
    if place.evse_uid and fold(place.evse_uid) not in map(fold, uids):
        named = ", ".join(uids) or "once it has any"
        raise Missing("evse", f"location {location.id} has no EVSE {place.evse_uid}: give the uid of one, {named}")


async def _check_tariffs(
    connection: AsyncConnection, field: str, owners: Sequence[PartyId], ids: Sequence[str]
) -> None:
    """Every tariff must be some owner's, and every owner have one of them."""
    found: set[tuple[PartyId, str]] = set()
    for owner in owners:
        for id in ids:
            if await read_object(connection, "tariffs", object_key(owner, id), Tariff) is not None:
                found.add((owner, id))
    for owner in owners:
        lacking = [id for id in ids if (owner, id) not in found]
        if len(lacking) == len(ids) > 0 or (lacking and len(owners) == 1):
            named = ", ".join(lacking)
            said = f"{owner} has no tariff {named}: see `roaming tariff list`, or `roaming tariff import FILE`"
            raise Missing(field, said)
    nobodys = [id for id in ids if id not in {each for _, each in found}]
    if nobodys:
        raise Missing(field, f"nobody in the group has a tariff {', '.join(nobodys)}: see `roaming tariff list`")
