"""A simulated 2.x station's answers about what its driver sees and what it reckons by, on the ``ocpp`` package: texts,
costs, tariffs, dynamic limits, priority. It keeps all of that and shows it to nobody."""

import contextlib
from types import ModuleType
from typing import Any

from ocpp.routing import after, on

from adapters.ocpp.simulator.display import Display
from adapters.ocpp.simulator.line import GONE


class DisplayLink2:
    """Put before a ``ChargePoint`` of 2.x: the package finds what ``on`` marks by its name."""

    calls: ModuleType
    results: ModuleType
    """The package's requests and answers of the version."""
    _taker: Any
    """An ``UpkeepTaker``."""

    @property
    def _display(self) -> Display:
        display: Display = self._taker.upkeep.display
        return display

    @on("CostUpdated", skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _cost(self, total_cost: float, transaction_id: str, **_: Any) -> Any:
        self._display.costs[transaction_id] = total_cost
        return self.results.CostUpdated()

    @on("SetDisplayMessage", skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _set_text(self, message: dict[str, Any], **_: Any) -> Any:
        self._display.texts[message["id"]] = message
        return self.results.SetDisplayMessage(status="Accepted")

    @on("ClearDisplayMessage", skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _clear_text(self, id: int, **_: Any) -> Any:
        known = self._display.texts.pop(id, None)
        return self.results.ClearDisplayMessage(status="Unknown" if known is None else "Accepted")

    @on("GetDisplayMessages", skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _texts(self, **_: Any) -> Any:
        return self.results.GetDisplayMessages(status="Accepted" if self._display.texts else "Unknown")

    @after("GetDisplayMessages")  # type: ignore[untyped-decorator]
    async def _tell_texts(self, request_id: int, **_: Any) -> None:
        texts = list(self._display.texts.values())
        if texts:
            with contextlib.suppress(*GONE):
                told = self.calls.NotifyDisplayMessages(request_id=request_id, message_info=texts)
                await self.ask(told)  # type: ignore[attr-defined]

    @on("SetDefaultTariff", skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _default_tariff(self, tariff: dict[str, Any], **_: Any) -> Any:
        self._display.tariffs[tariff["tariff_id"]] = "DefaultTariff"
        return self.results.SetDefaultTariff(status="Accepted")

    @on("ChangeTransactionTariff", skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _own_tariff(self, tariff: dict[str, Any], **_: Any) -> Any:
        self._display.tariffs[tariff["tariff_id"]] = "DriverTariff"
        return self.results.ChangeTransactionTariff(status="Accepted")

    @on("GetTariffs", skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _tariffs(self, **_: Any) -> Any:
        known = [{"tariff_id": id, "tariff_kind": kind} for id, kind in self._display.tariffs.items()]
        if not known:
            return self.results.GetTariffs(status="NoTariff")
        return self.results.GetTariffs(status="Accepted", tariff_assignments=known)

    @on("ClearTariffs", skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _clear_tariffs(self, tariff_ids: list[str] | None = None, **_: Any) -> Any:
        known, wanted = self._display.tariffs, tariff_ids or list(self._display.tariffs)
        cleared = [{"tariff_id": id, "status": "Accepted" if known.pop(id, None) else "NoTariff"} for id in wanted]
        return self.results.ClearTariffs(clear_tariffs_result=cleared or [{"status": "NoTariff"}])

    @on("UpdateDynamicSchedule", skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _move(self, charging_profile_id: int, schedule_update: dict[str, Any], **_: Any) -> Any:
        self._display.limits[charging_profile_id] = schedule_update["limit"]
        return self.results.UpdateDynamicSchedule(status="Accepted")

    @on("UsePriorityCharging", skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _priority(self, transaction_id: str, activate: bool, **_: Any) -> Any:
        (self._display.first.add if activate else self._display.first.discard)(transaction_id)
        return self.results.UsePriorityCharging(status="Accepted")
