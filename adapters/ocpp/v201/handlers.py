"""Requests of OCPP 2.x stations: what each message means, but for those about transactions."""

from typing import Final

from adapters.kit.manifest import Fact
from adapters.ocpp import moments, upkeep
from adapters.ocpp.answering import Handler, Reception, boot_interval, fact_of
from adapters.ocpp.moments import from_time
from adapters.ocpp.recording import Desk, Unusable, memory_of
from adapters.ocpp.station import Request, Station
from adapters.ocpp.text import kept, written
from adapters.ocpp.v201 import places, translate, variables
from adapters.ocpp.v201.charging import Charging
from adapters.ocpp.v201.courses import Courses
from adapters.ocpp.v201.dynamic import DynamicLimits
from adapters.ocpp.v201.edition import Answer, Edition, Payload
from adapters.ocpp.v201.reports import Reports
from adapters.ocpp.v201.telling import LONGEST_REPORT
from adapters.ocpp.whole import whole
from contracts.messages import (
    ConnectorStatusChanged,
    Message,
    StationFaultReported,
    StationReported,
)
from contracts.vocabulary import ConnectorStatus

PULL: Final = "PullDynamicScheduleUpdate"


class Handlers(Reception):
    """Implements ``Answerer`` for one 2.x."""

    def __init__(
        self, desk: Desk, courses: Courses, edition: Edition, reports: Reports, dynamic: DynamicLimits
    ) -> None:
        self.charging = Charging(desk, courses, edition)
        self._courses = courses
        self._reports = reports
        self._dynamic = dynamic
        handlers: dict[str, Handler] = {
            "BootNotification": self._boot,
            "Heartbeat": self._heartbeat,
            "StatusNotification": self._status,
            "Authorize": self.charging.authorize,
            "TransactionEvent": self.charging.event,
            "MeterValues": self.charging.meter_values,
            "NotifyEvent": self._events,
            "SecurityEventNotification": self._security_event,
            "FirmwareStatusNotification": self._firmware_status,
            "LogStatusNotification": self._log_status,
            "SignCertificate": self._sign_certificate,
            "DataTransfer": self._data_transfer,
            **{action: self._reporting(action, answer) for action, answer in edition.reported.items()},
            **{action: self._declining(action, answer, edition) for action, answer in edition.declined.items()},
            "NotifyReport": self._report_piece,
        }
        if PULL in edition.schemas.actions:
            handlers[PULL] = self._pull
        super().__init__(
            desk,
            schemas=edition.schemas,
            handlers=handlers,
            minimal_answer=self.charging.minimal_answer,
            decide=self.charging.decide,
        )

    async def _boot(self, station: Station, request: Request, payload: Payload) -> Payload:
        booted = translate.to_station_booted(payload, network=self._network, station_id=station.id)
        await self._tell(station, request, "boot", booted, even_if_held=True)
        memory_of(station).booted_at = request.received_at
        return {
            "status": "Accepted" if station.is_admitted else "Pending",
            "currentTime": from_time(self._desk.ports.now()),
            "interval": boot_interval(station, self._desk),
        }

    async def _heartbeat(self, station: Station, request: Request, payload: Payload) -> Payload:
        return {"currentTime": from_time(self._desk.ports.now())}

    async def _status(self, station: Station, request: Request, payload: Payload) -> Payload:
        """The status of a connector, put together with the transaction that runs there."""
        place = places.to_number(whole(payload["evseId"]), whole(payload.get("connectorId")))
        if place is None:
            raise Unusable("PropertyConstraintViolation", "evseId: not an EVSE")
        if not station.is_admitted:
            return {}
        memory = memory_of(station)
        memory.clock.observe(payload.get("timestamp"), received_at=request.received_at)
        at = moments.moment(payload.get("timestamp"), received_at=request.received_at, offset=memory.clock.offset).at
        # Stations tell status and transaction by clocks of their own: what is said last holds
        at = max(at, memory.told_at.get(place, at))
        own = translate.to_connector_status(payload["connectorStatus"])
        status = translate.combined(own, self._running(station, place))
        changed = ConnectorStatusChanged(
            network=self._network,
            station_id=station.id,
            connector_id=place,
            status=status,
            info=kept(payload["connectorStatus"]) if own is ConnectorStatus.UNKNOWN else None,
        )
        facts = [fact_of(station, request, "status", changed, network=self._network, at=at)]
        if own is ConnectorStatus.FAULTED and memory.connectors.get(place) is not own:
            fault = StationFaultReported(
                network=self._network, station_id=station.id, connector_id=place, error_code="Faulted"
            )
            facts.append(fact_of(station, request, "fault", fault, network=self._network, at=at))
        await self._desk.record(station, facts)
        memory.connectors[place] = own
        memory.told_at[place] = at
        station.statuses[place] = status
        return {}

    def _running(self, station: Station, place: int) -> ConnectorStatus | None:
        """The state of the transaction on a connector, if something was heard of it since the station booted."""
        course = self._courses.running_at(station.id, place)
        booted_at = memory_of(station).booted_at
        if course is None or (booted_at is not None and course.heard_at < booted_at):
            return None
        return course.state

    async def _events(self, station: Station, request: Request, payload: Payload) -> Payload:
        """NotifyEvent: what raises an alarm is a fault, the whole is a report."""
        if not station.is_admitted:
            return {}
        facts = [self._report(station, request, "NotifyEvent", payload)]
        for number, event in enumerate(payload["eventData"]):
            fault = self._fault(station, event)
            if fault is not None:
                facts.append(fact_of(station, request, f"fault-{number}", fault, network=self._network))
        await self._desk.record(station, facts)
        return {}

    def _fault(self, station: Station, event: Payload) -> StationFaultReported | None:
        """A ``Problem`` that has come up (OCPP 2.0.1 part 2, appendix 3.2: true while there is one)."""
        component, variable = event["component"], event["variable"]
        is_problem = variable["name"].lower() == "problem" and event["actualValue"].lower() == "true"
        if not is_problem or event.get("cleared"):
            return None
        evse = component.get("evse") or {}
        return StationFaultReported(
            network=self._network,
            station_id=station.id,
            connector_id=places.to_number(whole(evse.get("id", 0)), whole(evse.get("connectorId"))) or 0,
            error_code=kept(event.get("techCode") or component["name"]) or "",
            info=kept(event.get("techInfo") or component["name"]),
        )

    async def _security_event(self, station: Station, request: Request, payload: Payload) -> Payload:
        offset = memory_of(station).clock.offset
        at = moments.moment(payload.get("timestamp"), received_at=request.received_at, offset=offset).at
        told = upkeep.to_security_event(payload, at=at, network=self._network, station_id=station.id)
        return await self._tell(station, request, "security-event", told)

    async def _firmware_status(self, station: Station, request: Request, payload: Payload) -> Payload:
        told = upkeep.to_firmware_status(payload, network=self._network, station_id=station.id)
        return await self._tell(station, request, "firmware", told)

    async def _log_status(self, station: Station, request: Request, payload: Payload) -> Payload:
        told = upkeep.to_log_status(payload, network=self._network, station_id=station.id)
        return await self._tell(station, request, "log", told)

    async def _sign_certificate(self, station: Station, request: Request, payload: Payload) -> Payload:
        is_signed_here = station.is_admitted and self._desk.answering.signs_certificates
        told = upkeep.to_certificate_requested(
            payload, network=self._network, station_id=station.id, is_signed_here=is_signed_here
        )
        return await self._tell(station, request, "certificate", told) | upkeep.certificate_answer(told)

    async def _data_transfer(self, station: Station, request: Request, payload: Payload) -> Payload:
        told = upkeep.to_vendor_data(payload, network=self._network, station_id=station.id)
        return await self._tell(station, request, "vendor-data", told) | {"status": "UnknownVendorId"}

    async def _report_piece(self, station: Station, request: Request, payload: Payload) -> Payload:
        """NotifyReport: a report like others, and perhaps what an operator waits for."""
        if station.is_admitted:
            kept_of_it = variables.without_secrets(payload)
            await self._desk.record(station, [self._report(station, request, "NotifyReport", kept_of_it)])
            self._reports.take(station.id, payload)
        return {}

    async def _pull(self, station: Station, request: Request, payload: Payload) -> Payload:
        """A station asks for the limit of a dynamic profile (2.1 part 2, K28)."""
        limit = None
        if station.is_admitted:
            await self._desk.record(station, [self._report(station, request, PULL, payload)])
            limit = self._dynamic.find(station.id, whole(payload["chargingProfileId"]) or 0)
        return {"status": "Rejected"} if limit is None else {"status": "Accepted", "scheduleUpdate": {"limit": limit}}

    def _reporting(self, action: str, answer: Payload) -> Handler:
        async def handle(station: Station, request: Request, payload: Payload) -> Payload:
            if station.is_admitted:
                await self._desk.record(station, [self._report(station, request, action, payload)])
            return dict(answer)

        return handle

    def _declining(self, action: str, answer: Answer, edition: Edition) -> Handler:
        """What repeats something of its request can only be said where that fits. That it was asked is told."""
        response = edition.schemas.response(action)

        async def handle(station: Station, request: Request, payload: Payload) -> Payload:
            made = answer(payload) if callable(answer) else dict(answer)
            if not response.is_strict(made):
                fault = response.fault(made)
                raise Unusable(fault.code, fault.description)
            if station.is_admitted:
                await self._desk.record(station, [self._report(station, request, action, None)])
            return made

        return handle

    def _report(self, station: Station, request: Request, action: str, payload: Payload | None) -> Fact:
        """``None``: what it says is not kept."""
        body = "" if payload is None else written(payload).decode()
        payload = payload or {}
        transaction_id = payload.get("transactionId")
        reported = StationReported(
            network=self._network,
            station_id=station.id,
            kind=action,
            body=body if len(body) <= LONGEST_REPORT else "",
            connector_id=places.to_number(whole(payload.get("evseId"))),
            transaction_id=kept(transaction_id),
        )
        return fact_of(station, request, f"report-{action}", reported, network=self._network)

    async def _tell(
        self, station: Station, request: Request, kind: str, message: Message, *, even_if_held: bool = False
    ) -> Payload:
        """An empty answer, once it is on disk."""
        if station.is_admitted or even_if_held:
            await self._desk.record(station, [fact_of(station, request, kind, message, network=self._network)])
        return {}
