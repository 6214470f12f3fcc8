"""Commands from the service to stations of this instance: each carried out once at most and answered once.

Knows claims, deadlines and turns; what a command means at a station is the adapter's handler's affair.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from weakref import WeakValueDictionary

import structlog

from adapters.kit.authorization import Expectation, TokenAuthorizer
from adapters.kit.database import Database
from adapters.kit.incoming import read
from adapters.kit.manifest import CommandHandler, CommandResult, Fact, Facts, SpoolFull
from contracts.bus.port import BusUnavailable, Subscription
from contracts.envelope import Envelope, decode, encode, message_id
from contracts.messages import CommandAnswered, CommandRequested
from contracts.topics import COMMANDS
from contracts.vocabulary import CommandName, CommandOutcome

_TABLE = """CREATE TABLE IF NOT EXISTS commands (
    command_id TEXT PRIMARY KEY, claimed_at INTEGER NOT NULL, state TEXT NOT NULL, envelope BLOB NOT NULL
    ) WITHOUT ROWID"""
_RUNNING = "RUNNING"
_EXPIRED = "EXPIRED"
_EXPECTED = timedelta(days=1)
"""Longer than any deadline and the time in which a station may still start."""
_START_WINDOW = timedelta(seconds=120)
_MAY_STILL_START = (CommandOutcome.ACCEPTED, CommandOutcome.TIMEOUT, CommandOutcome.FAILED)

logger = structlog.get_logger(__name__)


class CommandDesk:
    """Implements ``Commands``.

    A command is claimed on disk before it is carried out and answered under an id computed from its own: after a
    crash it is neither carried out nor answered twice. One that was running when the process died is answered
    FAILED at the next start, since nobody knows what the station made of it.
    """

    def __init__(
        self,
        database: Database,
        facts: Facts,
        authorizer: TokenAuthorizer,
        *,
        network: str,
        instance: str,
        supported: Sequence[CommandName],
        now: Callable[[], datetime],
        start_window: timedelta = _START_WINDOW,
    ) -> None:
        """``start_window``: how long after a remote start's deadline the station may still begin with it."""
        self._database = database
        self._facts = facts
        self._authorizer = authorizer
        self._network = network
        self._instance = instance
        self._supported = frozenset(supported)
        self._now = now
        self._start_window = start_window
        self._handler: CommandHandler | None = None
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_stopping = False

    def serve(self, handler: CommandHandler) -> None:
        """See ``Commands.serve``."""
        self._handler = handler

    async def start(self) -> None:
        """Answers what an earlier run left unanswered, and expects the starts that may still come."""
        await self._database.write(_prepare)
        recently = int((self._now() - _EXPECTED).timestamp())
        statement = "SELECT state, envelope FROM commands WHERE state = ? OR claimed_at > ?"
        for state, data in self._database.fetch(statement, (_RUNNING, recently)):
            envelope = decode(data)
            for _, command in read([envelope], CommandRequested):
                if state == _RUNNING or state in _MAY_STILL_START:
                    self._expect(command)
                if state == _RUNNING:
                    detail = "the adapter restarted while the command was running"
                    result = CommandResult(outcome=CommandOutcome.FAILED, detail=detail)
                    self._spawn(self._answer(envelope, command, result))

    def subscription(self) -> Subscription:
        """Every instance sees every command and picks its own."""
        return Subscription(
            group=f"adapter.{self._network}.{self._instance}.commands", topics=(COMMANDS,), handler=self._take
        )

    async def stop(self, seconds: float) -> None:
        """Lets running commands finish for ``seconds``; the rest is answered FAILED at the next start."""
        self._is_stopping = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self, envelopes: Sequence[Envelope]) -> None:
        """Claims and returns: the bus does not wait for stations."""
        if self._is_stopping:
            raise BusUnavailable("the adapter is stopping: offer the commands again")
        ours = [
            (envelope, command, _RUNNING if command.deadline > self._now() else _EXPIRED)
            for envelope, command in read(envelopes, CommandRequested)
            if command.instance == self._instance and command.network == self._network
        ]
        if not ours:
            return
        claimed_at = int(self._now().timestamp())
        rows = [(command.command_id, claimed_at, state, encode(envelope)) for envelope, command, state in ours]
        fresh = await self._database.write(partial(_claim, rows))
        for (envelope, command, state), is_fresh in zip(ours, fresh, strict=True):
            if not is_fresh:
                logger.info("repeated command left out", command_id=command.command_id)
            elif state == _EXPIRED:
                logger.warning("expired command left out", command_id=command.command_id)
            else:
                self._spawn(self._carry_out(envelope, command))

    def _spawn(self, work: "asyncio._CoroutineLike[None]") -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, envelope: Envelope, command: CommandRequested) -> None:
        if self._handler is None or command.name not in self._supported:
            result = CommandResult(outcome=CommandOutcome.NOT_SUPPORTED)
        else:
            result = await self._in_turn(self._handler, command)
        await self._answer(envelope, command, result)

    async def _in_turn(self, handler: CommandHandler, command: CommandRequested) -> CommandResult:
        """Waits for its turn at the station, then runs the handler; both within the deadline."""
        turn = self._turns.setdefault(command.station_id, asyncio.Lock())
        remaining = (command.deadline - self._now()).total_seconds()
        self._expect(command)
        try:
            async with asyncio.timeout(remaining), turn:
                if command.deadline <= self._now():
                    raise TimeoutError
                result = await handler(command)
        except TimeoutError:
            result = CommandResult(outcome=CommandOutcome.TIMEOUT, detail="the station did not answer in time")
        except Exception as error:
            logger.exception("command failed", command_id=command.command_id, error=type(error).__name__)
            result = CommandResult(outcome=CommandOutcome.FAILED, detail=type(error).__name__)
        if command.name is CommandName.START_CHARGING and result.outcome not in _MAY_STILL_START:
            self._authorizer.withdraw(command.station_id, command.command_id)
        return result

    def _expect(self, command: CommandRequested) -> None:
        if command.name is not CommandName.START_CHARGING or command.token_uid is None:
            return
        self._authorizer.expect(
            Expectation(
                command_id=command.command_id,
                station_id=command.station_id,
                token_uid=command.token_uid,
                until=command.deadline + self._start_window,
                connector_id=command.connector_id,
                reference=command.authorization_reference,
                group_id=command.group_id,
                owner=command.token_owner,
            )
        )

    async def _answer(self, envelope: Envelope, command: CommandRequested, result: CommandResult) -> None:
        fact = Fact(
            id=message_id("command-answered", command.command_id),
            message=CommandAnswered(
                command_id=command.command_id,
                network=self._network,
                station_id=command.station_id,
                name=command.name,
                outcome=result.outcome,
                detail=result.detail,
                schedule=result.schedule,
            ),
            station_id=command.station_id,
            occurred_at=self._now(),
            correlation_id=envelope.correlation_id,
            cause=envelope.id,
        )
        pause = 0.1
        while True:
            try:
                await self._facts.record([fact])
                break
            except SpoolFull:
                await asyncio.sleep(pause)
                pause = min(5.0, pause * 2)
        self._database.write_later(partial(_set_state, command.command_id, result.outcome.value))


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute(_TABLE)


def _claim(rows: list[tuple[str, int, str, bytes]], connection: sqlite3.Connection) -> list[bool]:
    """Whether each command was new."""
    return [connection.execute("INSERT OR IGNORE INTO commands VALUES (?, ?, ?, ?)", row).rowcount == 1 for row in rows]


def _set_state(command_id: str, state: str, connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE commands SET state = ? WHERE command_id = ?", (state, command_id))
