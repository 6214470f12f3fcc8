"""What stations answered and say of their upkeep, and what they did not answer in time."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import structlog

from contracts.masking import vendor_data
from contracts.messages import (
    CertificateRequested,
    CommandAnswered,
    FirmwareStatusReported,
    LogStatusReported,
    OperationAnswered,
    SecurityEventReported,
    StationReported,
    VendorDataReceived,
)
from contracts.messages.operation import AnyTold, DataTold, RawTold
from contracts.topics import EVENTS
from roaming.operations import local_lists, records
from roaming.operations.certificates import CERTIFICATE_REQUEST, WAITING
from roaming.operations.orders import masked_json
from roaming.operations.records import LastReport, Report
from roaming.store.columns import storable_text
from roaming.store.consume import Projection, Received
from roaming.store.database import Database, Work
from roaming.store.errors import StoreUnavailable

LOOK_EVERY = 0.5
LONGEST_BODY = 16_384
CUSTOMER = "NotifyCustomerInformation"
"""Of REPORT_CUSTOMER: a text for the driver, all of it about them (OCPP 2.0.1 part 2, N09)."""
_ENCODER = msgspec.json.Encoder(decimal_format="number")

logger = structlog.get_logger(__name__)


async def handle(work: Work, batch: Sequence[Received]) -> None:
    """The projection ``operations``."""
    reports: list[Report] = []
    last: dict[tuple[str, str, str], LastReport] = {}
    for received in batch:
        match received.message:
            case OperationAnswered() as message:
                await _answered(work, message.operation_id, message.outcome.value, message.detail, _told(message.told))
            case CommandAnswered() as message:
                await _answered(work, message.command_id, message.outcome.value, message.detail, "")
            case StationReported() as message:
                key = (message.network, message.station_id, message.kind)
                last[key] = to_last_report(message, received.envelope.occurred_at, after=last.get(key))
            case _:
                report = to_report(received)
                if report is not None:
                    reports.append(report)
    await records.insert_reports(work.connection, reports)
    await records.count_reports(work.connection, [last[key] for key in sorted(last)])
    work.wake("operations")


async def _answered(work: Work, id: str, outcome: str, detail: str | None, told: str) -> None:
    """A partner's command has its record elsewhere: nothing is found here then."""
    text = storable_text(detail or "")
    told = storable_text(told)
    record = await records.finish(work.connection, id, outcome=outcome, detail=text, told=told, now=work.now)
    if record is not None:
        await local_lists.ended(work, record)


def _told(told: AnyTold | None) -> str:
    match told:
        case RawTold():
            told = RawTold(payload=masked_json(told.payload))
        case DataTold(data=str() as data):
            told = DataTold(data=vendor_data(data))
    return _ENCODER.encode(told).decode() if told is not None else ""


def to_report(received: Received) -> Report | None:
    """What a station said, for the record; ``None`` for what is no report."""
    message: Any = received.message
    match message:
        case FirmwareStatusReported():
            said = {"kind": "FIRMWARE", "status": message.status.value, "detail": message.word}
        case LogStatusReported():
            said = {"kind": "LOG", "status": message.status.value, "detail": message.word}
        case SecurityEventReported():
            said = {"kind": "SECURITY", "status": message.event, "detail": message.info or ""}
        case VendorDataReceived():
            status = f"{message.vendor_id} {message.message_id or ''}".strip()
            said = {"kind": "VENDOR_DATA", "status": status, "detail": vendor_data(message.data or "")}
        case CertificateRequested():
            said = {"kind": CERTIFICATE_REQUEST, "detail": message.signing_request}
            said["status"] = message.objection or ("CONTRACTS" if message.is_for_contracts else WAITING)
        case _:
            return None
    number = getattr(message, "request_id", None)
    return Report(
        id=received.envelope.id,
        network=message.network,
        station_id=message.station_id,
        at=received.envelope.occurred_at,
        request_id="" if number is None else str(number),
        **{name: storable_text(text) for name, text in said.items()},
    )


def to_last_report(message: StationReported, at: datetime, *, after: LastReport | None) -> LastReport:
    """One more of its kind. Secrets and tokens in it are masked, but for what an operator has asked of one driver."""
    body = message.body if message.kind == CUSTOMER else masked_json(message.body)
    return LastReport(
        network=message.network,
        station_id=message.station_id,
        kind=storable_text(message.kind),
        times=1 if after is None else after.times + 1,
        at=at,
        connector_id=message.connector_id,
        transaction_id=storable_text(message.transaction_id or ""),
        body=storable_text(body) if 0 < len(message.body) <= LONGEST_BODY else "",
    )


PROJECTION = Projection(
    consumer="operations",
    topics=(EVENTS,),
    messages=(
        OperationAnswered,
        CommandAnswered,
        FirmwareStatusReported,
        LogStatusReported,
        SecurityEventReported,
        VendorDataReceived,
        CertificateRequested,
        StationReported,
    ),
    handle=handle,
)


async def watch_deadlines(database: Database) -> None:
    """Marks what nobody answered in time, until cancelled."""
    while True:
        try:
            async with database.work() as work:
                for record in await records.expire(work.connection, work.now):
                    logger.info("station_did_not_answer", station=record.station_id, kind=record.kind, id=record.id)
                    await local_lists.ended(work, record)
        except StoreUnavailable as error:
            logger.warning("operations_wait", reason=str(error))
        await asyncio.sleep(LOOK_EVERY)
