"""Rules and groups in the store: read into a ``Rulebook``, written inside a ``Work`` that has touched the directory."""

import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.model.identifiers import PartyId, fold
from roaming.partners.agreements import Effect, Kind, Object, Rule, Rulebook, Subject, SubjectKind
from roaming.partners.tables import GroupMemberRow, RuleRow
from roaming.store.bulk import insert_new, upsert
from roaming.store.columns import text_to_time
from roaming.store.database import Work

RULES = RuleRow.__table__  # type: ignore[attr-defined]
MEMBERS = GroupMemberRow.__table__  # type: ignore[attr-defined]
PARTIES, LOCATIONS, TOKENS = "parties", "locations", "tokens"
"""Kinds of groups."""

Member = tuple[PartyId, str]
"""A party and no id, or an owner and the folded id of a location, or of a token or several (``group_id``)."""


async def read_rulebook(fetch: Callable[[str], Awaitable[Sequence[Any]]]) -> Rulebook:
    """All rules and groups. Whatever was stored can be read."""
    rows = await fetch(
        "SELECT id, effect, subject_kind, subject, kind, owner, location_group, object_id, evse_uid, command,"
        " tariff_ids, note, token_group, valid_from, valid_until, is_in_force FROM rules ORDER BY id"
    )
    if not rows:
        return Rulebook()
    parties: dict[str, set[PartyId]] = {}
    members: dict[str, dict[str, set[Member]]] = {LOCATIONS: {}, TOKENS: {}}
    for kind, name, owner, object_id in await fetch("SELECT kind, name, owner, object_id FROM group_members"):
        if kind == PARTIES:
            parties.setdefault(name, set()).add(_party(owner))
        else:
            members[kind].setdefault(name, set()).add((_party(owner), object_id))
    return Rulebook(
        rules=tuple(_rule(row) for row in rows),
        parties_in={name: frozenset(found) for name, found in parties.items()},
        locations_in={name: frozenset(found) for name, found in members[LOCATIONS].items()},
        tokens_in={name: frozenset(found) for name, found in members[TOKENS].items()},
    )


async def rulebook_within(connection: AsyncConnection) -> Rulebook:
    """The rules as a transaction sees them."""

    async def fetch(sql: str) -> Sequence[Any]:
        return (await connection.exec_driver_sql(sql)).all()

    return await read_rulebook(fetch)


def _party(text: str) -> PartyId:
    country_code, _, party_id = text.partition("-")
    return PartyId(country_code, party_id)


def _rule(row: Any) -> Rule:
    return Rule(
        id=row[0],
        effect=Effect(row[1]),
        subject=Subject(kind=SubjectKind(row[2]), name=row[3]),
        kind=Kind(row[4]),
        object=Object(owner=_party(row[5]) if row[5] else None, group=row[6], object_id=row[7], evse_uid=row[8]),
        command=row[9],
        tariff_ids=tuple(json.loads(row[10])),
        note=row[11],
        token_group=row[12],
        valid_from=_time(row[13]),
        valid_until=_time(row[14]),
        is_in_force=bool(row[15]),
    )


def _time(value: Any) -> datetime | None:
    return text_to_time(value) if isinstance(value, str) else value


def _place(rule: Rule) -> str:
    what = "price" if rule.effect == Effect.PRICE else rule.kind.value
    place = "|".join((str(rule.subject), what, rule.command, fold(str(rule.object))))
    if not (rule.token_group or rule.valid_from or rule.valid_until):
        return place
    times = ("" if each is None else each.isoformat() for each in (rule.valid_from, rule.valid_until))
    return "|".join((place, rule.token_group, *times))


async def put_rule(work: Work, rule: Rule) -> int:
    """Stores a rule, in place of one about the same subject, object, command, tokens and times; returns its number.
    ``rule.id`` and ``rule.is_in_force`` do not count."""
    row = {
        "place": _place(rule),
        "effect": rule.effect.value,
        "subject_kind": int(rule.subject.kind),
        "subject": rule.subject.name,
        "kind": rule.kind.value,
        "owner": str(rule.object.owner or ""),
        "location_group": rule.object.group,
        "object_id": rule.object.object_id,
        "evse_uid": rule.object.evse_uid,
        "command": rule.command,
        "tariff_ids": json.dumps(list(rule.tariff_ids)),
        "note": rule.note,
        "token_group": rule.token_group,
        "valid_from": rule.valid_from,
        "valid_until": rule.valid_until,
        "is_in_force": rule.holds_at(work.now),
        "created_at": work.now,
    }
    updated = ("effect", "tariff_ids", "note", "is_in_force")
    await upsert(work.connection, RULES, [row], key=("place",), update=updated)
    found = await work.connection.execute(select(RULES.c.id).where(RULES.c.place == row["place"]))
    return int(found.scalar_one())


async def drop_rule(work: Work, id: int) -> bool:
    """Removes a rule; False when there is none with this number."""
    return bool((await work.connection.execute(delete(RULES).where(RULES.c.id == id))).rowcount)


async def add_members(work: Work, kind: str, name: str, members: Iterable[Member]) -> int:
    """Puts members into a group, which begins with the first one; returns how many are new."""
    rows = [{"kind": kind, "name": name, "owner": str(owner), "object_id": id} for owner, id in members]
    return len(await insert_new(work.connection, MEMBERS, rows, key=("kind", "name", "owner", "object_id")))


async def drop_members(work: Work, kind: str, name: str, members: Iterable[Member] | None) -> int:
    """Takes members out of a group, or all of them; returns how many were in it."""
    where = (MEMBERS.c.kind == kind) & (MEMBERS.c.name == name)
    if members is None:
        return int((await work.connection.execute(delete(MEMBERS).where(where))).rowcount)
    gone = 0
    for owner, id in members:
        one = where & (MEMBERS.c.owner == str(owner)) & (MEMBERS.c.object_id == id)
        gone += (await work.connection.execute(delete(MEMBERS).where(one))).rowcount
    return gone
