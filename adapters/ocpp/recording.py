"""Getting facts to disk before a station is answered, and what the handlers of all messages share."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from adapters.kit.manifest import Fact, Ports, SpoolFull
from adapters.ocpp import moments
from adapters.ocpp.moments import StationClock
from adapters.ocpp.rejected import RejectedFrames
from adapters.ocpp.station import NotDurable, Station
from adapters.ocpp.tokens import Tokens
from adapters.ocpp.transactions import Transactions
from contracts.vocabulary import ConnectorStatus

LARGEST_CONNECTOR: Final = 9999


class Unusable(Exception):
    """A payload that cannot be understood even after mending. ``code`` is OCPP's."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description


@dataclass(frozen=True, kw_only=True)
class Answering:
    """How stations are answered."""

    heartbeat_seconds: int = 300
    pending_seconds: int = 30
    """How soon a held stranger should boot again."""
    authorize_seconds: float = 8
    """Below the time in which stations expect an answer (usually 30 s)."""
    guess_pause_seconds: float = 2
    """Before the answer about an unknown token of a station that has shown too many of them."""
    authorization_kept: timedelta = timedelta(minutes=10)
    """From Authorize to the start that follows it."""
    signs_certificates: bool = False
    """Whether stations' requests for certificates are signed by somebody behind us."""
    spool_seconds: float = 20
    """How long to wait for the spool before the station is sent away unanswered."""


@dataclass(slots=True)
class Memory:
    """What is kept of one connection."""

    clock: StationClock = field(default_factory=StationClock)
    connectors: dict[int, ConnectorStatus] = field(default_factory=dict)
    """What connectors say of themselves, where the charging state is told apart (2.x)."""
    told_at: dict[int, datetime] = field(default_factory=dict)
    """Of which time the last status is that was told of a connector (2.x)."""
    booted_at: datetime | None = None
    """Transactions that nothing was heard of since may have ended with the boot (2.x)."""


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Everything the handlers work with."""

    ports: Ports
    transactions: Transactions
    tokens: Tokens
    rejected: RejectedFrames
    answering: Answering

    async def record(self, station: Station, facts: Sequence[Fact]) -> None:
        """Returns when the facts are on disk. While the spool is full the station waits, and with it its socket.
        Raises ``NotDurable`` when that takes too long or fails otherwise."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self.answering.spool_seconds
        pause = 0.1
        while True:
            try:
                await self.ports.facts.record(facts)
                return
            except SpoolFull as error:
                if loop.time() > end or station.is_over:
                    raise NotDurable(str(error)) from error
                await asyncio.sleep(pause)
                pause = min(2.0, pause * 2)
            except Exception as error:
                raise NotDurable(f"{type(error).__name__}: {error}") from error


def memory_of(station: Station) -> Memory:
    """Made at the first use."""
    if not isinstance(station.memory, Memory):
        station.memory = Memory()
    memory: Memory = station.memory
    return memory


def moment_of(station: Station, text: str | None, *, received_at: datetime) -> moments.Moment:
    """What a station's time means; what is odd about it is counted."""
    offset = memory_of(station).clock.offset
    found = moments.moment(text, received_at=received_at, offset=offset)
    if not found.is_clock_set:
        station.deviations["clock not set"] += 1
    elif offset:
        station.deviations["clock corrected"] += 1
    if text and not moments.has_zone(text):
        station.deviations["time without a zone"] += 1
    return found


def connector_of(number: int) -> int:
    """A connector number one can believe. Raises ``Unusable``."""
    if not 0 <= number <= LARGEST_CONNECTOR:
        raise Unusable("PropertyConstraintViolation", "connectorId: not a connector")
    return int(number)
