"""What the stations on the PyPI package ``ocpp`` do besides charging when their operator says so: they tell and take
settings, fetch firmware, start anew."""

import asyncio
import urllib.request
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import ocpp.v16.call
import ocpp.v16.call_result
from ocpp.routing import after, on

HEARTBEAT = "HeartbeatInterval"
"""The one setting, in 2.x of the component ``OCPPCommCtrlr``."""


@dataclass
class Memory:
    """What a station keeps when it starts anew."""

    settings: dict[str, str] = field(default_factory=lambda: {HEARTBEAT: "300"})
    firmware: str = "1.0"
    fetched: str = ""
    """Firmware that runs from the next start on: the first line of its file."""
    is_reset: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """For what is said after the answer to a command."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def restart(self) -> None:
        """With the firmware that was fetched."""
        self.firmware = self.fetched or self.firmware
        self.is_reset.clear()

    async def update(self, url: str, say: Callable[[str], Awaitable[Any]]) -> None:
        """Fetches for real."""
        await say("Downloading")
        content = await asyncio.to_thread(_fetch, url)
        await say("Downloaded")
        await say("Installing")
        self.fetched = content.split(b"\n", 1)[0].decode()
        await say("Installed")


class Upkeep16:
    """OCPP 1.6."""

    memory: Memory

    @on("GetConfiguration")  # type: ignore[untyped-decorator]
    def _settings(self, key: list[str] | None = None, **_: Any) -> Any:
        known = self.memory.settings
        told = [{"key": name, "readonly": False, "value": known[name]} for name in key or known if name in known]
        unknown = [name for name in key or () if name not in known]
        return ocpp.v16.call_result.GetConfiguration(configuration_key=told, unknown_key=unknown)

    @on("ChangeConfiguration")  # type: ignore[untyped-decorator]
    def _change(self, key: str, value: str) -> Any:
        is_known = key in self.memory.settings
        if is_known:
            self.memory.settings[key] = value
        return ocpp.v16.call_result.ChangeConfiguration(status="Accepted" if is_known else "NotSupported")

    @on("TriggerMessage")  # type: ignore[untyped-decorator]
    def _trigger(self, requested_message: str, **_: Any) -> Any:
        return ocpp.v16.call_result.TriggerMessage(status=_obeyed(requested_message))

    @after("TriggerMessage")  # type: ignore[untyped-decorator]
    def _beat(self, requested_message: str, **_: Any) -> None:
        if requested_message == "Heartbeat":
            self.memory.spawn(self.say(ocpp.v16.call.Heartbeat()))  # type: ignore[attr-defined]

    @on("UpdateFirmware")  # type: ignore[untyped-decorator]
    def _update(self, **_: Any) -> Any:
        return ocpp.v16.call_result.UpdateFirmware()

    @after("UpdateFirmware")  # type: ignore[untyped-decorator]
    def _fetch(self, location: str, **_: Any) -> None:
        def say(status: str) -> Any:
            return self.say(ocpp.v16.call.FirmwareStatusNotification(status=status))  # type: ignore[attr-defined]

        self.memory.spawn(self.memory.update(location, say))

    @on("Reset")  # type: ignore[untyped-decorator]
    def _reset(self, **_: Any) -> Any:
        return ocpp.v16.call_result.Reset(status="Accepted")

    @after("Reset")  # type: ignore[untyped-decorator]
    def _restart(self, **_: Any) -> None:
        self.memory.is_reset.set()


class Upkeep2:
    """OCPP 2.0.1 and 2.1."""

    memory: Memory
    call_: Any
    result: Any

    @on("GetVariables")  # type: ignore[untyped-decorator]
    def _settings(self, get_variable_data: list[dict[str, Any]], **_: Any) -> Any:
        return self.result.GetVariables(get_variable_result=[self._told(wanted) for wanted in get_variable_data])

    def _told(self, wanted: dict[str, Any]) -> dict[str, Any]:
        place = {"component": wanted["component"], "variable": wanted["variable"]}
        value = self.memory.settings.get(wanted["variable"]["name"])
        if value is None:
            return {"attribute_status": "UnknownVariable", **place}
        return {"attribute_status": "Accepted", "attribute_value": value, **place}

    @on("SetVariables")  # type: ignore[untyped-decorator]
    def _change(self, set_variable_data: list[dict[str, Any]], **_: Any) -> Any:
        results: list[dict[str, Any]] = []
        for wanted in set_variable_data:
            name = wanted["variable"]["name"]
            is_known = name in self.memory.settings
            if is_known:
                self.memory.settings[name] = wanted["attribute_value"]
            status = "Accepted" if is_known else "UnknownVariable"
            place = {"component": wanted["component"], "variable": wanted["variable"]}
            results.append({"attribute_status": status, **place})
        return self.result.SetVariables(set_variable_result=results)

    @on("TriggerMessage")  # type: ignore[untyped-decorator]
    def _trigger(self, requested_message: str, **_: Any) -> Any:
        return self.result.TriggerMessage(status=_obeyed(requested_message))

    @after("TriggerMessage")  # type: ignore[untyped-decorator]
    def _beat(self, requested_message: str, **_: Any) -> None:
        if requested_message == "Heartbeat":
            self.memory.spawn(self.say(self.call_.Heartbeat()))  # type: ignore[attr-defined]

    @on("UpdateFirmware")  # type: ignore[untyped-decorator]
    def _update(self, **_: Any) -> Any:
        return self.result.UpdateFirmware(status="Accepted")

    @after("UpdateFirmware")  # type: ignore[untyped-decorator]
    def _fetch(self, request_id: int, firmware: dict[str, Any], **_: Any) -> None:
        def say(status: str) -> Any:
            said = self.call_.FirmwareStatusNotification(status=status, request_id=request_id)
            return self.say(said)  # type: ignore[attr-defined]

        self.memory.spawn(self.memory.update(firmware["location"], say))

    @on("Reset")  # type: ignore[untyped-decorator]
    def _reset(self, **_: Any) -> Any:
        return self.result.Reset(status="Accepted")

    @after("Reset")  # type: ignore[untyped-decorator]
    def _restart(self, **_: Any) -> None:
        self.memory.is_reset.set()


def _obeyed(requested_message: str) -> str:
    return "Accepted" if requested_message == "Heartbeat" else "NotImplemented"


def _fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:
        content: bytes = answer.read()
        return content
