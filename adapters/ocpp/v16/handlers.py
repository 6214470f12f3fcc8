"""Requests of OCPP 1.6 stations: checked, mended if need be, and answered once what they say is on disk."""

import hashlib
import random
import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog

from adapters.kit.manifest import Fact
from adapters.ocpp.station import NotDurable, Refused, Request, Station
from adapters.ocpp.v16 import moments, schemas, translate
from adapters.ocpp.v16.charging import Charging
from adapters.ocpp.v16.recording import Desk, Unusable, connector_of, memory_of
from adapters.ocpp.v16.repair import repair
from contracts.envelope import message_id
from contracts.messages import StationFaultReported, StationMessageRejected, TransactionUpdated
from contracts.vocabulary import ConnectorStatus

_RUNNING: Final = (ConnectorStatus.CHARGING, ConnectorStatus.SUSPENDED_EV, ConnectorStatus.SUSPENDED_EVSE)
LONGEST_RAW: Final = 16_384
"""Of a message nobody could read, in octets and in characters."""

Handler = Callable[[Station, Request, dict[str, Any]], Awaitable[dict[str, Any]]]

logger = structlog.get_logger(__name__)


class Handlers:
    """Implements ``Answerer`` for OCPP 1.6 with its security extension."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._network = desk.ports.network
        self._charging = Charging(desk)
        self._handlers: dict[str, Handler] = {
            "BootNotification": self._boot,
            "Heartbeat": self._heartbeat,
            "StatusNotification": self._status,
            "Authorize": self._charging.authorize,
            "StartTransaction": self._charging.start,
            "StopTransaction": self._charging.stop,
            "MeterValues": self._charging.meter_values,
            "DataTransfer": self._data_transfer,
            "FirmwareStatusNotification": self._acknowledge,
            "DiagnosticsStatusNotification": self._acknowledge,
            "LogStatusNotification": self._acknowledge,
            "SignedFirmwareStatusNotification": self._acknowledge,
            "SecurityEventNotification": self._security_event,
            "SignCertificate": self._sign_certificate,
        }

    async def __call__(self, station: Station, request: Request) -> dict[str, Any] | Refused:
        """See ``Answerer``. Requests about transactions are never refused: a station would repeat them for ever."""
        action = request.call.action
        handler = self._handlers.get(action)
        if handler is None:
            if action in schemas.actions():
                return Refused("NotSupported", f"{action} is not for a central system")
            return Refused("NotImplemented", "no such action in OCPP 1.6")
        try:
            answer = await handler(station, request, self._payload(station, request))
            if answer and not schemas.response(action).is_strict(answer):
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

    def _payload(self, station: Station, request: Request) -> dict[str, Any]:
        """The payload, fit for use. The strict verdict is counted either way. Raises ``Unusable``."""
        action, payload = request.call.action, request.call.payload
        schema = schemas.request(action)
        if schema.is_strict(payload):
            strict: dict[str, Any] = payload
            return strict
        mended, repairs = repair(action, payload, schema.definition)
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
        minimal = self._charging.minimal_answer(station, request)
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
            reason=reason[: translate.MAX_TEXT],
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

    async def _boot(self, station: Station, request: Request, payload: dict[str, Any]) -> dict[str, Any]:
        booted = translate.to_station_booted(payload, network=self._network, station_id=station.id)
        await self._desk.record(station, [self._fact(station, request, "boot", booted)])
        answering = self._desk.answering
        # Spread, so that stations that came back together do not stay together.
        interval = round(answering.heartbeat_seconds * random.uniform(0.8, 1.2))  # noqa: S311
        return {
            "status": "Accepted" if station.is_admitted else "Pending",
            "currentTime": translate.from_time(self._desk.ports.now()),
            "interval": interval if station.is_admitted else answering.pending_seconds,
        }

    async def _heartbeat(self, station: Station, request: Request, payload: dict[str, Any]) -> dict[str, Any]:
        return {"currentTime": translate.from_time(self._desk.ports.now())}

    async def _status(self, station: Station, request: Request, payload: dict[str, Any]) -> dict[str, Any]:
        connector_of(payload["connectorId"])
        if not station.is_admitted:
            return {}
        changed = translate.to_connector_status_changed(payload, network=self._network, station_id=station.id)
        clock = memory_of(station).clock
        clock.observe(payload.get("timestamp"), received_at=request.received_at)
        at = moments.moment(payload.get("timestamp"), received_at=request.received_at, offset=clock.offset).at
        key = (self._network, station.id, station.epoch, request.number)
        facts = [Fact(id=message_id("status", *key), message=changed, station_id=station.id, occurred_at=at)]
        fault = translate.to_station_fault(payload, network=self._network, station_id=station.id)
        if fault is not None:
            facts.append(Fact(id=message_id("fault", *key), message=fault, station_id=station.id, occurred_at=at))
        transaction = self._desk.transactions.open_on(station.id, changed.connector_id)
        if changed.status in _RUNNING and transaction is not None:
            updated = TransactionUpdated(
                network=self._network,
                station_id=station.id,
                connector_id=changed.connector_id,
                transaction_id=str(transaction.transaction_id),
                state=changed.status,
                at=at,
            )
            facts.append(
                Fact(
                    id=message_id("updated", *key),
                    message=updated,
                    station_id=station.id,
                    occurred_at=at,
                    correlation_id=self._charging.correlation(station, transaction.transaction_id),
                )
            )
        await self._desk.record(station, facts)
        station.statuses[changed.connector_id] = changed.status
        return {}

    async def _security_event(self, station: Station, request: Request, payload: dict[str, Any]) -> dict[str, Any]:
        fault = StationFaultReported(
            network=self._network,
            station_id=station.id,
            connector_id=0,
            error_code=payload["type"][: translate.MAX_TEXT],
            info=(payload.get("techInfo") or "")[: translate.MAX_TEXT] or None,
        )
        if station.is_admitted:
            await self._desk.record(station, [self._fact(station, request, "security-event", fault)])
        return {}

    async def _data_transfer(self, station: Station, request: Request, payload: dict[str, Any]) -> dict[str, Any]:
        return {"status": "UnknownVendorId"}

    async def _acknowledge(self, station: Station, request: Request, payload: dict[str, Any]) -> dict[str, Any]:
        return {}

    async def _sign_certificate(self, station: Station, request: Request, payload: dict[str, Any]) -> dict[str, Any]:
        return {"status": "Rejected"}

    def _fact(self, station: Station, request: Request, kind: str, message: Any) -> Fact:
        return Fact(
            id=message_id(kind, self._network, station.id, station.epoch, request.number),
            message=message,
            station_id=station.id,
            occurred_at=request.received_at,
        )
