"""OCPP 2.1 as a table: what it has beside and instead of 2.0.1."""

from datetime import UTC, datetime
from typing import Final

from adapters.ocpp.moments import from_time
from adapters.ocpp.v201 import edition
from adapters.ocpp.v201.edition import Edition, Payload
from adapters.ocpp.v201.schemas import in_folder


def _vat_number_unchecked(payload: Payload) -> Payload:
    """Nobody here asks a tax office."""
    return {"vatNumber": payload["vatNumber"], "status": "Rejected"}


def _certificates_unchecked(payload: Payload) -> Payload:
    """No certificate of a contract is looked up here: each is told as not to be found out now."""
    now = from_time(datetime.now(UTC))
    return {
        "certificateStatus": [
            {
                "certificateHashData": asked["certificateHashData"],
                "source": asked["source"],
                "status": "Failed",
                "nextUpdate": now,
            }
            for asked in payload["certificateStatusRequests"]
        ]
    }


EDITION: Final = Edition(
    subprotocol="ocpp2.1",
    schemas=in_folder("v21", occurrence="OccurrenceConstraintViolation"),
    longest_token=255,
    reported={
        **edition.REPORTED,
        "NotifySettlement": {},
        "NotifyDERAlarm": {},
        "NotifyDERStartStop": {},
        "ReportDERControl": {},
        "NotifyPriorityCharging": {},
        # A station opens one for a monitor that an operator has set (2.1 part 2, N11)
        "OpenPeriodicEventStream": {"status": "Accepted"},
        "ClosePeriodicEventStream": {},
        "NotifyPeriodicEventStream": {},
        "BatterySwap": {},
    },
    declined={
        **edition.DECLINED,
        "VatNumberValidation": _vat_number_unchecked,
        "GetCertificateChainStatus": _certificates_unchecked,
    },
    knows_send=True,
    numbers_certificates=True,
)
