"""A simulated station that speaks OCPP 2.0.1 or 2.1: each connector is an EVSE of its own."""

import hashlib
from datetime import UTC, datetime
from typing import Any, Final

import ocpp.v21
import ocpp.v21.call
import ocpp.v21.call_result
import ocpp.v201
import ocpp.v201.call
import ocpp.v201.call_result
from ocpp.routing import on

from adapters.ocpp.simulator.bending import Socket
from adapters.ocpp.simulator.charge import Charge, timestamp
from adapters.ocpp.simulator.config import SimulatorConfig
from adapters.ocpp.simulator.device_link2 import DeviceLink2
from adapters.ocpp.simulator.display_link2 import DisplayLink2
from adapters.ocpp.simulator.link import CommandTaker, Conversation, Line
from adapters.ocpp.simulator.queue import Unanswered
from adapters.ocpp.simulator.upkeep_link2 import UpkeepLink2

_STATUS: Final = {"Preparing": "Occupied", "Charging": "Occupied", "Finishing": "Occupied"}
_REASON: Final = {"SoftReset": "ImmediateReset", "HardReset": "ImmediateReset", "UnlockCommand": "Other"}
_TRIGGER: Final = {"Remote": "RemoteStop", "EVDisconnected": "EVDeparted", "UnlockCommand": "UnlockCommand"}


class _Commands(UpkeepLink2, DisplayLink2, DeviceLink2, Conversation):
    """Requests of the hub; both versions have them alike."""

    @on("RequestStartTransaction", skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _remote_start(
        self, id_token: dict[str, Any], remote_start_id: int, evse_id: int | None = None, **_: Any
    ) -> Any:
        is_taken, transaction_id = self._taker.remote_start(
            id_token["id_token"], evse_id, remote_start_number=remote_start_id
        )
        return self.results.RequestStartTransaction(status=_accepted(is_taken), transaction_id=transaction_id)

    @on("RequestStopTransaction", skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _remote_stop(self, transaction_id: str, **_: Any) -> Any:
        return self.results.RequestStopTransaction(status=_accepted(self._taker.remote_stop(transaction_id)))

    @on("UnlockConnector", skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _unlock(self, evse_id: int, **_: Any) -> Any:
        status = "Unlocked" if self._taker.unlock(evse_id) else "UnknownConnector"
        return self.results.UnlockConnector(status=status)

    @on("ReserveNow", skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _reserve(
        self, id: int, expiry_date_time: str, id_token: dict[str, Any], evse_id: int | None = None, **_: Any
    ) -> Any:
        status = self._taker.reserve(evse_id or 0, id, id_token["id_token"], expiry_date_time)
        return self.results.ReserveNow(status=status)

    @on("CancelReservation", skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _cancel(self, reservation_id: int, **_: Any) -> Any:
        return self.results.CancelReservation(status=_accepted(self._taker.cancel_reservation(reservation_id)))

    @on("TriggerMessage", skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _trigger(self, requested_message: str, evse: dict[str, Any] | None = None, **_: Any) -> Any:
        if requested_message == "StatusNotification" and "connector_id" not in (evse or {}):
            return self.results.TriggerMessage(status="Rejected")  # F06.FR.12
        is_known = self._taker.trigger(requested_message, evse["id"] if evse else None)
        unknown = "Rejected" if requested_message == "StatusNotification" else "NotImplemented"
        return self.results.TriggerMessage(status="Accepted" if is_known else unknown)

    @on("Reset", skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _reset(self, **_: Any) -> Any:
        self._taker.reset()
        return self.results.Reset(status="Accepted")

    @on("ChangeAvailability", skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _availability(self, operational_status: str, evse: dict[str, Any] | None = None, **_: Any) -> Any:
        is_now = self._taker.set_available(evse["id"] if evse else 0, operational_status == "Operative")
        return self.results.ChangeAvailability(status="Accepted" if is_now else "Scheduled")

    @on("SetChargingProfile", skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _set_profile(self, evse_id: int, charging_profile: dict[str, Any], **_: Any) -> Any:
        profile = charging_profile | {
            "charging_profile_id": charging_profile["id"],
            "charging_schedule": charging_profile["charging_schedule"][0],
        }
        return self.results.SetChargingProfile(status=_accepted(self._taker.set_profile(evse_id, profile)))

    @on("ClearChargingProfile", skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _clear_profile(
        self,
        charging_profile_id: int | None = None,
        charging_profile_criteria: dict[str, Any] | None = None,
        **_: Any,
    ) -> Any:
        criteria = charging_profile_criteria or {}
        is_known = self._taker.clear_profile(
            charging_profile_id,
            purpose=criteria.get("charging_profile_purpose"),
            stack_level=criteria.get("stack_level"),
        )
        return self.results.ClearChargingProfile(status="Accepted" if is_known else "Unknown")

    @on("GetCompositeSchedule", skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _schedule(self, duration: int, evse_id: int, **_: Any) -> Any:
        schedule = self._taker.composite_schedule(evse_id, duration)
        if schedule is None:
            return self.results.GetCompositeSchedule(status="Rejected")
        told = schedule | {"evse_id": evse_id, "schedule_start": timestamp(datetime.now(UTC))}
        return self.results.GetCompositeSchedule(status="Accepted", schedule=told)


class Link201(_Commands, ocpp.v201.ChargePoint):  # type: ignore[misc]
    """One connection."""

    calls = ocpp.v201.call
    results = ocpp.v201.call_result


class Link21(_Commands, ocpp.v21.ChargePoint):  # type: ignore[misc]
    """One connection."""

    calls = ocpp.v21.call
    results = ocpp.v21.call_result


class Speech2:
    """Implements ``Speech``."""

    def __init__(self, subprotocol: str, call: Any, link: Any) -> None:
        """``call``: the package's requests of the version."""
        self.subprotocol = subprotocol
        self._call = call
        self._link = link

    def link(self, station_id: str, socket: Socket, taker: CommandTaker, config: SimulatorConfig) -> Line:
        """See ``Speech``; so are the others."""
        made: Line = self._link(station_id, socket, taker, seconds=config.answer_seconds, is_strict=config.is_strict)
        return made

    def boot(self, station_id: str, config: SimulatorConfig, firmware: str) -> Any:
        station = {
            "vendor_name": config.vendor,
            "model": config.model,
            "serial_number": station_id[:25],
            "firmware_version": firmware,
        }
        return self._call.BootNotification(charging_station=station, reason="PowerUp")

    def heartbeat(self) -> Any:
        return self._call.Heartbeat()

    def firmware_status(self, status: str, request_id: int | None) -> Any:
        return self._call.FirmwareStatusNotification(status=status, request_id=request_id)

    def log_status(self, status: str, request_id: int | None) -> Any:
        word = {"UploadFailed": "UploadFailure"}.get(status, status)
        return self._call.LogStatusNotification(status=word, request_id=request_id)

    def certificate_request(self, text: str) -> Any:
        return self._call.SignCertificate(csr=text)

    def status(self, connector_id: int, status: str) -> Any:
        return self._call.StatusNotification(
            timestamp=timestamp(datetime.now(UTC)),
            connector_status=_STATUS.get(status, status),
            evse_id=connector_id,
            connector_id=1,
        )

    def authorize(self, token: str) -> Any:
        return self._call.Authorize(id_token=_token(token))

    def is_accepted(self, answer: Any) -> bool:
        info = answer.id_token_info
        return info is None or bool(info["status"] == "Accepted")

    def new_transaction_id(self, chance: str) -> str | None:
        return hashlib.sha256(chance.encode()).hexdigest()[:32]

    def about(self, item: Unanswered, charge: Charge) -> Any:
        match item.action:
            case "StartTransaction":
                return self._started(item, charge)
            case "StopTransaction":
                return self._ended(item, charge)
            case _:
                (values,) = item.body["meter_value"]
                return self._event("Updated", item, charge, values["timestamp"], _values(values), "MeterValuePeriodic")

    def transaction_id(self, answer: Any, charge: Charge) -> int | str | None:
        return charge.transaction_id

    def _started(self, item: Unanswered, charge: Charge) -> Any:
        body = item.body
        more: dict[str, Any] = {
            "evse": {"id": body["connector_id"], "connector_id": 1},
            "id_token": _token(body["id_tag"]),
        }
        if "reservation_id" in body:
            more["reservation_id"] = body["reservation_id"]
        info: dict[str, Any] = {"charging_state": "Charging"}
        if charge.remote_start_number is not None:
            info["remote_start_id"] = charge.remote_start_number
        reason = "Authorized" if charge.remote_start_number is None else "RemoteStart"
        values = [_register(body["meter_start"], "Transaction.Begin")]
        return self._event("Started", item, charge, body["timestamp"], values, reason, info=info, **more)

    def _ended(self, item: Unanswered, charge: Charge) -> Any:
        body = item.body
        word = body["reason"]
        info = {"stopped_reason": _REASON.get(word, word)}
        values = [_register(body["meter_stop"], "Transaction.End")]
        reason = _TRIGGER.get(word, "StopAuthorized" if word == "Local" else "AbnormalCondition")
        more = {"id_token": _token(body["id_tag"])} if reason == "StopAuthorized" else {}
        return self._event("Ended", item, charge, body["timestamp"], values, reason, info=info, **more)

    def _event(
        self,
        kind: str,
        item: Unanswered,
        charge: Charge,
        at: str,
        values: list[dict[str, Any]],
        reason: str,
        *,
        info: dict[str, Any] | None = None,
        **more: Any,
    ) -> Any:
        return self._call.TransactionEvent(
            event_type=kind,
            timestamp=at,
            trigger_reason=reason,
            seq_no=item.number,
            transaction_info={"transaction_id": charge.transaction_id, **(info or {})},
            meter_value=[{"timestamp": at, "sampled_value": values}],
            **more,
        )


def _token(token: str) -> dict[str, str]:
    return {"id_token": token, "type": "ISO14443"}


def _register(wh: int, context: str) -> dict[str, Any]:
    return {"value": wh, "context": context, "unit_of_measure": {"unit": "Wh"}}


def _values(moment: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "value": float(sampled["value"]),
            "measurand": sampled["measurand"],
            "unit_of_measure": {"unit": sampled["unit"]},
        }
        for sampled in moment["sampled_value"]
    ]


def _accepted(is_accepted: bool) -> str:
    return "Accepted" if is_accepted else "Rejected"


SPEECH_201: Final = Speech2("ocpp2.0.1", ocpp.v201.call, Link201)
SPEECH_21: Final = Speech2("ocpp2.1", ocpp.v21.call, Link21)
