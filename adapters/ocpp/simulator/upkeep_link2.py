"""A simulated 2.x station's answers to what an operator asks, on the ``ocpp`` package. Its settings are kept by their
names in 1.6; those that 2.x does not have are not there."""

import contextlib
from datetime import UTC, datetime
from types import ModuleType
from typing import Any, Final

from ocpp.routing import after, on

from adapters.ocpp.simulator.charge import timestamp
from adapters.ocpp.simulator.line import GONE
from contracts.configuration import KNOWN_KEYS, known_key

_PIECE: Final = 4
"""Settings in one NotifyReport."""
_COMPONENTS: Final = frozenset(known.variable.partition(".")[0] for known in KNOWN_KEYS)

_SHOWS_COST: Final = {
    "component": {"name": "TariffCostCtrlr"},
    "variable": {"name": "Enabled", "instance": "Cost"},
    "variable_attribute": [{"value": "true", "mutability": "ReadOnly"}],
    "variable_characteristics": {"data_type": "boolean", "supports_monitoring": False},
}


class UpkeepLink2:
    """Put before a ``ChargePoint`` of 2.x: the package finds what ``on`` marks by its name."""

    calls: ModuleType
    results: ModuleType
    """The package's requests and answers of the version."""
    _taker: Any
    """An ``UpkeepTaker``."""

    @on("GetVariables", skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _get_variables(self, get_variable_data: list[dict[str, Any]], **_: Any) -> Any:
        return self.results.GetVariables(get_variable_result=[self._told(asked) for asked in get_variable_data])

    @on("SetVariables", skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _set_variables(self, set_variable_data: list[dict[str, Any]], **_: Any) -> Any:
        return self.results.SetVariables(set_variable_result=[self._changed(asked) for asked in set_variable_data])

    @on("GetBaseReport", skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _base_report(self, **_: Any) -> Any:
        return self.results.GetBaseReport(status="Accepted")

    @after("GetBaseReport")  # type: ignore[untyped-decorator]
    async def _report(self, request_id: int, **_: Any) -> None:
        known, _unknown = self._taker.upkeep.get(None)
        entries = [entry for entry in map(_reported, known) if entry is not None] + [_SHOWS_COST]
        with contextlib.suppress(*GONE):
            for number, start in enumerate(range(0, len(entries), _PIECE)):
                piece = self.calls.NotifyReport(
                    request_id=request_id,
                    generated_at=timestamp(datetime.now(UTC)),
                    seq_no=number,
                    report_data=entries[start : start + _PIECE],
                    tbc=start + _PIECE < len(entries),
                )
                await self.ask(piece)  # type: ignore[attr-defined]

    @on("ClearCache", skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _clear_cache(self, **_: Any) -> Any:
        return self.results.ClearCache(status="Accepted")

    @on("GetLocalListVersion", skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _list_version(self, **_: Any) -> Any:
        return self.results.GetLocalListVersion(version_number=self._taker.upkeep.list_version)

    @on("SendLocalList", skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _send_list(
        self,
        version_number: int,
        update_type: str,
        local_authorization_list: list[dict[str, Any]] | None = None,
        **_: Any,
    ) -> Any:
        entries = [_listed(entry) for entry in local_authorization_list or []]
        status = self._taker.upkeep.take_list(version_number, is_full=update_type == "Full", entries=entries)
        return self.results.SendLocalList(status=status)

    @on("DataTransfer", skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _data(self, vendor_id: str, data: Any = None, **_: Any) -> Any:
        if vendor_id != "org.simulated":
            return self.results.DataTransfer(status="UnknownVendorId")
        return self.results.DataTransfer(status="Accepted", data=data)

    @on("UpdateFirmware", skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _update(self, request_id: int, firmware: dict[str, Any], **_: Any) -> Any:
        self._taker.update_firmware(firmware["location"], request_id)
        return self.results.UpdateFirmware(status="Accepted")

    @on("GetLog", skip_schema_validation=True)  # type: ignore[untyped-decorator]
    def _log(self, request_id: int, log: dict[str, Any], **_: Any) -> Any:
        name = self._taker.upload_log(log["remote_location"], request_id)
        return self.results.GetLog(status="Accepted", filename=name)

    def _told(self, asked: dict[str, Any]) -> dict[str, Any]:
        if _named(asked) == _named(_SHOWS_COST):
            return _named(asked) | {"attribute_status": "Accepted", "attribute_value": "true"}
        key = _key(asked)
        known, _ = self._taker.upkeep.get([key])
        if known:
            return _named(asked) | {"attribute_status": "Accepted", "attribute_value": known[0]["value"]}
        if self._taker.upkeep.is_hidden(key):
            return _named(asked) | {"attribute_status": "Rejected"}
        return _named(asked) | {"attribute_status": _unknown(asked)}

    def _changed(self, asked: dict[str, Any]) -> dict[str, Any]:
        status = self._taker.upkeep.set(_key(asked), asked["attribute_value"])
        return _named(asked) | {"attribute_status": _unknown(asked) if status == "NotSupported" else status}


def _key(asked: dict[str, Any]) -> str:
    """The name in 1.6; empty for what that does not have."""
    component, variable = asked["component"], asked["variable"]
    instance = f"[{variable['instance']}]" if "instance" in variable else ""
    known = known_key(f"{component['name']}.{variable['name']}{instance}")
    return known.key if known is not None else ""


def _named(asked: dict[str, Any]) -> dict[str, Any]:
    return {"component": asked["component"], "variable": asked["variable"]}


def _unknown(asked: dict[str, Any]) -> str:
    return "UnknownVariable" if asked["component"]["name"] in _COMPONENTS else "UnknownComponent"


def _reported(setting: dict[str, Any]) -> dict[str, Any] | None:
    """An entry of a report; none for a setting that 2.x does not have."""
    known = known_key(setting["key"])
    if known is None or not known.variable:
        return None
    component, _, variable = known.variable.partition(".")
    mutability = "ReadOnly" if setting["readonly"] else "ReadWrite"
    return {
        "component": {"name": component},
        "variable": {"name": variable},
        "variable_attribute": [{"value": setting["value"], "mutability": mutability}],
        "variable_characteristics": {"data_type": "string", "supports_monitoring": False},
    }


def _listed(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry of the list as 1.6 has it."""
    said = {"id_tag": entry["id_token"]["id_token"]}
    return said | {"id_tag_info": entry["id_token_info"]} if "id_token_info" in entry else said
