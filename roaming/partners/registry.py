"""Changing the directory: partners, their tokens and roles, hosted parties, agreements. All inside a ``Work``."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.messages import OperatorAgreementsChanged
from roaming.model.identifiers import PartyId
from roaming.model.party import Role
from roaming.model.version import Version
from roaming.partners.directory import (
    HUB,
    Directory,
    Endpoint,
    Partner,
    PartyRole,
    counterpart_of,
    directory_within,
)
from roaming.partners.tables import AgreementRow, CredentialsTokenRow, DirectoryStateRow, PartnerRow, PartyRow
from roaming.store.bulk import insert_new, upsert
from roaming.store.database import Database, Work

PARTNERS = PartnerRow.__table__  # type: ignore[attr-defined]
TOKENS = CredentialsTokenRow.__table__  # type: ignore[attr-defined]
PARTIES = PartyRow.__table__  # type: ignore[attr-defined]
AGREEMENTS = AgreementRow.__table__  # type: ignore[attr-defined]
STATE = DirectoryStateRow.__table__  # type: ignore[attr-defined]

GRACE = timedelta(minutes=5)
"""How long an old token is good beside its successor (ambiguity 6 of the credentials chapter)."""


class PartyTaken(ValueError):
    """A platform claims a party that another one, or we, already speak for."""


async def touch(work: Work) -> None:
    """Raises the directory's revision: every copy in memory is read again at its next use. From here to the commit
    nobody else changes the directory."""
    row = {"id": 1, "revision": 1}
    await upsert(work.connection, STATE, [row], key=("id",), update=("revision = t.revision + 1",))
    work.wake("directory")


async def add_partner(
    work: Work,
    *,
    id: str,
    name: str,
    versions_url: str = "",
    allowed_parties: Iterable[PartyId] = (),
    is_agreeing: bool = True,
    dialect: Mapping[str, Any] | None = None,
    counterpart: PartyId | None = None,
) -> bool:
    """Makes a partner record in state PLANNED; False when the id is taken. ``counterpart``: the hosted party that it
    deals with where it speaks 2.1.1."""
    row = {
        "id": id,
        "name": name,
        "state": "PLANNED",
        "version": "",
        "versions_url": versions_url,
        "endpoints": "[]",
        "roles": "[]",
        "dialect": json.dumps(dict(dialect or {})),
        "allowed_parties": json.dumps([str(party) for party in allowed_parties]),
        "is_agreeing": is_agreeing,
        "sealed_token": "",
        "counterpart": str(counterpart or ""),
        "created_at": work.now,
    }
    is_new = bool(await insert_new(work.connection, PARTNERS, [row], key=("id",)))
    await touch(work)
    return is_new


async def allow_parties(work: Work, partner_id: str, parties: Iterable[PartyId]) -> frozenset[PartyId]:
    """Names parties for a partner: from now on it may speak for these, those named before and those it has, and for no
    others; nor may others for these. Returns all of them."""
    await touch(work)
    partner = (await directory_within(work.connection)).partners[partner_id]
    named = partner.allowed_parties.union(parties, partner.parties())
    values = {"allowed_parties": json.dumps(sorted(map(str, named)))}
    await work.connection.execute(update(PARTNERS).where(PARTNERS.c.id == partner_id).values(values))
    return named


async def set_counterpart(work: Work, partner_id: str, party: PartyId) -> None:
    """Which hosted party the partner deals with where it speaks 2.1.1."""
    await touch(work)
    await work.connection.execute(update(PARTNERS).where(PARTNERS.c.id == partner_id).values(counterpart=str(party)))
    await tell_adapters(work, (await directory_within(work.connection)).hosted_parties(Role.CPO))


async def allow_token(work: Work, *, partner_id: str, digest: str, is_registration: bool) -> None:
    """Lets the partner identify with the token of this digest, from this commit on."""
    row = {
        "digest": digest,
        "partner_id": partner_id,
        "is_registration": is_registration,
        "created_at": work.now,
    }
    await insert_new(work.connection, TOKENS, [row], key=("digest",))


async def retire_tokens(
    work: Work, *, partner_id: str, keep: Sequence[str] = (), grace: timedelta = timedelta(0)
) -> None:
    """Ends all of the partner's tokens but those in ``keep``: at once, or after ``grace``."""
    condition = (TOKENS.c.partner_id == partner_id) & TOKENS.c.digest.notin_(list(keep))
    if grace:
        until: datetime = work.now + grace
        condition &= TOKENS.c.valid_until.is_(None) | (TOKENS.c.valid_until > until)
        await work.connection.execute(update(TOKENS).where(condition).values(valid_until=until))
    else:
        await work.connection.execute(delete(TOKENS).where(condition))


async def drop_token(work: Work, digest: str) -> None:
    """Ends one token: the handshake it was made for failed."""
    await work.connection.execute(delete(TOKENS).where(TOKENS.c.digest == digest))


async def retire_registration(work: Work, partner_id: str) -> None:
    """Ends TOKEN_A of a finished registration. It was kept for the case that our answer got lost on the way."""
    condition = (TOKENS.c.partner_id == partner_id) & TOKENS.c.is_registration & TOKENS.c.valid_until.is_not(None)
    await work.connection.execute(delete(TOKENS).where(condition))


async def connect_partner(
    work: Work,
    directory: Directory,
    partner: Partner,
    *,
    version: str,
    versions_url: str,
    endpoints: Sequence[Endpoint],
    roles: Sequence[PartyRole],
    sealed_token: str,
) -> None:
    """Records a finished registration (or its renewal) and makes the agreements the partner was added with.

    Raises ``PartyTaken`` when a role names a party it may not speak for, by ``directory`` or by what another
    registration has changed meanwhile.
    """
    claimable(directory, partner, roles)
    await touch(work)
    directory = replace(await directory_within(work.connection), hub_party=directory.hub_party)
    roles = claimable(directory, partner, roles)
    counterpart = counterpart_of(directory, partner) if version == Version.V2_1_1 else partner.counterpart
    values = {
        "state": "CONNECTED",
        "counterpart": str(counterpart or ""),
        "version": version,
        "versions_url": versions_url,
        "endpoints": json.dumps([{"identifier": e.module, "role": e.role, "url": e.url} for e in endpoints]),
        "roles": _roles_text(roles),
        "sealed_token": sealed_token,
        "connected_at": work.now,
    }
    await work.connection.execute(update(PARTNERS).where(PARTNERS.c.id == partner.id).values(**values))
    directory = await directory_within(work.connection)
    if partner.is_agreeing:
        for role in roles:
            await agree_with_hosted(work, directory, role, only=counterpart if version == Version.V2_1_1 else None)
    if Version.V2_1_1 in (version, partner.version) and version != partner.version:
        await tell_adapters(work, directory.hosted_parties(Role.CPO))  # other agreements hold there
    work.wake("partner")


def claimable(directory: Directory, partner: Partner, roles: Sequence[PartyRole]) -> Sequence[PartyRole]:
    """The roles that ``partner`` may have. A hub lists everybody behind it: whom we reach otherwise is left out. Raises
    ``PartyTaken`` for any other platform."""
    if not any(role.role == HUB for role in roles):
        for role in roles:
            check_claim(directory, partner, role.party)
        return roles
    return [role for role in roles if _may_claim(directory, partner, role)]


def _may_claim(directory: Directory, partner: Partner, role: PartyRole) -> bool:
    if role.party == directory.hub_party:
        return False
    if role.role == HUB:
        return not directory.is_hosted(role.party)
    try:
        check_claim(directory, partner, role.party)
    except PartyTaken:
        return False
    return True


async def learn_behind(work: Work, partner: Partner, party: PartyId, role: str, *, hub_party: PartyId | None) -> bool:
    """Takes a party that a hub tells of for one of its own, unless it may not be; False when nothing changed.
    ``hub_party``: ours."""
    if not partner.parties(HUB):
        return False
    await touch(work)
    directory = replace(await directory_within(work.connection), hub_party=hub_party)
    known, entry = directory.partners[partner.id], PartyRole(party=party, role=role, name="")
    if any((r.party, r.role) == (party, role) for r in known.roles) or not _may_claim(directory, known, entry):
        return False
    await _set_roles(work, partner.id, [*known.roles, entry])
    if partner.is_agreeing:
        await agree_with_hosted(work, directory, entry)
    return True


async def forget_behind(work: Work, partner: Partner, party: PartyId, role: str) -> None:
    """A party has left the hub that it was behind."""
    if any((r.party, r.role) == (party, role) for r in partner.roles):
        await touch(work)
        known = (await directory_within(work.connection)).partners[partner.id]
        await _set_roles(work, partner.id, [r for r in known.roles if (r.party, r.role) != (party, role)])


async def _set_roles(work: Work, partner_id: str, roles: Sequence[PartyRole]) -> None:
    await work.connection.execute(update(PARTNERS).where(PARTNERS.c.id == partner_id).values(roles=_roles_text(roles)))
    work.wake("partner")


def _roles_text(roles: Sequence[PartyRole]) -> str:
    return json.dumps(
        [
            {
                "country_code": r.party.country_code,
                "party_id": r.party.party_id,
                "role": r.role,
                "name": r.name,
                "website": r.website,
            }
            for r in roles
        ]
    )


def check_claim(directory: Directory, partner: Partner, party: PartyId) -> None:
    """Raises ``PartyTaken`` unless ``partner`` may speak for ``party``. One that an operator has named for a partner is
    no other's, whether that partner is connected or yet to come: nobody, a hub least of all, gets it by being first."""
    if partner.allowed_parties and party not in partner.allowed_parties:
        raise PartyTaken(f"{party} is not among the parties agreed with {partner.id}")
    if directory.is_hosted(party):
        raise PartyTaken(f"{party} is hosted by this hub")
    for other in directory.partners.values():
        if other.id == partner.id:
            continue
        if party in other.allowed_parties and party not in partner.allowed_parties:
            raise PartyTaken(f"{party} is agreed on with another platform")
        if party in other.parties():
            raise PartyTaken(f"{party} is connected through another platform")


async def disconnect_partner(work: Work, partner_id: str) -> None:
    """Ends a registration: no token of the partner is good any more, nothing is sent. Its objects stay."""
    await retire_tokens(work, partner_id=partner_id)
    await work.connection.execute(
        update(PARTNERS).where(PARTNERS.c.id == partner_id).values(state="SUSPENDED", sealed_token="", endpoints="[]")
    )
    await touch(work)


async def host_party(work: Work, party: PartyId, role: str, *, name: str, website: str | None = None) -> None:
    """Makes a party ours in a role, or changes its name."""
    row = {
        "country_code": party.country_code,
        "party_id": party.party_id,
        "role": role,
        "name": name,
        "website": website,
    }
    await upsert(work.connection, PARTIES, [row], key=("country_code", "party_id", "role"), update=("name", "website"))
    await touch(work)


async def agree(work: Work, *, cpo: PartyId, emsp: PartyId, is_active: bool = True) -> None:
    """Puts an agreement in force, or ends it."""
    row = {"cpo": str(cpo), "emsp": str(emsp), "is_active": is_active, "since": work.now}
    await touch(work)
    await upsert(work.connection, AGREEMENTS, [row], key=("cpo", "emsp"), update=("is_active",))
    await tell_adapters(work, [cpo])


async def is_agreed(connection: AsyncConnection, *, cpo: PartyId, emsp: PartyId) -> bool:
    """Whether an agreement was made and not ended; it may rest."""
    pair = (AGREEMENTS.c.cpo == str(cpo)) & (AGREEMENTS.c.emsp == str(emsp))
    return bool((await connection.execute(select(AGREEMENTS.c.is_active).where(pair))).scalar_one_or_none())


async def choose_readings(work: Work, *, cpo: PartyId, emsp: PartyId, readings: Mapping[str, Any]) -> bool:
    """Says how the two read tariffs, in place of what was said before; False when they never had an agreement."""
    await touch(work)
    pair = (AGREEMENTS.c.cpo == str(cpo)) & (AGREEMENTS.c.emsp == str(emsp))
    changed = await work.connection.execute(
        update(AGREEMENTS).where(pair).values(readings=json.dumps(dict(readings), sort_keys=True))
    )
    return bool(changed.rowcount)


async def agree_with_hosted(work: Work, directory: Directory, role: PartyRole, *, only: PartyId | None = None) -> None:
    """Agreements between a partner's party and every hosted party of the opposite role, where none was made; ``only``
    with that one."""
    pairs: list[tuple[PartyId, PartyId]] = []
    if role.role == Role.CPO:
        pairs = [(role.party, emsp) for kind in (Role.EMSP, Role.OTHER) for emsp in directory.hosted_parties(kind)]
    elif role.role in (Role.EMSP, Role.NSP, Role.OTHER, "PTP"):  # some payment terminal providers say it
        pairs = [(cpo, role.party) for cpo in directory.hosted_parties(Role.CPO)]
    pairs = [(cpo, emsp) for cpo, emsp in pairs if only is None or only in (cpo, emsp)]
    rows = [{"cpo": str(c), "emsp": str(e), "is_active": True, "since": work.now} for c, e in pairs]
    if await insert_new(work.connection, AGREEMENTS, rows, key=("cpo", "emsp")):
        await tell_adapters(work, [cpo for cpo, _ in pairs if directory.is_hosted(cpo)])


async def agree_for_hosted(work: Work, party: PartyId, role: str) -> list[tuple[str, PartyId]]:
    """The agreements that registrations make, for a party hosted since: with every connected partner that was added
    with them. Returns the pairs (partner id, its party) under agreement with ``party`` now; one that was ended stays
    so."""
    directory = await directory_within(work.connection)
    for partner in directory.partners.values():
        if partner.is_connected and partner.is_agreeing and _is_dealt_with(partner, party):
            for entry in partner.roles:
                await agree_with_hosted(work, directory, entry, only=party)
    agreements = (await directory_within(work.connection)).agreements
    is_cpo = role == Role.CPO
    return [
        (partner.id, other)
        for partner in directory.partners.values()
        if partner.is_connected
        for other in partner.parties()
        if ((party, other) if is_cpo else (other, party)) in agreements
    ]


def _is_dealt_with(partner: Partner, party: PartyId) -> bool:
    """A connection of 2.1.1 is with one hosted party (decision 0061)."""
    return partner.version != Version.V2_1_1 or partner.counterpart == party


async def agreements_of(connection: AsyncConnection, cpos: Collection[PartyId]) -> list[OperatorAgreementsChanged]:
    """Whose drivers may charge with each of ``cpos`` at all its stations, as adapters are told. They ask about
    drivers of others, so about those that a rule keeps from some."""
    return agreements_in(await directory_within(connection), cpos)


def agreements_in(directory: Directory, cpos: Collection[PartyId]) -> list[OperatorAgreementsChanged]:
    """The same of one picture."""
    emsps: dict[str, list[str]] = {str(cpo): [] for cpo in cpos}
    for cpo, emsp in directory.agreements:
        if str(cpo) in emsps and not directory.is_charging_ruled(cpo=cpo, emsp=emsp):
            emsps[str(cpo)].append(str(emsp))
    return [OperatorAgreementsChanged(operator=cpo, emsps=tuple(sorted(found))) for cpo, found in emsps.items()]


async def retell(database: Database) -> None:
    """Tells the adapters of every hosted CPO's agreements once more (decision 0060)."""
    async with database.work() as work:
        await touch(work)
        await tell_adapters(work, (await directory_within(work.connection)).hosted_parties(Role.CPO))


async def tell_adapters(work: Work, cpos: Collection[PartyId]) -> None:
    """After ``touch``: then what is told last was read last."""
    put_agreements(work, await agreements_of(work.connection, cpos))


def put_agreements(work: Work, changed: Iterable[OperatorAgreementsChanged]) -> None:
    """The same of what was found before, from a picture that still holds."""
    for told in changed:
        work.outbox.add(told, subject=f"agreements/{told.operator}", cause=f"agreed-{work.now.isoformat()}")


async def find_token_owner(work: Work, digest: str) -> str | None:
    """The partner id behind a token digest, good or expired."""
    statement = select(TOKENS.c.partner_id).where(TOKENS.c.digest == digest)
    return (await work.connection.execute(statement)).scalar_one_or_none()
