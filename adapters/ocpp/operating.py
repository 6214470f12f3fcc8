"""What carrying out an operator's request is like in every version of OCPP. A version brings its table, from the class
of an operation to a ``Run``."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from adapters.kit.manifest import CommandResult, OperationResult
from adapters.ocpp.asking import ask
from adapters.ocpp.recording import memory_of
from adapters.ocpp.schemas import Schemas
from adapters.ocpp.station import Station
from adapters.ocpp.text import MAX_TEXT
from contracts.messages import ChargingSchedule, OperationRequested
from contracts.messages.asked import Operation
from contracts.messages.operation import (
    CallRaw,
    ConfigurationChanged,
    ConfigurationResult,
    DataTold,
    LocalListVersionTold,
    LogTold,
    RawTold,
    ScheduleTold,
    TransferData,
    UpdateFirmware,
    UploadLog,
)
from contracts.messages.publishing import PublishFirmware
from contracts.vocabulary import OperationOutcome, TokenChoice

Request = tuple[str, dict[str, Any]]
"""Action and payload."""
Answer = dict[str, Any]
Run = Callable[[Any, Any], Awaitable[OperationResult]]
"""Takes the version's ``Asking`` and the operation. Raises ``Ended``."""
MAX_RAW: Final = 65_536

OUTCOME: Final[Mapping[str, OperationOutcome]] = {
    "Accepted": OperationOutcome.ACCEPTED,
    "AcceptedCanceled": OperationOutcome.ACCEPTED,  # and an update or upload that ran was given up for it
    "EmptyResultSet": OperationOutcome.ACCEPTED,
    "Scheduled": OperationOutcome.SCHEDULED,
    "RebootRequired": OperationOutcome.REBOOT_REQUIRED,
    "Rejected": OperationOutcome.REJECTED,
    "NotImplemented": OperationOutcome.NOT_SUPPORTED,
    "NotSupported": OperationOutcome.NOT_SUPPORTED,
    "NotSupportedAttributeType": OperationOutcome.NOT_SUPPORTED,
    "Unknown": OperationOutcome.UNKNOWN,
    "UnknownComponent": OperationOutcome.UNKNOWN,
    "UnknownVariable": OperationOutcome.UNKNOWN,
    "UnknownMessageId": OperationOutcome.UNKNOWN,
    "UnknownVendorId": OperationOutcome.UNKNOWN,
    "VersionMismatch": OperationOutcome.VERSION_MISMATCH,
    "InvalidCertificate": OperationOutcome.REJECTED,
    "RevokedCertificate": OperationOutcome.REJECTED,
    "Invalid": OperationOutcome.REJECTED,
    "TooManyElements": OperationOutcome.REJECTED,
    "DuplicateTariffId": OperationOutcome.REJECTED,
    "NoCurrencyChange": OperationOutcome.REJECTED,
    "ConditionNotSupported": OperationOutcome.NOT_SUPPORTED,
    "NotSupportedMessageFormat": OperationOutcome.NOT_SUPPORTED,
    "NotSupportedPriority": OperationOutcome.NOT_SUPPORTED,
    "NotSupportedState": OperationOutcome.NOT_SUPPORTED,
    "LanguageNotSupported": OperationOutcome.NOT_SUPPORTED,
    "UnsupportedMonitorType": OperationOutcome.NOT_SUPPORTED,
    "Duplicate": OperationOutcome.REJECTED,
    "NotFound": OperationOutcome.UNKNOWN,
    "Unpublished": OperationOutcome.ACCEPTED,
    "NoFirmware": OperationOutcome.UNKNOWN,
    "DownloadOngoing": OperationOutcome.REJECTED,
    "NoProfile": OperationOutcome.UNKNOWN,
    "NoProfiles": OperationOutcome.UNKNOWN,
    "NoTariff": OperationOutcome.UNKNOWN,
    "TxNotFound": OperationOutcome.UNKNOWN,
    "UnknownTransaction": OperationOutcome.UNKNOWN,
}
"""The words of all versions: none means two things. A word that is not here is a failure, never success."""

CHOICES: Final = {
    TokenChoice.ACCEPTED: "Accepted",
    TokenChoice.BLOCKED: "Blocked",
    TokenChoice.EXPIRED: "Expired",
    TokenChoice.INVALID: "Invalid",
}
"""What stands with a token on a local list; one that is taken off stands without."""


class ToSchedule(Protocol):
    """How the version reads one; ``None``: there is none in the answer."""

    def __call__(
        self, answer: Mapping[str, Any], *, received_at: datetime, offset: timedelta
    ) -> ChargingSchedule | None: ...


class Ended(Exception):
    """There is nothing more to ask."""

    def __init__(self, outcome: OperationOutcome, detail: str) -> None:
        super().__init__(detail)
        self.result = OperationResult(outcome=outcome, detail=detail[:MAX_TEXT])


@dataclass(frozen=True, kw_only=True)
class Asking:
    """One operation at one station."""

    station: Station
    request: OperationRequested
    schemas: Schemas
    now: Callable[[], datetime]

    async def say(self, action: str, payload: dict[str, Any]) -> Answer:
        """The answer, fit for use. Raises ``Ended``, also for what the version does not have."""
        if action not in self.schemas.actions:
            raise Ended(OperationOutcome.NOT_SUPPORTED, f"{self.station.protocol} has no {action}")
        deadline = self.request.deadline
        answer = await ask(self.station, action, payload, schemas=self.schemas, deadline=deadline, now=self.now)
        if isinstance(answer, CommandResult):
            raise Ended(OperationOutcome(answer.outcome.value), answer.detail or "")
        return answer


def to_result(answer: Mapping[str, Any]) -> OperationResult:
    """By ``status``, with the station's words; an answer without one says that the station took it."""
    if "status" not in answer:
        return OperationResult(outcome=OperationOutcome.ACCEPTED)
    word = str(answer["status"])
    return OperationResult(
        outcome=OUTCOME.get(word, OperationOutcome.FAILED), detail=words(word, answer.get("statusInfo"))
    )


def words(status: str, info: Mapping[str, Any] | None) -> str:
    """A status and what 2.x says beside it (StatusInfoType)."""
    beside = [str(info[name]) for name in ("reasonCode", "additionalInfo") if info.get(name)] if info else []
    return ": ".join((status, *beside))[:MAX_TEXT]


def run_of(runs: Mapping[type[Operation], Run], operation: Operation) -> Run:
    """How the version carries it out. Raises ``Ended`` for what it cannot say."""
    run = runs.get(type(operation))
    if run is None:
        kind = type(operation).__struct_config__.tag
        raise Ended(OperationOutcome.NOT_SUPPORTED, f"the station's version of OCPP cannot say {kind}")
    return run


def to_raw(answer: Mapping[str, Any], result: OperationResult | None = None) -> OperationResult:
    """The outcome, and the whole answer."""
    result = result or to_result(answer)
    told = RawTold(payload=json.dumps(answer, ensure_ascii=False)[:MAX_RAW])
    return OperationResult(outcome=result.outcome, detail=result.detail, told=told)


def simple(to_frame: Callable[[Any], Request], read: Callable[[Answer], OperationResult] = to_result) -> Run:
    """What is one request and its answer."""

    async def run(asking: Asking, operation: Any) -> OperationResult:
        return read(await asking.say(*to_frame(operation)))

    return run


def of_changes(results: Sequence[ConfigurationResult]) -> OperationResult:
    """All told: the first that was refused, else whether a restart is needed. Raises ``Ended`` for none."""
    if not results:
        raise Ended(OperationOutcome.FAILED, "the operation needs entries")
    refused = [r for r in results if r.outcome not in (OperationOutcome.ACCEPTED, OperationOutcome.REBOOT_REQUIRED)]
    later = [r for r in results if r.outcome is OperationOutcome.REBOOT_REQUIRED]
    first = (refused or later or list(results))[0]
    detail = f"{first.key}: {first.detail}" if first.detail else None
    return OperationResult(outcome=first.outcome, detail=detail, told=ConfigurationChanged(results=tuple(results)))


def list_version(field: str) -> Run:
    """Which local list the station has, by the answer's field of that name."""

    async def run(asking: Asking, _operation: Any) -> OperationResult:
        version = int((await asking.say("GetLocalListVersion", {}))[field])
        outcome = OperationOutcome.NOT_SUPPORTED if version < 0 else OperationOutcome.ACCEPTED
        return OperationResult(outcome=outcome, told=LocalListVersionTold(version=version))

    return run


async def send_list(asking: Asking, payload: Answer, *, version: str, left_out: str) -> OperationResult:
    """SendLocalList. Where the version does not fit, the station is asked for its own, in the field ``version``.
    ``left_out``: what is not on the list and why, or nothing."""
    result = to_result(await asking.say("SendLocalList", payload))
    detail = f"{result.detail}; {left_out}" if left_out else result.detail
    told = None
    if result.outcome is OperationOutcome.VERSION_MISMATCH:
        told = LocalListVersionTold(version=int((await asking.say("GetLocalListVersion", {}))[version]))
    return OperationResult(outcome=result.outcome, detail=detail, told=told)


async def composite(asking: Asking, payload: Answer, to_schedule: ToSchedule) -> OperationResult:
    """GetCompositeSchedule. Raises ``Ended``."""
    answer = await asking.say("GetCompositeSchedule", payload)
    result = to_result(answer)
    if result.outcome is not OperationOutcome.ACCEPTED:
        return result
    schedule = to_schedule(answer, received_at=asking.now(), offset=memory_of(asking.station).clock.offset)
    if schedule is None:
        raise Ended(OperationOutcome.FAILED, "the station told no schedule")
    return OperationResult(outcome=result.outcome, detail=result.detail, told=ScheduleTold(schedule=schedule))


def from_data(operation: TransferData) -> Request:
    """DataTransfer (1.6, 5.6; 2.0.1 part 2, P01)."""
    said = {"vendorId": operation.vendor_id, "messageId": operation.message_id, "data": operation.data}
    return "DataTransfer", without_none(said)


def to_data(answer: Mapping[str, Any]) -> OperationResult:
    """With what the station said back; in 2.x that may be any JSON, told as its text."""
    result, data = to_result(answer), answer.get("data")
    if data is None:
        return result
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return OperationResult(outcome=result.outcome, detail=result.detail, told=DataTold(data=text[:MAX_RAW]))


def to_log(answer: Mapping[str, Any]) -> OperationResult:
    """The name of the file. GetDiagnostics without one: there is nothing to upload (1.6, 5.9)."""
    name = answer.get("filename") or answer.get("fileName")
    result = to_result(answer)
    return OperationResult(
        outcome=result.outcome, detail=result.detail, told=LogTold(file_name=str(name)[:MAX_TEXT] if name else None)
    )


def retries(operation: UpdateFirmware | UploadLog | PublishFirmware) -> dict[str, Any]:
    """The fields of that name."""
    return without_none({"retries": operation.retries, "retryInterval": operation.retry_interval})


def without_none(said: Mapping[str, Any]) -> dict[str, Any]:
    """What is said: OCPP leaves out what is not, and knows no null."""
    return {name: value for name, value in said.items() if value is not None}


async def raw(asking: Asking, operation: CallRaw) -> OperationResult:
    """Any request of the version that has an answer. Raises ``Ended``."""
    action, schemas = operation.action, asking.schemas
    if action not in schemas.actions or not schemas.has_answer(action):
        raise Ended(OperationOutcome.NOT_SUPPORTED, f"{asking.station.protocol} has no {action[:50]} that is answered")
    try:
        payload = json.loads(operation.payload)
    except ValueError as error:
        raise Ended(OperationOutcome.FAILED, f"payload: {error}") from None
    return to_raw(await asking.say(action, payload))
