"""Components and monitors of their variables, set, cleared and reported at an operator's wish (OCPP 2.0.1 part 2, B08,
and N02 to N06). Pure."""

from collections.abc import Sequence
from typing import Any, Final

from adapters.kit.manifest import OperationResult
from adapters.ocpp.operating import Answer, Ended, Request, to_raw, to_result, without_none
from adapters.ocpp.v201 import variables
from adapters.ocpp.v201.edition import Payload
from contracts.messages.device_model import AdjustStream, ReportComponents, SetMonitoringBase, SetMonitoringLevel
from contracts.messages.operation import ClearMonitors, ReportMonitors, SetMonitor
from contracts.vocabulary import ComponentCriterion, MonitoringBase, MonitorKind, OperationOutcome

_KINDS: Final = {
    MonitorKind.UPPER_THRESHOLD: "UpperThreshold",
    MonitorKind.LOWER_THRESHOLD: "LowerThreshold",
    MonitorKind.DELTA: "Delta",
    MonitorKind.PERIODIC: "Periodic",
    MonitorKind.PERIODIC_CLOCK_ALIGNED: "PeriodicClockAligned",
}

_BASES: Final = {
    MonitoringBase.ALL: "All",
    MonitoringBase.FACTORY_DEFAULT: "FactoryDefault",
    MonitoringBase.HARD_WIRED_ONLY: "HardWiredOnly",
}
_CRITERIA: Final = {
    ComponentCriterion.ACTIVE: "Active",
    ComponentCriterion.AVAILABLE: "Available",
    ComponentCriterion.ENABLED: "Enabled",
    ComponentCriterion.PROBLEM: "Problem",
}


def from_monitor(operation: SetMonitor) -> Request:
    """N04. Raises ``Ended`` for a name that 2.x cannot have."""
    said: dict[str, Any] = {
        "type": _KINDS[operation.monitor],
        "value": float(operation.value),
        "severity": operation.severity,
        **_variable(operation.variable),
    }
    if operation.monitor_id is not None:
        said["id"] = operation.monitor_id
    return "SetVariableMonitoring", {"setMonitoringData": [said]}


def from_clear(operation: ClearMonitors) -> Request:
    """N06."""
    return "ClearVariableMonitoring", {"id": list(operation.monitor_ids)}


def from_report(operation: ReportMonitors) -> Request:
    """N02."""
    said: Payload = {"requestId": operation.request_id}
    if operation.variables:
        said["componentVariable"] = [_variable(name) for name in operation.variables]
    return "GetMonitoringReport", said


def from_components(operation: ReportComponents) -> Request:
    """B08. Raises ``Ended`` for a name that 2.x cannot have."""
    said: Payload = {}
    if operation.criteria:
        said["componentCriteria"] = [_CRITERIA[criterion] for criterion in operation.criteria]
    if operation.names:
        found = [(name, variables.from_part(name)) for name in operation.names]
        for name, part in found:
            if part is None:
                raise Ended(OperationOutcome.UNKNOWN, f"{name[:100]}: name it Component or Component.Variable")
        said["componentVariable"] = [part for _, part in found]
    return "GetReport", said


def from_base(operation: SetMonitoringBase) -> Request:
    """N03."""
    return "SetMonitoringBase", {"monitoringBase": _BASES[operation.base]}


def from_level(operation: SetMonitoringLevel) -> Request:
    """N05."""
    return "SetMonitoringLevel", {"severity": operation.severity}


def from_stream(operation: AdjustStream) -> Request:
    """AdjustPeriodicEventStream (2.1)."""
    params = without_none({"interval": operation.interval, "values": operation.values})
    return "AdjustPeriodicEventStream", {"id": operation.stream_id, "params": params}


def to_set(answer: Answer) -> OperationResult:
    """With the number that the station gave it."""
    return _told(answer, answer["setMonitoringResult"])


def to_cleared(answer: Answer) -> OperationResult:
    """Each has a status of its own: the first that was refused counts."""
    return _told(answer, answer["clearMonitoringResult"])


def _told(answer: Answer, said: Sequence[Answer]) -> OperationResult:
    results = [to_result(each) for each in said]
    if not results:
        return to_raw(answer, OperationResult(outcome=OperationOutcome.FAILED, detail="the station said nothing of it"))
    refused = (result for result in results if result.outcome is not OperationOutcome.ACCEPTED)
    return to_raw(answer, next(refused, results[0]))


def _variable(name: str) -> Payload:
    found = variables.from_name(name)
    if found is None:
        raise Ended(OperationOutcome.UNKNOWN, f"{name[:100]}: {variables.NO_SUCH_SETTING}")
    return found
