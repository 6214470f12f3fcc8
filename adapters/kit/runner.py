"""The life of an adapter: puts the parts of the kit together, starts, watches, drains and stops them.

The one place of the kit that knows all its parts. It is given a bus and does not start or close it.
"""

import asyncio
import re
import sqlite3
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from pydantic import BaseModel

from adapters.kit.accounts import StationAccounts
from adapters.kit.authorization import TokenAuthorizer
from adapters.kit.commands import CommandDesk
from adapters.kit.connections import Epochs
from adapters.kit.database import Database
from adapters.kit.finding import find_adapter, find_adapters
from adapters.kit.manifest import Adapter, KitError, Ports, RunningAdapter
from adapters.kit.spool import Spool, SpoolLimits
from adapters.kit.tokens import TokenCache
from adapters.kit.trimming import KEPT, Trimming
from adapters.kit.wire import Wire
from contracts.bus.port import Bus

__all__ = ["RunningKit", "find_adapter", "find_adapters", "run"]

COMMANDS_WAIT = 5.0
ADAPTER_WAIT = 20.0
DRAIN_WAIT = 5.0

logger = structlog.get_logger(__name__)


class RunningKit:
    """An adapter with everything around it, until ``stop``."""

    def __init__(
        self,
        adapter: RunningAdapter,
        *,
        database: Database,
        spool: Spool,
        commands: CommandDesk,
        accounts: StationAccounts,
        trimming: Trimming,
        ports: Ports,
    ) -> None:
        self.adapter = adapter
        """What the adapter's ``start`` returned."""
        self.ports = ports
        self._database = database
        self._spool = spool
        self._commands = commands
        self._accounts = accounts
        self._trimming = trimming
        self._is_stopped = False

    def is_healthy(self) -> bool:
        """False when stations cannot be served. A bus that is away does not count: facts wait on disk."""
        parts = (self.adapter, self._spool, self._database)
        return not self._is_stopped and all(part.is_healthy() for part in parts)

    def addresses(self) -> dict[str, str]:
        """What the adapter listens on, for people."""
        return self.adapter.addresses()

    def knows_nobody(self) -> bool:
        """True while it has no station's account: its disk is new, or nobody was bound yet. A bus that keeps nothing
        must then be told again what its compacted topics would hold."""
        return self._accounts.is_empty()

    def backlog(self) -> int:
        """How many facts wait for the bus."""
        return self._spool.backlog()

    async def stop(self, *, drain: float = DRAIN_WAIT) -> None:
        """Lets commands finish, stops the adapter, waits up to ``drain`` seconds for the bus to take what is
        spooled. What it did not take is on disk for the next start. May be called twice."""
        if self._is_stopped:
            return
        self._is_stopped = True
        await self._commands.stop(COMMANDS_WAIT)
        try:
            async with asyncio.timeout(ADAPTER_WAIT):
                await self.adapter.stop()
        except Exception as error:
            logger.exception("the adapter did not stop cleanly", error=type(error).__name__)
        if not await self._spool.drain(drain):
            logger.warning("facts stay on disk until the next start", backlog=self._spool.backlog())
        await self._trimming.stop()
        await self._spool.stop()
        await self._database.close()


async def run(
    adapter: Adapter,
    settings: BaseModel,
    *,
    bus: Bus,
    network: str,
    instance: str,
    data_dir: Path,
    pepper: bytes,
    secret: bytes,
    clock: Callable[[], datetime] | None = None,
    limits: SpoolLimits | None = None,
    kept: timedelta = KEPT,
) -> RunningKit:
    """Starts ``adapter`` and returns when stations can connect.

    With a bus inside the process, start that bus and subscribe the service to it first: it keeps nothing for
    readers that come later. ``settings`` is an instance of ``adapter.settings``. ``pepper`` must be the service's,
    ``secret`` the same on all instances of the network. The file in ``data_dir`` holds acknowledged facts: it
    belongs on a disk that outlives the process. ``kept``: how long what is finished is remembered (``Trimming``).
    Raises ``KitError``, and what the adapter's ``start`` raises.
    """
    now = clock or _utc_now
    for name, value in (("network", network), ("instance", instance)):
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", value):
            raise KitError(f"{name} {value!r}: 1 to 64 letters, digits, dots, dashes and underscores are allowed")
    database = Database(data_dir / f"adapter-{network}-{instance}.sqlite")
    spool = Spool(database, bus, network=network, instance=instance, now=now, limits=limits)
    commands: CommandDesk | None = None
    trimming = Trimming(database, now=now, kept=kept)
    try:
        await spool.start()
        ports, commands, accounts = await _ports(
            adapter, database, spool, bus, network=network, instance=instance, pepper=pepper, secret=secret, now=now
        )
        await trimming.start()
        running = await adapter.start(ports, settings)
        bus.subscribe(commands.subscription())
    except BaseException:
        if commands is not None:
            await commands.stop(0)
        await trimming.stop()
        await spool.stop()
        await database.close()
        raise
    logger.info("adapter started", adapter=adapter.name, network=network, instance=instance)
    return RunningKit(
        running,
        database=database,
        spool=spool,
        commands=commands,
        accounts=accounts,
        trimming=trimming,
        ports=ports,
    )


async def _ports(
    adapter: Adapter,
    database: Database,
    spool: Spool,
    bus: Bus,
    *,
    network: str,
    instance: str,
    pepper: bytes,
    secret: bytes,
    now: Callable[[], datetime],
) -> tuple[Ports, CommandDesk, StationAccounts]:
    cache = f"adapter.{network}.{instance}.{await database.write(_identity)}"
    tokens = TokenCache(database, group=f"{cache}.tokens")
    accounts = StationAccounts(database, network=network, group=f"{cache}.accounts", pepper=pepper)
    connections = Epochs(database, now=now)
    authorizer = TokenAuthorizer(
        tokens, bus, network=network, instance=instance, now=now, operator_of=accounts.operator_of
    )
    commands = CommandDesk(
        database,
        spool,
        authorizer,
        network=network,
        instance=instance,
        supported=adapter.requires,
        operations=adapter.operations,
        now=now,
    )
    for part in (tokens, accounts, connections, commands):
        await part.start()
    for subscription in (tokens.subscription(), accounts.subscription(), authorizer.subscription()):
        bus.subscribe(subscription)
    ports = Ports(
        network=network,
        instance=instance,
        facts=spool,
        authorizer=authorizer,
        commands=commands,
        accounts=accounts,
        connections=connections,
        now=now,
        wire=Wire(bus, instance=instance, now=now),
        secret=secret,
    )
    return ports, commands, accounts


def _identity(connection: sqlite3.Connection) -> str:
    """Drawn once per file. It is part of the caches' group names: a new file reads its caches from the start,
    whatever the instance's name has read before."""
    connection.execute("CREATE TABLE IF NOT EXISTS file (identity TEXT NOT NULL)")
    row = connection.execute("SELECT identity FROM file").fetchone()
    if row is None:
        row = (uuid.uuid4().hex[:8],)
        connection.execute("INSERT INTO file VALUES (?)", row)
    return str(row[0])


def _utc_now() -> datetime:
    return datetime.now(UTC)
