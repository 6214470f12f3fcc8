"""Requests of stations, whatever their version: checked, mended if need be, and answered once what they say is on
disk. A version gives its schemas and a handler for each message."""

import hashlib
import random
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Final

import structlog

from adapters.kit.manifest import Fact
from adapters.ocpp.authorizing import Decided
from adapters.ocpp.recording import Desk, Unusable
from adapters.ocpp.repair import repair
from adapters.ocpp.schemas import Schemas
from adapters.ocpp.station import NotDurable, Refused, Request, Station
from adapters.ocpp.text import MAX_TEXT
from contracts.envelope import message_id
from contracts.messages import Message, StationMessageRejected

LONGEST_RAW: Final = 16_384
"""Of a message nobody could read, in octets and in characters."""

Handler = Callable[[Station, Request, dict[str, Any]], Awaitable[dict[str, Any]]]
Decide = Callable[[Station, Request, dict[str, Any]], Awaitable[Decided]]
MinimalAnswer = Callable[[Station, Request], dict[str, Any] | None]
"""What ends a station's repeating without saying yes; ``None`` for messages that may be refused."""

logger = structlog.get_logger(__name__)


class Reception:
    """Implements ``Answerer`` for one version."""

    def __init__(
        self,
        desk: Desk,
        *,
        schemas: Schemas,
        handlers: Mapping[str, Handler],
        minimal_answer: MinimalAnswer,
        decide: Decide,
    ) -> None:
        self._desk = desk
        self._network = desk.ports.network
        self._schemas = schemas
        self._handlers = handlers
        self._minimal_answer = minimal_answer
        self._decide = decide

    async def __call__(self, station: Station, request: Request) -> dict[str, Any] | Refused:
        """See ``Answerer``. Requests about transactions are never refused: a station would repeat them for ever."""
        action = request.call.action
        handler = self._handlers.get(action)
        if handler is None:
            if action in self._schemas.actions:
                return Refused("NotSupported", f"{action} is not for a central system")
            return Refused("NotImplemented", f"no such action in {station.protocol}")
        try:
            answer = await handler(station, request, self._payload(station, request))
            if answer and not self._schemas.response(action).is_strict(answer):
                raise AssertionError(f"our answer to {action} breaks its schema")
        except NotDurable:
            raise
        except Unusable as error:
            return await self._refuse(station, request, error.code, error.description)
        except sqlite3.Error as error:
            raise NotDurable(f"{type(error).__name__}: {error}") from error
        except Exception as error:
            logger.exception("a frame failed", station_id=station.id, action=action, error=type(error).__name__)
            return await self._refuse(station, request, "InternalError", "this frame could not be handled")
        return answer

    async def decide(self, station: Station, request: Request) -> Decided:
        """What the hub says of the token in an Authorize or a start. May raise anything."""
        return await self._decide(station, request, self._payload(station, request))

    def _payload(self, station: Station, request: Request) -> dict[str, Any]:
        """The payload, fit for use. The strict verdict is counted either way. Raises ``Unusable``."""
        action, payload = request.call.action, request.call.payload
        schema = self._schemas.request(action)
        if schema.is_strict(payload):
            strict: dict[str, Any] = payload
            return strict
        mended, repairs = repair(payload, schema.definition, schema.defaults)
        if station.count("not strict"):
            logger.info("station strays from the schema", station_id=station.id, action=action, repairs=repairs)
        for name in repairs:
            station.deviations[f"mended: {name}"] += 1
        if not isinstance(mended, dict) or not schema.is_usable(mended):
            fault = schema.fault(mended)
            raise Unusable(fault.code, fault.description)
        return mended

    async def _refuse(
        self, station: Station, request: Request, code: str, description: str
    ) -> dict[str, Any] | Refused:
        action = request.call.action
        if station.count("unusable"):
            logger.warning("unusable request", station_id=station.id, action=action, code=code)
        minimal = self._minimal_answer(station, request)
        if minimal is None:
            return Refused(code, description)
        reason = f"{code}: {description}"
        try:
            self._desk.rejected.keep(station.id, request.raw, reason=f"{action}: {reason}", at=request.received_at)
        except sqlite3.Error as error:
            raise NotDurable(f"{type(error).__name__}: {error}") from error
        if station.count("rejected") and station.is_admitted:
            await self._desk.record(station, [self._rejected(station, request, reason)])
        return minimal

    def _rejected(self, station: Station, request: Request, reason: str) -> Fact:
        """Repeated word for word it is the same fact."""
        rejected = StationMessageRejected(
            network=self._network,
            station_id=station.id,
            kind=request.call.action,
            reason=reason[:MAX_TEXT],
            raw=request.raw[:LONGEST_RAW].decode("utf-8", "backslashreplace")[:LONGEST_RAW],
            number=station.deviations["rejected"],
        )
        digest = hashlib.blake2b(request.raw, digest_size=16).hexdigest()
        return Fact(
            id=message_id("rejected", self._network, station.id, digest),
            message=rejected,
            station_id=station.id,
            occurred_at=request.received_at,
        )


def fact_of(
    station: Station, request: Request, kind: str, message: Message, *, network: str, at: datetime | None = None
) -> Fact:
    """A fact that is told once per request: what stations do not queue. ``at``: when it was, if not on arrival."""
    return Fact(
        id=message_id(kind, network, station.id, station.epoch, request.number),
        message=message,
        station_id=station.id,
        occurred_at=at or request.received_at,
        is_told_once=True,
    )


def boot_interval(station: Station, desk: Desk) -> int:
    """Seconds to the next heartbeat, or to the next boot of a held station. Spread, so that stations that came back
    together do not stay together."""
    answering = desk.answering
    spread = round(answering.heartbeat_seconds * random.uniform(0.8, 1.2))  # noqa: S311
    return spread if station.is_admitted else answering.pending_seconds
