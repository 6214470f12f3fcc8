"""Agreements, rules and groups: who may see and use what, changed and shown by commands."""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import select

from roaming.cli.database import known_partner, services_of_now
from roaming.cli.operating import user
from roaming.cli.output import fail
from roaming.cli.registering import party_of
from roaming.hub.why import NotKnown
from roaming.hub.why import why as find_reasons
from roaming.hub.why_price import why_of_session, why_there
from roaming.model.identifiers import PartyId, fold
from roaming.model.time import parse_timestamp
from roaming.ocpi.credentials_token import new_token
from roaming.partners import changing, operators
from roaming.partners.agreements import Effect, Kind, Rule, SubjectKind
from roaming.partners.directory import Directory
from roaming.partners.refusing import Missing, Refused
from roaming.partners.registry import AGREEMENTS
from roaming.partners.rules import MEMBERS, rulebook_within
from roaming.partners.wishes import RuleWish

TOLD = "partners are told of what comes into their sight, and what goes, by the running hub"
FORCE = "give --force where it comes later"
OPTIONS = {"tariffs": "--with", "valid_from": "--from", "valid_until": "--until"} | {
    name: f"--{name}" for name in ("who", "location", "evse", "tariff", "command", "tokens")
}
"""By the field of a wish."""


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
            "state": _state(directory, row),
            "since": row.since,
        }
        for row in rows
    ]


def _state(directory: Directory, row: Any) -> str:
    if not row.is_active:
        return "ended"
    holds = directory.may_exchange(cpo=PartyId.parse(row.cpo), emsp=PartyId.parse(row.emsp))
    return "in force" if holds else "rests"


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
        with _explained():
            is_in_force = await changing.change_agreement(
                services.database, services.directory, operator, provider, is_active=is_active, who=f"cli:{user()}"
            )
        directory = await services.directory.current()
    if is_active and not is_in_force:
        fail(changing.rests(operator, provider))
    done = {"CPO": str(operator), "eMSP": str(provider), "state": "in force" if is_in_force else "ended", "next": TOLD}
    unknown = [str(party) for party in (operator, provider) if not directory.roles_of(party)]
    if is_active and unknown:
        done["note"] = f"nobody speaks for {' and '.join(unknown)} yet: it counts from the day somebody does"
    return done


@contextmanager
def _explained() -> Iterator[None]:
    """Ends the command where a wish is refused, with the option that says it."""
    try:
        yield
    except Refused as error:
        option = OPTIONS.get(error.field)
        forced = f"; {FORCE}" if isinstance(error, Missing) else ""
        fail(f"{option}: {error}{forced}" if option else f"{error}{forced}")
    except changing.NotThere as error:
        fail(str(error))


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
            "tokens": rule.token_group,
            "from": rule.valid_from,
            "until": rule.valid_until,
            "note": rule.note,
        }
        for rule in rulebook.rules
    ]


async def add_rule(wish: RuleWish) -> dict[str, Any]:
    """Stores a rule, in place of one about the same."""
    async with services_of_now() as services:
        with _explained():
            number, rule = await changing.add_rule(services.database, services.directory, wish, who=f"cli:{user()}")
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


async def remove_rule(number: int) -> dict[str, Any]:
    """Removes a rule."""
    async with services_of_now() as services:
        with _explained():
            await changing.remove_rule(services.database, number, who=f"cli:{user()}")
    return {"rule": number, "state": "removed", "next": TOLD}


async def list_changes(limit: int) -> list[dict[str, Any]]:
    """Who changed agreements, rules and groups, the newest first."""
    async with services_of_now() as services, services.database.reading() as connection:
        found = await changing.list_changes(connection, limit=limit)
    return [{"at": each.at, "who": each.who, "action": each.action, "what": each.what} for each in found]


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
    async with services_of_now() as services:
        database, directories, who = services.database, services.directory, f"cli:{user()}"
        with _explained():
            if is_adding:
                count = await changing.add_to_group(
                    database, directories, kind, name, members, who=who, is_forced=is_forced
                )
            else:
                count = await changing.remove_from_group(database, kind, name, members, who=who)
    return {"group": name, "of": kind, "added" if is_adding else "removed": count, "next": TOLD}


def moment(option: str, text: str) -> datetime | None:
    """A time as it is written; ``None`` for an empty text. Ends the command with what is wrong."""
    try:
        return parse_timestamp(text) if text else None
    except ValueError as error:
        fail(f"{option}: {error}")


async def why_priced(
    session: str, cpo: str, place: str, *, token: str, emsp: str, at: str, profile: str
) -> dict[str, Any]:
    """Why a charge has its tariff, or would have it."""
    issuer, since = party_of(emsp) if emsp else None, moment("--at", at)
    async with services_of_now() as services:
        try:
            if session:
                found = await why_of_session(services, session)
            else:
                found = await why_there(
                    services, party_of(cpo), place, at=since, token=token, emsp=issuer, profile=profile.upper()
                )
        except NotKnown as error:
            fail(str(error))
    lists = {name: list(getattr(found, name)) for name in ("offered", "also", "preferred", "later")}
    return {**asdict(found), **lists, "tariff": found.tariff or "none: the charge has no price"}


async def list_operators() -> list[dict[str, Any]]:
    """Who may ask the hub's own API."""
    async with services_of_now() as services:
        found = await operators.operators(services.database)
    return [{"name": who.name, "party": who.party or "all", "since": since} for who, since in found]


async def new_operator(name: str, *, party: str = "") -> dict[str, Any]:
    """A token, shown this once."""
    token = new_token()
    only = party_of(party) if party else None
    async with services_of_now() as services:
        async with services.database.work() as work:
            is_new = await operators.add_operator(work, name, services.secrets.digest(token), party=only)
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
