"""What an adapter declares, and the ports it is given. An adapter keeps no business state of its own."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import msgspec
from pydantic import BaseModel

from contracts.messages import ChargingSchedule, CommandRequested, FramesSeen, Message, OperationRequested, TokenOwner
from contracts.messages.asked import Operation
from contracts.messages.operation import AnyTold
from contracts.vocabulary import (
    AuthorizationBasis,
    AuthorizationStatus,
    CommandName,
    CommandOutcome,
    OperationOutcome,
)


class KitError(RuntimeError):
    """Parent of every error the kit raises."""


class SpoolFull(KitError):
    """The spool keeps nothing more now: its bound is reached or the disk refuses. None of the facts of that call
    was kept. Stop reading the station's socket and record the same facts again later."""


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """Something a station told us, ready for the spool."""

    id: str
    """Computed (``contracts.envelope.message_id``), so that a repeat is recognised."""
    message: Message
    station_id: str
    occurred_at: datetime
    correlation_id: str | None = None
    """Absent: the fact's own id."""
    cause: str | None = None
    is_told_once: bool = False
    """The id cannot come again, since it is made of the connection and the place in it: it is not remembered."""


class Facts(Protocol):
    """The durable way out (the spool)."""

    async def record(self, facts: Sequence[Fact]) -> None:
        """Returns when all of them are on disk; only then may the station be answered. A fact whose id was
        recorded before is ignored. Raises ``SpoolFull`` (stop reading that socket) when the disk or the bound
        is reached; then none of them was kept."""


@dataclass(frozen=True, kw_only=True)
class Authorization:
    """An answer to "may this token charge here?"."""

    status: AuthorizationStatus
    basis: AuthorizationBasis
    token_uid: str
    """As the token's owner spells it."""
    authorization_reference: str | None = None
    group_id: str | None = None
    command_id: str | None = None
    """The remote start that the station is about to carry out; only with basis COMMAND. Goes into
    ``TransactionStarted``."""
    owner: TokenOwner | None = None
    """Whose token it is, where that is known. Goes into ``TransactionStarted``."""
    is_unasked: bool = False
    """Nobody was asked about this unknown token: the station has shown too many of them lately."""


class Authorizer(Protocol):
    """Decides from the token cache where the whitelist allows it, otherwise asks the service over the bus."""

    async def authorize(
        self, *, station_id: str, connector_id: int | None, token_uid: str, timeout: float
    ) -> Authorization:
        """Never raises and never takes longer than ``timeout`` seconds: then the token's whitelist policy
        decides (OCPI 2.2.1 tokens, WhitelistType) and the basis says so.

        A START_CHARGING command for this station and token answers ACCEPTED with basis COMMAND from the moment
        the handler is called until the station has had time to start (120 s after the deadline); the kit sees
        to that by itself. Only one of several pending commands with the same token is told, the oldest."""

    def use_up(self, station_id: str, command_id: str) -> None:
        """A transaction has come of the remote start: from now on its token is authorised like any other. To be
        called with the transaction's start."""


@dataclass(frozen=True, kw_only=True)
class CommandResult:
    """What came of a command, in the contract's words and the station's own."""

    outcome: CommandOutcome
    detail: str | None = None
    schedule: ChargingSchedule | None = None
    """The answer to GET_COMPOSITE_SCHEDULE."""


CommandHandler = Callable[[CommandRequested], Awaitable[CommandResult]]
"""Carries out one command. The kit drops expired and repeated ones before, answers the unsupported, calls it for
one command per station at a time, cancels it at the deadline (answered TIMEOUT) and publishes the answer exactly once.
A station that is not connected here is ``CommandResult(outcome=OFFLINE)``; an exception is answered FAILED."""


@dataclass(frozen=True, kw_only=True)
class OperationResult:
    """What came of an operator's request, in the contract's words and the station's own."""

    outcome: OperationOutcome
    detail: str | None = None
    told: AnyTold | None = None


OperationHandler = Callable[[OperationRequested], Awaitable[OperationResult]]
"""Carries out one operation, under the same promises as a ``CommandHandler``; both take turns at a station."""


class Commands(Protocol):
    """Takes commands and operations addressed to this instance."""

    def serve(self, handler: CommandHandler) -> None:
        """Registers the one handler of this adapter. Call it within ``Adapter.start``; commands come after it
        returned."""

    def serve_operations(self, handler: OperationHandler) -> None:
        """The same for what the hub's own operator asks; without it all of it is answered NOT_SUPPORTED."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """What is known of a station that wants to connect."""

    is_admitted: bool
    key_digest: str | None
    operator: str | None = None
    """The CPO it belongs to, if it is one: ``NL-HUB``."""
    minimum_profile: int = 0
    """OCPP security profile below which it is refused."""
    revoked_certificates: tuple[str, ...] = ()
    """Fingerprints of its certificates that are not taken any more (SHA-256, small hexadecimal digits)."""
    next_key_digests: tuple[str, ...] = ()
    """Of passwords that it was given and may come with from now on."""


class Accounts(Protocol):
    """Who may connect, fed by ``StationAccountChanged`` and kept on disk."""

    def find(self, station_id: str) -> Account | None:
        """``None`` for a stranger. Never blocks."""

    def digest(self, station_id: str, password: str) -> str:
        """The keyed digest of a presented password (``contracts.station_keys``)."""

    def on_change(self, listener: Callable[[str, Account], None]) -> None:
        """Calls ``listener(station_id, account)`` in the event loop after each change."""


class Connections(Protocol):
    """Which connection of a station is the current one."""

    async def claim(self, station_id: str) -> int:
        """A new epoch, higher than any before it for this station on any instance (time-based, so that it needs no
        round trip), durable before it returns."""


class Wire(Protocol):
    """Takes copies of frames for people who look at them later. Nothing hangs on them."""

    async def tell(self, seen: Sequence[FramesSeen]) -> None:
        """Returns when they are on the bus. Raises when they cannot be, now: they are lost then. May block for
        seconds: never call it where a frame waits."""


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Everything an adapter may touch outside its own folder."""

    network: str
    instance: str
    facts: Facts
    authorizer: Authorizer
    commands: Commands
    accounts: Accounts
    connections: Connections
    now: Callable[[], datetime]
    wire: Wire | None = None
    secret: bytes
    """For keyed hashes, such as transaction ids that cannot be guessed. Same on all instances of a network."""


class RunningAdapter(Protocol):
    """An adapter that has started."""

    def is_healthy(self) -> bool:
        """False when it cannot serve stations."""

    def addresses(self) -> dict[str, str]:
        """What it listens on, for people: ``{"ocpp": "ws://127.0.0.1:9000/"}``."""

    async def stop(self) -> None:
        """Refuses new stations, lets running answers finish, closes (20 s at most)."""


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """The declaration that ``adapter.py`` of each adapter exports as ``ADAPTER`` (entry point group
    ``roaming.adapters``)."""

    name: str
    settings: type[BaseModel]
    provides: tuple[type[Message], ...]
    """The facts it can tell."""
    requires: tuple[CommandName, ...]
    """The commands it can carry out; others are answered NOT_SUPPORTED by the kit."""
    operations: tuple[type[Operation], ...] = ()
    """The operators' requests it can carry out; likewise."""
    start: Callable[[Ports, Any], Awaitable[RunningAdapter]]
    """Called with the ports and an instance of ``settings``; returns when stations can connect."""
    notes: dict[str, str] = field(default_factory=dict)
