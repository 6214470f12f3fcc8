"""How far pulls have come, in the database: claimed by one process at a time, saved with what each page brought.

A claim ends by itself when its process was killed, and every save checks that it still holds: of two processes that
both believe they pull, only one can write.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, delete, select, update

from roaming.hub.pulling.tables import PullRow, PullSeenRow
from roaming.store.bulk import insert_new
from roaming.store.columns import text_to_time
from roaming.store.database import Work
from roaming.store.reader import Reader

PULLS = PullRow.__table__  # type: ignore[attr-defined]
SEEN = PullSeenRow.__table__  # type: ignore[attr-defined]
HELD = timedelta(seconds=60)
"""How long a claim lasts without a page, which is longer than a page may take; after a kill others wait for so long."""
MODULE_ORDER = ("tariffs", "locations", "tokens", "sessions", "cdrs")
"""What others refer to first."""
UNFINISHED = ("RUNNING", "WAITING")
_COLUMNS = (
    "partner_id, module, interface, state, kind, wanted, due_at, connected_at, started_at, finished_at, full_at, mark,"
    " last_error, progress, holder, held_until"
)
_DUE = (
    "SELECT partner_id FROM pulls WHERE due_at <= $1 AND (held_until IS NULL OR held_until <= $1)"
    " GROUP BY partner_id ORDER BY MIN(due_at), partner_id"
)


class Progress(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What the pull under way has done, and what the last one came to."""

    lines: list[tuple[str, str]] = msgspec.field(default_factory=list)
    """(from, to) of each list to ask for; empty texts where there are no routing headers."""
    line: int = 0
    url: str = ""
    """The page to ask for next; empty: the first of the line."""
    pages: int = 0
    received: int = 0
    """Bytes."""
    objects: int = 0
    new: int = 0
    changed: int = 0
    same: int = 0
    older: int = 0
    """Older than ours, which were left alone."""
    refused: int = 0
    duplicates: int = 0
    """Seen on an earlier page too."""
    missing: int = 0
    """Ours that a complete list lacks."""
    dropped: int = 0
    """Those of them that were deleted, hidden or made invalid."""
    line_objects: int = 0
    """Of this line, to be compared with X-Total-Count."""
    stale_pages: int = 0
    """In a row, without an object that was not on an earlier one."""
    total: int | None = None
    """X-Total-Count of the last page."""
    newest: datetime | None = None
    attempts: int = 0
    restarts: int = 0
    is_without_limit: bool = False
    """The partner refuses the parameter."""
    doubts: list[str] = msgspec.field(default_factory=list)
    """Why the list may be incomplete, so that what it lacks is shown and left alone."""
    reasons: dict[str, int] = msgspec.field(default_factory=dict)
    """Why objects were refused, and how many."""
    findings: dict[str, int] = msgspec.field(default_factory=dict)
    """Liberties that the partner took with paging."""
    missing_keys: list[str] = msgspec.field(default_factory=list)
    """The first of them."""


@dataclass(kw_only=True)
class Pull:
    """One list of one partner."""

    partner_id: str
    module: str
    interface: str
    state: str
    kind: str
    wanted: str
    due_at: datetime | None
    connected_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    full_at: datetime | None
    mark: datetime | None
    last_error: str
    progress: Progress
    holder: str
    held_until: datetime | None


class Lost(RuntimeError):
    """Another process pulls this now."""


async def due_partners(reader: Reader, now: datetime) -> list[str]:
    """Partners with a pull that is due and that nobody sees to, the longest due first. Raises ``StoreUnavailable``."""
    return [row[0] for row in await reader.fetch(_DUE, now)]


async def all_pulls(reader: Reader, partner_id: str | None = None) -> list[Pull]:
    """Every list's state, or those of one partner. Raises ``StoreUnavailable``."""
    order = "ORDER BY partner_id, module, interface"
    if partner_id is None:
        rows = await reader.fetch(f"SELECT {_COLUMNS} FROM pulls {order}")  # noqa: S608 - our own names
    else:
        sql = f"SELECT {_COLUMNS} FROM pulls WHERE partner_id = $1 {order}"  # noqa: S608
        rows = await reader.fetch(sql, partner_id)
    return [_pull(row) for row in rows]


async def add(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """Makes lists known that are not known yet."""
    await insert_new(work.connection, PULLS, rows, key=("partner_id", "module", "interface"))


async def ask(work: Work, partner_id: str, module: str, kind: str) -> None:
    """Somebody wants this list pulled now: from the beginning, or the rest of one that waits."""
    table = PULLS.c
    await work.connection.execute(
        update(PULLS).where(table.partner_id == partner_id, table.module == module).values(wanted=kind, due_at=work.now)
    )
    work.wake("pulls")


async def reschedule(work: Work, pull: Pull, *, connected_at: datetime | None, due_at: datetime) -> None:
    """A partner has registered again."""
    values = {"connected_at": connected_at, "due_at": due_at, "state": "NEW" if pull.state == "OFF" else pull.state}
    await work.connection.execute(update(PULLS).where(_is(pull)).values(**values))


async def claim(work: Work, partner_id: str, holder: str, *, modules: Sequence[str] = ()) -> Pull | None:
    """The next list of this partner to pull, held for ``holder``; ``None`` when there is none (of ``modules``) or
    another process pulls from this partner. One list of a partner is pulled at a time."""
    statement = select(PULLS).where(PULLS.c.partner_id == partner_id).order_by(PULLS.c.module, PULLS.c.interface)
    rows = (await work.connection.execute(statement.with_for_update())).mappings()
    pulls = [_pull(tuple(row[name.strip()] for name in _COLUMNS.split(","))) for row in rows]
    if any(pull.held_until and pull.held_until > work.now and pull.holder != holder for pull in pulls):
        return None
    due = [
        pull
        for pull in pulls
        if pull.due_at is not None and pull.due_at <= work.now and (not modules or pull.module in modules)
    ]
    if not due:
        return None
    chosen = min(due, key=_precedence)
    chosen.holder, chosen.held_until = holder, work.now + HELD
    await work.connection.execute(update(PULLS).where(_is(chosen)).values(holder=holder, held_until=chosen.held_until))
    return chosen


async def release(work: Work, pull: Pull) -> None:
    """Gives a claim back; how far the pull is stays as it was saved last."""
    ours = _is(pull) & (PULLS.c.holder == pull.holder)
    await work.connection.execute(update(PULLS).where(ours).values(holder="", held_until=None))


async def begin(work: Work, pull: Pull, kind: str, lines: list[tuple[str, str]]) -> None:
    """Starts a pull from its beginning."""
    await forget_seen(work, pull)
    pull.state, pull.kind, pull.started_at = "RUNNING", kind, work.now
    pull.last_error, pull.progress = "", Progress(lines=lines)
    await save(work, pull)
    await have_granted(work, pull)


async def have_granted(work: Work, pull: Pull) -> None:
    """What somebody asked for is under way."""
    pull.wanted = ""
    await work.connection.execute(update(PULLS).where(_is(pull)).values(wanted=""))


async def save(work: Work, pull: Pull, *, is_released: bool = False) -> None:
    """Writes how far the pull is and renews its claim, or gives it up. Raises ``Lost``, and then the transaction must
    not be committed."""
    held_until = None if is_released else work.now + HELD
    done = await work.connection.execute(
        update(PULLS)
        .where(_is(pull), PULLS.c.holder == pull.holder)
        .values(
            state=pull.state,
            kind=pull.kind,
            due_at=pull.due_at,
            started_at=pull.started_at,
            finished_at=pull.finished_at,
            full_at=pull.full_at,
            mark=pull.mark,
            last_error=pull.last_error,
            progress=msgspec.json.encode(pull.progress).decode(),
            held_until=held_until,
        )
    )
    if done.rowcount != 1:
        raise Lost(f"{pull.partner_id} {pull.module} is pulled by another process")
    if is_released:
        # Asked for while this was under way
        again = update(PULLS).where(_is(pull), PULLS.c.wanted != "").values(due_at=work.now)
        await work.connection.execute(again)


async def note_seen(work: Work, pull: Pull, keys: Sequence[str]) -> int:
    """Notes what the page held; returns how many were on no earlier page of this line."""
    line = pull.progress.line
    rows = [
        {"partner_id": pull.partner_id, "module": pull.module, "key": key, "line": line} for key in dict.fromkeys(keys)
    ]
    return len(await insert_new(work.connection, SEEN, rows, key=("partner_id", "module", "key", "line")))


async def forget_seen(work: Work, pull: Pull, *, line: int | None = None) -> None:
    """Forgets what was seen of this list, or of one line of it."""
    condition = (SEEN.c.partner_id == pull.partner_id) & (SEEN.c.module == pull.module)
    if line is not None:
        condition &= SEEN.c.line == line
    await work.connection.execute(delete(SEEN).where(condition))


def _is(pull: Pull) -> ColumnElement[bool]:
    table = PULLS.c
    found: ColumnElement[bool] = (
        (table.partner_id == pull.partner_id) & (table.module == pull.module) & (table.interface == pull.interface)
    )
    return found


def _precedence(pull: Pull) -> tuple[int, int]:
    """What was begun is ended first."""
    known = pull.module in MODULE_ORDER
    return int(pull.state != "RUNNING"), MODULE_ORDER.index(pull.module) if known else len(MODULE_ORDER)


def _pull(row: Sequence[Any]) -> Pull:
    values = dict(zip((name.strip() for name in _COLUMNS.split(",")), row, strict=True))
    for name in ("due_at", "connected_at", "started_at", "finished_at", "full_at", "mark", "held_until"):
        values[name] = text_to_time(values[name]) if values[name] is not None else None
    values["progress"] = msgspec.json.decode(values["progress"], type=Progress)
    return Pull(**values)
