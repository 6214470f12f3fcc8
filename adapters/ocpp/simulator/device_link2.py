"""A simulated 2.x station's answers about its device model and its charges, on the ``ocpp`` package: monitors, which
tell nothing, reports by component, and whether a charge goes on."""

from types import ModuleType
from typing import Any, Final

from ocpp.exceptions import NotImplementedError as NotImplementedHere
from ocpp.routing import on

_MONITOR: Final = ("component", "variable", "type", "severity")


class DeviceLink2:
    """Put before a ``ChargePoint`` of 2.x: the package finds what ``on`` marks by its name."""

    results: ModuleType
    """The package's answers of the version."""
    _taker: Any
    """An ``UpkeepTaker``."""

    async def _handle_call(self, message: Any) -> Any:
        """The package leaves a request of 2.1 that it does not know without an answer."""
        if message.action not in self.route_map:  # type: ignore[attr-defined]
            raise NotImplementedHere(details={"cause": f"{message.action} is not simulated"})
        return await super()._handle_call(message)  # type: ignore[misc]

    @property
    def _monitors(self) -> dict[int, dict[str, Any]]:
        monitors: dict[int, dict[str, Any]] = self._taker.upkeep.monitors
        return monitors

    @on("SetMonitoringBase", skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _monitoring_base(self, monitoring_base: str, **_: Any) -> Any:
        if monitoring_base != "All":
            self._monitors.clear()
        return self.results.SetMonitoringBase(status="Accepted")

    @on("SetMonitoringLevel", skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _monitoring_level(self, **_: Any) -> Any:
        return self.results.SetMonitoringLevel(status="Accepted")

    @on("SetVariableMonitoring", skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _set_monitors(self, set_monitoring_data: list[dict[str, Any]], **_: Any) -> Any:
        told = []
        for asked in set_monitoring_data:
            number = asked.get("id") or max(self._monitors, default=0) + 1
            self._monitors[number] = asked
            told.append({name: asked[name] for name in _MONITOR} | {"id": number, "status": "Accepted"})
        return self.results.SetVariableMonitoring(set_monitoring_result=told)

    @on("ClearVariableMonitoring", skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _clear_monitors(self, id: list[int], **_: Any) -> Any:
        known = self._monitors
        told = [{"id": number, "status": "Accepted" if known.pop(number, None) else "NotFound"} for number in id]
        return self.results.ClearVariableMonitoring(clear_monitoring_result=told)

    @on("GetMonitoringReport", skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _report_monitors(self, **_: Any) -> Any:
        return self.results.GetMonitoringReport(status="NotSupported" if self._monitors else "EmptyResultSet")

    @on("GetReport", skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _report_components(self, **_: Any) -> Any:
        """Nothing is ever wrong with it."""
        return self.results.GetReport(status="EmptyResultSet")

    @on("GetTransactionStatus", skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _transaction_status(self, transaction_id: str | None = None, **_: Any) -> Any:
        is_running = None if transaction_id is None else self._taker.is_charging(transaction_id)
        return self.results.GetTransactionStatus(
            messages_in_queue=self._taker.unanswered > 0, ongoing_indicator=is_running
        )
