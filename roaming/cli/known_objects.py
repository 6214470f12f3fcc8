"""Whether what a rule or a group names is there: a refusal with a mistyped id would leave open what it means to close,
and nobody would say so."""

from collections.abc import Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.model.identifiers import PartyId, fold
from roaming.model.location import Location
from roaming.model.tariff import Tariff
from roaming.partners.agreements import Kind, Object, Rule, Subject, SubjectKind
from roaming.partners.directory import Directory
from roaming.partners.rules import LOCATIONS, MEMBERS, PARTIES, Member
from roaming.store.documents import object_key, read_object

FORCE = "give --force where it comes later"


async def missing_of_rule(connection: AsyncConnection, directory: Directory, rule: Rule) -> str:
    """What a rule names and nobody has told of, with what to do; empty where all of it is there."""
    complaint = await _missing_subject(connection, directory, rule.subject)
    owners = [rule.object.owner] if rule.object.owner is not None else []
    if rule.object.group:
        owners = await _owners(connection, LOCATIONS, rule.object.group)
        if not owners:
            command = f"roaming group add locations {rule.object.group} NL-TNM/LOC1"
            complaint = complaint or f"no group of locations {rule.object.group}: `{command}` makes it"
    complaint = complaint or _missing_party(directory, owners)
    if rule.kind is Kind.TARIFFS and rule.object.object_id:
        complaint = complaint or await _missing_tariffs(connection, owners, [rule.object.object_id])
    elif rule.object.object_id:
        complaint = complaint or await _missing_place(connection, rule.object)
    complaint = complaint or await _missing_tariffs(connection, owners, rule.tariff_ids)
    return f"{complaint}; {FORCE}" if complaint else ""


async def missing_of_group(
    connection: AsyncConnection, directory: Directory, kind: str, members: Sequence[Member]
) -> str:
    """The same of members that a group is to have."""
    complaint = _missing_party(directory, [owner for owner, _ in members])
    if kind == LOCATIONS:
        for owner, id in members:
            complaint = complaint or await _missing_place(connection, Object(owner=owner, object_id=id))
    return f"{complaint}; {FORCE}" if complaint else ""


async def _owners(connection: AsyncConnection, kind: str, group: str) -> list[PartyId]:
    where = (MEMBERS.c.kind == kind) & (MEMBERS.c.name == group)
    rows = (await connection.execute(select(MEMBERS.c.owner).where(where).distinct())).all()
    return [PartyId.parse(row.owner) for row in rows]


async def _missing_subject(connection: AsyncConnection, directory: Directory, subject: Subject) -> str:
    if subject.kind == SubjectKind.PARTY:
        return _missing_party(directory, [PartyId.parse(subject.name)])
    if subject.kind == SubjectKind.GROUP and not await _owners(connection, PARTIES, subject.name):
        return f"--who: no group of parties {subject.name}: `roaming group add parties {subject.name} NL-TNM` makes it"
    return ""


def _missing_party(directory: Directory, parties: Iterable[PartyId]) -> str:
    known = {*directory.hosted_parties(), *(party for pair in directory.agreements for party in pair)}
    for partner in directory.partners.values():
        known |= {*partner.parties(), *partner.allowed_parties}
    unknown = next((party for party in parties if party not in known), None)
    if unknown is None:
        return ""
    return f"{unknown} is no party of this hub or of a partner: see `roaming party list`, `roaming partner list`"


async def _missing_place(connection: AsyncConnection, place: Object) -> str:
    assert place.owner is not None, "a group holds whole locations"
    key = object_key(place.owner, place.object_id)
    location = await read_object(connection, "locations", key, Location)
    if location is None:
        return f"{place.owner} has no location {place.object_id}: see `roaming location list --party {place.owner}`"
    uids = [evse.uid for evse in location.evses]
    if not place.evse_uid or fold(place.evse_uid) in map(fold, uids):
        return ""
    named = ", ".join(uids) or "once it has any"
    return f"location {location.id} has no EVSE {place.evse_uid}: give the uid of one, {named}"


async def _missing_tariffs(connection: AsyncConnection, owners: Sequence[PartyId], ids: Sequence[str]) -> str:
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
            return f"{owner} has no tariff {named}: see `roaming tariff list`, or `roaming tariff import FILE`"
    nobodys = [id for id in ids if id not in {each for _, each in found}]
    return f"nobody in the group has a tariff {', '.join(nobodys)}: see `roaming tariff list`" if nobodys else ""
