"""Changes of agreements, rules and groups, whoever asks for them: checked, made known to partners, and written down
with who made them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.model.identifiers import PartyId
from roaming.model.party import Role
from roaming.partners import registry
from roaming.partners.agreements import Rule
from roaming.partners.directory import HUB, Directory, DirectoryCache, directory_within
from roaming.partners.known_objects import check_members, check_rule
from roaming.partners.refusing import Refused
from roaming.partners.registry import AGREEMENTS
from roaming.partners.retelling import changed
from roaming.partners.rules import add_members, drop_members, drop_rule, put_rule, rulebook_within
from roaming.partners.tables import RuleChangeRow
from roaming.partners.wishes import RuleWish, members_of, rule_of
from roaming.store.bulk import append
from roaming.store.columns import storable_text
from roaming.store.database import Database, Work

CHANGES = RuleChangeRow.__table__  # type: ignore[attr-defined]


class NotThere(LookupError):
    """There is nothing of the kind; the text says where to look."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """One change, and who made it when."""

    id: int
    at: datetime
    who: str
    """``cli:anna`` or ``api:dashboard``."""
    action: str
    what: str


async def add_rule(database: Database, directories: DirectoryCache, wish: RuleWish, *, who: str) -> tuple[int, Rule]:
    """Stores a rule, in place of one about the same, and returns its number. Raises ``Refused``."""
    directory = await directories.current()
    rule = rule_of(directory, wish)
    if not wish.force:
        async with database.reading() as connection:
            await check_rule(connection, directory, rule)

    async def change(work: Work) -> int:
        number = await put_rule(work, rule)
        await _note(work, who, "add rule", f"rule {number}: {_says(rule)}")
        return number

    return await changed(database, change), rule


def _says(rule: Rule) -> str:
    return str(rule).split(": ", 1)[1]


async def remove_rule(database: Database, number: int, *, who: str) -> None:
    """Removes a rule. Raises ``NotThere``."""

    async def change(work: Work) -> bool:
        rules = (await rulebook_within(work.connection)).rules
        rule = next((rule for rule in rules if rule.id == number), None)
        if rule is None or not await drop_rule(work, number):
            return False
        await _note(work, who, "remove rule", str(rule))
        return True

    if not await changed(database, change):
        raise NotThere(f"no rule {number}: see `roaming rule list`")


async def add_to_group(
    database: Database,
    directories: DirectoryCache,
    kind: str,
    name: str,
    texts: Sequence[str],
    *,
    who: str,
    is_forced: bool = False,
) -> int:
    """Puts members into a group, which begins with the first one; returns how many are new. Raises ``Refused``."""
    members = members_of(kind, texts)
    if not members:
        raise Refused("members", "name one at least, such as NL-TNM, or NL-TNM/LOC1 of locations")
    if not is_forced:
        directory = await directories.current()
        async with database.reading() as connection:
            await check_members(connection, directory, kind, members)

    async def change(work: Work) -> int:
        count = await add_members(work, kind, name, members)
        await _note(work, who, "add to group", f"{kind} {name}: {', '.join(texts)}")
        return count

    return await changed(database, change)


async def remove_from_group(database: Database, kind: str, name: str, texts: Sequence[str], *, who: str) -> int:
    """Takes members out of a group, without any all of them; returns how many were in it. Raises ``Refused``."""
    members = members_of(kind, texts)

    async def change(work: Work) -> int:
        count = await drop_members(work, kind, name, members or None)
        await _note(work, who, "remove from group", f"{kind} {name}: {', '.join(texts) or 'all'}")
        return count

    return await changed(database, change)


def _check_sides(directory: Directory, cpo: PartyId, emsp: PartyId) -> None:
    """A party that nobody speaks for yet may be anything."""
    for field, party, is_wrong in (
        ("cpo", cpo, not directory.has_role(cpo, Role.CPO, HUB)),  # a hub, for what is behind it
        ("emsp", emsp, directory.roles_of(emsp) == {Role.CPO}),
    ):
        known = directory.roles_of(party)
        if known and is_wrong:
            order = f"the CPO comes first, then who drives there: {emsp} {cpo}?"
            raise Refused(field, f"{field}: {party} is known here as {', '.join(sorted(known))} only; {order}")


class _RestsError(Exception):
    """Takes an agreement back that would not be in force."""


async def change_agreement(
    database: Database, directories: DirectoryCache, cpo: PartyId, emsp: PartyId, *, is_active: bool, who: str
) -> bool:
    """Puts one in force, or ends it, also one that rests; returns whether it is in force then. One that would rest is
    not made. Raises ``NotThere``, and ``Refused`` where who is known here stands on the wrong side."""
    if is_active:
        _check_sides(await directories.current(), cpo, emsp)

    async def change(work: Work) -> None:
        if not is_active and not await registry.is_agreed(work.connection, cpo=cpo, emsp=emsp):
            said = f"there is no agreement in force between {cpo} and {emsp}: see `roaming agreement list`"
            raise NotThere(said)
        await registry.agree(work, cpo=cpo, emsp=emsp, is_active=is_active)
        if is_active and not (await directory_within(work.connection)).may_exchange(cpo=cpo, emsp=emsp):
            raise _RestsError
        await _note(work, who, "agree" if is_active else "end agreement", f"{cpo} {emsp}")

    try:
        await changed(database, change)
    except _RestsError:
        return False
    return (await directories.current()).may_exchange(cpo=cpo, emsp=emsp)


async def chosen_readings(
    connection: AsyncConnection, cpo: PartyId, emsp: PartyId, *, for_update: bool = False
) -> dict[str, Any]:
    """What the two chose where the texts leave a choice how tariffs are read. Raises ``NotThere``."""
    kept = select(AGREEMENTS.c.readings).where(AGREEMENTS.c.cpo == str(cpo), AGREEMENTS.c.emsp == str(emsp))
    kept = kept.with_for_update() if for_update else kept
    stored = (await connection.execute(kept)).scalar_one_or_none()
    if stored is None:
        raise NotThere(f"{cpo} and {emsp} have no agreement: roaming agreement add {cpo} {emsp}")
    return dict(json.loads(stored))


async def change_readings(
    database: Database, cpo: PartyId, emsp: PartyId, chosen: Mapping[str, Any], *, is_anew: bool, who: str
) -> dict[str, Any]:
    """Adds to what the two chose, or (``is_anew``) takes its place; returns all of it. Whether there are such readings
    is the caller's to know. Raises ``NotThere``."""
    async with database.work() as work:
        before = await chosen_readings(work.connection, cpo, emsp, for_update=True)
        now = dict(chosen) if is_anew else {**before, **chosen}
        if now != before:
            await registry.choose_readings(work, cpo=cpo, emsp=emsp, readings=now)
            words = ", ".join(f"{name}={value}" for name, value in sorted(now.items())) or "the defaults"
            await _note(work, who, "choose readings", f"{cpo} {emsp}: {words}")
    return now


def rests(cpo: PartyId, emsp: PartyId) -> str:
    """Why an agreement cannot be put in force."""
    return (
        f"it would rest: a partner that speaks 2.1.1 deals with one hosted party alone, and with {cpo} and {emsp}"
        " another is meant: see `roaming partner list`"
    )


async def _note(work: Work, who: str, action: str, what: str) -> None:
    row = {"at": work.now, "who": who, "action": action, "what": storable_text(what)}
    await append(work.connection, CHANGES, [row])


async def list_changes(connection: AsyncConnection, *, limit: int = 100, before: int | None = None) -> list[Change]:
    """The newest first. ``before``: those older than this one."""
    statement = select(CHANGES).order_by(CHANGES.c.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(CHANGES.c.id < before)
    return [Change(**row) for row in (await connection.execute(statement)).mappings()]
