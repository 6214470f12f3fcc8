"""Commands in the store: rows ⇄ plain records."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.model.identifiers import fold
from roaming.modules.commands.tables import CommandRow, ReservationRow, RunningSessionRow, SentCommandRow
from roaming.store.bulk import insert_new, upsert
from roaming.store.columns import text_to_time
from roaming.store.reader import Reader, fetch_of

COMMANDS = CommandRow.__table__  # type: ignore[attr-defined]
RESERVATIONS = ReservationRow.__table__  # type: ignore[attr-defined]
RUNNING = RunningSessionRow.__table__  # type: ignore[attr-defined]
SENT = SentCommandRow.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, kw_only=True)
class Command:
    """A partner's command."""

    id: str
    state: str
    name: str
    partner_id: str
    emsp: str
    cpo: str
    version: str
    response_url: str
    network: str
    station_id: str
    correlation_id: str
    created_at: datetime
    deadline: datetime
    outcome: str = ""
    detail: str = ""
    answered_at: datetime | None = None


_FIELDS = tuple(Command.__dataclass_fields__)
_READ = f"SELECT {', '.join(_FIELDS)} FROM commands WHERE id IN"  # noqa: S608 - names of our own


@dataclass(frozen=True, kw_only=True)
class Reservation:
    """A reservation at a station."""

    emsp: str
    cpo: str
    reservation_id: str
    station_reservation_id: str
    network: str
    station_id: str
    connector_id: int
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class RunningSession:
    """Where a session takes place."""

    session_key: str
    scope: str
    network: str
    station_id: str
    transaction_id: str


async def insert(connection: AsyncConnection, command: Command) -> None:
    """Stores a new command."""
    await insert_new(connection, COMMANDS, [asdict(command)], key=("id",))


async def load(connection: AsyncConnection, command_id: str) -> Command | None:
    """The command of this id."""
    statement = select(COMMANDS).where(COMMANDS.c.id == command_id)
    row = (await connection.execute(statement)).mappings().one_or_none()
    return Command(**row) if row is not None else None


async def read_many(reader: Reader, ids: Iterable[str]) -> dict[str, Command]:
    """The committed commands of these ids."""
    return {row[0]: _command(row) for row in await fetch_of(reader, _READ, ids)}


def _command(row: Sequence[Any]) -> Command:
    values = dict(zip(_FIELDS, row, strict=True))
    for name in ("created_at", "deadline", "answered_at"):
        values[name] = text_to_time(values[name]) if values[name] is not None else None
    return Command(**values)


async def finish(
    connection: AsyncConnection, command_id: str, *, state: str, outcome: str, detail: str, now: datetime
) -> bool:
    """Records what came of a command that still waits; False when it does not: the first word counts."""
    statement = (
        update(COMMANDS)
        .where(COMMANDS.c.id == command_id, COMMANDS.c.state == "REQUESTED")
        .values(state=state, outcome=outcome, detail=detail[:500], answered_at=now)
    )
    return bool((await connection.execute(statement)).rowcount)


async def add_detail(connection: AsyncConnection, command_id: str, detail: str) -> None:
    """Notes what came too late to be told."""
    await connection.execute(update(COMMANDS).where(COMMANDS.c.id == command_id).values(detail=detail[:500]))


async def overdue(connection: AsyncConnection, now: datetime) -> list[Command]:
    """Commands whose deadline has passed without an answer."""
    statement = select(COMMANDS).where(COMMANDS.c.state == "REQUESTED", COMMANDS.c.deadline < now).limit(200)
    return [Command(**row) for row in (await connection.execute(statement)).mappings()]


async def keep_reservation(connection: AsyncConnection, reservation: Reservation) -> None:
    """Stores a reservation; the same eMSP's same id with the same CPO again replaces it."""
    row = asdict(reservation) | {"reservation_id": fold(reservation.reservation_id)}
    changed = ("station_reservation_id", "network", "station_id", "connector_id", "expires_at")
    await upsert(connection, RESERVATIONS, [row], key=("emsp", "cpo", "reservation_id"), update=changed)


async def find_reservation(connection: AsyncConnection, emsp: str, cpo: str, reservation_id: str) -> Reservation | None:
    """An eMSP's reservation with a CPO by its own id, held until the transaction ends."""
    columns = RESERVATIONS.c
    statement = (
        select(RESERVATIONS)
        .where(columns.emsp == emsp, columns.cpo == cpo, columns.reservation_id == fold(reservation_id))
        .with_for_update()
    )
    row = (await connection.execute(statement)).mappings().one_or_none()
    return Reservation(**row) if row is not None else None


async def session_runs(connection: AsyncConnection, running: RunningSession) -> None:
    """Remembers where a session takes place."""
    await insert_new(connection, RUNNING, [asdict(running)], key=("session_key",))


async def session_ended(connection: AsyncConnection, session_key: str) -> None:
    """Forgets a session that is over."""
    await connection.execute(delete(RUNNING).where(RUNNING.c.session_key == session_key))


async def find_running(connection: AsyncConnection, session_key: str) -> RunningSession | None:
    """Where a session takes place, if it does."""
    statement = select(RUNNING).where(RUNNING.c.session_key == session_key)
    row = (await connection.execute(statement)).mappings().one_or_none()
    return RunningSession(**row) if row is not None else None


async def scopes_at(connection: AsyncConnection, network: str, station_id: str) -> set[str]:
    """Token owners whose sessions run at a station."""
    statement = select(RUNNING.c.scope).where(RUNNING.c.network == network, RUNNING.c.station_id == station_id)
    return {row[0] for row in await connection.execute(statement)}


async def insert_sent(connection: AsyncConnection, values: Mapping[str, Any]) -> None:
    """Stores a command of a hosted eMSP, before it is sent: its result may be faster than its response."""
    await insert_new(connection, SENT, [dict(values)], key=("id",))


async def note_response(connection: AsyncConnection, command_id: str, response: str) -> None:
    """What the partner answered at once."""
    await connection.execute(update(SENT).where(SENT.c.id == command_id).values(response=response))


async def note_result(
    connection: AsyncConnection, command_id: str, partner_id: str, result: str, now: datetime
) -> bool:
    """What came of a sent command, bound to the partner it went to; False when unknown or expired. A second result
    is acknowledged and ignored, but for a cancelled reservation."""
    statement = select(SENT.c.result).where(
        SENT.c.id == command_id, SENT.c.partner_id == partner_id, SENT.c.expires_at > now
    )
    found = (await connection.execute(statement)).one_or_none()
    if found is None:
        return False
    if not found[0] or result == "CANCELED_RESERVATION":
        values = {"result": result, "answered_at": now}
        await connection.execute(update(SENT).where(SENT.c.id == command_id).values(**values))
    return True


async def find_sent(connection: AsyncConnection, command_id: str) -> tuple[str, str] | None:
    """(response, result) of a sent command so far."""
    statement = select(SENT.c.response, SENT.c.result).where(SENT.c.id == command_id)
    row = (await connection.execute(statement)).one_or_none()
    return (row[0], row[1]) if row is not None else None
