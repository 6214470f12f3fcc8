"""Has a 2.x station come by another security profile: a network profile is written beside those that it uses, put
before them, and taken after a restart. OCPP 2.0.1 part 2, A05, B09 and B10."""

from typing import Any, Final

from adapters.kit.manifest import OperationResult
from adapters.ocpp.operating import Asking, Ended, to_result, words
from adapters.ocpp.v201 import operation_frames as frames
from adapters.ocpp.v201 import variables
from adapters.ocpp.v201.edition import Payload
from contracts.messages.operation import RaiseSecurityProfile, Reset
from contracts.vocabulary import OperationOutcome

ANSWER_SECONDS: Final = 30
"""How long the station waits for answers of ours."""
_PRIORITY: Final[Payload] = {
    "component": {"name": "OCPPCommCtrlr"},
    "variable": {"name": "NetworkConfigurationPriority"},
}
_NAMES: Final = {"ocpp2.0.1": ("OCPP20", "Wired0"), "ocpp2.1": ("OCPP21", "Any")}
"""How a network profile names the version, and the line where none is said."""


async def raise_profile(asking: Asking, operation: RaiseSecurityProfile) -> OperationResult:
    """What the station uses now stays on its list behind the new one, so that it comes back by it when the new one
    fails. Raises ``Ended``."""
    if operation.url is None:
        raise Ended(OperationOutcome.FAILED, "url: say where an OCPP 2.x station then comes, without its identity")
    used = await _priority(asking)
    slot = operation.slot if operation.slot is not None else next(n for n in range(1, 100) if str(n) not in used)
    version, line = _NAMES[asking.station.protocol]
    profile = {
        "ocppVersion": version,
        "ocppTransport": "JSON",
        "ocppCsmsUrl": operation.url,
        "messageTimeout": ANSWER_SECONDS,
        "securityProfile": operation.profile,
        "ocppInterface": operation.interface or line,
    }
    said = {"configurationSlot": slot, "connectionData": profile}
    _go_on("network profile", await asking.say("SetNetworkProfile", said))
    order = ",".join([str(slot), *(number for number in used if number != str(slot))])
    answer = await asking.say("SetVariables", {"setVariableData": [_PRIORITY | {"attributeValue": order}]})
    changed = variables.to_change("NetworkConfigurationPriority", answer)
    if changed.outcome not in (OperationOutcome.ACCEPTED, OperationOutcome.REBOOT_REQUIRED):
        raise Ended(changed.outcome, f"NetworkConfigurationPriority: {changed.detail or changed.outcome}")
    return to_result(await asking.say(*frames.from_reset(Reset())))


async def _priority(asking: Asking) -> list[str]:
    """The slots that the station uses, the first first."""
    told = (await asking.say("GetVariables", {"getVariableData": [_PRIORITY]}))["getVariableResult"][0]
    if told["attributeStatus"] != "Accepted":
        detail = words(str(told["attributeStatus"]), told.get("attributeStatusInfo"))
        raise Ended(OperationOutcome.REJECTED, f"NetworkConfigurationPriority: {detail}")
    return [number.strip() for number in str(told.get("attributeValue") or "").split(",") if number.strip()]


def _go_on(what: str, answer: dict[str, Any]) -> None:
    result = to_result(answer)
    if result.outcome is not OperationOutcome.ACCEPTED:
        raise Ended(result.outcome, f"{what}: {result.detail}")
