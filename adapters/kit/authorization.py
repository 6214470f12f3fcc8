"""May this token charge here? Decided from pending commands, the token cache, or by asking the service.

The whitelist rules are those of OCPI 2.2.1, tokens, WhitelistType. Tokens are never logged.
"""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from adapters.kit.incoming import read
from adapters.kit.manifest import Authorization
from adapters.kit.tokens import TokenCache, fold
from contracts.bus.port import Bus, Subscription
from contracts.envelope import Envelope, wrap
from contracts.messages import AuthorizationDecided, AuthorizationRequested, TokenChanged, TokenOwner
from contracts.topics import AUTHORIZATIONS
from contracts.vocabulary import AuthorizationBasis, AuthorizationStatus, WhitelistPolicy

_ACCEPTED = AuthorizationStatus.ACCEPTED
_BLOCKED = AuthorizationStatus.BLOCKED
_WHITELIST = AuthorizationBasis.WHITELIST
_OFFLINE_POLICY = AuthorizationBasis.OFFLINE_POLICY

logger = structlog.get_logger(__name__)


def decide_at_once(token: TokenChanged) -> Authorization | None:
    """What the whitelist allows to decide without asking; ``None``: ask."""
    if token.whitelist is WhitelistPolicy.ALWAYS:
        return _of_token(token, _ACCEPTED if token.is_valid else _BLOCKED, _WHITELIST)
    if token.whitelist is WhitelistPolicy.ALLOWED and token.is_valid:
        return _of_token(token, _ACCEPTED, _WHITELIST)
    return None


def decide_unanswered(token: TokenChanged | None, *, token_uid: str) -> Authorization:
    """What holds when nobody answered in time."""
    if token is None:
        status = AuthorizationStatus.UNKNOWN_TOKEN
        return Authorization(status=status, basis=_OFFLINE_POLICY, token_uid=token_uid)
    if not token.is_valid:
        return _of_token(token, _BLOCKED, _OFFLINE_POLICY)
    if token.whitelist is WhitelistPolicy.NEVER:
        return _of_token(token, AuthorizationStatus.NOT_ALLOWED, _OFFLINE_POLICY)
    return _of_token(token, _ACCEPTED, _OFFLINE_POLICY)


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """A remote start that the station may be carrying out, or a reservation that its driver may come for: both were
    authorised by being sent (OCPI 2.2.1, commands 13.2.2 and 13.2.3; tokens 11.2.1.2)."""

    command_id: str
    station_id: str
    token_uid: str
    until: datetime
    connector_id: int | None = None
    reference: str | None = None
    group_id: str | None = None
    owner: TokenOwner | None = None
    reservation_id: str | None = None
    """Of a reservation, as the station's commands name it."""

    def fits(self, *, connector_id: int | None, token_uid: str, at: datetime) -> bool:
        """The connector counts only where both sides named one: OCPP 1.6 asks before it is chosen."""
        is_same_connector = connector_id is None or self.connector_id in (None, connector_id)
        return at < self.until and is_same_connector and fold(token_uid) == fold(self.token_uid)


@dataclass(frozen=True, kw_only=True)
class GuessLimit:
    """How many unknown tokens one station may have us ask about before we stop asking for a while."""

    guesses: int = 10
    window: timedelta = timedelta(minutes=1)


class TokenAuthorizer:
    """Implements ``Authorizer``."""

    def __init__(
        self,
        tokens: TokenCache,
        bus: Bus,
        *,
        network: str,
        instance: str,
        now: Callable[[], datetime],
        operator_of: Callable[[str], str | None],
        limit: GuessLimit | None = None,
    ) -> None:
        """``operator_of`` names the CPO of a station (``Accounts``)."""
        self._tokens = tokens
        self._bus = bus
        self._network = network
        self._instance = instance
        self._now = now
        self._operator_of = operator_of
        self._guesses = _Guesses(limit or GuessLimit(), now)
        self._expectations: dict[str, list[Expectation]] = {}
        self._asked: dict[str, asyncio.Future[AuthorizationDecided]] = {}
        self._publishing: set[asyncio.Task[None]] = set()
        self._sequence = 0

    def subscription(self) -> Subscription:
        """Every instance sees every answer and picks its own."""
        return Subscription(
            group=f"adapter.{self._network}.{self._instance}.authorizations",
            topics=(AUTHORIZATIONS,),
            handler=self._take,
            is_from_start=False,
        )

    async def authorize(
        self, *, station_id: str, connector_id: int | None, token_uid: str, timeout: float
    ) -> Authorization:
        """See ``Authorizer.authorize``."""
        pending = self._pending(station_id, connector_id=connector_id, token_uid=token_uid)
        if pending is not None:
            return Authorization(
                status=_ACCEPTED,
                basis=AuthorizationBasis.COMMAND,
                token_uid=pending.token_uid,
                authorization_reference=pending.reference,
                group_id=pending.group_id,
                command_id=pending.command_id,
                owner=pending.owner,
            )
        known: tuple[TokenChanged, ...] = ()
        token: TokenChanged | None = None
        try:
            known = self._tokens.find(token_uid)
            token = self._the_one(known, operator=self._operator_of(station_id))
            decided = None if token is None else decide_at_once(token)
            if decided is not None:
                return decided
            if not known and not self._guesses.may_ask(station_id):
                return replace(decide_unanswered(None, token_uid=token_uid), is_unasked=True)
            uid = known[0].uid if known else token_uid
            answer = await self._ask(station_id, connector_id, token_uid=uid, timeout=timeout)
            if answer is not None:
                if not known and answer.status is not AuthorizationStatus.UNKNOWN_TOKEN:
                    self._guesses.was_right(station_id)
                return answer
        except Exception as error:
            logger.exception("authorisation failed", station_id=station_id, error=type(error).__name__)
        if known and token is None:
            return Authorization(status=AuthorizationStatus.NOT_ALLOWED, basis=_OFFLINE_POLICY, token_uid=known[0].uid)
        return decide_unanswered(token, token_uid=token_uid)

    def _the_one(self, known: Sequence[TokenChanged], *, operator: str | None) -> TokenChanged | None:
        """The token that may be decided on here: its owner has an agreement with the operator, and no other such
        owner's valid token has the same uid. Else only the service can tell whose driver this is."""
        agreed = [token for token in known if self._tokens.may_charge(token, operator=operator)]
        candidates = [token for token in agreed if token.is_valid] or agreed
        return candidates[0] if len(candidates) == 1 else None

    def expect(self, expectation: Expectation) -> None:
        """From now until its end the token is accepted at this station without asking."""
        kept = self._alive(expectation.station_id)
        kept = [other for other in kept if other.command_id != expectation.command_id]
        self._expectations[expectation.station_id] = [*kept, expectation]

    def withdraw(self, station_id: str, command_id: str) -> None:
        """The station refused the remote start."""
        kept = [other for other in self._alive(station_id) if other.command_id != command_id]
        if kept:
            self._expectations[station_id] = kept
        else:
            self._expectations.pop(station_id, None)

    def withdraw_reservation(self, station_id: str, reservation_id: str) -> None:
        """The reservation is cancelled."""
        for other in self._alive(station_id):
            if other.reservation_id == reservation_id:
                self.withdraw(station_id, other.command_id)

    def use_up(self, station_id: str, command_id: str) -> None:
        """See ``Authorizer.use_up``. A start uses up the reservation of its driver, too."""
        used = [other for other in self._alive(station_id) if other.command_id == command_id]
        self.withdraw(station_id, command_id)
        for start in used:
            for other in self._alive(station_id):
                is_same_driver = (fold(other.token_uid), other.owner) == (fold(start.token_uid), start.owner)
                if other.reservation_id is not None and is_same_driver:
                    self.withdraw(station_id, other.command_id)

    def _alive(self, station_id: str) -> list[Expectation]:
        now = self._now()
        return [other for other in self._expectations.get(station_id, ()) if now < other.until]

    def _pending(self, station_id: str, *, connector_id: int | None, token_uid: str) -> Expectation | None:
        now = self._now()
        fitting = [
            expectation
            for expectation in self._expectations.get(station_id, ())
            if expectation.fits(connector_id=connector_id, token_uid=token_uid, at=now)
        ]
        starts = (expectation for expectation in fitting if expectation.reservation_id is None)
        return next(starts, fitting[0] if fitting else None)

    async def _ask(
        self,
        station_id: str,
        connector_id: int | None,
        *,
        token_uid: str,
        timeout: float,
    ) -> Authorization | None:
        """``None`` when no answer came in time or the bus is away."""
        if timeout <= 0:
            return None
        envelope = self._question(station_id, connector_id, token_uid=token_uid, timeout=timeout)
        answer: asyncio.Future[AuthorizationDecided] = asyncio.get_running_loop().create_future()
        self._asked[envelope.id] = answer
        try:
            publishing = asyncio.create_task(self._publish(envelope, answer))
            self._publishing.add(publishing)
            publishing.add_done_callback(self._publishing.discard)
            async with asyncio.timeout(timeout):
                decided = await answer
        except (TimeoutError, OSError) as error:
            logger.warning("nobody answered an authorisation", station_id=station_id, error=type(error).__name__)
            return None
        finally:
            del self._asked[envelope.id]
        return Authorization(
            status=decided.status,
            basis=decided.basis,
            token_uid=decided.token_uid,
            authorization_reference=decided.authorization_reference,
            group_id=decided.group_id,
            owner=decided.owner,
        )

    async def _publish(self, envelope: Envelope, answer: asyncio.Future[AuthorizationDecided]) -> None:
        """Runs beside the waiting: in one process ``publish`` returns after the service has decided."""
        try:
            await self._bus.publish(AUTHORIZATIONS, [envelope])
        except Exception as error:
            if not answer.done():
                answer.set_exception(ConnectionError(str(error)))
            else:
                logger.warning("a question may not have reached the bus", error=type(error).__name__)

    def _question(self, station_id: str, connector_id: int | None, *, token_uid: str, timeout: float) -> Envelope:
        """A question is asked once and never repeated: its id is drawn, not computed."""
        now = self._now()
        request_id = uuid.uuid4().hex
        self._sequence += 1
        return wrap(
            AuthorizationRequested(
                request_id=request_id,
                network=self._network,
                station_id=station_id,
                connector_id=connector_id,
                token_uid=token_uid,
                deadline=now + timedelta(seconds=timeout),
            ),
            id=request_id,
            subject=f"{self._network}/{station_id}",
            sequence=self._sequence,
            occurred_at=now,
            recorded_at=now,
            correlation_id=request_id,
            source=f"adapter:{self._instance}",
        )

    async def _take(self, envelopes: Sequence[Envelope]) -> None:
        for _, decided in read(envelopes, AuthorizationDecided):
            answer = self._asked.get(decided.request_id)
            if answer is not None and not answer.done():
                answer.set_result(decided)


class _Guesses:
    """A bucket of guesses per station that fills up evenly over the window."""

    def __init__(self, limit: GuessLimit, now: Callable[[], datetime]) -> None:
        self._limit = limit
        self._now = now
        self._buckets: dict[str, tuple[float, datetime]] = {}
        self._muted: set[str] = set()

    def may_ask(self, station_id: str) -> bool:
        """Takes one guess; false when none is left."""
        left = self._left(station_id)
        if left < 1:
            if station_id not in self._muted:
                self._muted.add(station_id)
                logger.warning("too many unknown tokens, no more questions for a while", station_id=station_id)
            return False
        self._muted.discard(station_id)
        self._buckets[station_id] = left - 1, self._now()
        return True

    def was_right(self, station_id: str) -> None:
        """Gives the last guess back: its owner knew the token."""
        self._buckets[station_id] = min(self._limit.guesses, self._left(station_id) + 1), self._now()

    def _left(self, station_id: str) -> float:
        now = self._now()
        left, at = self._buckets.get(station_id, (float(self._limit.guesses), now))
        return min(self._limit.guesses, left + self._limit.guesses * max(0.0, (now - at) / self._limit.window))


def _of_token(token: TokenChanged, status: AuthorizationStatus, basis: AuthorizationBasis) -> Authorization:
    return Authorization(status=status, basis=basis, token_uid=token.uid, group_id=token.group_id, owner=token.owner())
