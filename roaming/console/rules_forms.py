"""Bodies of the API of agreements, rules and groups. The OpenAPI document is made from these."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

import msgspec

from roaming.partners.agreements import Rule, Scope
from roaming.partners.wishes import Word


class ShownRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that holds. ``says``: the same in words. ``is_in_force``: partners are shown what it offers, which follows
    its times within seconds."""

    id: int
    says: str
    effect: str
    kind: str
    of: str
    who: str
    location: str
    evse: str
    tariff: str
    command: str
    tariffs: tuple[str, ...]
    note: str
    tokens: str = ""
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    is_in_force: bool = True


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """All rules, in the order they were made. Of those that fit the narrowest decides: by place, then by command, then
    by who, a group of tokens before all others; of equals the refusal, and of prices the one that holds for a time, of
    two such the one that begins later."""

    rules: tuple[ShownRule, ...]


class ShownAgreement(msgspec.Struct, frozen=True, kw_only=True):
    """An agreement. ``cpo_of``, ``emsp_of``: the partner that speaks for the party; empty: nobody connected, or this
    hub. ``is_resting``: made and not ended, and without effect while a partner that speaks 2.1.1 deals with another
    hosted party."""

    cpo: str
    emsp: str
    is_in_force: bool
    is_resting: bool = False
    since: datetime
    cpo_of: str = ""
    emsp_of: str = ""


class ShownReading(msgspec.Struct, frozen=True, kw_only=True):
    """How two parties read tariffs where the texts leave a choice. ``is_chosen``: by them; else ``default`` holds, in
    OCPI 2.1.1 its own."""

    reading: str
    value: str
    default: str
    values: tuple[str, ...]
    is_chosen: bool


class AgreedReadings(msgspec.Struct, frozen=True, kw_only=True):
    """All readings."""

    readings: tuple[ShownReading, ...]


class ReadingsWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Readings by name, in place of those that were chosen before; none: the defaults."""

    readings: dict[str, str | int]


class Agreements(msgspec.Struct, frozen=True, kw_only=True):
    """All agreements that were ever made."""

    agreements: tuple[ShownAgreement, ...]


class ShownGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A group of parties, locations or tokens. Ids of locations and tokens are in lower case: they are compared without
    case."""

    kind: str
    name: str
    members: tuple[str, ...]


class Groups(msgspec.Struct, frozen=True, kw_only=True):
    """All groups."""

    groups: tuple[ShownGroup, ...]


class Members(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Members to be put into a group: ``NL-TNM`` of parties, ``NL-TNM/LOC1`` of locations, ``DE-EMS/UID`` of
    tokens (their uid, or the ``group_id`` of several)."""

    members: Annotated[tuple[Word, ...], msgspec.Meta(max_length=10_000)]
    force: Annotated[bool, msgspec.Meta(description="Even where what is named is not there yet")] = False


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """How many members came or went."""

    members: int


class ShownChange(msgspec.Struct, frozen=True, kw_only=True):
    """Who changed what. ``who``: ``api:`` and the name of an operator's token, or ``cli:`` and a user."""

    id: int
    at: datetime
    who: str
    action: str
    what: str


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """Changes, the newest first."""

    changes: tuple[ShownChange, ...]


class WhyPriced(msgspec.Struct, frozen=True, kw_only=True):
    """Why a charge has its tariff. ``tariff``: empty where none that is ``offered`` is stored and holds: there is no
    price. ``rule``: the number of the price rule that decided, ``also``: those that fitted and lost. ``profile``: of
    CHEAP, FAST, GREEN and REGULAR the one that the charge begins with, ``profile_from``: where that comes from.
    ``preferred``: what its driver preferred since, and when that was accepted; ``later``: the tariffs that price it
    from then on."""

    tariff: str
    because: str
    rule: int | None
    offered: tuple[str, ...]
    also: tuple[str, ...]
    profile: str
    profile_from: str
    preferred: tuple[str, ...]
    later: tuple[str, ...]


class Wrong(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is wrong and what to do next. ``field``: with which part of the request, where that is clear."""

    error: str
    field: str = ""


def shown(rule: Rule) -> ShownRule:
    """As programs read it."""
    where = rule.object
    is_of_tariff = where.scope == Scope.OBJECT and rule.kind == "tariffs"
    return ShownRule(
        id=rule.id,
        says=str(rule),
        effect=rule.effect.value,
        kind=rule.kind.value,
        of=f"group:{where.group}" if where.group else str(where.owner),
        who=str(rule.subject),
        location="" if is_of_tariff else where.object_id,
        evse=where.evse_uid,
        tariff=where.object_id if is_of_tariff else "",
        command=rule.command,
        tariffs=rule.tariff_ids,
        note=rule.note,
        tokens=rule.token_group,
        valid_from=rule.valid_from,
        valid_until=rule.valid_until,
        is_in_force=rule.is_in_force,
    )


def grouped(rows: Iterable[tuple[str, str, str, str]]) -> tuple[ShownGroup, ...]:
    """From (kind, name, owner, id) of each member, in order."""
    found: dict[tuple[str, str], list[str]] = {}
    for kind, name, owner, id in rows:
        found.setdefault((kind, name), []).append(f"{owner}/{id}" if id else owner)
    return tuple(ShownGroup(kind=kind, name=name, members=tuple(each)) for (kind, name), each in found.items())
