"""A simulated station's end of one connection, on the ``ocpp`` package. Its read loop dies of what it cannot read, and
its ``call`` must not be awaited inside a handler: both are dealt with here."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from ocpp.exceptions import OCPPError
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call_result
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
from websockets.asyncio.client import ClientConnection

from adapters.ocpp.simulator.charge import timestamp


class CommandTaker(Protocol):
    """The station behind the connection. Returns at once; what follows happens later."""

    def remote_start(self, id_tag: str, connector_id: int | None) -> bool: ...

    def remote_stop(self, transaction_id: int) -> bool: ...

    def unlock(self, connector_id: int) -> bool: ...

    def reserve(self, connector_id: int, reservation_id: int, id_tag: str, expiry: str) -> ReservationStatus: ...

    def cancel_reservation(self, reservation_id: int) -> bool: ...

    def trigger(self, message: str, connector_id: int | None) -> bool: ...

    def reset(self) -> None: ...

    def set_available(self, connector_id: int, is_operative: bool) -> None: ...

    def set_profile(self, connector_id: int, profile: dict[str, Any]) -> bool: ...

    def clear_profile(self, profile_id: int | None) -> bool: ...

    def composite_schedule(self, connector_id: int, duration: int) -> dict[str, Any] | None: ...


class Link(ChargePoint):  # type: ignore[misc]
    """One connection."""

    def __init__(
        self, station_id: str, socket: ClientConnection, taker: CommandTaker, *, seconds: float, is_strict: bool
    ) -> None:
        super().__init__(station_id, socket, response_timeout=seconds, logger=_Silent())
        self._taker = taker
        self._is_strict = is_strict

    async def read(self) -> None:
        """Until the connection ends (raises ``websockets.ConnectionClosed``). A frame that cannot be handled is
        left out."""
        while True:
            message = await self._connection.recv()
            try:
                await self.route_message(message)
            except (OCPPError, TypeError, ValueError, KeyError, AttributeError, RecursionError):
                continue

    async def ask(self, payload: Any) -> Any:
        """The hub's answer. Raises ``OCPPError`` for a CALLERROR, ``TimeoutError``, ``ConnectionClosed``."""
        try:
            return await self.call(payload, suppress=False, skip_schema_validation=not self._is_strict)
        except TimeoutError as error:
            raise TimeoutError(str(error)) from None

    @on(Action.remote_start_transaction, skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _remote_start(self, id_tag: str, connector_id: int | None = None, **_: Any) -> Any:
        return call_result.RemoteStartTransaction(_accepted(self._taker.remote_start(id_tag, connector_id)))

    @on(Action.remote_stop_transaction, skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _remote_stop(self, transaction_id: int, **_: Any) -> Any:
        return call_result.RemoteStopTransaction(_accepted(self._taker.remote_stop(transaction_id)))

    @on(Action.unlock_connector, skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _unlock(self, connector_id: int, **_: Any) -> Any:
        is_unlocked = self._taker.unlock(connector_id)
        return call_result.UnlockConnector(UnlockStatus.unlocked if is_unlocked else UnlockStatus.not_supported)

    @on(Action.reserve_now, skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _reserve(self, connector_id: int, expiry_date: str, id_tag: str, reservation_id: int, **_: Any) -> Any:
        return call_result.ReserveNow(self._taker.reserve(connector_id, reservation_id, id_tag, expiry_date))

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
        self._taker.set_available(connector_id, type == "Operative")
        return call_result.ChangeAvailability(AvailabilityStatus.accepted)

    @on(Action.set_charging_profile, skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _set_profile(self, connector_id: int, cs_charging_profiles: dict[str, Any], **_: Any) -> Any:
        is_taken = self._taker.set_profile(connector_id, cs_charging_profiles)
        status = ChargingProfileStatus.accepted if is_taken else ChargingProfileStatus.rejected
        return call_result.SetChargingProfile(status)

    @on(Action.clear_charging_profile, skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _clear_profile(self, id: int | None = None, **_: Any) -> Any:
        is_known = self._taker.clear_profile(id)
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

    @on(Action.get_configuration, skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _configuration(self, **_: Any) -> Any:
        return call_result.GetConfiguration(
            configuration_key=[{"key": "NumberOfConnectors", "readonly": True, "value": "1"}]
        )


def _accepted(is_accepted: bool) -> RemoteStartStopStatus:
    return RemoteStartStopStatus.accepted if is_accepted else RemoteStartStopStatus.rejected


class _Silent:
    """The package logs every frame, tokens included."""

    def __getattr__(self, _: str) -> Callable[..., None]:
        return lambda *_, **__: None
