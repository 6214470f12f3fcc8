"""Carries out what the hub's own operator asks of a station that speaks OCPP 2.x."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from adapters.kit.manifest import OperationResult
from adapters.ocpp import installed_certificates
from adapters.ocpp.operating import (
    Answer,
    Asking,
    Ended,
    Run,
    composite,
    from_data,
    list_version,
    of_changes,
    raw,
    run_of,
    send_list,
    simple,
    to_data,
    to_log,
    to_raw,
    to_result,
)
from adapters.ocpp.schedules import tenths
from adapters.ocpp.station import Station
from adapters.ocpp.tokens import TokenForm, Tokens, identifier
from adapters.ocpp.v201 import charging_profiles, monitors, network_profiles, places, prices, variables
from adapters.ocpp.v201 import operation_frames as frames
from adapters.ocpp.v201.course import Course
from adapters.ocpp.v201.courses import Courses
from adapters.ocpp.v201.dynamic import DynamicLimits
from adapters.ocpp.v201.edition import Edition, Payload
from adapters.ocpp.v201.reports import Report, Reports
from adapters.ocpp.v201.triggering import ask_statuses
from contracts.messages import OperationRequested
from contracts.messages.asked import Operation
from contracts.messages.device_model import (
    AdjustStream,
    ReportComponents,
    ReportStreams,
    SetMonitoringBase,
    SetMonitoringLevel,
)
from contracts.messages.operation import (
    CallRaw,
    ChangeAvailability,
    ChangeDynamicLimit,
    CheckTransaction,
    ClearCache,
    ClearChargingProfiles,
    ClearMonitors,
    ClearTariffs,
    ClearText,
    ConfigurationResult,
    ConfigurationTold,
    GetCompositeSchedule,
    GetConfiguration,
    GetLocalListVersion,
    RaiseSecurityProfile,
    ReportCustomer,
    ReportMonitors,
    ReportProfiles,
    ReportTariffs,
    ReportTexts,
    Reset,
    SendCertificate,
    SendLocalList,
    SetChargingProfile,
    SetConfiguration,
    SetMonitor,
    SetTariff,
    ShowText,
    TransactionTold,
    TransferData,
    Trigger,
    UpdateCost,
    UpdateFirmware,
    UploadLog,
    UsePriorityCharging,
)
from contracts.messages.publishing import PublishFirmware, UnpublishFirmware
from contracts.messages.trust import (
    DeleteCertificate,
    GetInstalledCertificates,
    InstallCertificate,
)
from contracts.messages.web_payment import ExpectPayment
from contracts.vocabulary import OperationOutcome, TriggeredMessage

AT_ONCE: Final = 20
"""How many variables are asked for in one request; a station that takes fewer is asked for each by itself."""


class Operations:
    """``carry_out`` is a ``CarryOutOperation`` for one edition."""

    def __init__(
        self,
        *,
        courses: Courses,
        tokens: Tokens,
        reports: Reports,
        dynamic: DynamicLimits,
        edition: Edition,
        now: Callable[[], datetime],
    ) -> None:
        self._courses = courses
        self._dynamic = dynamic
        self._tokens = tokens
        self._reports = reports
        self._edition = edition
        self._now = now

    async def carry_out(self, station: Station, request: OperationRequested) -> OperationResult:
        """See ``asking.CarryOutOperation``."""
        asking = _Asking(
            station=station,
            request=request,
            schemas=self._edition.schemas,
            now=self._now,
            courses=self._courses,
            tokens=self._tokens,
            form=identifier(self._edition.longest_token),
            reports=self._reports,
            dynamic=self._dynamic,
            is_certificate_numbered=self._edition.numbers_certificates,
        )
        try:
            return await run_of(_RUNS, request.operation)(asking, request.operation)
        except Ended as ended:
            return ended.result


@dataclass(frozen=True, kw_only=True)
class _Asking(Asking):
    courses: Courses
    tokens: Tokens
    form: TokenForm
    reports: Reports
    dynamic: DynamicLimits
    is_certificate_numbered: bool

    def require(self, action: str, what: str) -> None:
        """Raises ``Ended`` where the version does not have it."""
        if action not in self.schemas.actions:
            raise Ended(OperationOutcome.NOT_SUPPORTED, f"{self.station.protocol} has no {what}")

    def running(self, told_id: str) -> Course:
        """Raises ``Ended``."""
        found = self.courses.find_told(self.station.id, told_id)
        if found is None or found.ended_at is not None or found.place is None:
            raise Ended(OperationOutcome.UNKNOWN, "no such charge runs there")
        return found

    def begun(self, told_id: str) -> Course:
        """Whether or not it is over. Raises ``Ended``."""
        found = self.courses.find_told(self.station.id, told_id)
        if found is None:
            raise Ended(OperationOutcome.UNKNOWN, "no such charge is known there")
        return found


def _all_told(results: Sequence[OperationResult]) -> OperationResult:
    """Of several requests for one thing: the first that was refused."""
    refused = (result for result in results if result.outcome is not OperationOutcome.ACCEPTED)
    return next(refused, results[0])


async def _trigger(asking: _Asking, operation: Trigger) -> OperationResult:
    """A status is of one connector; where all are meant, each is asked for."""
    if operation.what is not TriggeredMessage.STATUS or operation.connector_id:
        return to_result(await asking.say(*frames.from_trigger(operation)))

    async def say(payload: Payload) -> OperationResult:
        return to_result(await asking.say("TriggerMessage", payload))

    def is_taken(result: OperationResult) -> bool:
        return result.outcome is OperationOutcome.ACCEPTED

    return _all_told([result async for result in ask_statuses(asking.station, say, is_taken)])


async def _get_configuration(asking: _Asking, operation: GetConfiguration) -> OperationResult:
    """GetVariables; for all settings a report."""
    if not operation.keys:
        return await _report(asking, "GetBaseReport", {"reportBase": "ConfigurationInventory"})
    asked = [(key, variables.from_name(key)) for key in operation.keys]
    wanted = [variable for _, variable in asked if variable is not None]
    told: list[Answer] = []
    for start in range(0, len(wanted), AT_ONCE):
        told += await _variables(asking, wanted[start : start + AT_ONCE])
    return variables.of_answers(told, unasked=[key for key, variable in asked if variable is None])


async def _variables(asking: _Asking, wanted: Sequence[Payload]) -> list[Answer]:
    """How many fit into a request is the station's choice (DeviceDataCtrlr.ItemsPerMessage): more are an error."""
    try:
        answer = await asking.say("GetVariables", {"getVariableData": list(wanted)})
    except Ended as ended:
        if len(wanted) == 1 or ended.result.outcome is not OperationOutcome.FAILED:
            raise
        return [told for each in wanted for told in await _variables(asking, [each])]
    told: list[Answer] = answer["getVariableResult"]
    return told


async def _report_components(asking: _Asking, operation: ReportComponents) -> OperationResult:
    return await _report(asking, *monitors.from_components(operation))


async def _report(asking: _Asking, action: str, said: Payload) -> OperationResult:
    """GetBaseReport (B07) or GetReport (B08), and the pieces of the report. What came of one that breaks off is
    told."""
    with asking.reports.expect(asking.station.id) as report:
        answer = await asking.say(action, {"requestId": report.request_id, **said})
        result = to_result(answer)
        if result.outcome is not OperationOutcome.ACCEPTED or answer["status"] == "EmptyResultSet":
            is_empty = result.outcome is OperationOutcome.ACCEPTED
            told = ConfigurationTold() if is_empty else None
            return OperationResult(outcome=result.outcome, detail=result.detail, told=told)
        return await _awaited(asking, report)


async def _awaited(asking: _Asking, report: Report) -> OperationResult:
    outcome, detail = OperationOutcome.ACCEPTED, None
    try:
        async with asyncio.timeout(max(0.1, (asking.request.deadline - asking.now()).total_seconds())):
            await report.ended.wait()
    except TimeoutError:
        outcome, detail = OperationOutcome.TIMEOUT, "the station did not finish its report"
    if report.is_lost:
        outcome, detail = OperationOutcome.OFFLINE, "the connection broke off before the report ended"
    elif report.is_cut:
        detail = f"cut after {len(report.values)} settings: ask for the others by name"
    return OperationResult(outcome=outcome, detail=detail, told=ConfigurationTold(values=report.values))


async def _set_configuration(asking: _Asking, operation: SetConfiguration) -> OperationResult:
    """One request for each entry; the first that finds no answer ends it, since nobody knows the rest."""
    results: list[ConfigurationResult] = []
    for entry in operation.entries:
        variable = variables.from_name(entry.key)
        if variable is None:
            refused = OperationOutcome.UNKNOWN
            results.append(ConfigurationResult(key=entry.key, outcome=refused, detail=variables.NO_SUCH_SETTING))
            continue
        try:
            answer = await asking.say("SetVariables", {"setVariableData": [variable | {"attributeValue": entry.value}]})
        except Ended as ended:
            results.append(ConfigurationResult(key=entry.key, outcome=ended.result.outcome, detail=ended.result.detail))
            break
        results.append(variables.to_change(entry.key, answer))
    return of_changes(results)


async def _send_list(asking: _Asking, operation: SendLocalList) -> OperationResult:
    """A token that no ``idToken`` can be is left out."""
    fitting = [entry for entry in operation.entries if asking.form.fits(entry.token_uid)]
    payload: dict[str, Any] = {
        "versionNumber": operation.version,
        "updateType": "Full" if operation.is_full else "Differential",
    }
    if fitting:
        payload["localAuthorizationList"] = [
            frames.from_list_entry(entry, group=asking.tokens.to_parent_id_tag(entry.group_id, asking.form))
            for entry in fitting
        ]
    number = len(operation.entries) - len(fitting)
    left_out = f"{number} tokens that OCPP 2.x cannot write left out" if number else ""
    return await send_list(asking, payload, version="versionNumber", left_out=left_out)


async def _set_profile(asking: _Asking, operation: SetChargingProfile) -> OperationResult:
    limits, station_id = operation.schedule.limits, asking.station.id
    if operation.is_dynamic:
        asking.require("UpdateDynamicSchedule", "dynamic profiles")
        if len(limits) != 1:
            raise Ended(OperationOutcome.FAILED, "a dynamic profile has one limit, without a time")
    place, transaction_id = operation.connector_id or 0, None
    if operation.transaction_id is not None:
        running = asking.running(operation.transaction_id)
        place, transaction_id = running.place or 0, running.transaction_id
    evse_id, _ = places.from_number(place)
    payload = charging_profiles.from_profile(operation, evse_id=evse_id, transaction_id=transaction_id)
    result = to_result(await asking.say("SetChargingProfile", payload))
    if result.outcome is OperationOutcome.ACCEPTED:
        asking.dynamic.forget(station_id, operation.profile_id)
        if operation.is_dynamic:
            asking.dynamic.put(station_id, operation.profile_id, tenths(limits[0].limit))
    return result


async def _change_limit(asking: _Asking, operation: ChangeDynamicLimit) -> OperationResult:
    result = to_result(await asking.say(*frames.from_dynamic_limit(operation)))
    if result.outcome is OperationOutcome.ACCEPTED:
        asking.dynamic.put(asking.station.id, operation.profile_id, tenths(operation.limit))
    return result


async def _clear_profiles(asking: _Asking, operation: ClearChargingProfiles) -> OperationResult:
    """An id stands alone: a station need not look at criteria beside it, and would take more than was meant."""
    beside = (operation.connector_id, operation.purpose, operation.stack_level)
    if operation.profile_id is not None and any(said is not None for said in beside):
        raise Ended(OperationOutcome.FAILED, "OCPP 2.x clears by profile_id or by the other fields, not by both")
    results = [to_result(await asking.say(*request)) for request in frames.from_clear_profiles(operation)]
    done = next((result for result in results if result.outcome is OperationOutcome.ACCEPTED), None)
    if done is not None:
        # Of which profiles went by criteria the station says nothing: it keeps what it has when it asks in vain
        asking.dynamic.forget(asking.station.id, operation.profile_id)
    return done or results[0]


async def _composite(asking: _Asking, operation: GetCompositeSchedule) -> OperationResult:
    evse_id, _ = places.from_number(operation.connector_id or 0)
    payload: Payload = {"evseId": evse_id, "duration": operation.duration}
    if operation.unit is not None:
        payload["chargingRateUnit"] = operation.unit.value
    return await composite(asking, payload, charging_profiles.to_schedule)


async def _set_tariff(asking: _Asking, operation: SetTariff) -> OperationResult:
    """2.1, I07 for all charges to come, I09 for one that runs."""
    tariff = prices.from_tariff(operation.tariff)
    if operation.transaction_id is None:
        evse_id, _ = places.from_number(operation.connector_id or 0)
        return to_result(await asking.say("SetDefaultTariff", {"evseId": evse_id, "tariff": tariff}))
    transaction_id = asking.running(operation.transaction_id).transaction_id
    said = {"transactionId": transaction_id, "tariff": tariff}
    return to_result(await asking.say("ChangeTransactionTariff", said))


async def _update_cost(asking: _Asking, operation: UpdateCost) -> OperationResult:
    """I02 while it runs; after its end the final cost (I03). That is known only when the hub has priced the charge,
    which is later than the answer to the event."""
    transaction_id = asking.begun(operation.transaction_id).transaction_id
    said = {"totalCost": float(operation.total_cost), "transactionId": transaction_id}
    return to_result(await asking.say("CostUpdated", said))


async def _use_priority(asking: _Asking, operation: UsePriorityCharging) -> OperationResult:
    """2.1, K21."""
    transaction_id = asking.running(operation.transaction_id).transaction_id
    said = {"transactionId": transaction_id, "activate": operation.is_active}
    return to_result(await asking.say("UsePriorityCharging", said))


async def _show_text(asking: _Asking, operation: ShowText) -> OperationResult:
    told_id = operation.transaction_id
    transaction_id = None if told_id is None else asking.running(told_id).transaction_id
    return to_result(await asking.say(*frames.from_text(operation, transaction_id=transaction_id)))


async def _check_transaction(asking: _Asking, operation: CheckTransaction) -> OperationResult:
    """E14. Also of a charge that has ended: what the station has not yet told may be of that."""
    said: Payload = {}
    if operation.transaction_id is not None:
        found = asking.courses.find_told(asking.station.id, operation.transaction_id)
        if found is None:
            raise Ended(OperationOutcome.UNKNOWN, "no such charge is known there")
        said["transactionId"] = found.transaction_id
    answer = await asking.say("GetTransactionStatus", said)
    told = TransactionTold(is_running=answer.get("ongoingIndicator"), has_more=answer["messagesInQueue"])
    return OperationResult(outcome=OperationOutcome.ACCEPTED, told=told)


def _to_cleared(answer: Answer) -> OperationResult:
    """ClearTariffs: each tariff has a status of its own."""
    results = [to_result(each) for each in answer["clearTariffsResult"]]
    return to_raw(answer, _all_told(results) if results else OperationResult(outcome=OperationOutcome.UNKNOWN))


async def _send_certificate(asking: _Asking, operation: SendCertificate) -> OperationResult:
    is_numbered = asking.is_certificate_numbered
    return to_result(await asking.say(*frames.from_certificate(operation, is_numbered=is_numbered)))


_RUNS: Final[dict[type[Operation], Run]] = {
    Reset: simple(frames.from_reset),
    ChangeAvailability: simple(frames.from_availability),
    Trigger: _trigger,
    ClearCache: simple(lambda _: ("ClearCache", {})),
    GetConfiguration: _get_configuration,
    SetConfiguration: _set_configuration,
    GetLocalListVersion: list_version("versionNumber"),
    SendLocalList: _send_list,
    SetChargingProfile: _set_profile,
    ClearChargingProfiles: _clear_profiles,
    GetCompositeSchedule: _composite,
    UpdateFirmware: simple(frames.from_update),
    UploadLog: simple(frames.from_upload, to_log),
    SendCertificate: _send_certificate,
    ChangeDynamicLimit: _change_limit,
    UsePriorityCharging: _use_priority,
    ReportProfiles: simple(frames.from_profiles),
    CheckTransaction: _check_transaction,
    UpdateCost: _update_cost,
    SetTariff: _set_tariff,
    ReportTariffs: simple(frames.from_tariff_query, to_raw),
    ClearTariffs: simple(frames.from_clear_tariffs, _to_cleared),
    ShowText: _show_text,
    ClearText: simple(lambda operation: ("ClearDisplayMessage", {"id": operation.text_id})),
    ReportTexts: simple(lambda operation: ("GetDisplayMessages", {"requestId": operation.request_id})),
    ReportCustomer: simple(frames.from_customer),
    SetMonitor: simple(monitors.from_monitor, monitors.to_set),
    ClearMonitors: simple(monitors.from_clear, monitors.to_cleared),
    ReportMonitors: simple(monitors.from_report),
    ReportComponents: _report_components,
    SetMonitoringBase: simple(monitors.from_base),
    SetMonitoringLevel: simple(monitors.from_level),
    ReportStreams: simple(lambda _: ("GetPeriodicEventStream", {}), to_raw),
    AdjustStream: simple(monitors.from_stream),
    PublishFirmware: simple(frames.from_publish),
    UnpublishFirmware: simple(lambda operation: ("UnpublishFirmware", {"checksum": operation.checksum})),
    ExpectPayment: simple(frames.from_payment),
    InstallCertificate: installed_certificates.install,
    GetInstalledCertificates: installed_certificates.get_installed,
    DeleteCertificate: simple(installed_certificates.from_delete),
    RaiseSecurityProfile: network_profiles.raise_profile,
    TransferData: simple(from_data, to_data),
    CallRaw: raw,
}
OPERATIONS: Final = tuple(_RUNS)
"""What these versions can carry out."""
