"""Who is who: partners, the parties behind them, hosted parties and agreements, as one frozen picture.

A few hundred rows that every request needs and that rarely change: read once, kept until the revision moves.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.model.identifiers import PartyId, fold
from roaming.model.party import InterfaceRole, Role
from roaming.model.version import Version
from roaming.partners.agreements import Decision, Effect, Kind, Rule, Rulebook, Thing, Viewer
from roaming.partners.rules import read_rulebook
from roaming.partners.views import View, view_of
from roaming.store.columns import text_to_time
from roaming.store.database import Database

HUB = "HUB"
"""Role of a platform that routes for others, as 2.2.1 says it; in 2.3.0 ``hub_party_id``."""
RECEIVING_ROLES = (Role.EMSP, Role.NSP, Role.OTHER)
"""Roles that take locations and tariffs of a CPO (OCPI 2.2.1 section 4.3.4)."""


_ASKING = {Kind.LOCATIONS: RECEIVING_ROLES, Kind.TARIFFS: RECEIVING_ROLES}
"""In which roles a partner's parties ask for things; others in any."""


@dataclass(frozen=True, kw_only=True)
class PartyRole:
    """A party in one role, with what people should read."""

    party: PartyId
    role: str
    name: str
    website: str | None = None


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where a partner serves one side of a module."""

    module: str
    role: InterfaceRole
    url: str


@dataclass(frozen=True, kw_only=True)
class Partner:
    """A platform as the directory knows it. The token it gave us stays sealed."""

    id: str
    name: str
    state: str
    version: Version | None
    versions_url: str
    endpoints: tuple[Endpoint, ...]
    roles: tuple[PartyRole, ...]
    dialect: dict[str, Any]
    allowed_parties: frozenset[PartyId]
    """Parties it may claim; empty: any that nobody else has."""
    is_agreeing: bool
    sealed_token: str
    counterpart: PartyId | None = None
    """The one hosted party that a 2.1.1 connection is with: that version has no others (decision 0061)."""
    connected_at: datetime | None = None

    @property
    def is_connected(self) -> bool:
        """Registered, so that requests may flow."""
        return self.state == "CONNECTED"

    def endpoint(self, module: str, role: InterfaceRole) -> str | None:
        """The address of one side of a module, if the partner has it."""
        return next((e.url for e in self.endpoints if e.module == module and e.role == role), None)

    def parties(self, *roles: str) -> tuple[PartyId, ...]:
        """Its parties in any of ``roles``, or all of them."""
        if not roles:
            return self._all_parties
        return tuple(dict.fromkeys(entry.party for entry in self.roles if entry.role in roles))

    @property
    def hub_party(self) -> PartyId | None:
        """Its own party, if it is a hub: what is for all behind it is sent to that one."""
        return next(iter(self.parties(HUB)), None)

    @cached_property
    def _all_parties(self) -> tuple[PartyId, ...]:
        return tuple(dict.fromkeys(entry.party for entry in self.roles))


@dataclass(frozen=True, kw_only=True)
class Directory:
    """The picture at one revision."""

    revision: int
    partners: dict[str, Partner] = field(default_factory=dict)
    hosted: tuple[PartyRole, ...] = ()
    agreements: frozenset[tuple[PartyId, PartyId]] = frozenset()
    """Active pairs (CPO, eMSP)."""
    readings: Mapping[tuple[PartyId, PartyId], Mapping[str, Any]] = field(default_factory=dict)
    """How pairs (CPO, eMSP) read tariffs, by the names of ``rating.Readings``, where that is not the default."""
    hub_party: PartyId | None = None
    """The hub itself, in whose name it tells partners of each other's objects."""
    rulebook: Rulebook = field(default_factory=Rulebook)
    """What agreements leave out, and at which price they offer the rest."""

    def may_exchange(self, *, cpo: PartyId, emsp: PartyId) -> bool:
        """Whether an agreement between the two is in force."""
        return (cpo, emsp) in self.agreements

    def readings_between(self, *, cpo: PartyId, emsp: PartyId) -> Mapping[str, Any]:
        """What the two chose of ``rating.Readings``; empty: the defaults."""
        return self.readings.get((cpo, emsp), {})

    def hosted_parties(self, *roles: str) -> tuple[PartyId, ...]:
        """Our parties in any of ``roles``, or all of them."""
        return tuple(dict.fromkeys(e.party for e in self.hosted if not roles or e.role in roles))

    def cpos_with(self, emsp: PartyId) -> tuple[PartyId, ...]:
        """CPOs, hosted or behind a connected platform, that ``emsp`` has an agreement with."""
        return tuple(cpo for cpo, other in sorted(self.agreements) if other == emsp and self._is_here(cpo))

    def emsps_with(self, cpo: PartyId) -> tuple[PartyId, ...]:
        """The same of eMSPs, and of those who stand in their place."""
        return tuple(emsp for other, emsp in sorted(self.agreements) if other == cpo and self._is_here(emsp))

    def _is_here(self, party: PartyId) -> bool:
        return self.is_hosted(party) or self.partner_of(party) is not None

    def has_role(self, party: PartyId, *roles: str) -> bool:
        """Whether ``party`` is in one of ``roles``, hosted or behind a connected platform."""
        return any(self.is_hosted(party, role) or self.partner_of(party, role) is not None for role in roles)

    def roles_of(self, party: PartyId) -> set[str]:
        """All roles of ``party``, hosted or behind a connected platform; empty where nobody speaks for it."""
        theirs = [entry for partner in self.partners.values() if partner.is_connected for entry in partner.roles]
        return {entry.role for entry in (*self.hosted, *theirs) if entry.party == party}

    def is_hosted(self, party: PartyId, role: str | None = None) -> bool:
        """Whether ``party`` (in ``role``) is one of ours."""
        return (party, role) in self._hosted_in_roles

    @cached_property
    def _hosted_in_roles(self) -> frozenset[tuple[PartyId, str | None]]:
        return frozenset((e.party, role) for e in self.hosted for role in (e.role, None))

    @cached_property
    def _seen_by(self) -> dict[tuple[str, Role], tuple[PartyId, ...]]:
        """What was found out of this picture once: every list and every authorisation asks again."""
        return {}

    def partner_of(self, party: PartyId, role: str | None = None) -> Partner | None:
        """The connected platform that speaks for ``party`` (in ``role``)."""
        for partner in self.partners.values():
            if partner.is_connected and any(
                e.party == party and (role is None or e.role == role) for e in partner.roles
            ):
                return partner
        return None

    def find_partner(self, id: str) -> Partner | None:
        """The platform of this id, compared without case."""
        same = (partner for partner in self.partners.values() if fold(partner.id) == fold(id))
        return self.partners.get(id) or next(same, None)

    def hosted_cpos_for(self, partner: Partner) -> tuple[PartyId, ...]:
        """Our CPOs whose objects ``partner`` may see."""
        found = self._seen_by.get((partner.id, Role.CPO))
        if found is None:
            takers = partner.parties(*RECEIVING_ROLES)
            found = self._seen_by[partner.id, Role.CPO] = tuple(
                cpo
                for cpo in self.hosted_parties(Role.CPO)
                if any(self.may_exchange(cpo=cpo, emsp=taker) for taker in takers)
            )
        return found

    def hosted_emsps_for(self, partner: Partner) -> tuple[PartyId, ...]:
        """Our eMSPs whose tokens ``partner`` may see."""
        found = self._seen_by.get((partner.id, Role.EMSP))
        if found is None:
            cpos = partner.parties(Role.CPO)
            found = self._seen_by[partner.id, Role.EMSP] = tuple(
                emsp
                for emsp in self.hosted_parties(Role.EMSP)
                if any(self.may_exchange(cpo=cpo, emsp=emsp) for cpo in cpos)
            )
        return found

    def others_for(self, partner: Partner, role: Role) -> tuple[tuple[Partner, PartyId], ...]:
        """Parties in ``role`` (CPO or EMSP) of other connected platforms that have an agreement with one of
        ``partner``'s, each with its platform."""
        found = self._others_of.get((partner.id, role))
        if found is None:
            mine = partner.parties()
            pairs = [(cpo, emsp) if role == Role.CPO else (emsp, cpo) for cpo, emsp in sorted(self.agreements)]
            theirs = dict.fromkeys(there for there, here in pairs if here in mine)
            speakers = [(self.partner_of(party), party) for party in theirs if not self.is_hosted(party)]
            found = self._others_of[partner.id, role] = tuple(
                (other, party) for other, party in speakers if other is not None and other.id != partner.id
            )
        return found

    @cached_property
    def _others_of(self) -> dict[tuple[str, Role], tuple[tuple[Partner, PartyId], ...]]:
        return {}

    def cpos_for(self, partner: Partner, party: PartyId | None = None) -> dict[PartyId, str]:
        """All CPOs, hosted and of other partners, whose objects ``partner`` may see, and who gave us these: the id of
        a partner, or empty for hosted ones. ``party``: those that this one of its parties may see, as in ``view``."""
        takers = partner.parties(*RECEIVING_ROLES)
        takers = (party,) if party is not None and party in takers else takers
        hosted = self.hosted_cpos_for(partner)
        found = {cpo: "" for cpo in hosted if any(self.may_exchange(cpo=cpo, emsp=taker) for taker in takers)}
        for cpo, source in self._others_in(Role.CPO, partner):
            if any(self.may_exchange(cpo=cpo, emsp=taker) for taker in takers):
                found.setdefault(cpo, source)
        return found

    def emsps_for(self, partner: Partner) -> dict[PartyId, str]:
        """The same of eMSPs whose tokens ``partner`` may see."""
        cpos = partner.parties(Role.CPO)
        found = dict.fromkeys(self.hosted_emsps_for(partner), "")
        for emsp, source in self._others_in(Role.EMSP, partner):
            if any(self.may_exchange(cpo=cpo, emsp=emsp) for cpo in cpos):
                found.setdefault(emsp, source)
        return found

    def _others_in(self, role: Role, partner: Partner) -> Iterable[tuple[PartyId, str]]:
        for other in self.partners.values():
            if other.id != partner.id and other.is_connected:
                yield from ((party, other.id) for party in other.parties(role))

    def teller_of(self, owner: PartyId, source: str) -> PartyId:
        """In whose name partners are told of an object of ``owner`` that ``source`` gave us: the owner's where it is
        hosted (without source), else the hub's (OCPI 2.2.1 section 4.3.2.2)."""
        return owner if not source or self.hub_party is None else self.hub_party

    def takers_of(self, cpo: PartyId) -> tuple[tuple[Partner, PartyId], ...]:
        """Platforms, and one party of each, that may be told of a CPO's locations and tariffs; of a hub its own, which
        tells all behind it."""
        found: list[tuple[Partner, PartyId]] = []
        for partner in self.partners.values():
            if not partner.is_connected:
                continue
            taker = next((t for t in partner.parties(*RECEIVING_ROLES) if self.may_exchange(cpo=cpo, emsp=t)), None)
            if taker is not None:
                found.append((partner, partner.hub_party or taker))
        return tuple(found)

    def issuers_for(
        self, cpo: PartyId, *, location_id: str, evse_uids: Sequence[str]
    ) -> tuple[tuple[Partner, PartyId], ...]:
        """Platforms, and one party of each, whose drivers may charge with ``cpo`` at one of these EVSEs."""
        found: list[tuple[Partner, PartyId]] = []
        for partner in self.partners.values():
            if not partner.is_connected:
                continue
            for party in partner.parties(*RECEIVING_ROLES):
                if self.may_charge(cpo=cpo, emsp=party, location_id=location_id, evse_uids=evse_uids):
                    found.append((partner, party))
                    break
        return tuple(found)

    def cpos_of(self, emsp: PartyId) -> tuple[tuple[Partner, PartyId], ...]:
        """Platforms, and one CPO of each, that may be told of an eMSP's tokens; of a hub its own party."""
        found: list[tuple[Partner, PartyId]] = []
        for partner in self.partners.values():
            if not partner.is_connected:
                continue
            cpo = next((c for c in partner.parties(Role.CPO) if self._is_told_of_tokens(partner.id, c, emsp)), None)
            if cpo is not None:
                found.append((partner, partner.hub_party or cpo))
        return tuple(found)

    def view(self, partner: Partner, owner: PartyId, party: PartyId | None = None) -> View:
        """What ``partner`` sees of ``owner``: the one place that lists, GETs and pushes of all modules ask. ``party``:
        what that one of its parties sees, if it is one that takes locations and tariffs."""
        receivers = partner.parties(*RECEIVING_ROLES)
        asking = party if party in receivers else None
        found = self._views.get((partner.id, owner, asking))
        if found is None:
            takers = [p for p in receivers if asking in (None, p) and self.may_exchange(cpo=owner, emsp=p)]
            is_told = any(self._is_told_of_tokens(partner.id, cpo, owner) for cpo in partner.parties(Role.CPO))
            found = self._views[partner.id, owner, asking] = view_of(
                self.rulebook, partner.id, owner, takers=takers, is_told=is_told
            )
        return found

    def _is_told_of_tokens(self, partner_id: str, cpo: PartyId, emsp: PartyId) -> bool:
        viewer, thing = Viewer(partner_id=partner_id, party=cpo), Thing(kind=Kind.TOKENS, owner=emsp)
        has_agreement = self.may_exchange(cpo=cpo, emsp=emsp)
        return self.rulebook.decide(viewer, thing, has_agreement=has_agreement).is_allowed

    @cached_property
    def _views(self) -> dict[tuple[str, PartyId, PartyId | None], View]:
        return {}

    def decide(self, partner: Partner, thing: Thing) -> Decision:
        """Whether ``partner`` may see or use ``thing``, for one of its parties at least, and which rule decided;
        whether the owner is hosted here or by another partner."""
        decisions = [
            self.rulebook.decide(
                Viewer(partner_id=partner.id, party=party), thing, has_agreement=self._has_agreement(party, thing)
            )
            for party in partner.parties(*_ASKING.get(thing.kind, ()))
        ]
        nothing = Decision(is_allowed=False, has_agreement=False, viewer=None)
        return max(decisions, key=lambda found: (found.is_allowed, found.has_agreement), default=nothing)

    def decide_for(self, party: PartyId, thing: Thing) -> Decision:
        """The same for one party, which is a partner's or hosted here."""
        return self.rulebook.decide(self.viewer(party), thing, has_agreement=self._has_agreement(party, thing))

    def _has_agreement(self, party: PartyId, thing: Thing) -> bool:
        if self.may_exchange(cpo=thing.owner, emsp=party):
            return True
        return thing.kind == Kind.TOKENS and self.may_exchange(cpo=party, emsp=thing.owner)

    def may_charge(
        self, *, cpo: PartyId, emsp: PartyId, location_id: str = "", evse_uids: Sequence[str] = ("",)
    ) -> bool:
        """Whether drivers of ``emsp`` may charge with ``cpo``, at one of these EVSEs at least: by agreement, and by the
        rules of both."""
        if not self.rulebook.rules:
            return self.may_exchange(cpo=cpo, emsp=emsp)
        return any(
            self.decide_charging(cpo=cpo, emsp=emsp, location_id=location_id, evse_uid=uid).is_allowed
            for uid in evse_uids or ("",)
        )

    def decide_charging(self, *, cpo: PartyId, emsp: PartyId, location_id: str = "", evse_uid: str = "") -> Decision:
        """The same of one place, with what decided: the rule about the eMSP's tokens with this CPO, where that refuses,
        else the one about charging there."""
        has_agreement = self.may_exchange(cpo=cpo, emsp=emsp)
        known = self.rulebook.decide(self.viewer(cpo), Thing(kind=Kind.TOKENS, owner=emsp), has_agreement=has_agreement)
        if not known.is_allowed:
            return known
        place = Thing(kind=Kind.TOKENS, owner=cpo, object_id=location_id, evse_uid=evse_uid)
        return self.rulebook.decide(self.viewer(emsp), place, has_agreement=has_agreement)

    def price_for(self, party: PartyId, owner: PartyId, location_id: str, evse_uid: str) -> Rule | None:
        """The rule that says which tariffs ``party`` is shown there now."""
        return self.rulebook.price(self.viewer(party), owner, location_id, evse_uid)

    def is_charging_ruled(self, *, cpo: PartyId, emsp: PartyId) -> bool:
        """Whether a rule keeps drivers of ``emsp`` from some station of ``cpo``, or might."""
        return not self.may_charge(cpo=cpo, emsp=emsp) or any(
            rule.kind == Kind.TOKENS and rule.effect == Effect.DENY and rule.object.owner in (None, cpo)
            for rule in self.rulebook.rules
        )

    def viewer(self, party: PartyId) -> Viewer:
        """A party as rules know it."""
        partner = self.partner_of(party)
        return Viewer(partner_id=partner.id if partner is not None else "", party=party)

    def party_role(self, party: PartyId, role: str) -> PartyRole | None:
        """What we know of a party in a role, ours or a partner's."""
        everyone = [*self.hosted, *(r for partner in self.partners.values() for r in partner.roles)]
        return next((entry for entry in everyone if entry.party == party and entry.role == role), None)


def counterpart_of(directory: Directory, partner: Partner) -> PartyId | None:
    """The hosted party that OCPI 2.1.1 is spoken for: the one agreed on, or the only one there is."""
    hosted = directory.hosted_parties()
    if partner.counterpart in hosted:
        return partner.counterpart
    return hosted[0] if len(hosted) == 1 else None


class DirectoryCache:
    """The newest ``Directory``, read again when its revision has moved."""

    def __init__(self, database: Database, hub_party: PartyId | None = None) -> None:
        self._database = database
        self._hub_party = hub_party
        self._current: Directory | None = None
        self._loading = asyncio.Lock()

    async def current(self, *, known_revision: int | None = None) -> Directory:
        """The picture of now. ``known_revision`` saves the look when the caller has just read it. Raises
        ``StoreUnavailable``."""
        if known_revision is None:
            rows = await self._database.reader.fetch("SELECT revision FROM directory_state WHERE id = 1")
            known_revision = rows[0][0] if rows else 0
        if self._is_current(known_revision):
            assert self._current is not None
            return self._current
        async with self._loading:  # everybody notices a new revision at once; one of them reads
            if not self._is_current(known_revision):
                loaded = await load_directory(self._database, known_revision)
                self._current = replace(loaded, hub_party=self._hub_party)
            assert self._current is not None
            return self._current

    def _is_current(self, revision: int) -> bool:
        return self._current is not None and self._current.revision == revision


async def load_directory(database: Database, revision: int) -> Directory:
    """Reads everything. A change in between has a higher revision and leads to another reading."""
    return await _load(database.reader.fetch, revision)


async def directory_within(connection: AsyncConnection) -> Directory:
    """The picture as a transaction sees it, its own changes included."""

    async def fetch(sql: str) -> Sequence[Any]:
        return (await connection.exec_driver_sql(sql)).all()

    return await _load(fetch, 0)


async def _load(fetch: Callable[[str], Awaitable[Sequence[Any]]], revision: int) -> Directory:
    partners = await fetch(
        "SELECT id, name, state, version, versions_url, endpoints, roles, dialect, allowed_parties, is_agreeing,"
        " sealed_token, connected_at, counterpart FROM partners ORDER BY id"
    )
    hosted = await fetch(
        "SELECT country_code, party_id, role, name, website FROM parties ORDER BY country_code, party_id, role"
    )
    agreements = await fetch("SELECT cpo, emsp, readings FROM agreements WHERE is_active")
    rulebook = await read_rulebook(fetch)
    known = {row[0]: _partner(row) for row in partners}
    ours = tuple(PartyRole(party=PartyId(row[0], row[1]), role=row[2], name=row[3], website=row[4]) for row in hosted)
    agreed = [(_kept(row[0]), _kept(row[1])) for row in agreements]
    return Directory(
        revision=revision,
        partners=known,
        hosted=ours,
        agreements=_that_can_be_kept(agreed, known.values(), {entry.party for entry in ours}),
        readings={(_kept(row[0]), _kept(row[1])): json.loads(row[2]) for row in agreements if row[2] != "{}"},
        rulebook=rulebook,
    )


def _that_can_be_kept(
    agreed: Sequence[tuple[PartyId, PartyId]], partners: Iterable[Partner], hosted: set[PartyId]
) -> frozenset[tuple[PartyId, PartyId]]:
    """All agreements but those of a 2.1.1 partner with another hosted party than its counterpart: 2.1.1 objects have no
    owner, so nothing of that party could be told apart there."""
    bound = {party: p.counterpart for p in partners if p.version == Version.V2_1_1 for party in p.parties()}
    return frozenset(
        (cpo, emsp)
        for cpo, emsp in agreed
        if not (cpo in bound and emsp in hosted and emsp != bound[cpo])
        and not (emsp in bound and cpo in hosted and cpo != bound[emsp])
    )


def _kept(text: str) -> PartyId:
    """The inverse of ``str``. Whatever was stored can be read: one odd party must not take the directory down."""
    country_code, _, party_id = text.partition("-")
    return PartyId(country_code, party_id)


def _partner(row: Any) -> Partner:
    return Partner(
        id=row[0],
        name=row[1],
        state=row[2],
        version=Version(row[3]) if row[3] else None,
        versions_url=row[4],
        endpoints=tuple(
            Endpoint(module=e["identifier"], role=InterfaceRole(e["role"]), url=e["url"]) for e in json.loads(row[5])
        ),
        roles=tuple(
            PartyRole(
                party=PartyId.of(r["country_code"], r["party_id"]),
                role=r["role"],
                name=r.get("name", ""),
                website=r.get("website"),
            )
            for r in json.loads(row[6])
        ),
        dialect=json.loads(row[7]),
        allowed_parties=frozenset(_kept(text) for text in json.loads(row[8])),
        is_agreeing=bool(row[9]),
        sealed_token=row[10],
        connected_at=text_to_time(row[11]) if row[11] is not None else None,
        counterpart=_kept(row[12]) if row[12] else None,
    )
