"""Requests of OCPP 1.6 stations: what each message means."""

from datetime import datetime
from typing import Any, Final

from adapters.kit.manifest import Fact
from adapters.ocpp import moments, upkeep
from adapters.ocpp.answering import Handler, Reception, boot_interval, fact_of
from adapters.ocpp.moments import from_time
from adapters.ocpp.recording import Desk, connector_of, memory_of
from adapters.ocpp.station import Request, Station
from adapters.ocpp.v16 import translate
from adapters.ocpp.v16.charging import Charging
from adapters.ocpp.v16.schemas import SCHEMAS
from contracts.envelope import message_id
from contracts.messages import Message, TransactionUpdated
from contracts.vocabulary import ConnectorStatus

_RUNNING: Final = (ConnectorStatus.CHARGING, ConnectorStatus.SUSPENDED_EV, ConnectorStatus.SUSPENDED_EVSE)


class Handlers(Reception):
    """Implements ``Answerer`` for OCPP 1.6 with its security extension."""

    def __init__(self, desk: Desk) -> None:
        self._charging = Charging(desk)
        handlers: dict[str, Handler] = {
            "BootNotification": self._boot,
            "Heartbeat": self._heartbeat,
            "StatusNotification": self._status,
            "Authorize": self._charging.authorize,
            "StartTransaction": self._charging.start,
            "StopTransaction": self._charging.stop,
            "MeterValues": self._charging.meter_values,
            "DataTransfer": self._data_transfer,
            "FirmwareStatusNotification": self._firmware_status,
            "DiagnosticsStatusNotification": self._log_status,
            "LogStatusNotification": self._log_status,
            "SignedFirmwareStatusNotification": self._firmware_status,
            "SecurityEventNotification": self._security_event,
            "SignCertificate": self._sign_certificate,
        }
        super().__init__(
            desk,
            schemas=SCHEMAS,
            handlers=handlers,
            minimal_answer=self._charging.minimal_answer,
            decide=self._charging.decide,
        )

    async def _boot(self, station: Station, request: Request, payload: dict[str, Any]) -> dict[str, Any]:
        booted = translate.to_station_booted(payload, network=self._network, station_id=station.id)
        await self._desk.record(station, [self._fact(station, request, "boot", booted)])
        return {
            "status": "Accepted" if station.is_admitted else "Pending",
            "currentTime": from_time(self._desk.ports.now()),
            "interval": boot_interval(station, self._desk),
        }

    async def _heartbeat(self, station: Station, request: Request, payload: dict[str, Any]) -> dict[str, Any]:
        return {"currentTime": from_time(self._desk.ports.now())}

    async def _status(self, station: Station, request: Request, payload: dict[str, Any]) -> dict[str, Any]:
        connector_of(payload["connectorId"])
        if not station.is_admitted:
            return {}
        changed = translate.to_connector_status_changed(payload, network=self._network, station_id=station.id)
        clock = memory_of(station).clock
        clock.observe(payload.get("timestamp"), received_at=request.received_at)
        at = moments.moment(payload.get("timestamp"), received_at=request.received_at, offset=clock.offset).at
        facts = [self._fact(station, request, "status", changed, at)]
        fault = translate.to_station_fault(payload, network=self._network, station_id=station.id)
        if fault is not None:
            facts.append(self._fact(station, request, "fault", fault, at))
        transaction = self._desk.transactions.open_on(station.id, changed.connector_id)
        if changed.status in _RUNNING and transaction is not None:
            updated = TransactionUpdated(
                network=self._network,
                station_id=station.id,
                connector_id=changed.connector_id,
                transaction_id=transaction.told_id,
                state=changed.status,
                at=at,
            )
            facts.append(
                Fact(
                    id=message_id("updated", self._network, station.id, station.epoch, request.number),
                    message=updated,
                    station_id=station.id,
                    occurred_at=at,
                    correlation_id=self._charging.correlation(station, transaction.told_id),
                    is_told_once=True,
                )
            )
        await self._desk.record(station, facts)
        station.statuses[changed.connector_id] = changed.status
        return {}

    async def _firmware_status(self, station: Station, request: Request, payload: dict[str, Any]) -> dict[str, Any]:
        told = upkeep.to_firmware_status(payload, network=self._network, station_id=station.id)
        return await self._keep(station, request, "firmware-status", told, {})

    async def _log_status(self, station: Station, request: Request, payload: dict[str, Any]) -> dict[str, Any]:
        told = upkeep.to_log_status(payload, network=self._network, station_id=station.id)
        return await self._keep(station, request, "log-status", told, {})

    async def _security_event(self, station: Station, request: Request, payload: dict[str, Any]) -> dict[str, Any]:
        offset = memory_of(station).clock.offset
        at = moments.moment(payload.get("timestamp"), received_at=request.received_at, offset=offset).at
        told = upkeep.to_security_event(payload, at=at, network=self._network, station_id=station.id)
        return await self._keep(station, request, "security-event", told, {})

    async def _data_transfer(self, station: Station, request: Request, payload: dict[str, Any]) -> dict[str, Any]:
        told = upkeep.to_vendor_data(payload, network=self._network, station_id=station.id)
        return await self._keep(station, request, "vendor-data", told, {"status": "UnknownVendorId"})

    async def _sign_certificate(self, station: Station, request: Request, payload: dict[str, Any]) -> dict[str, Any]:
        is_signed_here = station.is_admitted and self._desk.answering.signs_certificates
        told = upkeep.to_certificate_requested(
            payload, network=self._network, station_id=station.id, is_signed_here=is_signed_here
        )
        return await self._keep(station, request, "certificate-requested", told, upkeep.certificate_answer(told))

    async def _keep(
        self, station: Station, request: Request, kind: str, told: Message, answer: dict[str, Any]
    ) -> dict[str, Any]:
        """What strangers say is answered and forgotten."""
        if station.is_admitted:
            await self._desk.record(station, [self._fact(station, request, kind, told)])
        return answer

    def _fact(
        self, station: Station, request: Request, kind: str, message: Message, at: datetime | None = None
    ) -> Fact:
        return fact_of(station, request, kind, message, network=self._network, at=at)
