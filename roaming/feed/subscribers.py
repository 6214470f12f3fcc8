"""Who is sent events, and how: added, listed, given a new secret, switched off, removed."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.feed import kinds, signing
from roaming.feed.numbering import NOTIFICATIONS, PATIENCE, SUBSCRIBERS
from roaming.feed.telling import EVENTS
from roaming.model.identifiers import PartyId
from roaming.ocpi.secrets import Secrets
from roaming.store.bulk import insert_new
from roaming.store.database import Work

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
OLD_SECRET_IS_GOOD_FOR = timedelta(hours=24)
"""After a new one was made: messages are signed with both."""


class UnfitName(ValueError):
    """Not a subscriber's name."""


class NameTaken(ValueError):
    """There is a subscriber of that name."""


class NoSuchSubscriber(LookupError):
    """There is none of that name, or not for whoever asks."""


@dataclass(frozen=True, kw_only=True)
class Subscriber:
    """Who is sent events. Holds no secret."""

    name: str
    channel: str
    address: str
    party: str
    """Only events of this one; empty: all."""
    kinds: tuple[str, ...]
    """Patterns; none: all."""
    is_on: bool
    who: str
    created_at: datetime
    failing_since: datetime | None
    last_error: str
    last_success_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A subscriber to be added."""

    name: str
    channel: str
    address: str
    party: str = ""
    kinds: tuple[str, ...] = ()
    secret: str = ""
    """Empty: a new one."""
    who: str = ""


async def add(work: Work, wanted: Wanted, *, secrets: Secrets, check: Callable[[str], None]) -> str:
    """Adds one and returns its secret, which nobody can read again. ``check`` raises for an address that cannot be
    called. Raises ``NameTaken`` and ``ValueError``, naming what is wrong."""
    if not _NAME.fullmatch(wanted.name):
        raise UnfitName(f"{wanted.name[:64]!r}: letters, digits, . _ and -, at most 64")
    party = str(PartyId.parse(wanted.party)) if wanted.party else ""
    chosen = kinds.check(wanted.kinds)
    check(wanted.address)
    secret = signing.check_secret(wanted.secret) if wanted.secret else signing.new_secret()
    row = {
        "name": wanted.name,
        "channel": wanted.channel,
        "address": wanted.address,
        "party": party,
        "kinds": json.dumps(chosen),
        "secret": secrets.seal(secret, partner_id=_bound(wanted.name)),
        "secret_before": "",
        "secret_before_until": None,
        "is_on": True,
        "last_error": "",
        "who": wanted.who,
        "created_at": work.now,
        "failing_since": None,
        "last_success_at": None,
    }
    if not await insert_new(work.connection, SUBSCRIBERS, [row], key=("name",)):
        raise NameTaken(f"there is a subscriber called {wanted.name}")
    return secret


async def renew_secret(work: Work, name: str, *, secrets: Secrets, party: str = "") -> str:
    """Gives it a new secret and returns it; the one before is good for a day. Raises ``NoSuchSubscriber``."""
    row = await _row(work.connection, name, party)
    secret = signing.new_secret()
    values = {
        "secret": secrets.seal(secret, partner_id=_bound(name)),
        "secret_before": row.secret,
        "secret_before_until": work.now + OLD_SECRET_IS_GOOD_FOR,
    }
    await work.connection.execute(update(SUBSCRIBERS).where(SUBSCRIBERS.c.name == name).values(**values))
    return secret


async def switch(work: Work, name: str, *, is_on: bool, party: str = "") -> None:
    """What happens while it is off is not sent to it later; what waits for it goes on then. Raises
    ``NoSuchSubscriber``."""
    await _row(work.connection, name, party)
    values = {"is_on": is_on} | ({"failing_since": None, "last_error": ""} if is_on else {})
    await work.connection.execute(update(SUBSCRIBERS).where(SUBSCRIBERS.c.name == name).values(**values))
    work.wake("notifications")


async def remove(work: Work, name: str, *, party: str = "") -> None:
    """Removes it and what waits for it. Raises ``NoSuchSubscriber``."""
    await _row(work.connection, name, party)
    await work.connection.execute(delete(NOTIFICATIONS).where(NOTIFICATIONS.c.subscriber == name))
    await work.connection.execute(delete(SUBSCRIBERS).where(SUBSCRIBERS.c.name == name))


async def replay(work: Work, name: str, *, party: str = "", seqs: Sequence[int] = ()) -> int:
    """What was given up is sent again; ``seqs``: only of these events. Returns how many. Raises
    ``NoSuchSubscriber``."""
    await _row(work.connection, name, party)
    columns = NOTIFICATIONS.c
    dead = update(NOTIFICATIONS).where(columns.subscriber == name, columns.state == "DEAD")
    if seqs:
        dead = dead.where(columns.seq.in_(seqs))
    values = {"state": "PENDING", "attempts": 0, "due_at": work.now, "done_at": None}
    values["expires_at"] = work.now + PATIENCE
    done = await work.connection.execute(dead.values(**values))
    work.wake("notifications")
    return done.rowcount


async def find(connection: AsyncConnection, name: str, *, party: str = "") -> Subscriber:
    """Raises ``NoSuchSubscriber``; ``party``: where only its subscribers may be seen."""
    return _subscriber(await _row(connection, name, party))


async def listed(connection: AsyncConnection, *, party: str = "") -> list[tuple[Subscriber, dict[str, int]]]:
    """All, or those of one party, each with how many notifications are in which state."""
    columns = NOTIFICATIONS.c
    counted = select(columns.subscriber, columns.state, func.count()).group_by(columns.subscriber, columns.state)
    counts: dict[str, dict[str, int]] = {}
    for name, state, count in await connection.execute(counted):
        counts.setdefault(name, {})[state] = count
    chosen = select(SUBSCRIBERS).order_by(SUBSCRIBERS.c.name)
    if party:
        chosen = chosen.where(SUBSCRIBERS.c.party == party)
    return [(_subscriber(row), counts.get(row.name, {})) for row in await connection.execute(chosen)]


async def count_of(connection: AsyncConnection, party: str) -> int:
    """How many subscribers a party has."""
    counted = select(func.count()).select_from(SUBSCRIBERS).where(SUBSCRIBERS.c.party == party)
    return int((await connection.execute(counted)).scalar_one())


async def notifications(
    connection: AsyncConnection, name: str, *, party: str = "", state: str = "", limit: int = 100
) -> list[dict[str, Any]]:
    """What was, is and will be sent to one, the newest first. Raises ``NoSuchSubscriber``."""
    await _row(connection, name, party)
    columns = NOTIFICATIONS.c
    chosen = (
        select(columns, EVENTS.c.id, EVENTS.c.kind, EVENTS.c.at)
        .join(EVENTS, EVENTS.c.seq == columns.seq)
        .where(columns.subscriber == name)
        .order_by(columns.seq.desc())
        .limit(limit)
    )
    if state:
        chosen = chosen.where(columns.state == state)
    return [
        {
            "number": row.seq,
            "event": row.id,
            "type": row.kind,
            "at": row.at.isoformat(),
            "state": row.state,
            "attempts": row.attempts,
            "due": row.due_at.isoformat() if row.state == "PENDING" else "",
            "http_status": row.http_status,
            "last_error": row.last_error,
        }
        for row in await connection.execute(chosen)
    ]


async def secrets_of(connection: AsyncConnection, name: str, secrets: Secrets, now: datetime) -> list[str]:
    """What to sign with now, the newest first. Raises ``NoSuchSubscriber``."""
    row = await _row(connection, name, "")
    sealed = [row.secret]
    if row.secret_before and row.secret_before_until is not None and now < row.secret_before_until:
        sealed.append(row.secret_before)
    return [secrets.unseal(text, partner_id=_bound(name)) for text in sealed]


async def _row(connection: AsyncConnection, name: str, party: str) -> Any:
    row = (await connection.execute(select(SUBSCRIBERS).where(SUBSCRIBERS.c.name == name))).one_or_none()
    if row is None or (party and row.party != party):
        raise NoSuchSubscriber(
            f"nobody is called {name}: `roaming webhook list` and `roaming mail list` show all (GET /api/webhooks and"
            " /api/mails)"
        )
    return row


def _subscriber(row: Any) -> Subscriber:
    names = [name for name in Subscriber.__dataclass_fields__ if name != "kinds"]
    return Subscriber(kinds=tuple(json.loads(row.kinds)), **{name: getattr(row, name) for name in names})


def _bound(name: str) -> str:
    return f"subscriber {name}"
