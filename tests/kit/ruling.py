"""Rules for tests, put in place of all others."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete

from roaming.model.identifiers import PartyId, fold
from roaming.partners import registry
from roaming.partners.agreements import Effect, Kind, Object, Rule, Subject, SubjectKind
from roaming.partners.retelling import changed
from roaming.partners.rules import LOCATIONS, MEMBERS, RULES, add_members, drop_rule, put_rule
from roaming.store.database import Database, Work

EVERYBODY = Subject(kind=SubjectKind.EVERYBODY)


def a_rule(
    effect: str,
    kind: str,
    owner: str = "NL-HUB",
    object_id: str = "",
    evse_uid: str = "",
    *,
    partner: str = "",
    party: str = "",
    group: str = "",
    command: str = "",
    tariffs: Sequence[str] = (),
    tokens: str = "",
    times: tuple[datetime | None, datetime | None] = (None, None),
) -> Rule:
    """A rule about ``partner``, one of its parties, or everybody."""
    subject = Subject(kind=SubjectKind.PARTNER, name=partner) if partner else EVERYBODY
    subject = Subject(kind=SubjectKind.PARTY, name=party) if party else subject
    whose = None if group else PartyId.parse(owner)
    return Rule(
        id=0,
        effect=Effect(effect),
        subject=subject,
        kind=Kind(kind),
        object=Object(owner=whose, group=group, object_id=object_id, evse_uid=evse_uid),
        command=command,
        tariff_ids=tuple(tariffs),
        token_group=tokens,
        valid_from=times[0],
        valid_until=times[1],
    )


async def change(database: Database, *rules: Rule, drop: int | None = None) -> int:
    """Puts rules, or drops one, as operators do; the number of the last one."""

    async def do(work: Work) -> int:
        number = 0
        if drop is not None:
            assert await drop_rule(work, drop)
        for entry in rules:
            number = await put_rule(work, entry)
        return number

    return await changed(database, do)


async def rule(
    database: Database,
    rules: Iterable[Rule],
    groups: Mapping[str, Sequence[tuple[str, str]]] | None = None,
    *,
    kind: str = LOCATIONS,
) -> None:
    """From now on these rules hold and no others. ``groups``: owner and id of locations, or what ``kind`` says, by
    name."""
    async with database.work() as work:
        await registry.touch(work)
        await work.connection.execute(delete(RULES))
        await work.connection.execute(delete(MEMBERS))
        for entry in rules:
            await put_rule(work, entry)
        for name, members in (groups or {}).items():
            await add_members(work, kind, name, [(PartyId.parse(owner), fold(id)) for owner, id in members])
