"""Answers about tokens in place of an operator's central system that does not know them. Everything else passes.

An Authorize is answered by the hub alone where the token's prefix says so. A start always reaches the central system,
which gives the transaction its id: only its refusal is taken out of the answer (decision 0120).
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final

import structlog

from adapters.ocpp import frames
from adapters.ocpp.authorizing import Decided
from adapters.ocpp.frames import Call, CallResult
from adapters.ocpp.proxy.copies import Copy
from adapters.ocpp.proxy.heads import action, head
from adapters.ocpp.proxy.line import Line
from adapters.ocpp.proxy.settings import Upstream
from adapters.ocpp.station import Request, Station
from adapters.ocpp.tokens import clean
from adapters.ocpp.transport import SocketClosed

WATCHED: Final = 16
"""Requests of one station whose answers are looked at; of more, the oldest passes."""
ASKED_AT_ONCE: Final = 16
"""Of one station; with more, its central system's word holds."""
_WITH_TOKEN: Final = frozenset({"Authorize", "StartTransaction", "TransactionEvent"})
_UNKNOWN: Final = frozenset({"Invalid", "Unknown"})
"""What central systems say of tokens they do not know. Blocked, Expired and the like are of tokens that they do."""

logger = structlog.get_logger(__name__)


def token_of(payload: Any) -> str | None:
    """The token that a request shows, whatever the version; ``None``: none."""
    if not isinstance(payload, dict):
        return None
    found = payload.get("idTag")
    if found is None and isinstance(payload.get("idToken"), dict):
        found = payload["idToken"].get("idToken")
    return clean(found) or None if isinstance(found, str) else None


def refusal_in(payload: Any) -> str | None:
    """The status in an answer about a token, unless it is ``Accepted`` or there is none."""
    if not isinstance(payload, dict):
        return None
    info = payload.get("idTagInfo", payload.get("idTokenInfo"))
    status = info.get("status") if isinstance(info, dict) else None
    return status if isinstance(status, str) and status != "Accepted" else None


class ForeignTokens:
    """Implements ``line.Foreign`` for one station."""

    def __init__(
        self,
        station: Station,
        line: Line,
        upstream: Upstream,
        *,
        decide: Callable[[Station, Request], Awaitable[Decided]],
        now: Callable[[], datetime],
        is_ours: Callable[[], bool],
    ) -> None:
        """``is_ours``: whether the station's account admits it now. Its first frame may show a token, and its driver
        does not wait until the hub has told of the connection."""
        self._station = station
        self._line = line
        self._upstream = upstream
        self._decide = decide
        self._now = now
        self._is_ours = is_ours
        self._watched: dict[bytes, bytes] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def takes_up(self, data: bytes) -> bool:
        """See ``line.Foreign``."""
        asked = action(data)
        if asked not in _WITH_TOKEN or len(self._tasks) >= ASKED_AT_ONCE or not self._is_ours():
            return False
        found = head(data)
        if found is None:
            return False
        if self._upstream.authorise == "hub-prefix":
            call = frames.parse(data)
            token = token_of(call.payload) if isinstance(call, Call) else None
            if token is None or not self._upstream.is_ours(token):
                return False
            if asked == "Authorize":
                self._spawn(self._answer(data))
                return True
        self._watched[found.id] = data
        if len(self._watched) > WATCHED:
            del self._watched[next(iter(self._watched))]
        return False

    def takes_down(self, data: bytes) -> bool:
        """See ``line.Foreign``."""
        if not self._watched:
            return False
        found = head(data)
        asked = self._watched.pop(found.id, None) if found is not None and found.is_answer else None
        if asked is None or len(self._tasks) >= ASKED_AT_ONCE:
            return False
        answer = frames.parse(data)
        refusal = refusal_in(answer.payload) if isinstance(answer, CallResult) else None
        if refusal is None or (self._upstream.authorise == "hub-if-refused" and refusal not in _UNKNOWN):
            return False
        self._spawn(self._replace(asked, data))
        return True

    async def _answer(self, asked: bytes) -> None:
        """An Authorize of one of the hub's tokens: the central system hears nothing of it."""
        call, decided = await self._ask(asked)
        if decided is None:
            await self._line.upstream.send(asked)
            self._line.copies.put(Copy(True, asked, self._now()))
            return
        answer = frames.call_result(call.id, {decided.key: decided.info})
        self._line.copies.put(Copy(True, asked, self._now()))
        await self._send(answer)

    async def _replace(self, asked: bytes, refused: bytes) -> None:
        """The rest of the central system's answer stays: the id of the transaction is its own."""
        call, decided = await self._ask(asked)
        answer = frames.parse(refused)
        if decided is None or not decided.is_accepted or not isinstance(answer, CallResult):
            await self._send(refused)
            return
        await self._send(frames.call_result(call.id, {**answer.payload, decided.key: decided.info}))

    async def _send(self, answer: bytes) -> None:
        await self._line.station.send(answer)
        self._line.copies.put(Copy(False, answer, self._now()))

    async def _ask(self, asked: bytes) -> tuple[Call, Decided | None]:
        call = frames.parse(asked)
        assert isinstance(call, Call)
        try:
            return call, await self._decide(self._station, Request(call, asked, self._now(), 0))
        except Exception as error:
            # Nothing of ours may cost the station its answer
            logger.error("the hub could not decide", station_id=self._station.id, error=type(error).__name__)
            return call, None

    def _spawn(self, work: Any) -> None:
        async def run() -> None:
            try:
                await work
            except SocketClosed:
                return

        task = asyncio.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
