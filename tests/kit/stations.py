"""Fakes of the ports an adapter is given: they record what the adapter did and answer as told."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from adapters.kit.manifest import (
    Account,
    Authorization,
    CommandHandler,
    CommandResult,
    Fact,
    OperationHandler,
    OperationResult,
    Ports,
    SpoolFull,
    Wire,
)
from contracts.messages import CommandRequested, Message, OperationRequested
from contracts.station_keys import digest_station_key
from contracts.vocabulary import AuthorizationBasis, AuthorizationStatus

M = TypeVar("M", bound=Message)


class RecordingFacts:
    """Implements ``Facts`` in memory; ignores repeats as the spool does."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.repeats: list[Fact] = []
        self.is_full = False

    async def record(self, facts: Sequence[Fact]) -> None:
        if self.is_full:
            raise SpoolFull("told to be full")
        known = {fact.id for fact in self.facts}
        for fact in facts:
            if fact.id in known:
                self.repeats.append(fact)
            else:
                known.add(fact.id)
                self.facts.append(fact)

    def of(self, kind: type[M], station_id: str | None = None) -> list[M]:
        """The recorded messages of one class, in order."""
        return [
            fact.message
            for fact in self.facts
            if isinstance(fact.message, kind) and station_id in (None, fact.station_id)
        ]


class FakeAuthorizer:
    """Implements ``Authorizer``: accepts everyone unless told otherwise."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int | None, str]] = []
        self.answers: dict[str, Authorization] = {}
        self.used_up: list[tuple[str, str]] = []
        self.status = AuthorizationStatus.ACCEPTED

    async def authorize(
        self, *, station_id: str, connector_id: int | None, token_uid: str, timeout: float
    ) -> Authorization:
        self.asked.append((station_id, connector_id, token_uid))
        default = Authorization(status=self.status, basis=AuthorizationBasis.WHITELIST, token_uid=token_uid)
        return self.answers.get(token_uid, default)

    def use_up(self, station_id: str, command_id: str) -> None:
        self.used_up.append((station_id, command_id))
        self.answers = {uid: answer for uid, answer in self.answers.items() if answer.command_id != command_id}


class FakeCommands:
    """Implements ``Commands``: a test calls ``send`` or ``ask``."""

    def __init__(self) -> None:
        self.handler: CommandHandler | None = None
        self.operation_handler: OperationHandler | None = None

    def serve(self, handler: CommandHandler) -> None:
        self.handler = handler

    def serve_operations(self, handler: OperationHandler) -> None:
        self.operation_handler = handler

    async def ask(self, operation: OperationRequested) -> OperationResult:
        """What the adapter made of it."""
        assert self.operation_handler is not None, "the adapter has not called serve_operations"
        return await self.operation_handler(operation)

    async def send(self, command: CommandRequested) -> CommandResult:
        """What the adapter made of it."""
        assert self.handler is not None, "the adapter has not called serve"
        return await self.handler(command)


class FakeAccounts:
    """Implements ``Accounts``: a test calls ``change``."""

    def __init__(self, *, network: str = "demo", pepper: bytes = b"pepper") -> None:
        self._network = network
        self._pepper = pepper
        self._accounts: dict[str, Account] = {}
        self._listeners: list[Callable[[str, Account], None]] = []

    def change(
        self,
        station_id: str,
        *,
        password: str | None = None,
        is_admitted: bool = True,
        minimum_profile: int = 0,
        revoked: tuple[str, ...] = (),
        given: tuple[str, ...] = (),
    ) -> Account:
        """Admits a station, or shuts it out, and tells the adapter. ``given``: passwords that it may come with from now
        on."""
        digest = None if password is None else self.digest(station_id, password)
        account = self._accounts[station_id] = Account(
            is_admitted=is_admitted,
            key_digest=digest,
            minimum_profile=minimum_profile,
            revoked_certificates=revoked,
            next_key_digests=tuple(self.digest(station_id, each) for each in given),
        )
        for listener in self._listeners:
            listener(station_id, account)
        return account

    def find(self, station_id: str) -> Account | None:
        return self._accounts.get(station_id)

    def digest(self, station_id: str, password: str) -> str:
        return digest_station_key(password, network=self._network, station_id=station_id, pepper=self._pepper)

    def on_change(self, listener: Callable[[str, Account], None]) -> None:
        self._listeners.append(listener)


class FakeConnections:
    """Implements ``Connections``: 1, 2, 3 …"""

    def __init__(self) -> None:
        self.epochs: dict[str, int] = {}

    async def claim(self, station_id: str) -> int:
        self.epochs[station_id] = self.epochs.get(station_id, 0) + 1
        return self.epochs[station_id]


@dataclass
class FakePorts:
    """All fakes together: ``ports()`` for the adapter, the fields for the test."""

    network: str = "demo"
    instance: str = "test-1"
    facts: RecordingFacts = field(default_factory=RecordingFacts)
    authorizer: FakeAuthorizer = field(default_factory=FakeAuthorizer)
    commands: FakeCommands = field(default_factory=FakeCommands)
    accounts: FakeAccounts = field(default_factory=FakeAccounts)
    connections: FakeConnections = field(default_factory=FakeConnections)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    wire: Wire | None = None

    def ports(self) -> Ports:
        return Ports(
            network=self.network,
            instance=self.instance,
            facts=self.facts,
            authorizer=self.authorizer,
            commands=self.commands,
            accounts=self.accounts,
            connections=self.connections,
            now=self.now,
            wire=self.wire,
            secret=b"secret",
        )
