"""Who may see and use what: an agreement opens the gate, rules narrow it or widen it again. Pure; stored elsewhere.

Of all rules that fit a question the most specific decides: first by its object (an EVSE before its location, that
before a group of locations, that before all of a party), then by the command named, then by its subject (a party before
its partner, that before a group of parties, that before everybody). Among equals a refusal wins. Where no rule fits,
the agreement allows (decision 0080). A price rule may be about a group of tokens, which comes before any other subject,
and hold for a time: among equals that comes before one without, and of two such the one that begins later.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from functools import cached_property

from roaming.model.identifiers import PartyId, fold


class Kind(StrEnum):
    """What a rule speaks of."""

    LOCATIONS = "locations"
    """Where a CPO's stations are."""
    TARIFFS = "tariffs"
    """A CPO's prices."""
    TOKENS = "tokens"
    """Drivers: with an eMSP as owner, who may know its tokens; with a CPO, whose drivers may charge there."""
    COMMANDS = "commands"
    """What an eMSP may ask of a CPO's stations."""


CHARGING_PROFILE = "CHARGING_PROFILE"
"""Stands among the names of commands for all that is asked about charging profiles, and a driver's preferences."""


class Effect(StrEnum):
    """What a rule does."""

    ALLOW = "allow"
    DENY = "deny"
    PRICE = "price"
    """Connectors are offered with other tariffs."""


class Scope(IntEnum):
    """How much of an owner's objects a rule takes in; the higher, the more specific."""

    OWNER = 1
    GROUP = 2
    """A named group of locations."""
    OBJECT = 3
    """One location, or one tariff."""
    EVSE = 4


class SubjectKind(IntEnum):
    """Whom a rule is about; the higher, the more specific."""

    EVERYBODY = 1
    GROUP = 2
    """A named group of parties."""
    PARTNER = 3
    PARTY = 4


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Whom a rule is about. ``name``: a group, a partner's id or ``NL-TNM``; empty for everybody."""

    kind: SubjectKind
    name: str = ""

    def __str__(self) -> str:
        return "everybody" if self.kind == SubjectKind.EVERYBODY else f"{self.kind.name.lower()}:{self.name}"


@dataclass(frozen=True, kw_only=True)
class Object:
    """What a rule is about: all of ``owner``, a group of locations, one object, or one EVSE of it. Ids as written."""

    owner: PartyId | None = None
    """``None`` for a group of locations, which may have several owners."""
    group: str = ""
    object_id: str = ""
    evse_uid: str = ""

    @property
    def scope(self) -> Scope:
        """How much it takes in."""
        if self.group:
            return Scope.GROUP
        if self.evse_uid:
            return Scope.EVSE
        return Scope.OBJECT if self.object_id else Scope.OWNER

    def __str__(self) -> str:
        if self.group:
            return f"group:{self.group}"
        parts = [part.replace("%", "%25").replace("/", "%2F") for part in (self.object_id, self.evse_uid) if part]
        return "/".join([str(self.owner), *parts])


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule. ``command``: the one it is about, empty for all (commands only). Of ``Effect.PRICE`` only:
    ``tariff_ids``, what it offers; ``token_group``, the group of tokens whose charges alone it prices, empty for all;
    ``valid_from``, inclusive, and ``valid_until``, exclusive, when a charge must begin to be priced by it."""

    id: int
    effect: Effect
    subject: Subject
    kind: Kind
    object: Object
    command: str = ""
    tariff_ids: tuple[str, ...] = ()
    note: str = ""
    token_group: str = ""
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    is_in_force: bool = True
    """Whether partners are shown what it offers: follows the clock within seconds (``partners.rule_times``), while
    charges are priced by the times themselves."""

    @property
    def rank(self) -> tuple[int, bool, bool, int, bool, bool, datetime, int]:
        """The higher decides; the id settles what nothing else does, so that no order of reading matters."""
        return (
            self.object.scope,
            bool(self.command),
            bool(self.token_group),
            self.subject.kind,
            self.effect == Effect.DENY,
            self.valid_from is not None or self.valid_until is not None,
            self.valid_from or _EVER,
            -self.id,
        )

    def holds_at(self, at: datetime) -> bool:
        """Whether its times take in ``at``."""
        is_begun = self.valid_from is None or self.valid_from <= at
        return is_begun and (self.valid_until is None or at < self.valid_until)

    def __str__(self) -> str:
        what = f"command:{self.command}" if self.command else self.kind.value
        tariffs = f" with {', '.join(self.tariff_ids)}" if self.tariff_ids else ""
        tokens = f" for tokens of group:{self.token_group}" if self.token_group else ""
        since = f" from {self.valid_from:%Y-%m-%dT%H:%M:%SZ}" if self.valid_from is not None else ""
        until = f" until {self.valid_until:%Y-%m-%dT%H:%M:%SZ}" if self.valid_until is not None else ""
        note = f" ({self.note})" if self.note else ""
        return f"rule {self.id}: {self.effect} {self.subject} {what} {self.object}{tariffs}{tokens}{since}{until}{note}"


_EVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Viewer:
    """Who asks: a party, and the partner that speaks for it (empty for a party hosted here)."""

    partner_id: str
    party: PartyId


@dataclass(frozen=True, kw_only=True)
class Thing:
    """What is asked for. ``object_id`` is a location's id, or a tariff's for ``Kind.TARIFFS``."""

    kind: Kind
    owner: PartyId
    object_id: str = ""
    evse_uid: str = ""
    command: str = ""


@dataclass(frozen=True, kw_only=True)
class ChargeBegun:
    """What of a charge price rules ask for beside its place and its eMSP."""

    at: datetime
    token_uid: str
    group_id: str | None = None
    """Of the token (OCPI 2.2.1 tokens, Token)."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """An answer with its reason. ``rule`` decided, ``None`` when the agreement did, or its absence; ``considered``: all
    rules that fit, the one that decided first."""

    is_allowed: bool
    has_agreement: bool
    viewer: Viewer | None
    rule: Rule | None = None
    considered: tuple[Rule, ...] = ()


_Place = tuple[Kind, Scope, str, str]


@dataclass(frozen=True)
class Named:
    """What rules name of one owner. Ids are folded."""

    evses: dict[str, set[str]] = field(default_factory=dict)
    """Locations that have rules of their own, each with the EVSEs that have."""
    together: dict[tuple[str, ...], list[str]] = field(default_factory=dict)
    """Other locations, by the groups that they are in: rules say the same of all that are in the same ones."""
    tariffs: set[str] = field(default_factory=set)


NOTHING_NAMED = Named()


@dataclass(frozen=True)
class Rulebook:
    """All rules and groups at one revision."""

    rules: tuple[Rule, ...] = ()
    parties_in: Mapping[str, frozenset[PartyId]] = field(default_factory=dict)
    """Members of each group of parties."""
    locations_in: Mapping[str, frozenset[tuple[PartyId, str]]] = field(default_factory=dict)
    """Members of each group of locations: owner and folded id."""
    tokens_in: Mapping[str, frozenset[tuple[PartyId, str]]] = field(default_factory=dict)
    """Members of each group of tokens: owner and folded uid, or folded ``group_id`` of several tokens."""

    def decide(self, viewer: Viewer, thing: Thing, *, has_agreement: bool) -> Decision:
        """Whether ``viewer`` may see or use ``thing``, and why."""
        if not has_agreement:
            return Decision(is_allowed=False, has_agreement=False, viewer=viewer)
        considered = tuple(rule for rule in self.fitting(viewer, thing) if rule.effect != Effect.PRICE)
        if considered:
            is_allowed = considered[0].effect == Effect.ALLOW
            return Decision(
                is_allowed=is_allowed, has_agreement=True, viewer=viewer, rule=considered[0], considered=considered
            )
        return Decision(is_allowed=self._is_open(viewer, thing), has_agreement=True, viewer=viewer)

    def fitting(self, viewer: Viewer, thing: Thing) -> list[Rule]:
        """The rules that speak of this, the one that decides first."""
        if not self.rules:
            return []
        found = [
            rule
            for place in self._places(thing)
            for rule in self._at.get(place, ())
            if rule.command in ("", thing.command) and self._is_about(rule.subject, viewer)
        ]
        return sorted(found, key=lambda rule: rule.rank, reverse=True)

    def price(self, viewer: Viewer, owner: PartyId, location_id: str = "", evse_uid: str = "") -> Rule | None:
        """The rule that says which tariffs ``viewer`` is shown there; ``None``: those of the connector itself. What is
        for a group of tokens no version of OCPI can show at a connector."""
        found = self._pricing(viewer, owner, location_id, evse_uid)
        return next((rule for rule in found if rule.is_in_force and not rule.token_group), None)

    def pricing(
        self, viewer: Viewer, owner: PartyId, location_id: str, evse_uid: str, charge: ChargeBegun
    ) -> Sequence[Rule]:
        """The rules that would price a charge of a driver of ``viewer`` there, the one that decides first."""
        ids = {(viewer.party, fold(id)) for id in (charge.token_uid, charge.group_id) if id}
        return [
            rule
            for rule in self._pricing(viewer, owner, location_id, evse_uid)
            if rule.holds_at(charge.at)
            and not (rule.token_group and ids.isdisjoint(self.tokens_in.get(rule.token_group, ())))
        ]

    def _pricing(self, viewer: Viewer, owner: PartyId, location_id: str, evse_uid: str) -> Iterable[Rule]:
        thing = Thing(kind=Kind.LOCATIONS, owner=owner, object_id=location_id, evse_uid=evse_uid)
        return (rule for rule in self.fitting(viewer, thing) if rule.effect == Effect.PRICE)

    def offered(self, viewer: Viewer, owner: PartyId) -> tuple[frozenset[str], bool]:
        """Folded ids of the tariffs that price rules offer to ``viewer`` somewhere, and whether they leave any
        connector with its own for any driver."""
        found = self._offered.get((viewer, owner))
        if found is None:
            found = self._offered[viewer, owner] = self._find_offered(viewer, owner)
        return found

    @cached_property
    def _offered(self) -> dict[tuple[Viewer, PartyId], tuple[frozenset[str], bool]]:
        return {}

    def _find_offered(self, viewer: Viewer, owner: PartyId) -> tuple[frozenset[str], bool]:
        places: dict[tuple[_Place, str], Rule] = {}
        for rule in self._prices:
            if rule.is_in_force and owner in self.owners(rule) and self._is_told_price(rule, viewer):
                place = (_place(rule), rule.token_group)
                if place not in places or rule.rank > places[place].rank:
                    places[place] = rule
        tariffs = frozenset(fold(id) for rule in places.values() for id in rule.tariff_ids)
        return tariffs, all(r.token_group or r.object.scope != Scope.OWNER for r in places.values())

    def _is_told_price(self, rule: Rule, viewer: Viewer) -> bool:
        """What is for a group of tokens is shown to those who have one in it: their CDRs will quote it."""
        if not self._is_about(rule.subject, viewer):
            return False
        return not rule.token_group or any(who == viewer.party for who, _ in self.tokens_in.get(rule.token_group, ()))

    def _is_open(self, viewer: Viewer, thing: Thing) -> bool:
        """What no allowing or denying rule speaks of: everything but tariffs that are somebody else's."""
        if thing.kind != Kind.TARIFFS or not thing.object_id or not self._prices:
            return True
        offered, has_own = self.offered(viewer, thing.owner)
        is_special = fold(thing.object_id) in self.special_tariffs(thing.owner)
        return fold(thing.object_id) in offered or (has_own and not is_special)

    @cached_property
    def _prices(self) -> tuple[Rule, ...]:
        return tuple(rule for rule in self.rules if rule.effect == Effect.PRICE)

    @cached_property
    def _special(self) -> Mapping[PartyId, frozenset[str]]:
        found: dict[PartyId, set[str]] = {}
        for rule in self._prices:
            for owner in self.owners(rule):
                found.setdefault(owner, set()).update(map(fold, rule.tariff_ids))
        return {owner: frozenset(ids) for owner, ids in found.items()}

    def special_tariffs(self, owner: PartyId) -> frozenset[str]:
        """Folded ids of tariffs of ``owner`` that price rules offer to somebody: nobody else sees them. What another
        owner has under the same id is not meant."""
        return self._special.get(owner, frozenset())

    def owners(self, rule: Rule) -> frozenset[PartyId]:
        """Whose objects a rule is about; several where it is about a group of locations."""
        where = rule.object
        return frozenset((where.owner,)) if where.owner is not None else self._owners_in.get(where.group, frozenset())

    @cached_property
    def _owners_in(self) -> Mapping[str, frozenset[PartyId]]:
        return {name: frozenset(owner for owner, _ in members) for name, members in self.locations_in.items()}

    @property
    def has_prices(self) -> bool:
        """Whether any rule offers other tariffs."""
        return bool(self._prices)

    def named(self, owner: PartyId) -> Named:
        """Objects of ``owner`` that rules about locations and tariffs name, themselves or by group."""
        return self._named.get(owner, NOTHING_NAMED)

    @cached_property
    def _named(self) -> Mapping[PartyId, Named]:
        found: dict[PartyId, Named] = {}
        groups: set[str] = set()
        for rule in self.rules:
            where = rule.object
            if where.owner is None:
                groups |= {where.group} if rule.kind == Kind.LOCATIONS else set()
            elif where.object_id and rule.kind == Kind.TARIFFS:
                found.setdefault(where.owner, Named()).tariffs.add(fold(where.object_id))
            elif where.object_id and rule.kind == Kind.LOCATIONS:
                uids = found.setdefault(where.owner, Named()).evses.setdefault(fold(where.object_id), set())
                uids |= {fold(where.evse_uid)} if where.evse_uid else set()
        for owner, id in {member for group in groups for member in self.locations_in.get(group, ())}:
            named = found.setdefault(owner, Named())
            if id not in named.evses:
                named.together.setdefault(self._groups_of[owner, id], []).append(id)
        return found

    @cached_property
    def _at(self) -> Mapping[_Place, tuple[Rule, ...]]:
        found: dict[_Place, list[Rule]] = {}
        for rule in self.rules:
            found.setdefault(_place(rule), []).append(rule)
        return {place: tuple(rules) for place, rules in found.items()}

    @cached_property
    def _groups_of(self) -> Mapping[tuple[PartyId, str], tuple[str, ...]]:
        found: dict[tuple[PartyId, str], list[str]] = {}
        for name, members in self.locations_in.items():
            for member in members:
                found.setdefault(member, []).append(name)
        return {member: tuple(names) for member, names in found.items()}

    def _places(self, thing: Thing) -> Iterable[_Place]:
        kind, owner, id = thing.kind, str(thing.owner), fold(thing.object_id)
        yield (kind, Scope.OWNER, owner, "")
        if not id:
            return
        if kind != Kind.TARIFFS:
            for group in self._groups_of.get((thing.owner, id), ()):
                yield (kind, Scope.GROUP, group, "")
        yield (kind, Scope.OBJECT, owner, id)
        if thing.evse_uid:
            yield (kind, Scope.EVSE, owner, f"{id}/{fold(thing.evse_uid)}")

    def _is_about(self, subject: Subject, viewer: Viewer) -> bool:
        match subject.kind:
            case SubjectKind.EVERYBODY:
                return True
            case SubjectKind.PARTNER:
                return subject.name == viewer.partner_id
            case SubjectKind.PARTY:
                return subject.name == str(viewer.party)
            case _:
                return viewer.party in self.parties_in.get(subject.name, frozenset())


def _place(rule: Rule) -> _Place:
    where = rule.object
    if where.scope == Scope.GROUP:
        return (rule.kind, Scope.GROUP, where.group, "")
    id = fold(where.object_id)
    if where.scope == Scope.EVSE:
        id = f"{id}/{fold(where.evse_uid)}"
    return (rule.kind, where.scope, str(where.owner), id)
