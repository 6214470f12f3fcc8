"""Where the sessions that run take place: which transaction of which station each is, and whose."""

from dataclasses import asdict, dataclass

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.stations.tables import RunningSessionRow
from roaming.store.bulk import insert_new

RUNNING = RunningSessionRow.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, kw_only=True)
class RunningSession:
    """Where a session takes place."""

    session_key: str
    scope: str
    """The token's owner, such as ``DE-AAA``."""
    network: str
    station_id: str
    transaction_id: str


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
