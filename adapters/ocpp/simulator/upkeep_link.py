"""A simulated station's answers to what an operator asks, on the ``ocpp`` package."""

from typing import Any

from ocpp.routing import on
from ocpp.v16 import call_result
from ocpp.v16.enums import Action


class UpkeepLink:
    """Put before a ``ChargePoint`` of 1.6: the package finds what ``on`` marks by its name."""

    _taker: Any
    """An ``UpkeepTaker``."""

    @on(Action.get_configuration, skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _get_configuration(self, key: list[str] | None = None, **_: Any) -> Any:
        known, unknown = self._taker.upkeep.get(key)
        return call_result.GetConfiguration(configuration_key=known, unknown_key=unknown)

    @on(Action.change_configuration, skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _change_configuration(self, key: str, value: str, **_: Any) -> Any:
        return call_result.ChangeConfiguration(status=self._taker.upkeep.set(key, value))

    @on(Action.clear_cache, skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _clear_cache(self, **_: Any) -> Any:
        return call_result.ClearCache(status="Accepted")

    @on(Action.get_local_list_version, skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _list_version(self, **_: Any) -> Any:
        return call_result.GetLocalListVersion(list_version=self._taker.upkeep.list_version)

    @on(Action.send_local_list, skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _send_list(
        self,
        list_version: int,
        update_type: str,
        local_authorization_list: list[dict[str, Any]] | None = None,
        **_: Any,
    ) -> Any:
        status = self._taker.upkeep.take_list(
            list_version, is_full=update_type == "Full", entries=local_authorization_list or []
        )
        return call_result.SendLocalList(status=status)

    @on(Action.data_transfer, skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _data(self, vendor_id: str, data: str | None = None, **_: Any) -> Any:
        if vendor_id != "org.simulated":
            return call_result.DataTransfer(status="UnknownVendorId")
        return call_result.DataTransfer(status="Accepted", data=data)

    @on(Action.update_firmware, skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _update(self, location: str, **_: Any) -> Any:
        self._taker.update_firmware(location, None)
        return call_result.UpdateFirmware()

    @on(Action.signed_update_firmware, skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _signed_update(self, request_id: int, firmware: dict[str, Any], **_: Any) -> Any:
        self._taker.update_firmware(firmware["location"], request_id)
        return call_result.SignedUpdateFirmware(status="Accepted")

    @on(Action.get_diagnostics, skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _diagnostics(self, location: str, **_: Any) -> Any:
        return call_result.GetDiagnostics(file_name=self._taker.upload_log(location, None))

    @on(Action.get_log, skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _log(self, request_id: int, log: dict[str, Any], **_: Any) -> Any:
        name = self._taker.upload_log(log["remote_location"], request_id)
        return call_result.GetLog(status="Accepted", filename=name)

    @on(Action.extended_trigger_message, skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _extended_trigger(self, requested_message: str, connector_id: int | None = None, **_: Any) -> Any:
        is_known = self._taker.trigger(requested_message, connector_id)
        return call_result.ExtendedTriggerMessage(status="Accepted" if is_known else "NotImplemented")
