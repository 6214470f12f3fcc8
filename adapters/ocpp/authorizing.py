"""May this token charge at this station now? By a remote start, by what was decided a moment ago, or by asking. The
same for every version; tokens are cleaned before they come here and are never logged."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog

from adapters.kit.manifest import Authorization
from adapters.ocpp.alarms import Alarms
from adapters.ocpp.recording import Desk
from adapters.ocpp.security import short_hash
from adapters.ocpp.station import Request, Station
from adapters.ocpp.tokens import RemoteStart, fold
from contracts.vocabulary import AuthorizationBasis, AuthorizationStatus

_GUESSING: Final = "too many unknown tokens: for a while nobody is asked about others that are unknown here"

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision in the words of a version."""

    is_accepted: bool
    key: str
    """Under which an answer holds it."""
    info: dict[str, Any]


class Authorizing:
    """Decisions around transactions."""

    def __init__(self, desk: Desk, *, has_led: Callable[[str, str], bool]) -> None:
        """``has_led(station_id, command_id)``: whether a remote start has led to a transaction."""
        self._desk = desk
        self._ports = desk.ports
        self._tokens = desk.tokens
        self._has_led = has_led
        self._alarms = Alarms(desk.ports)

    async def before_start(self, station: Station, request: Request, tag: str) -> Authorization:
        """For an Authorize. An accepted answer is kept for the start that follows."""
        decided = self.commanded(station, request, tag, connector_id=None) or await self._ask(
            station, tag, connector_id=None
        )
        if decided.status is AuthorizationStatus.ACCEPTED:
            until = request.received_at + self._desk.answering.authorization_kept
            self._tokens.remember(station.id, tag, decided, until=until)
        return decided

    async def for_start(
        self, station: Station, request: Request, tag: str, *, connector_id: int | None
    ) -> Authorization:
        """For a start: what was decided for this tag a moment ago, else a new decision."""
        if not tag:
            return Authorization(
                status=AuthorizationStatus.UNKNOWN_TOKEN, basis=AuthorizationBasis.WHITELIST, token_uid=""
            )
        commanded = self.commanded(station, request, tag, connector_id=connector_id)
        if commanded is not None:
            return commanded
        recent = self._tokens.remembered(station.id, tag, now=request.received_at)
        if recent is not None and recent.command_id is None:
            return recent
        return await self._ask(station, tag, connector_id=connector_id)

    async def instead(self, station: Station, request: Request, tag: str, *, connector_id: int | None) -> Authorization:
        """For a start that another central system has refused. An accepted answer is kept until the start is told
        of."""
        decided = await self.for_start(station, request, tag, connector_id=connector_id)
        if decided.status is AuthorizationStatus.ACCEPTED:
            until = request.received_at + self._desk.answering.authorization_kept
            self._tokens.remember(station.id, tag, decided, until=until)
        return decided

    def elsewhere(
        self,
        station: Station,
        request: Request,
        tag: str,
        status: AuthorizationStatus,
        *,
        connector_id: int | None,
    ) -> Authorization:
        """For a start that another central system has answered: the hub's own word where it gave one, else that one's
        ``status``. Nobody is asked."""
        commanded = self.commanded(station, request, tag, connector_id=connector_id)
        recent = self._tokens.remembered(station.id, tag, now=request.received_at)
        known = commanded or recent
        if status is AuthorizationStatus.ACCEPTED and known is not None:
            return known
        uid = self._tokens.to_uid(tag)
        return Authorization(status=status, basis=AuthorizationBasis.OPERATOR, token_uid=uid)

    def commanded(
        self, station: Station, request: Request, tag: str, *, connector_id: int | None
    ) -> Authorization | None:
        """By a remote start that has not led to a transaction yet."""
        while True:
            expected = self._tokens.expected(station.id, connector_id=connector_id, id_tag=tag, now=request.received_at)
            if expected is None:
                return None
            if not self._has_led(station.id, expected.command_id):
                return by_command(expected)
            self._tokens.withdraw(expected.command_id)

    def use_up(self, station_id: str, id_tag: str, command_id: str | None) -> None:
        """A transaction has come of it: one authorisation, one start."""
        self._tokens.forget(station_id, id_tag)
        if command_id:
            self._tokens.withdraw(command_id)
            self._ports.authorizer.use_up(station_id, command_id)

    async def _ask(self, station: Station, tag: str, *, connector_id: int | None) -> Authorization:
        while True:
            decided = await self._ports.authorizer.authorize(
                station_id=station.id,
                connector_id=connector_id,
                token_uid=self._tokens.to_uid(tag),
                timeout=self._desk.answering.authorize_seconds,
            )
            if not decided.command_id or not self._has_led(station.id, decided.command_id):
                break
            # The command has its transaction: this is the driver coming again
            self._ports.authorizer.use_up(station.id, decided.command_id)
        if decided.is_unasked:
            # A list of real tokens is not found by trying a station's twenty requests a second
            await self._alarms.tell(station.id, "TokenGuessing", _GUESSING)
            await asyncio.sleep(self._desk.answering.guess_pause_seconds)
        logger.info("authorisation", station_id=station.id, token=short_hash(fold(tag)), status=decided.status.value)
        return decided


def by_command(expected: RemoteStart) -> Authorization:
    """What a remote start allows."""
    return Authorization(
        status=AuthorizationStatus.ACCEPTED,
        basis=AuthorizationBasis.COMMAND,
        token_uid=expected.token_uid,
        authorization_reference=expected.reference,
        group_id=expected.group_id,
        command_id=expected.command_id,
        owner=expected.owner,
    )
