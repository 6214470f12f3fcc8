"""What tells 2.0.1 and 2.1 apart. Everything else in this folder is both."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from adapters.ocpp.schemas import Schemas
from adapters.ocpp.v201.schemas import SCHEMAS

Payload = dict[str, Any]
Answer = Payload | Callable[[Payload], Payload]
"""Always the same, or made of the request."""


@dataclass(frozen=True, kw_only=True)
class Edition:
    """One 2.x."""

    subprotocol: str
    schemas: Schemas
    longest_token: int
    """Of an ``idToken``."""
    reported: Mapping[str, Payload]
    """Messages that the house has no word for: kept as they are, and answered so."""
    declined: Mapping[str, Answer]
    """Those that ask for what is not served here: answered so. That they came is told, not what they hold: secrets, and
    much."""
    knows_send: bool = False
    numbers_certificates: bool = False
    """Whether a request for a certificate and the certificate share a number."""


REPORTED: Final[Mapping[str, Payload]] = {
    "NotifyReport": {},
    "NotifyMonitoringReport": {},
    "NotifyChargingLimit": {},
    "ClearedChargingLimit": {},
    # Nobody here plans for a car: the station charges by the limits it has (OCPP 2.0.1, K15.FR.05)
    "NotifyEVChargingNeeds": {"status": "Rejected"},
    "NotifyEVChargingSchedule": {"status": "Accepted"},
    "ReportChargingProfiles": {},
    "PublishFirmwareStatusNotification": {},
    "NotifyDisplayMessages": {},
    "NotifyCustomerInformation": {},
    "ReservationStatusUpdate": {},
}
DECLINED: Final[Mapping[str, Answer]] = {
    "Get15118EVCertificate": {"status": "Failed", "exiResponse": ""},
    "GetCertificateStatus": {"status": "Failed"},
}

EDITION: Final = Edition(
    subprotocol="ocpp2.0.1",
    schemas=SCHEMAS,
    longest_token=36,
    reported=REPORTED,
    declined=DECLINED,
)
