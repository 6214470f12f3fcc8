"""Updates of many stations, some at a time, that stop by themselves when too many fail.

All that is known lies in the database: whoever ticks next goes on, after whatever died. One tick is one transaction.
"""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import case, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.messages.operation import Trigger, UpdateFirmware
from contracts.vocabulary import FirmwareStatus, TriggeredMessage
from roaming.operations import records
from roaming.operations.asking import Wish, ask
from roaming.operations.files import HERE, Addresses, NoSuchFile, describe
from roaming.operations.records import REPORTS
from roaming.operations.selecting import StationKey
from roaming.operations.tables import WaveRow, WaveStationRow
from roaming.stations.bindings import STATIONS as KNOWN
from roaming.stations.presence import presences_of
from roaming.store.bulk import append, select_rows
from roaming.store.database import Database, Work
from roaming.store.errors import StoreUnavailable
from roaming.store.locks import Locks

WAVES = WaveRow.__table__  # type: ignore[attr-defined]
STATIONS = WaveStationRow.__table__  # type: ignore[attr-defined]
LOOK_EVERY = 0.5
LONGEST_SILENCE = 60.0
"""Seconds until a station is asked how far it is."""
TAKEN: Final = ("ACCEPTED", "SCHEDULED")
AWAY: Final = "OFFLINE"
UNCLEAR: Final = ("FAILED", "TIMEOUT")
"""Nobody knows whether the station took it: it is asked again."""
MOST_ATTEMPTS: Final = 3
"""Of requests that were unclear and downloads that failed: lines break, processes die."""
AGAIN_AFTER: Final = timedelta(seconds=10)
"""Times the number of attempts so far."""
FAILURES: Final = frozenset(
    {
        FirmwareStatus.DOWNLOAD_FAILED,
        FirmwareStatus.INVALID_SIGNATURE,
        FirmwareStatus.INSTALL_FAILED,
        FirmwareStatus.INSTALL_VERIFICATION_FAILED,
        FirmwareStatus.REVOKED_CERTIFICATE,
        FirmwareStatus.INVALID_CERTIFICATE,
    }
)
IN_FLIGHT: Final = ("ASKED", "UPDATING")
_NUMBER = 2**31 - 1

logger = structlog.get_logger(__name__)


class NoSuchWave(LookupError):
    """There is none, or it is not in a state for this; the text says what to do."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A wave as an operator wants it."""

    name: str
    file_id: str
    who: str
    steps: Sequence[Sequence[StationKey]]
    """One after the other; a station that is in several belongs to the first."""
    why: str = ""
    at_once: int = 20
    most_failures: int = 10
    """Percent."""
    judged_from: int = 10
    """Stations that must have ended before it is stopped for its failures, or all of them."""
    patience: timedelta = timedelta(hours=1)


async def begin(work: Work, plan: Plan) -> str:
    """Its id. Raises ``NoSuchFile`` and ``ValueError``."""
    await describe(work.connection, plan.file_id)
    if not (plan.at_once >= 1 and 0 <= plan.most_failures <= 100 and plan.judged_from >= 1):
        raise ValueError("at_once and judged_from: from 1; most_failures: percent, 0 to 100")
    id = uuid.uuid4().hex[:12]
    steps: dict[StationKey, int] = {}
    for number, stations in enumerate(plan.steps, 1):
        for key in stations:
            steps.setdefault(key, number)
    wave = {
        "id": id,
        "name": plan.name,
        "file_id": plan.file_id,
        "who": plan.who,
        "why": plan.why,
        "state": "RUNNING",
        "reason": "",
        "at_once": plan.at_once,
        "most_failures": plan.most_failures,
        "judged_from": plan.judged_from,
        "patience": int(plan.patience.total_seconds()),
        "forgiven": 0,
        "created_at": work.now,
    }
    await append(work.connection, WAVES, [wave])
    rows = [
        {"wave_id": id, "network": n, "station_id": s, "step": step, "state": "WAITING", "attempt": 0}
        | {"operation_id": "", "detail": "", "firmware_before": ""}
        for (n, s), step in steps.items()
    ]
    await append(work.connection, STATIONS, rows)
    return id


async def change(work: Work, id: str, state: str, *, most_failures: int | None = None) -> None:
    """PAUSED: nobody else is asked; STOPPED: likewise, for good unless resumed; RUNNING: it goes on, and what has
    failed until now is forgiven. Stations that were asked go on in any case. Raises ``NoSuchWave``."""
    values: dict[str, Any] = {"state": state, "reason": "" if state == "RUNNING" else "by a person", "ended_at": None}
    if state == "RUNNING":
        failed = select(func.count()).where(STATIONS.c.wave_id == id, STATIONS.c.state == "FAILED").scalar_subquery()
        values["forgiven"] = failed
    if most_failures is not None:
        values["most_failures"] = most_failures
    statement = update(WAVES).where(WAVES.c.id == id, WAVES.c.state != "DONE", WAVES.c.state != state).values(**values)
    if not (await work.connection.execute(statement)).rowcount:
        raise NoSuchWave(f"no wave {id[:40]} that could be {state.lower()}: see `roaming wave list` (GET /api/waves)")


async def tick(work: Work, wave: Mapping[str, Any], addresses: Addresses) -> None:
    """Takes in what stations said, judges, and asks the next ones."""
    await _take_in(work, wave)
    counts = await count(work.connection, wave["id"])
    reason = judge(wave, counts)
    if wave["state"] == "RUNNING" and reason:
        logger.warning("wave_stopped", wave=wave["id"], reason=reason)
        stopped = {"state": "STOPPED", "reason": reason, "ended_at": work.now}
        await work.connection.execute(update(WAVES).where(WAVES.c.id == wave["id"]).values(**stopped))
    elif wave["state"] == "RUNNING" and not (counts["WAITING"] or counts["ASKED"] or counts["UPDATING"]):
        done = {"state": "DONE", "ended_at": work.now}
        await work.connection.execute(update(WAVES).where(WAVES.c.id == wave["id"]).values(**done))
    elif wave["state"] == "RUNNING":
        await _ask_next(work, wave, addresses, room=wave["at_once"] - counts["ASKED"] - counts["UPDATING"])


def judge(wave: Mapping[str, Any], counts: Mapping[str, int]) -> str:
    """Why it must stop; empty: it need not."""
    failed = counts["FAILED"] - wave["forgiven"]
    ended = counts["DONE"] + failed
    is_telling = ended >= wave["judged_from"] or not (counts["WAITING"] or counts["ASKED"] or counts["UPDATING"])
    if not is_telling or failed * 100 <= wave["most_failures"] * ended:
        return ""
    return f"{failed} of {ended} updates failed, more than {wave['most_failures']} %"


async def count(connection: AsyncConnection, id: str) -> dict[str, int]:
    """Stations of a wave by their state."""
    statement = select(STATIONS.c.state, func.count()).where(STATIONS.c.wave_id == id).group_by(STATIONS.c.state)
    found = {row[0]: row[1] for row in await connection.execute(statement)}
    return {state: found.get(state, 0) for state in ("WAITING", *IN_FLIGHT, "DONE", "FAILED")}


async def _take_in(work: Work, wave: Mapping[str, Any]) -> None:
    columns = STATIONS.c
    chosen = select(STATIONS).where(columns.wave_id == wave["id"], columns.state.in_(IN_FLIGHT))
    flying = [dict(row) for row in (await work.connection.execute(chosen)).mappings()]
    asked = await records.load(work.connection, [row["operation_id"] for row in flying if row["state"] == "ASKED"])
    told = await _reports(work.connection, flying)
    booted = await _booted(work.connection, flying)
    for row in flying:
        key = (row["network"], row["station_id"])
        words = told.get(key, [])
        if _has_booted_anew(row, booted.get(key)):
            words = [*words, FirmwareStatus.INSTALLED]
        state, detail = _news(row, asked.get(row["operation_id"]), words, wave, work.now)
        if state == row["state"] == "UPDATING":
            await _nudge(work, wave, row)
        if state == row["state"] and detail == row["detail"]:
            continue
        values: dict[str, Any] = {"state": state, "detail": detail}
        if state in ("DONE", "FAILED"):
            values["ended_at"] = work.now
        at = (columns.wave_id == wave["id"]) & (columns.network == key[0]) & (columns.station_id == key[1])
        await work.connection.execute(update(STATIONS).where(at).values(**values))


def _news(
    row: Mapping[str, Any],
    record: records.Record | None,
    told: Sequence[str],
    wave: Mapping[str, Any],
    now: datetime,
) -> tuple[str, str]:
    """State and detail of a station that was asked: by its own word, else by the answer to the request."""
    for word in reversed(told):
        if word == FirmwareStatus.INSTALLED:
            return "DONE", word
        if word == FirmwareStatus.DOWNLOAD_FAILED and row["attempt"] < MOST_ATTEMPTS:
            return "WAITING", word
        if word in FAILURES:
            return "FAILED", word
    if now - row["asked_at"] > timedelta(seconds=wave["patience"]):
        return "FAILED", f"no word of its end; the last was {told[-1] if told else 'none'}"
    if row["state"] == "ASKED" and record is not None and record.is_over:
        if record.outcome in TAKEN:
            return "UPDATING", told[-1] if told else record.outcome
        if record.outcome == AWAY:
            return "WAITING", "away"
        if record.outcome in UNCLEAR and row["attempt"] < MOST_ATTEMPTS:
            return "WAITING", record.outcome
        return "FAILED", f"{record.outcome} {record.detail}".strip()
    return row["state"], told[-1] if told else row["detail"]


def _has_booted_anew(row: Mapping[str, Any], booted: tuple[datetime | None, str] | None) -> bool:
    """Its word may have been lost while nobody listened; what it introduces itself with is not."""
    at, version = booted or (None, "")
    return at is not None and at >= row["asked_at"] and bool(version) and version != row["firmware_before"]


async def _booted(
    connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]
) -> dict[StationKey, tuple[datetime | None, str]]:
    """When stations last booted, and with which firmware."""
    keys = [(row["network"], row["station_id"]) for row in rows]
    columns = ("network", "station_id", "booted_at", "firmware_version")
    found = await select_rows(connection, KNOWN, columns, key=("network", "station_id"), values=keys)
    return {(row[0], row[1]): (row[2], row[3]) for row in found}


async def _nudge(work: Work, wave: Mapping[str, Any], row: Mapping[str, Any]) -> None:
    """Asks a station how far it is, now and then."""
    last = max(row["asked_at"], row["nudged_at"] or row["asked_at"])
    if work.now - last < timedelta(seconds=min(LONGEST_SILENCE, wave["patience"] / 4)):
        return
    key = (row["network"], row["station_id"])
    order = Trigger(what=TriggeredMessage.FIRMWARE_STATUS)
    await ask(work, [key], Wish(order=order, who=wave["who"], why=f"wave {wave['name']}"))
    at = (STATIONS.c.wave_id == wave["id"]) & (STATIONS.c.network == key[0]) & (STATIONS.c.station_id == key[1])
    await work.connection.execute(update(STATIONS).where(at).values(nudged_at=work.now))


async def _reports(connection: AsyncConnection, flying: Sequence[Mapping[str, Any]]) -> dict[StationKey, list[str]]:
    """What each station has said of firmware since it was asked, in order."""
    found: dict[StationKey, list[str]] = {}
    since = {(row["network"], row["station_id"]): row["asked_at"] for row in flying}
    if not since:
        return found
    columns = REPORTS.c
    statement = (
        select(columns.network, columns.station_id, columns.at, columns.status)
        .where(columns.kind == "FIRMWARE", columns.at >= min(since.values()))
        .where(columns.station_id.in_({station_id for _, station_id in since}))
        # Two words of one moment: the later in the course of an update counts
        .order_by(columns.at, case((columns.status.in_([FirmwareStatus.INSTALLED, *FAILURES]), 1), else_=0))
    )
    for network, station_id, at, status in await connection.execute(statement):
        asked_at = since.get((network, station_id))
        if asked_at is not None and at >= asked_at:
            found.setdefault((network, station_id), []).append(status)
    return found


async def _ask_next(work: Work, wave: Mapping[str, Any], addresses: Addresses, *, room: int) -> None:
    """Of the first step in which somebody is under way, or waits and is there."""
    columns = STATIONS.c
    unfinished = (
        select(columns.network, columns.station_id, columns.step, columns.state, columns.attempt, columns.asked_at)
        .where(columns.wave_id == wave["id"], columns.state.in_(("WAITING", *IN_FLIGHT)))
        .order_by(columns.step, columns.station_id, columns.network)
    )
    rows = (await work.connection.execute(unfinished)).all()
    present = await presences_of(work.connection, [(row[0], row[1]) for row in rows if row[3] == "WAITING"])
    there = {key for key, presence in present.items() if presence.is_commandable}
    step = next((row[2] for row in rows if row[3] != "WAITING" or (row[0], row[1]) in there), None)
    chosen = [
        row
        for row in rows
        if row[2] == step
        and row[3] == "WAITING"
        and (row[0], row[1]) in there
        and (row[5] is None or work.now - row[5] > AGAIN_AFTER * row[4])
    ]
    taken = chosen[: max(0, room)]
    before = await _booted(work.connection, [{"network": row[0], "station_id": row[1]} for row in taken])
    for network, station_id, _, _, attempt, _ in taken:
        number = int(uuid.uuid5(uuid.NAMESPACE_OID, f"{wave['id']}/{station_id}/{attempt}").int % _NUMBER) + 1
        order = UpdateFirmware(request_id=number, url=f"{HERE}{wave['file_id']}", retrieve_at=work.now)
        wish = Wish(
            order=order, who=wave["who"], why=f"wave {wave['name']}", batch_id=f"wave-{wave['id']}-{attempt + 1}"
        )
        (record,) = await ask(work, [(network, station_id)], wish, addresses=addresses)
        values = {
            "state": "ASKED",
            "attempt": attempt + 1,
            "operation_id": record.id,
            "asked_at": work.now,
            "detail": "",
            "firmware_before": before.get((network, station_id), (None, ""))[1],
            "nudged_at": None,
        }
        at = (columns.wave_id == wave["id"]) & (columns.network == network) & (columns.station_id == station_id)
        await work.connection.execute(update(STATIONS).where(at).values(**values))


async def tick_all(database: Database, addresses: Addresses) -> int:
    """One round over all waves that are not over; how many there are."""
    async with database.reading() as connection:
        statement = select(WAVES.c.id).where(
            WAVES.c.state.in_(("RUNNING", "PAUSED", "STOPPED")),
            (WAVES.c.state == "RUNNING")
            | select(STATIONS.c.wave_id)
            .where(STATIONS.c.wave_id == WAVES.c.id, STATIONS.c.state.in_(IN_FLIGHT))
            .exists(),
        )
        ids = [row[0] for row in await connection.execute(statement)]
    for id in ids:
        async with database.work() as work:
            chosen = select(WAVES).where(WAVES.c.id == id).with_for_update()
            wave = (await work.connection.execute(chosen)).mappings().one()
            try:
                await tick(work, dict(wave), addresses)
            except NoSuchFile as error:
                stopped = {"state": "STOPPED", "reason": str(error), "ended_at": work.now}
                await work.connection.execute(update(WAVES).where(WAVES.c.id == id).values(**stopped))
    return len(ids)


async def run(database: Database, locks: Locks, addresses: Addresses) -> None:
    """Until cancelled; one process at a time ticks (lock ``waves``)."""
    while True:
        try:
            if await locks.try_acquire("waves"):
                await tick_all(database, addresses)
        except StoreUnavailable as error:
            logger.warning("waves_wait", reason=str(error))
        await asyncio.sleep(LOOK_EVERY)


async def progress(connection: AsyncConnection, id: str | None = None) -> list[dict[str, Any]]:
    """Waves, the newest first, with how many of their stations are in which state."""
    statement = select(WAVES).order_by(WAVES.c.created_at.desc())
    if id is not None:
        statement = statement.where(WAVES.c.id == id)
    shown = []
    for row in (await connection.execute(statement.limit(1000))).mappings():
        values = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
        shown.append(values | {"stations": await count(connection, row["id"])})
    return shown


async def stations_of(connection: AsyncConnection, id: str) -> list[dict[str, Any]]:
    """Each station of a wave and how it stands."""
    columns = STATIONS.c
    statement = select(STATIONS).where(columns.wave_id == id).order_by(columns.step, columns.station_id)
    return [
        {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
        for row in (await connection.execute(statement)).mappings()
    ]
