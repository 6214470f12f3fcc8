"""Agreements, rules and groups: who may see and use what, changed and shown by commands."""

import shlex
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from roaming.cli.database import known_partner, services_of_now
from roaming.cli.known_objects import missing_of_group, missing_of_rule
from roaming.cli.output import fail
from roaming.cli.registering import party_of
from roaming.hub.why import NotKnown
from roaming.hub.why import why as find_reasons
from roaming.model.command import CommandType
from roaming.model.identifiers import PartyId, fold
from roaming.ocpi.credentials_token import new_token
from roaming.partners import operators, registry
from roaming.partners.agreements import CHARGING_PROFILE, Effect, Kind, Object, Rule, Subject, SubjectKind
from roaming.partners.directory import Directory
from roaming.partners.registry import AGREEMENTS
from roaming.partners.retelling import changed
from roaming.partners.rules import (
    LOCATIONS,
    MEMBERS,
    PARTIES,
    Member,
    add_members,
    drop_members,
    drop_rule,
    put_rule,
    rulebook_within,
)

TOLD = "partners are told of what comes into their sight, and what goes, by the running hub"
COMMANDS = (*(command.value for command in CommandType), CHARGING_PROFILE)


async def list_agreements() -> list[dict[str, Any]]:
    """All that were ever made."""
    async with services_of_now() as services:
        directory = await services.directory.current()
        async with services.database.reading() as connection:
            rows = (await connection.execute(select(AGREEMENTS).order_by(AGREEMENTS.c.cpo, AGREEMENTS.c.emsp))).all()
    return [
        {
            "CPO": row.cpo,
            "of": _speaker(directory, row.cpo),
            "eMSP": row.emsp,
            "of ": _speaker(directory, row.emsp),
            "state": "in force" if row.is_active else "ended",
            "since": row.since,
        }
        for row in rows
    ]


def _speaker(directory: Directory, party: str) -> str:
    parsed = PartyId.parse(party)
    if directory.is_hosted(parsed):
        return "this hub"
    partner = directory.partner_of(parsed)
    return partner.id if partner is not None else "nobody connected"


async def change_agreement(cpo: str, emsp: str, *, is_active: bool) -> dict[str, Any]:
    """Puts one in force, or ends it."""
    operator, provider = party_of(cpo), party_of(emsp)
    async with services_of_now() as services:
        directory = await services.directory.current()
        if not is_active and not directory.may_exchange(cpo=operator, emsp=provider):
            fail(f"there is no agreement in force between {operator} and {provider}: see `roaming agreement list`")
        await changed(
            services.database,
            lambda work: registry.agree(work, cpo=operator, emsp=provider, is_active=is_active),
        )
        after = (await services.directory.current()).may_exchange(cpo=operator, emsp=provider)
    if is_active and not after:
        fail(
            f"it rests: a partner that speaks 2.1.1 deals with one hosted party alone, and with {operator} and"
            f" {provider} another is meant: see `roaming partner list`"
        )
    return {"CPO": str(operator), "eMSP": str(provider), "state": "in force" if after else "ended", "next": TOLD}


async def list_rules() -> list[dict[str, Any]]:
    """All rules, in the order they were made."""
    async with services_of_now() as services, services.database.reading() as connection:
        rulebook = await rulebook_within(connection)
    return [
        {
            "rule": rule.id,
            "effect": rule.effect.value,
            "who": str(rule.subject),
            "what": rule.command or rule.kind.value,
            "of": str(rule.object),
            "tariffs": ", ".join(rule.tariff_ids),
            "note": rule.note,
        }
        for rule in rulebook.rules
    ]


async def add_rule(
    effect: str,
    kind: str,
    of: str,
    *,
    who: str,
    location: str,
    evse: str,
    tariff: str,
    command: str,
    tariffs: Sequence[str],
    note: str,
    is_forced: bool = False,
) -> dict[str, Any]:
    """Stores a rule, in place of one about the same. ``is_forced``: even where what it names is not there."""
    if effect not in tuple(Effect):
        fail(f"{effect}: give one of {', '.join(Effect)}")
    if kind not in tuple(Kind):
        fail(f"{kind}: give one of {', '.join(Kind)}")
    _check(effect, kind, location, evse, tariff, command, tariffs)
    async with services_of_now() as services:
        directory = await services.directory.current()
        rule = Rule(
            id=0,
            effect=Effect(effect),
            subject=await _subject(directory, who),
            kind=Kind(kind),
            object=_object(of, location or tariff, evse),
            command=command.upper(),
            tariff_ids=tuple(tariffs),
            note=note,
        )
        if not is_forced:
            async with services.database.reading() as connection:
                complaint = await missing_of_rule(connection, directory, rule)
            if complaint:
                fail(complaint)
        number = await changed(services.database, lambda work: put_rule(work, rule))
        async with services.database.reading() as connection:
            kept = (await rulebook_within(connection)).rules
    return {"rule": number, "says": str(rule).split(": ", 1)[1], **_charging(rule, kept), "next": TOLD}


def _charging(rule: Rule, kept: Sequence[Rule]) -> dict[str, str]:
    """Of a rule that hides a place: that it is not closed by that, and the line that closes it."""
    if rule.kind != Kind.LOCATIONS or rule.effect != Effect.DENY:
        return {}
    about = (str(rule.subject), fold(str(rule.object)))
    if any(
        (str(each.subject), fold(str(each.object))) == about
        for each in kept
        if each.kind == Kind.TOKENS and each.effect == Effect.DENY
    ):
        return {}
    where = rule.object
    words = ["roaming", "rule", "add", "deny", "tokens", f"group:{where.group}" if where.group else str(where.owner)]
    options = {"--location": where.object_id, "--evse": where.evse_uid}
    words += [word for option, value in options.items() if value for word in (option, value)]
    if rule.subject.kind != SubjectKind.EVERYBODY:
        words += ["--who", str(rule.subject)]
    return {"charging": f"is still allowed there, hidden or not; this ends it: {shlex.join(words)}"}


def _check(effect: str, kind: str, location: str, evse: str, tariff: str, command: str, tariffs: Sequence[str]) -> None:
    if (effect == Effect.PRICE) != bool(tariffs):
        fail("--with: the tariffs that a price rule offers, such as `--with T1 --with T2`; other rules have none")
    if effect == Effect.PRICE and kind != Kind.LOCATIONS:
        fail("price: is about locations, whose connectors are offered with other tariffs")
    if tariff and kind != Kind.TARIFFS:
        fail("--tariff: only where the rule is about tariffs")
    if location and kind == Kind.TARIFFS:
        fail("--location: not where the rule is about tariffs; to offer others at a place: `rule add price locations`")
    if evse and not location:
        fail("--evse: give its --location too")
    if command and kind != Kind.COMMANDS:
        fail("--command: only where the rule is about commands")
    if command and command.upper() not in COMMANDS:
        fail(f"--command: {command} is none of {', '.join(COMMANDS)}")


def _object(of: str, object_id: str, evse: str) -> Object:
    if of.startswith("group:"):
        if object_id or evse:
            fail("--location, --evse, --tariff: not of a group; make a rule about its owner")
        return Object(group=of.removeprefix("group:"))
    return Object(owner=party_of(of), object_id=object_id, evse_uid=evse)


async def _subject(directory: Directory, who: str) -> Subject:
    if who == "everybody":
        return Subject(kind=SubjectKind.EVERYBODY)
    word, _, name = who.partition(":")
    if word == "partner":
        if name not in directory.partners:
            fail(f"no partner {name}: see `roaming partner list`")
        return Subject(kind=SubjectKind.PARTNER, name=name)
    if word == "party":
        return Subject(kind=SubjectKind.PARTY, name=str(party_of(name)))
    if word != "group" or not name:
        fail(f"--who: {who} is none of everybody, partner:ID, party:NL-TNM, group:NAME")
    return Subject(kind=SubjectKind.GROUP, name=name)


async def remove_rule(number: int) -> dict[str, Any]:
    """Removes a rule."""
    async with services_of_now() as services:
        is_gone = await changed(services.database, lambda work: drop_rule(work, number))
    if not is_gone:
        fail(f"no rule {number}: see `roaming rule list`")
    return {"rule": number, "state": "removed", "next": TOLD}


async def list_groups() -> list[dict[str, Any]]:
    """Members of all groups."""
    async with services_of_now() as services, services.database.reading() as connection:
        order = (MEMBERS.c.kind, MEMBERS.c.name, MEMBERS.c.owner, MEMBERS.c.object_id)
        rows = (await connection.execute(select(MEMBERS).order_by(*order))).all()
    return [
        {"group": row.name, "of": row.kind, "member": f"{row.owner}/{row.object_id}" if row.object_id else row.owner}
        for row in rows
    ]


async def change_group(
    kind: str, name: str, members: Sequence[str], *, is_adding: bool, is_forced: bool = False
) -> dict[str, Any]:
    """Puts members into a group, or takes them out; without any, all of them. ``is_forced``: adds even what is not
    there."""
    if kind not in (PARTIES, LOCATIONS):
        fail(f"{kind}: give {PARTIES} or {LOCATIONS}")
    parsed = [_member(kind, text) for text in members]
    if is_adding and not parsed:
        fail("members: name one at least, such as NL-TNM, or NL-TNM/LOC1 of locations")
    async with services_of_now() as services:
        if is_adding and not is_forced:
            directory = await services.directory.current()
            async with services.database.reading() as connection:
                complaint = await missing_of_group(connection, directory, kind, parsed)
            if complaint:
                fail(complaint)
        if is_adding:
            count = await changed(services.database, lambda work: add_members(work, kind, name, parsed))
        else:
            count = await changed(services.database, lambda work: drop_members(work, kind, name, parsed or None))
    return {"group": name, "of": kind, "added" if is_adding else "removed": count, "next": TOLD}


def _member(kind: str, text: str) -> Member:
    party, _, id = text.partition("/")
    if bool(id) != (kind == LOCATIONS):
        fail(f"{text}: name a party such as NL-TNM in a group of parties, NL-TNM/LOC1 in a group of locations")
    return party_of(party), fold(id)


async def list_operators() -> list[dict[str, Any]]:
    """Who may ask the hub's own API."""
    async with services_of_now() as services:
        return [{"name": name, "since": since} for name, since in await operators.operators(services.database)]


async def new_operator(name: str) -> dict[str, Any]:
    """A token, shown this once."""
    token = new_token()
    async with services_of_now() as services:
        async with services.database.work() as work:
            is_new = await operators.add_operator(work, name, services.secrets.digest(token))
        if not is_new:
            fail(f"{name} has a token already: `roaming operator remove {name}` ends it")
        address = services.public_url.removesuffix("/ocpi")
    ask = f'curl -H "Authorization: Bearer TOKEN" "{address}/api/why?partner=PARTNER&what=LOCATION"'
    return {"name": name, "token": token, "keep it": "it is not shown again", "next": ask}


async def end_operator(name: str) -> dict[str, Any]:
    """Ends a token."""
    async with services_of_now() as services, services.database.work() as work:
        is_gone = await operators.remove_operator(work, name)
    if not is_gone:
        fail(f"{name} has no token: see `roaming operator list`")
    return {"name": name, "state": "removed"}


async def why(partner_id: str, text: str, *, kind: str, party: str) -> list[dict[str, Any]]:
    """What a partner sees of something, and may do there, each with the rule that decided."""
    owner = party_of(party) if party else None
    async with services_of_now() as services:
        await known_partner(services, partner_id)
        try:
            return [dict(row) for row in await find_reasons(services, partner_id, text, kind=kind, party=owner)]
        except NotKnown as error:
            fail(str(error))
