"""Lets stations through to their operator's central system: whoever that lets in, with what the station showed."""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from adapters.ocpp.limits import retry_after
from adapters.ocpp.proxy.settings import Upstream, upstream_of
from adapters.ocpp.security import Doorkeeper
from adapters.ocpp.transport import Admission, Handshake, Limits, Refusal, Socket
from adapters.ocpp.websocket_client import Dial, Dialled, Unreachable

UNTAKEN_SECONDS: Final = 15.0
"""A station that goes away in mid-handshake leaves a connection behind, which is dropped then."""
PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 5.0
_WRONG: Final = (401, 403)
_AWAY: Final = (502, 503, 504)

logger = structlog.get_logger(__name__)


@dataclass(kw_only=True)
class ProxyDoor:
    """Decides about handshakes of stations that go through."""

    upstreams: Sequence[Upstream]
    doorkeeper: Doorkeeper
    dial: Callable[[Dial], Awaitable[Dialled | Refusal]]
    limits: Limits = field(default_factory=Limits)
    dial_seconds: float = 8
    ping_seconds: float = 60
    _untaken: dict[Socket, Handshake] = field(default_factory=dict)

    def upstream_of(self, station_id: str) -> Upstream | None:
        """Where a station goes through to; ``None``: it ends here."""
        return upstream_of(self.upstreams, station_id)

    async def decide(self, handshake: Handshake) -> Refusal | Admission | None:
        """As the central system answers. ``None``: the station ends here, or does while the other is away."""
        station_id = self.doorkeeper.identity(handshake)
        upstream = None if station_id is None else self.upstream_of(station_id)
        if station_id is None or upstream is None:
            return None
        refusal = self.doorkeeper.turned_away(handshake, station_id)
        if refusal is None and upstream.password is not None:
            refusal = self.doorkeeper.unproven(handshake, station_id)
        if refusal is not None:
            return refusal
        answer = await self._reach(upstream, self._wanted(upstream, handshake))
        if answer is None:
            return None if upstream.when_down == "hub" else _down()
        if isinstance(answer, Refusal):
            if answer.status in _WRONG:
                self.doorkeeper.was_wrong(handshake, station_id)
            return answer
        self._untaken[answer.socket] = handshake
        asyncio.get_running_loop().call_later(UNTAKEN_SECONDS, self._drop_untaken, answer.socket)
        return self.doorkeeper.passing(handshake, station_id, socket=answer.socket, subprotocol=answer.subprotocol)

    def taken(self, socket: Socket) -> Handshake | None:
        """The station's own connection stands; how it came."""
        return self._untaken.pop(socket, None)

    async def redial(self, upstream: Upstream, handshake: Handshake, *, subprotocol: str | None) -> Socket | None:
        """The same connection once more, for as long as the station may be held. ``None``: it is not to be had."""
        loop = asyncio.get_running_loop()
        end, pause = loop.time() + upstream.hold_seconds, PAUSE
        wanted = self._wanted(upstream, handshake)
        while loop.time() < end:
            answer = await self._try(upstream, wanted)
            if isinstance(answer, Dialled) and answer.subprotocol == subprotocol:
                return answer.socket
            if isinstance(answer, Dialled):
                answer.socket.abort()
            if answer is not None:
                return None
            await asyncio.sleep(min(pause, max(0.0, end - loop.time())))
            pause = min(LONGEST_PAUSE, pause * 2)
        return None

    async def _reach(self, upstream: Upstream, wanted: Dial) -> Dialled | Refusal | None:
        """``None``: it cannot be reached; with ``hold``, not for as long as a handshake may take."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self.dial_seconds
        while True:
            answer = await self._try(upstream, wanted)
            if answer is not None or upstream.when_down != "hold" or loop.time() + PAUSE > end:
                return answer
            await asyncio.sleep(PAUSE)

    async def _try(self, upstream: Upstream, wanted: Dial) -> Dialled | Refusal | None:
        """``None``: it cannot be reached now."""
        try:
            answer = await self.dial(wanted)
        except Unreachable as error:
            logger.warning("the central system cannot be reached", url=upstream.url, error=str(error))
            return None
        if isinstance(answer, Refusal) and answer.status in _AWAY:
            logger.warning("the central system is away", url=upstream.url, status=answer.status)
            return None
        return answer

    def _wanted(self, upstream: Upstream, handshake: Handshake) -> Dial:
        return Dial(
            url=f"{upstream.url.rstrip('/')}/{self.doorkeeper.segment(handshake)}",
            subprotocols=handshake.subprotocols,
            authorization=self._authorization(upstream, handshake),
            authority_file=upstream.authority_file,
            seconds=self.dial_seconds,
            ping_seconds=self.ping_seconds,
            limits=self.limits,
        )

    def _authorization(self, upstream: Upstream, handshake: Handshake) -> str | None:
        """The credentials that are set for the upstream are lent to who has proven itself here; others go with what
        they brought, and the central system decides."""
        station_id = self.doorkeeper.identity(handshake) or ""
        if upstream.password is None or not self.doorkeeper.has_proven_itself(handshake, station_id):
            return handshake.authorization
        pair = f"{upstream.user or station_id}:{upstream.password.get_secret_value()}"
        return "Basic " + base64.b64encode(pair.encode()).decode()

    def _drop_untaken(self, socket: Socket) -> None:
        if self._untaken.pop(socket, None) is not None:
            socket.abort()


def _down() -> Refusal:
    return Refusal(status=503, reason="the central system cannot be reached", headers=(retry_after(),))
