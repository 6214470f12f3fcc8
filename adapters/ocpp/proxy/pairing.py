"""Requests of a station put together with what its central system answered. Pure: knows no socket and no clock."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

import msgspec

from adapters.ocpp.frames import Call, CallError, CallResult, Frame, Unreadable

MOST_OPEN: Final = 64
"""Requests without an answer; of more, the oldest is given up."""
LATEST: Final = timedelta(seconds=120)
"""After which nobody waits for an answer any more."""


class Exchange(msgspec.Struct, frozen=True):
    """A request of the station and its answer."""

    request: Call | Unreadable
    raw: bytes
    received_at: datetime
    """When the request came."""
    reply: CallResult | CallError | None
    """``None``: there was none, or none is wanted."""


class Pairing:
    """The open requests of one connection, in their order.

    Exchanges come out in the order of their answers. OCPP lets a station ask one thing at a time, so that is the order
    of the requests; where a station does not keep to it, an answer says what was settled first.
    """

    def __init__(self) -> None:
        self._open: dict[str, Exchange] = {}
        self.unanswered = 0
        """Requests that were given up."""
        self.unasked = 0
        """Answers to nothing that is open: to a request whose copy was lost, or twice."""

    def asked(self, frame: Frame, raw: bytes, at: datetime) -> Iterator[Exchange]:
        """A frame of the station; its answers to requests of the central system are nobody's business here."""
        yield from self._given_up(at)
        if isinstance(frame, CallResult | CallError):
            return
        exchange = Exchange(frame, raw, at, None)
        if isinstance(frame, Unreadable) or not frame.wants_answer:
            yield exchange
            return
        key = str(frame.id)
        earlier = self._open.pop(key, None)
        if earlier is not None:
            yield from self._unanswered(earlier)
        self._open[key] = exchange
        if len(self._open) > MOST_OPEN:
            yield from self._unanswered(self._open.pop(next(iter(self._open))))

    def answered(self, frame: Frame) -> Iterator[Exchange]:
        """A frame of the central system; its own requests are passed over."""
        if not isinstance(frame, CallResult | CallError):
            return
        exchange = self._open.pop(str(frame.id), None)
        if exchange is None:
            self.unasked += 1
            return
        yield Exchange(exchange.request, exchange.raw, exchange.received_at, frame)

    def end(self) -> Iterator[Exchange]:
        """What is still open when the connection is over, or after a gap: answers to it may have been lost."""
        while self._open:
            yield from self._unanswered(self._open.pop(next(iter(self._open))))

    def _given_up(self, at: datetime) -> Iterator[Exchange]:
        while self._open:
            key, oldest = next(iter(self._open.items()))
            if at - oldest.received_at < LATEST:
                return
            del self._open[key]
            yield from self._unanswered(oldest)

    def _unanswered(self, exchange: Exchange) -> Iterator[Exchange]:
        self.unanswered += 1
        yield exchange
