"""Why a partner sees something or does not, or may do something or may not: the rule that decided, or what decided
before rules are asked. The same decisions as those that lists, single objects, pushes and commands are made by."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from roaming.hub.why_told import last_telling, sayable
from roaming.model.canonical import from_document
from roaming.model.command import CommandType
from roaming.model.identifiers import PartyId, fold
from roaming.model.location import EVSE, Location
from roaming.model.party import Role
from roaming.model.token import TokenType
from roaming.ocpi.module import DeliveryRules, Services
from roaming.partners.agreements import CHARGING_PROFILE, Decision, Kind, Thing
from roaming.partners.directory import Directory, Partner
from roaming.partners.telling import Told, told_of
from roaming.store.documents import Stored, object_key

MODULE_OF = {"location": "locations", "tariff": "tariffs", "token": "tokens", "session": "sessions", "cdr": "cdrs"}
"""What can be asked about."""
_MOST_FOUND = 50


class NotKnown(ValueError):
    """There is no such partner or object here, or more than one; the text says what to do next."""


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One answer. ``rule``: the number of the rule that decided, ``None`` where none did."""

    question: str
    answer: str
    because: str
    rule: int | None = None
    also: Sequence[str] = ()
    """Other rules that speak of it, and lost."""


async def why(
    services: Services, partner_id: str, text: str, *, kind: str = "location", party: PartyId | None = None
) -> list[Mapping[str, Any]]:
    """What ``partner_id`` sees of an object, and may do there. ``text``: an id; of an EVSE its uid, its EVSE id or
    ``LOCATION/EVSE``. Raises ``NotKnown``."""
    directory = await services.directory.current()
    partner = directory.partners.get(partner_id)
    if partner is None:
        raise NotKnown(f"no partner {partner_id}: see `roaming partner list`")
    if kind not in MODULE_OF:
        raise NotKnown(f"kind: {kind!r} is none of {', '.join(MODULE_OF)}")
    stored, evse = await _find(services, directory, text, kind, party)
    asked = _Asked(directory=directory, partner=partner, kind=kind, stored=stored, evse=evse)
    reasons = asked.reasons()
    if any(reason.answer == "yes" for reason in reasons[: len(asked.told())]):
        reasons += await _on_the_way(services, asked, reasons)
    return [asdict(reason) for reason in reasons]


async def _on_the_way(services: Services, asked: "_Asked", before: Sequence[Reason]) -> list[Reason]:
    """What keeps from the partner, or alters, what its agreements and rules let it see."""
    module, partner = MODULE_OF[asked.kind], asked.partner
    rules = _rules_of(services, module)
    reasons = []
    if not partner.endpoint(module, rules.interface):
        because = f"it names no {rules.interface} address of {module}: it can ask for the list"
        reasons.append(Reason(question="is told by itself", answer="no", because=because))
    if partner.version is not None:
        seen = (told for told, reason in zip(asked.told(), before, strict=False) if reason.answer == "yes")
        told = next(seen, asked.told()[0])
        answer, because, also = await sayable(services, module, rules, asked.stored, told)
        question = f"its OCPI {partner.version} can say it"
        reasons.append(Reason(question=question, answer=answer, because=because, also=also))
    undone = await last_telling(services, partner, module, asked.stored.key)
    if undone is not None:
        reasons.append(Reason(question="was told the latest", answer=undone[0], because=undone[1]))
    return reasons


def _rules_of(services: Services, module: str) -> DeliveryRules[Any]:
    rules = next(each for each in services.modules if each.id == module).delivery
    assert rules is not None, "all of them are delivered"
    return rules


async def _find(
    services: Services, directory: Directory, text: str, kind: str, party: PartyId | None
) -> tuple[Stored, EVSE | None]:
    role = Role.EMSP if kind == "token" else Role.CPO
    owners = [party] if party is not None else _known(directory, role)
    if kind == "token":
        wanted = [(object_key(owner, text, type), "") for owner in owners for type in TokenType]
    else:
        wanted = [(object_key(owner, text), "") for owner in owners]
    if kind == "location":
        splits = [index for index, sign in enumerate(text) if sign == "/"]
        wanted += [(object_key(owner, text[:at]), text[at + 1 :]) for owner in owners for at in splits]
    rules = _rules_of(services, MODULE_OF[kind])
    reader = services.database.reader
    rows: Mapping[str, Stored] = await rules.read(reader, [key for key, _ in wanted])
    found = [(rows[key], _evse(rows[key], uid)) for key, uid in wanted if key in rows]
    found = [
        (stored, evse) for (stored, evse), (_, uid) in zip(found, _named(wanted, rows), strict=True) if evse or not uid
    ]
    if not found and kind == "location":
        keys = await reader.fetch(
            f"SELECT key FROM locations WHERE document LIKE $1 LIMIT {_MOST_FOUND}",  # noqa: S608 - a number of ours
            f'%"{text}"%',
        )
        rows = await rules.read(reader, [row[0] for row in keys])
        found = [(s, evse) for s in rows.values() if (evse := _evse(s, text)) and (party is None or s.owner == party)]
    if not found:
        raise NotKnown(f"no {kind} {text} is stored here: see `roaming {kind} list`")
    if len(found) > 1:
        owned = ", ".join(dict.fromkeys(str(stored.owner) for stored, _ in found))
        raise NotKnown(f"several have a {kind} {text} ({owned}): name one with --party, or LOCATION/EVSE")
    return found[0]


def _named(wanted: Iterable[tuple[str, str]], rows: Mapping[str, Stored]) -> list[tuple[str, str]]:
    return [(key, uid) for key, uid in wanted if key in rows]


def _known(directory: Directory, role: Role) -> list[PartyId]:
    theirs = [party for partner in directory.partners.values() for party in partner.parties(role)]
    return list(dict.fromkeys([*directory.hosted_parties(role), *theirs]))


def _evse(stored: Stored, text: str) -> EVSE | None:
    if not text:
        return None
    location = from_document(Location, stored.document, stored.live)
    names = (fold(text),)
    return next((e for e in location.evses if fold(e.uid) in names or fold(e.evse_id or "") in names), None)


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """One question after the object has been found."""

    directory: Directory
    partner: Partner
    kind: str
    stored: Stored
    evse: EVSE | None

    def told(self) -> Sequence[Told]:
        return told_of(self.directory, self.partner, self.stored.owner)

    def reasons(self) -> list[Reason]:
        if self.kind in ("session", "cdr"):
            return [self._of_a_driver()]
        kind = {"location": Kind.LOCATIONS, "tariff": Kind.TARIFFS, "token": Kind.TOKENS}[self.kind]
        told = self.told()
        seen = [self._seen(kind, each) for each in (told[:1] if kind is Kind.TOKENS else told)]
        if kind is not Kind.LOCATIONS:
            return seen
        offered = [self._priced(each) for each in told]
        return [*seen, *offered, self._charging(), *(self._commanding(name) for name in _COMMANDS)]

    def _thing(self, kind: Kind, command: str = "") -> Thing:
        uid = self.evse.uid if self.evse is not None else ""
        # A token has no rule of its own: all of an eMSP's are known to a CPO, or none
        object_id = "" if kind is Kind.TOKENS and self.kind == "token" else self.stored.object_id
        return Thing(kind=kind, owner=self.stored.owner, object_id=object_id, evse_uid=uid, command=command)

    def _seen(self, kind: Kind, told: Told) -> Reason:
        what = "EVSE" if self.evse is not None else self.kind
        question = f"{_name(told, kind)}sees the {what}"
        before = self._before_rules()
        if before:
            return Reason(question=question, answer="no", because=before)
        decision = self._decide(told, self._thing(kind))
        if kind is Kind.LOCATIONS and self.evse is None and not decision.is_allowed:
            for uid in told.view.evses.get(fold(self.stored.object_id), {}):
                thing = Thing(kind=kind, owner=self.stored.owner, object_id=self.stored.object_id, evse_uid=uid)
                part = self._decide(told, thing)
                if part.is_allowed:
                    return self._reason(f"{question}, with EVSE {uid}", part)
        return self._reason(question, decision)

    def _decide(self, told: Told, thing: Thing) -> Decision:
        if told.is_apart and told.party is not None and thing.kind is not Kind.TOKENS:
            return self.directory.decide_for(told.party, thing)
        return self.directory.decide(self.partner, thing)

    def _before_rules(self) -> str:
        """Why nobody sees it, or not this one, whatever the rules."""
        stored, partner = self.stored, self.partner
        if not partner.is_connected:
            return f"{partner.id} is not connected ({partner.state}): roaming partner list"
        if stored.source == partner.id:
            return f"{partner.id} gave it to us: nothing goes back to where it came from"
        if stored.source and not self._is_source_connected():
            return f"its owner's platform {stored.source} is not connected"
        if stored.scope:
            return f"it was given for {stored.scope} alone"
        return "" if stored.is_listed else "its owner does not publish it"

    def _is_source_connected(self) -> bool:
        source = self.directory.partners.get(self.stored.source)
        return source is not None and source.is_connected

    def _of_a_driver(self) -> Reason:
        question, emsp = f"sees the {self.kind}", PartyId.parse(self.stored.scope)
        if not self.partner.is_connected or self.stored.source == self.partner.id:
            return Reason(question=question, answer="no", because=self._before_rules())
        if emsp not in self.partner.parties(Role.EMSP):
            because = "it is of another eMSP's driver, whose platform alone is told"
            return Reason(question=question, answer="no", because=because)
        has_agreement = self.directory.may_exchange(cpo=self.stored.owner, emsp=emsp)
        between = f"agreement between {self.stored.owner} and {emsp}, whose driver it is of"
        return Reason(
            question=question,
            answer="yes" if has_agreement else "no",
            because=f"the {between}" if has_agreement else f"there is no {between}",
        )

    def _priced(self, told: Told) -> Reason:
        uid = self.evse.uid if self.evse is not None else ""
        ids = told.view.tariffs_at(self.stored.object_id, uid)
        question = f"{_name(told, Kind.LOCATIONS)}is offered there"
        parties = [told.party] if told.is_apart and told.party is not None else self.partner.parties()
        rules = [
            rule
            for party in parties
            if (rule := self.directory.price_for(party, self.stored.owner, self.stored.object_id, uid)) is not None
        ]
        if ids is None:
            because = "its parties are offered different ones" if rules else "no rule gives others"
            return Reason(question=question, answer="the connectors' own tariffs", because=because)
        rule = next(rule for rule in rules if rule.tariff_ids == ids)
        return Reason(question=question, answer=", ".join(ids), because=str(rule), rule=rule.id)

    def _charging(self) -> Reason:
        emsps = self.partner.parties(Role.EMSP)
        uid = self.evse.uid if self.evse is not None else ""
        found = [
            self.directory.decide_charging(
                cpo=self.stored.owner, emsp=emsp, location_id=self.stored.object_id, evse_uid=uid
            )
            for emsp in emsps
        ]
        question = "its drivers may charge there"
        if not found:
            return Reason(question=question, answer="no", because=f"{self.partner.id} speaks for no eMSP")
        return self._reason(question, max(found, key=lambda one: (one.is_allowed, one.has_agreement)))

    def _commanding(self, name: str) -> Reason:
        emsps = (
            self.partner.parties(Role.EMSP, Role.SCSP) if name == CHARGING_PROFILE else self.partner.parties(Role.EMSP)
        )
        found = [self.directory.decide_for(emsp, self._thing(Kind.COMMANDS, name)) for emsp in emsps]
        question = f"may send {name}"
        if not found:
            return Reason(question=question, answer="no", because=f"{self.partner.id} speaks for no eMSP")
        return self._reason(question, max(found, key=lambda one: (one.is_allowed, one.has_agreement)))

    def _reason(self, question: str, decision: Decision) -> Reason:
        also = [str(rule) for rule in decision.considered if rule != decision.rule]
        answer = "yes" if decision.is_allowed else "no"
        if decision.rule is not None:
            rule = decision.rule
            return Reason(question=question, answer=answer, because=str(rule), rule=rule.id, also=also)
        owner = self.stored.owner
        if not decision.has_agreement:
            parties = ", ".join(map(str, self.partner.parties())) or "no party"
            because = f"there is no agreement between {owner} and {self.partner.id} ({parties}): roaming agreement add"
        elif decision.is_allowed:
            because = f"the agreement between {owner} and {decision.viewer.party if decision.viewer else '?'}"
        else:
            because = "a price rule offers this tariff to others, or others than this to it"
        return Reason(question=question, answer=answer, because=because, also=also)


def _name(told: Told, kind: Kind) -> str:
    """Of a partner whose parties see different things, the one that is spoken of."""
    return f"{told.party} " if told.is_apart and kind is not Kind.TOKENS else ""


_COMMANDS = (*(command.value for command in CommandType), CHARGING_PROFILE)
