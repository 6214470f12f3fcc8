"""Commands and operators' requests to stations of this instance: each carried out once at most and answered once.

Knows claims, deadlines and turns; what they mean at a station is the adapter's handlers' affair.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from weakref import WeakValueDictionary

import structlog

from adapters.kit.authorization import Expectation, TokenAuthorizer
from adapters.kit.database import Database
from adapters.kit.incoming import read
from adapters.kit.manifest import (
    CommandHandler,
    CommandResult,
    Fact,
    Facts,
    OperationHandler,
    OperationResult,
    SpoolFull,
)
from contracts.bus.port import BusUnavailable, Subscription
from contracts.envelope import Envelope, decode, encode, message_id
from contracts.messages import CommandAnswered, CommandRequested, Message, OperationAnswered, OperationRequested
from contracts.messages.asked import Operation
from contracts.topics import COMMANDS
from contracts.vocabulary import CommandName, CommandOutcome, OperationOutcome

_TABLE = """CREATE TABLE IF NOT EXISTS commands (
    command_id TEXT PRIMARY KEY, claimed_at INTEGER NOT NULL, state TEXT NOT NULL, envelope BLOB NOT NULL
    ) WITHOUT ROWID"""
_RUNNING = "RUNNING"
_EXPIRED = "EXPIRED"
_EXPECTED = timedelta(days=1)
"""Longer than any deadline and the time in which a station may still start."""
_START_WINDOW = timedelta(minutes=15)
"""So long nobody is asked about a card at a station that was sent a command for it (OCPI 2.2.1, tokens 11.2.1.2)."""
_APP_WINDOW = timedelta(hours=12)
"""For drivers of apps, about whom nobody is ever asked."""
_APPS = ("APP_USER", "AD_HOC_USER")
_MAY_STILL_START = (CommandOutcome.ACCEPTED, CommandOutcome.TIMEOUT, CommandOutcome.FAILED)
_OF_A_DRIVER = (CommandName.START_CHARGING, CommandName.RESERVE)

Order = CommandRequested | OperationRequested
Result = CommandResult | OperationResult

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
        operations: Sequence[type[Operation]] = (),
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
        self._operations = frozenset(operations)
        self._now = now
        self._start_window = start_window
        self._handler: CommandHandler | None = None
        self._operation_handler: OperationHandler | None = None
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_stopping = False

    def serve(self, handler: CommandHandler) -> None:
        """See ``Commands.serve``."""
        self._handler = handler

    def serve_operations(self, handler: OperationHandler) -> None:
        """See ``Commands.serve_operations``."""
        self._operation_handler = handler

    async def start(self) -> None:
        """Answers what an earlier run left unanswered, and expects the starts that may still come."""
        await self._database.write(_prepare)
        recently = int((self._now() - _EXPECTED).timestamp())
        statement = "SELECT state, envelope FROM commands WHERE state = ? OR claimed_at > ?"
        for state, data in self._database.fetch(statement, (_RUNNING, recently)):
            envelope = decode(data)
            for order in _orders(envelope):
                if state == _RUNNING or state in _MAY_STILL_START:
                    self._expect(order)
                if state == _RUNNING:
                    detail = "the adapter restarted while the command was running"
                    self._spawn(self._answer(envelope, order, _ended(order, CommandOutcome.FAILED, detail)))

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
            (envelope, order, _RUNNING if order.deadline > self._now() else _EXPIRED)
            for envelope in envelopes
            for order in _orders(envelope)
            if order.instance == self._instance and order.network == self._network
        ]
        if not ours:
            return
        claimed_at = int(self._now().timestamp())
        rows = [(_id(order), claimed_at, state, encode(envelope)) for envelope, order, state in ours]
        fresh = await self._database.write(partial(_claim, rows))
        for (envelope, order, state), is_fresh in zip(ours, fresh, strict=True):
            if not is_fresh:
                logger.info("repeated command left out", command_id=_id(order))
            elif state == _EXPIRED:
                logger.warning("expired command left out", command_id=_id(order))
            else:
                self._spawn(self._carry_out(envelope, order))

    def _spawn(self, work: "asyncio._CoroutineLike[None]") -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, envelope: Envelope, order: Order) -> None:
        handling = self._handling(order)
        if handling is None:
            result = _ended(order, CommandOutcome.NOT_SUPPORTED, "the stations' adapter cannot do this")
        else:
            result = await self._in_turn(handling, order)
        await self._answer(envelope, order, result)

    def _handling(self, order: Order) -> Callable[[], Awaitable[Result]] | None:
        """What carries it out; ``None`` for what this adapter cannot."""
        if isinstance(order, CommandRequested):
            if self._handler is None or order.name not in self._supported:
                return None
            return partial(self._handler, order)
        if self._operation_handler is None or type(order.operation) not in self._operations:
            return None
        return partial(self._operation_handler, order)

    async def _in_turn(self, handling: Callable[[], Awaitable[Result]], order: Order) -> Result:
        """Waits for its turn at the station, then runs the handler; both within the deadline."""
        turn = self._turns.setdefault(order.station_id, asyncio.Lock())
        remaining = (order.deadline - self._now()).total_seconds()
        self._expect(order)
        result: Result
        try:
            async with asyncio.timeout(remaining), turn:
                if order.deadline <= self._now():
                    raise TimeoutError
                result = await handling()
        except TimeoutError:
            result = _ended(order, CommandOutcome.TIMEOUT, "the station did not answer in time")
        except Exception as error:
            logger.exception("command failed", command_id=_id(order), error=type(error).__name__)
            result = _ended(order, CommandOutcome.FAILED, type(error).__name__)
        if isinstance(order, CommandRequested):
            self._settle(order, is_possible=result.outcome in _MAY_STILL_START)
        return result

    def _settle(self, order: CommandRequested, *, is_possible: bool) -> None:
        """Whether the driver of a start or a reservation may still come."""
        if order.name in _OF_A_DRIVER and not is_possible:
            self._authorizer.withdraw(order.station_id, order.command_id)
        if order.name is CommandName.CANCEL_RESERVATION and order.reservation_id:  # whatever the station said to it
            self._authorizer.withdraw_reservation(order.station_id, order.reservation_id)

    def _expect(self, order: Order) -> None:
        if not isinstance(order, CommandRequested):
            return
        if order.name not in _OF_A_DRIVER or order.token_uid is None:
            return
        is_app = order.token_owner is not None and order.token_owner.token_type in _APPS
        until = order.deadline + (_APP_WINDOW if is_app else self._start_window)
        if order.name is CommandName.RESERVE:
            until = max(until, order.reservation_expires_at or order.deadline)
        self._authorizer.expect(
            Expectation(
                command_id=order.command_id,
                station_id=order.station_id,
                token_uid=order.token_uid,
                until=until,
                connector_id=order.connector_id,
                reference=order.authorization_reference,
                group_id=order.group_id,
                owner=order.token_owner,
                reservation_id=order.reservation_id if order.name is CommandName.RESERVE else None,
            )
        )

    async def _answer(self, envelope: Envelope, order: Order, result: Result) -> None:
        kind = "command-answered" if isinstance(order, CommandRequested) else "operation-answered"
        fact = Fact(
            id=message_id(kind, _id(order)),
            message=_answered(order, result),
            station_id=order.station_id,
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
        self._database.write_later(partial(_set_state, _id(order), result.outcome.value))


def _orders(envelope: Envelope) -> Iterator[Order]:
    """The order in an envelope, if there is one that can be read."""
    for _, command in read([envelope], CommandRequested):
        yield command
    for _, operation in read([envelope], OperationRequested):
        yield operation


def _id(order: Order) -> str:
    return order.command_id if isinstance(order, CommandRequested) else order.operation_id


def _ended(order: Order, outcome: CommandOutcome, detail: str | None = None) -> Result:
    """A result of ours, without a word of the station: OFFLINE, TIMEOUT, FAILED and the like, which both have."""
    if isinstance(order, CommandRequested):
        return CommandResult(outcome=outcome, detail=detail)
    return OperationResult(outcome=OperationOutcome(outcome.value), detail=detail)


def _answered(order: Order, result: Result) -> Message:
    if isinstance(order, CommandRequested):
        assert isinstance(result, CommandResult)
        return CommandAnswered(
            command_id=order.command_id,
            network=order.network,
            station_id=order.station_id,
            name=order.name,
            outcome=result.outcome,
            detail=result.detail,
            schedule=result.schedule,
        )
    assert isinstance(result, OperationResult)
    return OperationAnswered(
        operation_id=order.operation_id,
        network=order.network,
        station_id=order.station_id,
        outcome=result.outcome,
        detail=result.detail,
        told=result.told,
    )


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute(_TABLE)


def _claim(rows: list[tuple[str, int, str, bytes]], connection: sqlite3.Connection) -> list[bool]:
    """Whether each command was new."""
    return [connection.execute("INSERT OR IGNORE INTO commands VALUES (?, ?, ?, ?)", row).rowcount == 1 for row in rows]


def _set_state(command_id: str, state: str, connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE commands SET state = ? WHERE command_id = ?", (state, command_id))
