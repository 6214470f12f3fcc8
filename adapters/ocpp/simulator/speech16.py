"""A simulated station that speaks OCPP 1.6."""

from datetime import UTC, datetime
from typing import Any

from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result
from ocpp.v16.enums import (
    Action,
    AvailabilityStatus,
    CancelReservationStatus,
    ChargingProfileStatus,
    ClearChargingProfileStatus,
    GetCompositeScheduleStatus,
    RemoteStartStopStatus,
    ReservationStatus,
    ResetStatus,
    TriggerMessageStatus,
    UnlockStatus,
)

from adapters.ocpp.simulator.bending import Socket
from adapters.ocpp.simulator.charge import Charge, timestamp
from adapters.ocpp.simulator.config import SimulatorConfig
from adapters.ocpp.simulator.link import CommandTaker, Conversation, Line
from adapters.ocpp.simulator.queue import Unanswered
from adapters.ocpp.simulator.upkeep_link import UpkeepLink


class Link(UpkeepLink, Conversation, ChargePoint):  # type: ignore[misc]
    """One connection."""

    @on(Action.remote_start_transaction, skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _remote_start(self, id_tag: str, connector_id: int | None = None, **_: Any) -> Any:
        return call_result.RemoteStartTransaction(_accepted(self._taker.remote_start(id_tag, connector_id)[0]))

    @on(Action.remote_stop_transaction, skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _remote_stop(self, transaction_id: int, **_: Any) -> Any:
        return call_result.RemoteStopTransaction(_accepted(self._taker.remote_stop(transaction_id)))

    @on(Action.unlock_connector, skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _unlock(self, connector_id: int, **_: Any) -> Any:
        is_unlocked = self._taker.unlock(connector_id)
        return call_result.UnlockConnector(UnlockStatus.unlocked if is_unlocked else UnlockStatus.not_supported)

    @on(Action.reserve_now, skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _reserve(self, connector_id: int, expiry_date: str, id_tag: str, reservation_id: int, **_: Any) -> Any:
        return call_result.ReserveNow(
            ReservationStatus(self._taker.reserve(connector_id, reservation_id, id_tag, expiry_date))
        )

    @on(Action.cancel_reservation, skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _cancel(self, reservation_id: int, **_: Any) -> Any:
        is_known = self._taker.cancel_reservation(reservation_id)
        status = CancelReservationStatus.accepted if is_known else CancelReservationStatus.rejected
        return call_result.CancelReservation(status)

    @on(Action.trigger_message, skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _trigger(self, requested_message: str, connector_id: int | None = None, **_: Any) -> Any:
        is_known = self._taker.trigger(requested_message, connector_id)
        status = TriggerMessageStatus.accepted if is_known else TriggerMessageStatus.not_implemented
        return call_result.TriggerMessage(status)

    @on(Action.reset, skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _reset(self, **_: Any) -> Any:
        self._taker.reset()
        return call_result.Reset(ResetStatus.accepted)

    @on(Action.change_availability, skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _availability(self, connector_id: int, type: str, **_: Any) -> Any:
        is_now = self._taker.set_available(connector_id, type == "Operative")
        return call_result.ChangeAvailability(AvailabilityStatus.accepted if is_now else AvailabilityStatus.scheduled)

    @on(Action.set_charging_profile, skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _set_profile(self, connector_id: int, cs_charging_profiles: dict[str, Any], **_: Any) -> Any:
        is_taken = self._taker.set_profile(connector_id, cs_charging_profiles)
        status = ChargingProfileStatus.accepted if is_taken else ChargingProfileStatus.rejected
        return call_result.SetChargingProfile(status)

    @on(Action.clear_charging_profile, skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _clear_profile(
        self,
        id: int | None = None,
        charging_profile_purpose: str | None = None,
        stack_level: int | None = None,
        **_: Any,
    ) -> Any:
        is_known = self._taker.clear_profile(id, purpose=charging_profile_purpose, stack_level=stack_level)
        status = ClearChargingProfileStatus.accepted if is_known else ClearChargingProfileStatus.unknown
        return call_result.ClearChargingProfile(status)

    @on(Action.get_composite_schedule, skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _schedule(self, connector_id: int, duration: int, **_: Any) -> Any:
        schedule = self._taker.composite_schedule(connector_id, duration)
        if schedule is None:
            return call_result.GetCompositeSchedule(GetCompositeScheduleStatus.rejected)
        return call_result.GetCompositeSchedule(
            GetCompositeScheduleStatus.accepted,
            connector_id=connector_id,
            schedule_start=timestamp(datetime.now(UTC)),
            charging_schedule=schedule,
        )


def _accepted(is_accepted: bool) -> RemoteStartStopStatus:
    return RemoteStartStopStatus.accepted if is_accepted else RemoteStartStopStatus.rejected


class Speech16:
    """Implements ``Speech``."""

    subprotocol = "ocpp1.6"

    def link(self, station_id: str, socket: Socket, taker: CommandTaker, config: SimulatorConfig) -> Line:
        """See ``Speech``; so are the others."""
        return Link(station_id, socket, taker, seconds=config.answer_seconds, is_strict=config.is_strict)

    def boot(self, station_id: str, config: SimulatorConfig, firmware: str) -> Any:
        return call.BootNotification(
            charge_point_vendor=config.vendor,
            charge_point_model=config.model,
            charge_point_serial_number=station_id[:25],
            firmware_version=firmware,
        )

    def heartbeat(self) -> Any:
        return call.Heartbeat()

    def firmware_status(self, status: str, request_id: int | None) -> Any:
        if request_id is None:
            return call.FirmwareStatusNotification(status=status)
        return call.SignedFirmwareStatusNotification(status=status, request_id=request_id)

    def log_status(self, status: str, request_id: int | None) -> Any:
        if request_id is None:
            return call.DiagnosticsStatusNotification(status=status)
        return call.LogStatusNotification(status=status, request_id=request_id)

    def certificate_request(self, text: str) -> Any:
        return call.SignCertificate(csr=text)

    def status(self, connector_id: int, status: str) -> Any:
        return call.StatusNotification(connector_id=connector_id, error_code="NoError", status=status)

    def authorize(self, token: str) -> Any:
        return call.Authorize(id_tag=token)

    def is_accepted(self, answer: Any) -> bool:
        return bool(answer.id_tag_info["status"] == "Accepted")

    def new_transaction_id(self, chance: str) -> str | None:
        return None

    def about(self, item: Unanswered, charge: Charge) -> Any:
        match item.action:
            case "StartTransaction":
                return call.StartTransaction(**item.body)
            case "StopTransaction":
                return call.StopTransaction(transaction_id=charge.transaction_id or -1, **item.body)
            case _:
                return call.MeterValues(transaction_id=charge.transaction_id, **item.body)

    def transaction_id(self, answer: Any, charge: Charge) -> int | str | None:
        number: int = answer.transaction_id
        return number
